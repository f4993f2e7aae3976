//! Connections on listeners that take more than plain HTTP: what is spoken, and where it goes.

use std::rc::Rc;
use std::time::Duration;

use mesh::plan::Listener;
use mesh::route::{self, Connection};
use tokio::net::TcpStream;
use tokio_rustls::StartHandshake;

use crate::accept::{ConnectionError, or_ending, plain_http};
use crate::drain::Member;
use crate::hello::{self, First, Hello};
use crate::serve::{Client, Secured};
use crate::stream::{Downstream, Stream};
use crate::view::View;
use crate::{http, tcp, tls};

/// For how long a client may be silent before it is taken to wait for the server's first word, on a port where TLS and
/// other protocols are told apart by the client's.
const SILENCE: Duration = Duration::from_secs(1);

/// Serves a connection to its end.
pub(crate) async fn begin(
    client: Client,
    mut stream: TcpStream,
    member: &Member,
) -> Result<(), ConnectionError> {
    let view = client.front.source.current();
    let Some(listener) = client.port().and_then(|port| view.plan.listener(port)) else {
        let downstream = Downstream::new(stream.into(), client.activity.resets());
        tcp::stranger(&client, &view, view.unknown_host(), downstream, Vec::new()).await;
        return Ok(());
    };
    let first = match patience(listener) {
        Looking::No => First::Silence,
        Looking::For(patience) => match or_ending(member, hello::first(&mut stream, patience)).await {
            Some(first) => first?,
            None => return Ok(()),
        },
    };
    let asked = asked(&client);
    match first {
        First::Tls(hello) => encrypted(client, &view, listener, stream, *hello, member).await,
        // Not TLS, where nothing else is taken.
        First::Other(_) | First::Silence if !listener.tls.is_empty() => {
            tcp::refuse(&client, &view, "*");
            Ok(())
        }
        // Letters in upper case: a method, on a port where HTTP is spoken too.
        First::Other(b'A'..=b'Z') if !listener.hosts.list.is_empty() => {
            plain_http(client, stream, member).await
        }
        First::Other(_) | First::Silence => {
            pass(&client, &view, listener, asked, stream, Vec::new()).await;
            Ok(())
        }
    }
}

/// What is known of a connection before anything is said on it.
fn asked(client: &Client) -> Connection<'static> {
    Connection {
        source: Some(client.peer),
        destination: client.meant.map(|meant| meant.ip()),
        ..Connection::default()
    }
}

/// How long to look at what a client says first.
enum Looking {
    /// It does not matter.
    No,
    /// Until it says something, or for this long.
    For(Option<Duration>),
}

fn patience(listener: &Listener) -> Looking {
    let by_name = |route: &mesh::plan::ConnectionRoute| {
        !route.matches.is_empty() && route.matches.iter().all(|condition| !condition.sni.is_empty())
    };
    let named = listener.connections.iter().filter(|route| by_name(route)).count();
    let http = !listener.hosts.list.is_empty();
    if !listener.tls.is_empty() || (named == listener.connections.len() && named > 0 && !http) {
        Looking::For(None)
    } else if named == 0 && !http {
        Looking::No
    } else {
        Looking::For((named < listener.connections.len()).then_some(SILENCE))
    }
}

/// TLS: passed on by its name, or opened here.
async fn encrypted(
    client: Client,
    view: &Rc<View>,
    listener: &Listener,
    stream: TcpStream,
    hello: Hello,
    member: &Member,
) -> Result<(), ConnectionError> {
    let Hello { accepted, bytes, name } = hello;
    let name_or_any = || name.as_deref().unwrap_or("*");
    let server = match route::tls_server(listener, name.as_deref()) {
        Some(at) => Some(&listener.tls[at]),
        // Nobody ends TLS here: a workload's own port.
        None if listener.tls.is_empty() => None,
        None => {
            tcp::refuse(&client, view, name_or_any());
            return Ok(());
        }
    };
    let Some(server) = server.filter(|server| !server.passes()) else {
        let asked = Connection { sni: name.as_deref(), ..asked(&client) };
        pass(&client, view, listener, asked, stream, bytes).await;
        return Ok(());
    };
    let Some(config) = view.tls(server, &client.front.shared.tls) else {
        tcp::refuse(&client, view, name_or_any());
        return Ok(());
    };
    drop(bytes);
    let handshake = StartHandshake::from_parts(accepted, stream).into_stream(config);
    let Some(stream) = or_ending(member, handshake).await else { return Ok(()) };
    let stream = stream?;
    let (_, session) = stream.get_ref();
    let h2 = session.alpn_protocol() == Some(b"h2");
    let secured = Secured { certificate: tls::server::shown(session), name };
    let client = Client { secured: Some(secured), ..client };
    let stream = Stream::TlsServer(Box::new(stream));
    if server.http {
        return Ok(http::speak(Rc::new(client), stream, h2, member).await?);
    }
    let asked = asked(&client);
    pass(&client, view, listener, asked, stream, Vec::new()).await;
    Ok(())
}

/// Passes a connection on to where its route leads.
async fn pass(
    client: &Client,
    view: &Rc<View>,
    listener: &Listener,
    asked: Connection<'_>,
    stream: impl Into<Stream>,
    read: Vec<u8>,
) {
    let downstream = Downstream::new(stream.into(), client.activity.resets());
    let draws = client.front.shared.draws();
    match route::connection(listener, &asked, draws) {
        Some(passage) => tcp::pass(client, view, &passage, &asked, downstream, read).await,
        None if client.meant.is_some() => {
            tcp::stranger(client, view, listener.unknown_host, downstream, read).await;
        }
        None => tcp::refuse(client, view, asked.sni.unwrap_or("*")),
    }
}
