//! A response's body on its way to the client: streamed as it comes, with its trailers. Its end is the request's end.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use crate::reporting::flags::Flags;
use crate::request::tracker::Tracker;
use crate::upstream::pool::Lease;

/// What a client gets.
pub(crate) struct ClientBody(Kind);

#[expect(
    clippy::large_enum_variant,
    reason = "most bodies are relayed, and a box would be an allocation for each"
)]
enum Kind {
    /// Made here.
    Own(Option<Bytes>),
    /// From an upstream.
    Relayed(Relayed),
}

struct Relayed {
    incoming: Incoming,
    /// There until the end.
    rest: Option<(Tracker, Lease)>,
    /// Why it broke off, until that is told.
    broken: Option<hyper::Error>,
    /// Made when the body first keeps us waiting.
    alarm: Option<Pin<Box<Sleep>>>,
}

/// Why a response's body broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The upstream's connection failed.
    #[error("the upstream's response ended early")]
    Upstream(#[from] hyper::Error),
    /// The request's time was up.
    #[error("the request took too long")]
    Timeout,
}

impl ClientBody {
    /// A body made here.
    pub(crate) fn own(data: Bytes) -> Self {
        Self(Kind::Own(Some(data).filter(|data| !data.is_empty())))
    }

    /// An upstream's body, within the tracker's time. Once it has ended the connection is released and the tracker counted.
    pub(crate) fn relay(incoming: Incoming, tracker: Tracker, lease: Lease) -> Self {
        let rest = Some((tracker, lease));
        let mut relayed = Relayed { incoming, rest, broken: None, alarm: None };
        if relayed.incoming.is_end_stream() {
            relayed.end();
        }
        Self(Kind::Relayed(relayed))
    }
}

impl Relayed {
    fn end(&mut self) {
        if let Some((mut tracker, lease)) = self.rest.take() {
            let now = Instant::now();
            tracker.complete(now);
            lease.release(now);
        }
    }

    fn fail(&mut self, flag: Flags) {
        if let Some((mut tracker, _unfinished)) = self.rest.take() {
            tracker.flag(flag);
            let timeout = flag == Flags::TIMEOUT;
            let broken = "upstream_reset_after_response_started{connection_termination}";
            tracker.tell(|line| line.details = Some(if timeout { "response_timeout" } else { broken }));
            tracker.complete(Instant::now());
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error.into())));
        }
        let polled = match &mut self.rest {
            Some((_, lease)) => lease.poll_frame(cx, &mut self.incoming),
            None => Pin::new(&mut self.incoming).poll_frame(cx),
        };
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(data), Some((tracker, _))) = (frame.data_ref(), &mut self.rest) {
                    tracker.received(data.len());
                }
                if self.incoming.is_end_stream() {
                    self.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                self.fail(Flags::UPSTREAM_CLOSED);
                self.broken = Some(error);
                // What came before it is sent first.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => {
                let deadline = self.rest.as_ref().and_then(|(tracker, _)| tracker.deadline());
                let Some(deadline) = deadline else { return Poll::Pending };
                let alarm =
                    self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
                if alarm.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.fail(Flags::TIMEOUT);
                Poll::Ready(Some(Err(BodyError::Timeout)))
            }
        }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.get_mut().0 {
            Kind::Own(data) => Poll::Ready(data.take().map(|data| Ok(Frame::data(data)))),
            Kind::Relayed(relayed) => relayed.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Own(data) => data.is_none(),
            Kind::Relayed(relayed) => relayed.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Own(data) => SizeHint::with_exact(data.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Relayed(relayed) => relayed.incoming.size_hint(),
        }
    }
}
