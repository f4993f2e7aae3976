//! Accepting connections, and finding out what is spoken on them.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

use crate::activity::drain::{Drain, DrainGuard};
use crate::downstream::connection;
use crate::downstream::http::{ConnectionError, plain};
use crate::request::client::{Client, ListenerContext};

/// How long to wait before accepting again when the process has no file descriptors left.
const BREATH: Duration = Duration::from_millis(50);
/// How often that is told.
const REMIND: Duration = Duration::from_secs(10);

/// Accepts until its task is aborted.
pub(crate) async fn accept(front: Rc<ListenerContext>, listener: TcpListener, drain: Rc<Drain>) {
    let shared = &front.shared;
    // When it was last told that there are no connections to be had.
    let mut told: Option<Instant> = None;
    loop {
        shared.work.below(shared.config.max_connections).await;
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            // The client went away while it waited.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                if told.is_none_or(|told| told.elapsed() >= REMIND) {
                    told = Some(Instant::now());
                    let again = "connections wait in the kernel's queue until one can be accepted; a higher limit of open files may help";
                    tracing::warn!(%error, "{again}");
                }
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let members = (drain.join(), shared.work.join());
        let front = Rc::clone(&front);
        tokio::task::spawn_local(async move {
            if let Err(error) = speak(front, stream, peer, &members.0).await {
                tracing::debug!(%error, "a client's connection ended");
            }
            drop(members);
        });
    }
}

async fn speak(
    front: Rc<ListenerContext>,
    stream: TcpStream,
    peer: SocketAddr,
    member: &DrainGuard,
) -> Result<(), ConnectionError> {
    stream.set_nodelay(true)?;
    let original_dst = if front.intercepts() { original_dst(&stream) } else { None };
    let ends = (peer, stream.local_addr()?);
    let client = Client { original_dst, ..Client::plain(front, ends, member.activity()) };
    if client.takes_connections() {
        // Far larger than what most connections need.
        return Box::pin(connection::begin(client, stream, member)).await;
    }
    plain(client, (stream, Vec::new()), member).await
}

/// Where a connection wanted to go that the kernel redirected here.
#[cfg(target_os = "linux")]
fn original_dst(stream: &TcpStream) -> Option<SocketAddr> {
    let local = stream.local_addr().ok()?;
    let socket = socket2::SockRef::from(stream);
    let original_dst = if local.is_ipv4() { socket.original_dst_v4() } else { socket.original_dst_v6() };
    // Where nothing was redirected there is none, or it is here.
    original_dst.ok()?.as_socket().filter(|original_dst| *original_dst != local)
}

#[cfg(not(target_os = "linux"))]
fn original_dst(_: &TcpStream) -> Option<SocketAddr> {
    None
}
