//! How a request gets on. All of them are looked at once a second: whether anything moves, and whether their time is up. A client that reads nothing keeps hyper from asking for more, so nothing that waits within a body would notice.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use http::StatusCode;
use hyper::rt::Executor;

use crate::reporting::flags::Flags;

/// One request at a time: of a connection of HTTP/1.1 there is one of these, of HTTP/2 one for each stream.
pub(crate) struct Progress {
    stage: Cell<Stage>,
    /// Something has moved since the last look.
    moved: Cell<bool>,
    /// The look that saw something move last.
    since: Cell<Instant>,
    /// All of the request has come.
    complete: Cell<bool>,
    /// The route's time, once there is a response.
    limit: Cell<Option<Duration>>,
    /// When that begins: when all of the request has come.
    from: Cell<Option<Instant>>,
    /// Why it has to end.
    over: Cell<Option<Flags>>,
    /// The task that sees to it.
    waker: RefCell<Option<Waker>>,
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There is none.
    None,
    /// It has no response yet.
    Asked,
    /// Its response is on the way.
    Answered,
}

impl Progress {
    /// Nothing is asked yet.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            stage: Cell::new(Stage::None),
            moved: Cell::new(false),
            since: Cell::new(Instant::now()),
            complete: Cell::new(true),
            limit: Cell::new(None),
            from: Cell::new(None),
            over: Cell::new(None),
            waker: RefCell::new(None),
        })
    }

    /// A request has come.
    pub(crate) fn begin(&self) {
        self.stage.set(Stage::Asked);
        self.moved.set(true);
        self.complete.set(true);
        self.limit.set(None);
        self.from.set(None);
        self.over.set(None);
    }

    /// It has ended.
    pub(crate) fn end(&self) {
        self.stage.set(Stage::None);
    }

    /// A piece of a body has moved, either way.
    pub(crate) fn moves(&self) {
        self.moved.set(true);
    }

    /// A body belongs to it that is still to come.
    pub(crate) fn uploads(&self) {
        self.complete.set(false);
    }

    /// The last of the body has come.
    pub(crate) fn uploaded(&self, at: Instant) {
        self.complete.set(true);
        self.from.set(self.from.get().max(Some(at)));
    }

    /// Its response has begun, and has this long: from `since`, or from the end of a body that is still to come.
    pub(crate) fn answers(&self, limit: Option<Duration>, since: Instant) {
        self.moved.set(true);
        self.stage.set(Stage::Answered);
        self.limit.set(limit);
        self.from.set(self.from.get().max(Some(since)));
    }

    /// When the response's time is up; `None` while its beginning is not known.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.from.get().filter(|_| self.complete.get())?.checked_add(self.limit.get()?)
    }

    /// Why it has been ended, and with which status if it had no response.
    pub(crate) fn ended(&self) -> Option<(Flags, Option<StatusCode>)> {
        let flags = self.over.get()?;
        let status = match (self.stage.get(), self.complete.get()) {
            (Stage::Answered | Stage::None, _) => None,
            (Stage::Asked, true) => Some(StatusCode::GATEWAY_TIMEOUT),
            (Stage::Asked, false) => Some(StatusCode::REQUEST_TIMEOUT),
        };
        Some((flags, status))
    }

    /// It has to be broken off: its response is on the way, and nothing more will be said.
    pub(crate) fn breaks_off(&self) -> bool {
        self.over.get().is_some() && self.stage.get() == Stage::Answered
    }

    /// Looks whether it has to end: nothing has moved for as long as `idle` says, or its time is up. True: now it has to.
    pub(crate) fn look(&self, now: Instant, idle: Option<Duration>) -> bool {
        if self.stage.get() == Stage::None || self.over.get().is_some() {
            return false;
        }
        if self.moved.replace(false) {
            self.since.set(now);
        }
        let late = self.deadline().is_some_and(|deadline| now >= deadline);
        let still = idle.is_some_and(|idle| now.saturating_duration_since(self.since.get()) >= idle);
        if !(late || still) {
            return false;
        }
        self.over.set(Some(if late { Flags::TIMEOUT } else { Flags::STREAM_IDLE }));
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
        true
    }
}

/// Runs the streams of one connection of HTTP/2, each of which ends when its progress says so: that resets it.
#[derive(Clone, Default)]
pub(crate) struct Streams(Rc<RefCell<Option<Rc<Progress>>>>);

impl Streams {
    /// The stream that is run next has this progress.
    pub(crate) fn next(&self, progress: Rc<Progress>) {
        self.0.replace(Some(progress));
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output: 'static> + 'static,
{
    fn execute(&self, future: F) {
        let Some(progress) = self.0.take() else { return drop(tokio::task::spawn_local(future)) };
        tokio::task::spawn_local(async move {
            let mut future = pin!(future);
            poll_fn(|cx| {
                progress.waker.borrow_mut().get_or_insert_with(|| cx.waker().clone());
                if progress.breaks_off() { Poll::Ready(()) } else { future.as_mut().poll(cx).map(drop) }
            })
            .await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_still_or_takes_too_long_has_to_end() {
        let (second, begin) = (Duration::from_secs(1), Instant::now());
        let at = |seconds: u32| begin + second * seconds;
        let idle = Some(second * 3);
        let progress = Progress::new();
        assert!(!progress.look(at(100), idle), "nothing is asked");
        progress.begin();
        assert!(!progress.look(at(0), idle) && !progress.look(at(2), idle));
        progress.moves();
        assert!(!progress.look(at(3), idle) && !progress.look(at(5), idle));
        assert!(!progress.look(at(50), None), "there is no limit");
        assert!(progress.look(at(6), idle));
        assert_eq!(progress.ended(), Some((Flags::STREAM_IDLE, Some(StatusCode::GATEWAY_TIMEOUT))));
        assert!(!progress.breaks_off(), "there can be an answer yet");

        progress.begin();
        progress.uploads();
        assert!(!progress.look(at(7), idle) && progress.look(at(10), idle));
        assert_eq!(progress.ended(), Some((Flags::STREAM_IDLE, Some(StatusCode::REQUEST_TIMEOUT))));

        progress.begin();
        progress.uploads();
        progress.answers(Some(second), at(0));
        assert!(!progress.look(at(11), idle), "the route's time begins with the end of the request");
        progress.uploaded(at(12));
        assert!(!progress.look(at(12), idle) && progress.look(at(13), idle));
        assert_eq!(progress.ended(), Some((Flags::TIMEOUT, None)));
        assert!(progress.breaks_off());
        progress.end();
        assert!(!progress.look(at(100), idle) && !progress.breaks_off());
    }
}
