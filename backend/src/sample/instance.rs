//! One instance: an HTTP server on loopback that thinks for a moment and then answers as its app does.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::answer::{Answer, Context, error, json};
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

/// Serves connections until it is dropped, and them with it.
pub(super) async fn serve(listener: TcpListener, app: App, name: &'static str, client: Client) {
    let context = Arc::new(Context { name, client, pace: Pace::new(name, app.latency()) });
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
            let service = service_fn(move |request| answer(app, context.clone(), request));
            // A connection that breaks is the client's affair.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(app: App, context: Arc<Context>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let (request, _) = request.into_parts();
    if request.method != Method::GET && request.method != Method::HEAD {
        return Ok(error(StatusCode::METHOD_NOT_ALLOWED, "only GET is understood"));
    }
    if request.uri.path() == "/health" {
        return Ok(json(&serde_json::json!({ "status": format!("{} is healthy", context.name) })));
    }
    tokio::time::sleep(context.pace.next()).await;
    let answer = match app {
        App::Details => details::answer(&context, &request).await,
        App::Ratings => ratings::answer(&request),
        App::Reviews(stars) => reviews::answer(&context, &request, stars).await,
        App::ProductPage => productpage::answer(&context, &request).await,
        App::Books => details::catalogue(&request),
    };
    Ok(answer.unwrap_or_else(|| error(StatusCode::NOT_FOUND, "there is nothing at this path")))
}
