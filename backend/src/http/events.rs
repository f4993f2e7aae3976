//! `GET events`: the stream of server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::Stream;
use http::HeaderMap;

use super::App;

/// How often a stream without events says that it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// After how long a browser that lost the stream comes back.
const RETRY: Duration = Duration::from_millis(500);

/// Events as they happen
///
/// Starts with a snapshot, then come deltas; `id` is the sequence number, `data` an `Event`. `Last-Event-ID` resumes after that
/// event; where it is too old, a new snapshot comes.
#[utoipa::path(
    get,
    path = "/events",
    tag = "state",
    params(("Last-Event-ID" = Option<u64>, Header, description = "The last event that was received")),
    responses((status = 200, content_type = "text/event-stream", body = api::Event))
)]
pub(super) async fn events(
    State(app): State<App>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let first = Event::default().retry(RETRY).comment("events of meshwright");
    let stream = futures::stream::unfold(
        (Some(first), app.hub.subscribe(last), app.stop),
        |(first, mut subscription, stop)| async move {
            if let Some(first) = first {
                return Some((Ok(first), (None, subscription, stop)));
            }
            let message = tokio::select! {
                // An open stream must not hold up the end of the program.
                () = stop.cancelled() => return None,
                message = subscription.next() => message?,
            };
            let event = Event::default().id(message.seq.to_string()).data(&*message.json);
            Some((Ok(event), (None, subscription, stop)))
        },
    );
    Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}
