//! Connections on listeners that take more than plain HTTP: what is spoken, and where it goes.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use mesh::plan::Listener;
use mesh::route::{self, Connection};
use tokio::net::TcpStream;
use tokio_rustls::StartHandshake;

use crate::activity::drain::DrainGuard;
use crate::activity::drain::or_ending;
use crate::downstream::detect::{self, ClientHello, DetectError, First};
use crate::downstream::http::{self, ConnectionError};
use crate::net::downstream::Downstream;
use crate::net::stream::Stream;
use crate::request::client::{Client, Secured};
use crate::request::tcp;
use crate::request::tcp::Transfer;
use crate::state::plan::ActivePlan;
use crate::tls;

/// For how long a client may be silent before it is taken to wait for the server's first word, on a port where TLS and
/// other protocols are told apart by the client's.
const DETECTION_TIMEOUT: Duration = Duration::from_secs(1);

/// What becomes of a connection. A plan is held only until that is decided: connections may outlast many.
enum Next {
    /// HTTP, perhaps HTTP/2, within TLS.
    Http(Client, Stream, bool),
    /// HTTP in plain text, which begins with what was read.
    Plain(Client, TcpStream, Vec<u8>),
    /// Its bytes are passed on.
    Pass(Client, Box<Transfer>),
    /// It ends.
    Nothing,
}

/// Serves a connection to its end.
pub(crate) async fn begin(
    client: Client,
    stream: TcpStream,
    member: &DrainGuard,
) -> Result<(), ConnectionError> {
    match decide(client, stream, member).await? {
        Next::Http(client, stream, h2) => {
            Ok(http::speak(Rc::new(client), (stream, Vec::new()), h2, member).await?)
        }
        Next::Plain(client, stream, read) => http::plain(client, (stream, read), member).await,
        Next::Pass(client, transfer) => {
            transfer.run(&client).await;
            Ok(())
        }
        Next::Nothing => Ok(()),
    }
}

async fn decide(client: Client, mut stream: TcpStream, member: &DrainGuard) -> Result<Next, ConnectionError> {
    let active = client.front.source.current();
    let Some(listener) = client.port().and_then(|port| active.plan.listener(port)) else {
        let downstream = Downstream::new(stream.into(), client.activity.socket());
        let transfer =
            Transfer::passthrough(&client, &active, active.unknown_host(), (downstream, Vec::new()));
        return Ok(transfer.map_or(Next::Nothing, |transfer| Next::Pass(client, Box::new(transfer))));
    };
    let first = match detection(listener) {
        Detection::Skip => First::Silence,
        Detection::Within(timeout) => match or_ending(member, detect::first(&mut stream, timeout)).await {
            Some(first) => first.inspect_err(|error| {
                if let DetectError::Tls(error) = error {
                    tcp::unsecured(&client, &active, &io::Error::other(error.clone()));
                }
            })?,
            None => return Ok(Next::Nothing),
        },
    };
    match first {
        First::Tls(hello) => encrypted(client, &active, listener, stream, *hello, member).await,
        // Not TLS, where nothing else is taken.
        First::Other(_) | First::Silence if !listener.tls.is_empty() => {
            tcp::refuse(&client, &active, "*");
            Ok(Next::Nothing)
        }
        // Letters in upper case: a method, on a port where HTTP is spoken too.
        First::Other(read)
            if read.first().is_some_and(u8::is_ascii_uppercase) && !listener.hosts.list.is_empty() =>
        {
            Ok(Next::Plain(client, stream, read))
        }
        First::Other(read) => Ok(pass(client, &active, listener, None, stream, read)),
        First::Silence => Ok(pass(client, &active, listener, None, stream, Vec::new())),
    }
}

/// What is known of a connection before anything is said on it.
fn asked(client: &Client) -> Connection<'static> {
    Connection {
        source: Some(client.peer.ip()),
        destination: client.original_dst.map(|original_dst| original_dst.ip()),
        ..Connection::default()
    }
}

/// How long to look at what a client says first.
enum Detection {
    /// It does not matter.
    Skip,
    /// Until it says something, or for this long.
    Within(Option<Duration>),
}

fn detection(listener: &Listener) -> Detection {
    let by_name = |route: &mesh::plan::ConnectionRoute| {
        !route.matches.is_empty() && route.matches.iter().all(|condition| !condition.sni.is_empty())
    };
    let named = listener.connections.iter().filter(|route| by_name(route)).count();
    let http = !listener.hosts.list.is_empty();
    if !listener.tls.is_empty() || (named == listener.connections.len() && named > 0 && !http) {
        Detection::Within(None)
    } else if named == 0 && !http {
        Detection::Skip
    } else {
        Detection::Within((named < listener.connections.len()).then_some(DETECTION_TIMEOUT))
    }
}

/// TLS: passed on by its name, or opened here.
async fn encrypted(
    client: Client,
    active: &ActivePlan,
    listener: &Listener,
    stream: TcpStream,
    hello: ClientHello,
    member: &DrainGuard,
) -> Result<Next, ConnectionError> {
    let ClientHello { accepted, bytes, name } = hello;
    let refused = || {
        tcp::refuse(&client, active, name.as_deref().unwrap_or("*"));
        Ok(Next::Nothing)
    };
    let server = match route::tls_server(listener, name.as_deref()) {
        Some(at) => Some(&listener.tls[at]),
        // Nobody ends TLS here: a workload's own port.
        None if listener.tls.is_empty() => None,
        None => return refused(),
    };
    let Some(server) = server.filter(|server| !server.passes()) else {
        return Ok(pass(client, active, listener, name.as_deref(), stream, bytes));
    };
    let Some(config) = active.tls(server, &client.front.shared.tls) else { return refused() };
    drop(bytes);
    let handshake = StartHandshake::from_parts(accepted, stream).into_stream(config);
    let Some(stream) = or_ending(member, handshake).await else { return Ok(Next::Nothing) };
    let stream = stream.inspect_err(|error| tcp::unsecured(&client, active, error))?;
    let (_, session) = stream.get_ref();
    let h2 = session.alpn_protocol() == Some(b"h2");
    let secured = Secured { certificate: tls::server::shown(session), name };
    let client = Client { secured: Some(secured), ..client };
    let stream = Stream::TlsServer(Box::new(stream));
    if server.http {
        return Ok(Next::Http(client, stream, h2));
    }
    Ok(pass(client, active, listener, None, stream, Vec::new()))
}

/// Passes a connection on to where its route leads.
fn pass(
    client: Client,
    active: &ActivePlan,
    listener: &Listener,
    sni: Option<&str>,
    stream: impl Into<Stream>,
    read: Vec<u8>,
) -> Next {
    let bytes = (Downstream::new(stream.into(), client.activity.socket()), read);
    let asked = Connection { sni, ..asked(&client) };
    let transfer = match route::connection(listener, &asked, client.front.shared.draws()) {
        Some(passage) => Some(Transfer::new(&client, active, &passage, sni, bytes)),
        None if client.original_dst.is_some() => {
            Transfer::passthrough(&client, active, listener.unknown_host, bytes)
        }
        None => {
            tcp::refuse(&client, active, sni.unwrap_or("*"));
            None
        }
    };
    transfer.map_or(Next::Nothing, |transfer| Next::Pass(client, Box::new(transfer)))
}
