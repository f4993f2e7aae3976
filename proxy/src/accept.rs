//! Accepting connections and speaking HTTP on them.

use std::convert::Infallible;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::control::Entry;
use crate::shared::Shared;

pub(crate) async fn accept(
    shared: Rc<Shared>,
    listener: TcpListener,
    entry: Entry,
    mut ending: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let (shared, entry) = (Rc::clone(&shared), entry.clone());
                tokio::task::spawn_local(async move {
                    let service = service_fn(async |_request| {
                        let _ = (&shared.plans, &entry, &shared.notices);
                        let mut response = http::Response::new(Empty::<Bytes>::new());
                        *response.status_mut() = http::StatusCode::NOT_FOUND;
                        Ok::<_, Infallible>(response)
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .timer(TokioTimer::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
            _ = ending.changed() => return,
        }
    }
}
