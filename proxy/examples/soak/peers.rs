//! What stands around the proxy: servers that fail at times, and clients that give up at times.
//!
//! First it says the ports of its servers; then it does what each line of its input says, and answers with a line.

use std::collections::BTreeMap;
use std::io::{Error, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::Result;

/// For how long a client waits at most: longer than any timeout, so nobody should.
const TIMEOUT: Duration = Duration::from_secs(20);

/// What clients saw.
#[derive(Default)]
struct Seen {
    sent: u64,
    gave_up: u64,
    /// No head came.
    reset: u64,
    /// A head came, and not all of its body.
    cut: u64,
    hung: u64,
    codes: BTreeMap<u16, u64>,
}

/// Serves until the input ends.
pub(crate) async fn run() -> Result<()> {
    let mut ports = Vec::new();
    for _ in 0..4 {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        ports.push(listener.local_addr()?.port());
        tokio::spawn(serve(listener));
    }
    println!("{}", ports.iter().map(u16::to_string).collect::<Vec<_>>().join(" "));
    let (lines, mut input) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(std::result::Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let mut address = SocketAddr::from(([127, 0, 0, 1], 0));
    let (mut idle, mut clients) = (Vec::new(), JoinSet::new());
    let mut done = Arc::new(AtomicBool::new(false));
    while let Some(line) = input.recv().await {
        let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let mut answer = "done".to_owned();
        match command {
            "at" => address = rest.parse()?,
            "idle" => idle = open(address, rest.parse()?).await?,
            "busy" | "wild" => {
                for sender in open(address, rest.parse()?).await? {
                    clients.spawn(ask(address, sender, Arc::clone(&done), command == "wild"));
                }
            }
            _ => {
                done.store(true, Ordering::Relaxed);
                idle.clear();
                answer = summed(&mut clients).await;
                done = Arc::default();
            }
        }
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

async fn summed(clients: &mut JoinSet<Seen>) -> String {
    let mut all = Seen::default();
    while let Some(Ok(seen)) = clients.join_next().await {
        all.sent += seen.sent;
        all.gave_up += seen.gave_up;
        all.reset += seen.reset;
        all.cut += seen.cut;
        all.hung += seen.hung;
        for (code, count) in seen.codes {
            *all.codes.entry(code).or_default() += count;
        }
    }
    let Seen { sent, gave_up, reset, cut, hung, codes } = all;
    format!("sent={sent} gave_up={gave_up} reset={reset} cut={cut} hung={hung} codes {codes:?}")
}

fn request(path: &str) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    if let Ok(path) = path.parse() {
        *request.uri_mut() = path;
    }
    request.headers_mut().insert("host", http::HeaderValue::from_static("reviews"));
    request
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Empty<Bytes>>> {
    let (sender, connection) = http1::handshake(TokioIo::new(TcpStream::connect(address).await?)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Connections that have each had an answer.
async fn open(address: SocketAddr, count: usize) -> Result<Vec<SendRequest<Empty<Bytes>>>> {
    let each = (0..count).map(|_| async move {
        let mut sender = connect(address).await?;
        // The servers' whims begin with the next request.
        sender.send_request(request("/calm")).await?.into_body().collect().await?;
        sender.ready().await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(sender)
    });
    let all: Vec<_> = futures::stream::iter(each).buffer_unordered(32).collect().await;
    all.into_iter().collect()
}

/// Asks until it is done.
async fn ask(
    address: SocketAddr,
    mut sender: SendRequest<Empty<Bytes>>,
    done: Arc<AtomicBool>,
    wild: bool,
) -> Seen {
    // The one that its connection began with.
    let mut seen = Seen { sent: 1, codes: [(200, 1)].into(), ..Seen::default() };
    while !done.load(Ordering::Relaxed) {
        if sender.ready().await.is_err() {
            match connect(address).await {
                Ok(fresh) => sender = fresh,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
            continue;
        }
        let gives_up = wild && fastrand::u8(..32) == 0;
        let limit = if gives_up { Duration::from_millis(fastrand::u64(1..20)) } else { TIMEOUT };
        seen.sent += 1;
        let path = if wild { "/wild" } else { "/calm" };
        let asked = async {
            let (head, body) = sender.send_request(request(path)).await?.into_parts();
            Ok::<_, hyper::Error>((head.status.as_u16(), body.collect().await.is_ok()))
        };
        match tokio::time::timeout(limit, asked).await {
            Ok(Ok((code, whole))) => {
                *seen.codes.entry(code).or_default() += 1;
                seen.cut += u64::from(!whole);
            }
            // It was never sent.
            Ok(Err(error)) if error.is_canceled() => seen.sent -= 1,
            Ok(Err(_)) => seen.reset += 1,
            Err(_) => {
                *(if gives_up { &mut seen.gave_up } else { &mut seen.hung }) += 1;
                // The connection goes with its sender.
                match connect(address).await {
                    Ok(fresh) => sender = fresh,
                    Err(_) => break,
                }
            }
        }
    }
    seen
}

async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let service = service_fn(answer);
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> std::result::Result<Response<BoxBody<Bytes, Error>>, Error> {
    let whole = |text: &'static str| Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
    let mut response = Response::new(whole("well"));
    if request.uri().path() == "/calm" {
        return Ok(response);
    }
    match fastrand::u8(..200) {
        0..4 => *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE,
        4 => return Err(Error::other("it breaks off before it answers")),
        5 => {
            let pieces = [Ok(Frame::data(Bytes::from("half"))), Err(Error::other("it breaks off"))];
            *response.body_mut() = BodyExt::boxed(StreamBody::new(futures::stream::iter(pieces)));
        }
        6..10 => tokio::time::sleep(Duration::from_millis(30)).await,
        _ => {}
    }
    Ok(response)
}
