//! Tunnels through endpoints: they are asked in HTTP to take a connection on to somewhere else.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Either, Empty};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use mesh::plan::Tunnel;
use tokio::io::{AsyncRead, AsyncWriteExt, DuplexStream, ReadBuf, ReadHalf};

use crate::net::executor::{LocalExecutor, timer};
use crate::net::stream::Stream;
use crate::upstream::connect::ConnectError;

/// Bytes on their way into a tunnel, or out of it.
const ON_THE_WAY: usize = 64 * 1024;
/// Bytes that are passed on at once.
const PIECE: usize = 16 * 1024;

/// Nothing, or what a client sends.
type Body = Either<Empty<Bytes>, Sent>;

/// A body of all that is read.
struct Sent(ReadHalf<DuplexStream>);

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let mut piece = [0; PIECE];
        let mut read = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut read))?;
        let read = read.filled();
        Poll::Ready((!read.is_empty()).then(|| Ok(Frame::data(Bytes::copy_from_slice(read)))))
    }
}

/// What is beyond a tunnel through the endpoint at the other end of a stream.
pub(crate) async fn through(stream: Stream, tunnel: &Tunnel, h2: bool) -> Result<Stream, ConnectError> {
    if tunnel.post {
        return posted(stream, tunnel, h2).await;
    }
    let mut response = ask(stream, request(tunnel, h2, Either::Left(Empty::new()))?, h2).await?;
    let upgraded = hyper::upgrade::on(&mut response).await?;
    Ok(Stream::Through(Box::new(TokioIo::new(upgraded))))
}

/// The bodies of a request and of its response are the two ways of the tunnel.
async fn posted(stream: Stream, tunnel: &Tunnel, h2: bool) -> Result<Stream, ConnectError> {
    let (near, far) = tokio::io::duplex(ON_THE_WAY);
    let (read, mut write) = tokio::io::split(far);
    let response = ask(stream, request(tunnel, h2, Either::Right(Sent(read)))?, h2).await?;
    tokio::task::spawn_local(async move {
        let mut body = response.into_body();
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(data) = frame.into_data() else { continue };
            if write.write_all(&data).await.is_err() {
                return;
            }
        }
        // The client, if it is still there, is told that nothing else comes.
        let _ = write.shutdown().await;
    });
    Ok(Stream::Through(Box::new(near)))
}

fn request(tunnel: &Tunnel, h2: bool, body: Body) -> Result<Request<Body>, ConnectError> {
    let (method, uri) = match (tunnel.post, h2) {
        (false, _) => (Method::CONNECT, tunnel.authority.clone()),
        (true, false) => (Method::POST, "/".to_owned()),
        (true, true) => (Method::POST, format!("http://{}/", tunnel.authority)),
    };
    let uri = Uri::try_from(uri).map_err(io::Error::other)?;
    let mut request = Request::builder().method(method).uri(uri);
    if !h2 {
        request = request.header(HOST, &tunnel.authority);
    }
    Ok(request.body(body).map_err(io::Error::other)?)
}

/// The response, if it is a success.
async fn ask(stream: Stream, request: Request<Body>, h2: bool) -> Result<Response<Incoming>, ConnectError> {
    let io = TokioIo::new(stream);
    let response = if h2 {
        let (mut sender, connection) =
            http2::Builder::new(LocalExecutor).timer(timer()).handshake(io).await?;
        tokio::task::spawn_local(connection);
        sender.send_request(request).await?
    } else {
        let (mut sender, connection) = http1::Builder::new().handshake(io).await?;
        tokio::task::spawn_local(connection.with_upgrades());
        sender.send_request(request).await?
    };
    match response.status() {
        status if status.is_success() => Ok(response),
        status => Err(ConnectError::Tunnel(status)),
    }
}
