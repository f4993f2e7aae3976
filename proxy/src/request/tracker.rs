//! A request's tracker: it becomes exactly one observation, whatever way the request ends.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::activity::drain::Activity;
use crate::activity::progress::Progress;
use crate::activity::upload::Upload;
use crate::reporting::access_log::Line;
use crate::reporting::flags::Flags;
use crate::reporting::reason::Reason;
use crate::reporting::stats::{Counter, Ended};
use crate::reporting::trace::Context;

/// Travels with a request and then with its response. Dropped before its end, it counts as the client's going away.
pub(crate) struct Tracker {
    counter: Rc<Counter>,
    /// Whether it counts as sent some way.
    chosen: bool,
    began: Instant,
    ended: Ended,
    upload: Option<Rc<Upload>>,
    /// Of the connection that it came on.
    activity: Rc<Activity>,
    /// What is observed while it is active; a connection whose bytes are passed on is watched by those who do that.
    progress: Option<Rc<Progress>>,
    complete: Option<Instant>,
    /// It is a connection's rather than a request's.
    connection: bool,
    /// What the access log gets.
    line: Option<Box<Line>>,
    /// Its place in a trace, where requests are traced: most are not, and moving it about would cost them, too.
    context: Option<Box<Context>>,
}

impl Tracker {
    /// For a request whose head came at `began`.
    pub(crate) fn new(
        counter: Rc<Counter>,
        began: Instant,
        activity: &Rc<Activity>,
        progress: Option<&Rc<Progress>>,
    ) -> Self {
        activity.begin();
        if let Some(progress) = progress {
            progress.begin();
        }
        let activity = Rc::clone(activity);
        Self {
            counter,
            chosen: false,
            began,
            ended: Ended::default(),
            upload: None,
            activity,
            progress: progress.cloned(),
            complete: None,
            connection: false,
            line: None,
            context: None,
        }
    }

    /// For a connection whose bytes are passed on.
    pub(crate) fn connection(counter: Rc<Counter>, activity: &Rc<Activity>) -> Self {
        let mut tracker = Self::new(counter, Instant::now(), activity, None);
        tracker.connection = true;
        tracker
    }

    /// Has the request written down once it has ended.
    pub(crate) fn write_down(&mut self, line: Box<Line>) {
        self.line = Some(line);
    }

    /// It belongs to a trace.
    pub(crate) fn traced(&mut self, context: Option<Context>) {
        self.context = context.map(Box::new);
    }

    /// Which the next hop is told.
    pub(crate) fn context(&self) -> Option<&Context> {
        self.context.as_deref()
    }

    /// Tells the access log more of the request, where there is one.
    pub(crate) fn tell(&mut self, more: impl FnOnce(&mut Line)) {
        if let Some(line) = &mut self.line {
            more(line);
        }
    }

    /// When the request's head had come.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// Counts under another key: the instance is known now.
    pub(crate) fn count_with(&mut self, counter: Rc<Counter>) {
        self.counter = counter;
        self.choose();
    }

    /// Counts as sent the way that is known by now, once.
    fn choose(&mut self) {
        if !std::mem::replace(&mut self.chosen, true) {
            self.counter.choose();
            if self.connection {
                self.counter.open();
            }
        }
    }

    /// Counts the bytes of this body. It is watched for a client that stops sending, where that cannot be another protocol's
    /// way: streams of HTTP/2 may be open and still.
    pub(crate) fn uploads(&mut self, upload: &Rc<Upload>, watched: bool) {
        if watched {
            self.activity.uploads(upload);
        }
        self.upload = Some(Rc::clone(upload));
    }

    /// What has gone wrong.
    pub(crate) fn flags(&self) -> Flags {
        self.ended.flags
    }

    /// What is observed while it is active.
    pub(crate) fn progress(&self) -> Option<&Rc<Progress>> {
        self.progress.as_ref()
    }

    /// Its response has begun, and has this long; see [`Progress::answers`].
    pub(crate) fn answers(&self, limit: Option<Duration>, since: Instant) {
        if let Some(progress) = &self.progress {
            progress.answers(limit, since);
        }
    }

    /// When the response's time is up, once that is known.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.progress.as_ref()?.deadline()
    }

    /// From now on it is another protocol's, and watched by those who pass on its bytes.
    pub(crate) fn leaves(&mut self) {
        if let Some(progress) = self.progress.take() {
            progress.end();
        }
    }

    /// Something went wrong.
    pub(crate) fn flag(&mut self, flag: Flags) {
        self.ended.flags |= flag;
    }

    /// The response has this status.
    pub(crate) fn status(&mut self, status: u16) {
        self.ended.status = status;
        if self.upload.is_some() {
            // Whoever answers before all has come may take it slowly.
            self.activity.uploads_no_more();
        }
    }

    /// One more try.
    pub(crate) fn retried(&mut self) {
        self.ended.retries += 1;
    }

    /// There was no connection.
    pub(crate) fn unconnected(&mut self, reason: Reason, told: &str) {
        self.counter.fail(reason);
        self.tell(|line| line.failure = Some(told.to_owned()));
    }

    /// Bytes of the response's body.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.ended.received += bytes as u64;
        if let Some(progress) = &self.progress {
            progress.moves();
        }
    }

    /// The other side of a tunnel was sent this.
    pub(crate) fn sent(&mut self, bytes: u64) {
        self.ended.sent += bytes;
    }

    /// So many bytes of a connection were passed on, to the upstream and from it.
    pub(crate) fn moved(&self, sent: u64, received: u64) {
        self.counter.moved(sent, received);
    }

    /// The request has ended in order, or with a flag that says how.
    pub(crate) fn complete(&mut self, at: Instant) {
        self.complete = Some(at);
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        if self.connection {
            self.activity.end(Instant::now());
            self.choose();
            return self.counter.close(self.ended.flags);
        }
        let at = self.complete.unwrap_or_else(|| {
            self.ended.flags |= match self.progress.as_ref().and_then(|progress| progress.ended()) {
                // It was ended from here.
                Some((flags, status)) => {
                    self.ended.status = status.map_or(self.ended.status, |status| status.as_u16());
                    flags
                }
                None => Flags::CLIENT_GONE,
            };
            Instant::now()
        });
        if let Some(progress) = &self.progress {
            progress.end();
        }
        if let Some(upload) = &self.upload {
            self.ended.sent += upload.sent();
        }
        self.ended.took = at.saturating_duration_since(self.began);
        if self.complete.is_none() && self.ended.flags.contains(Flags::CLIENT_GONE) {
            self.activity.abandon(self.ended.took);
        }
        self.activity.end(at);
        self.choose();
        self.counter.count(&self.ended);
        if let Some(mut line) = self.line.take() {
            let Ended { status, flags, took, sent, received, retries } = self.ended;
            (line.status, line.flags, line.took) = (status, flags, took);
            // The log's words are the proxy's: it receives requests, and sends responses.
            (line.received, line.sent) = (sent, received);
            if self.complete.is_none() {
                line.details = Some(if flags.contains(Flags::STREAM_IDLE) {
                    "stream_idle_timeout"
                } else if flags.contains(Flags::TIMEOUT) {
                    "response_timeout"
                } else {
                    "downstream_remote_disconnect"
                });
            }
            line.put(retries);
        }
    }
}
