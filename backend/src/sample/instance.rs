//! One instance: an HTTP server on loopback that thinks for a moment and then answers as its app does.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::client::Client;
use super::pace::Pace;
use super::{details, productpage, ratings, reviews};

/// What an instance runs.
#[derive(Debug, Clone, Copy)]
pub(super) enum App {
    Details,
    Ratings,
    /// With stars of a colour, or without.
    Reviews(Option<reviews::Color>),
    ProductPage,
    /// The catalogue outside of the mesh.
    Books,
}

impl App {
    /// About how long it thinks.
    fn latency(self) -> Duration {
        Duration::from_millis(match self {
            Self::Details | Self::ProductPage => 2,
            Self::Ratings => 3,
            Self::Reviews(_) => 4,
            Self::Books => 12,
        })
    }
}

/// What an app needs to answer.
pub(super) struct Context {
    /// The workload's name.
    pub(super) name: &'static str,
    pub(super) client: Client,
    pub(super) pace: Pace,
    app: App,
}

/// An answer of the sample.
pub(super) type Answer = Response<Full<Bytes>>;

/// Serves connections until it is dropped, and them with it.
pub(super) async fn serve(listener: TcpListener, app: App, name: &'static str, client: Client) {
    let context = Arc::new(Context { name, client, pace: Pace::new(name, app.latency()), app });
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: a pause lets connections end.
                    tracing::warn!(%error, instance = name, "accept failed");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        // Without it a small answer may wait for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let context = context.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| answer(context.clone(), request));
            // A connection that breaks is the client's affair.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(context: Arc<Context>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let (request, _) = request.into_parts();
    if request.method != Method::GET && request.method != Method::HEAD {
        return Ok(error(StatusCode::METHOD_NOT_ALLOWED, "only GET is understood"));
    }
    if request.uri.path() == "/health" {
        return Ok(json(&serde_json::json!({ "status": format!("{} is healthy", context.name) })));
    }
    tokio::time::sleep(context.pace.next()).await;
    let answer = match context.app {
        App::Details => details::answer(&context, &request).await,
        App::Ratings => ratings::answer(&request),
        App::Reviews(stars) => reviews::answer(&context, &request, stars).await,
        App::ProductPage => productpage::answer(&context, &request).await,
        App::Books => details::catalogue(&request),
    };
    Ok(answer.unwrap_or_else(|| error(StatusCode::NOT_FOUND, "there is nothing at this path")))
}

/// The part of a request's path after `prefix`, when it is one segment.
pub(super) fn id_after<'r>(request: &'r Parts, prefix: &str) -> Option<&'r str> {
    request.uri.path().strip_prefix(prefix).filter(|id| !id.is_empty() && !id.contains('/'))
}

/// 200 with JSON.
pub(super) fn json(body: &serde_json::Value) -> Answer {
    with_type(StatusCode::OK, "application/json", body.to_string())
}

/// An error as JSON.
pub(super) fn error(status: StatusCode, message: &str) -> Answer {
    with_type(status, "application/json", serde_json::json!({ "error": message }).to_string())
}

/// A body with its media type.
pub(super) fn with_type(status: StatusCode, media_type: &'static str, body: String) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
