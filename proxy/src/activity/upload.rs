//! A request's body on its way to an upstream: streamed, counted, and kept for another try as long as it is short.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::activity::progress::Progress;

/// One request's body, shared by the tries that send it.
pub(crate) struct Upload {
    state: RefCell<State>,
    sent: Cell<u64>,
    ended: Cell<Option<Instant>>,
    /// Somebody waits for more of it to come.
    awaited: Cell<bool>,
    /// The request's.
    progress: Option<Rc<Progress>>,
}

struct State {
    source: Incoming,
    kept: Vec<Bytes>,
    kept_bytes: usize,
    trailers: Option<HeaderMap>,
    /// How much may still be kept; `None`: nothing is, or no longer.
    limit: Option<usize>,
    begun: bool,
    /// Which reader is the newest: an abandoned try must not take what belongs to its successor.
    newest: u32,
    waiting: Vec<Waker>,
}

/// What a try sends.
pub(crate) enum Outgoing {
    /// Nothing.
    Empty,
    /// All at once.
    Full(Bytes),
    /// A client's body as it comes.
    Stream(Reader),
}

/// One try's view of an [`Upload`].
pub(crate) struct Reader {
    upload: Rc<Upload>,
    number: u32,
    position: usize,
    trailers_given: bool,
}

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    /// The client's side failed.
    #[error("the client's body ended early")]
    Client(#[from] hyper::Error),
    /// Another try reads it now.
    #[error("the try was given up")]
    Abandoned,
}

/// Runs `work` for `timeout` at most, counted from `since`, or from the end of the client's request where that is later.
pub(crate) async fn within<T>(
    timeout: Option<Duration>,
    since: Instant,
    upload: Option<&Upload>,
    mut work: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    let Some(timeout) = timeout else { return Some(work.await) };
    let Some(upload) = upload else {
        return tokio::time::timeout_at((since + timeout).into(), work).await.ok();
    };
    let expiry = async {
        let ended = upload.ended().await.max(since);
        tokio::time::sleep_until((ended + timeout).into()).await;
    };
    let mut expiry = pin!(expiry);
    tokio::select! {
        biased;
        output = &mut work => Some(output),
        () = &mut expiry => None,
    }
}

impl Upload {
    /// A body of which up to `keep` bytes are kept for another try.
    pub(crate) fn new(source: Incoming, keep: Option<usize>, progress: Option<&Rc<Progress>>) -> Rc<Self> {
        if let Some(progress) = progress {
            progress.uploads();
        }
        Rc::new(Self {
            state: RefCell::new(State {
                source,
                kept: Vec::new(),
                kept_bytes: 0,
                trailers: None,
                limit: keep,
                begun: false,
                newest: 0,
                waiting: Vec::new(),
            }),
            sent: Cell::new(0),
            ended: Cell::new(None),
            awaited: Cell::new(false),
            progress: progress.cloned(),
        })
    }

    /// Bytes that came from the client.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Bytes that came, if it is the client who is waited for.
    pub(crate) fn awaited(&self) -> Option<u64> {
        (self.awaited.get() && self.ended.get().is_none()).then(|| self.sent.get())
    }

    /// When the client had sent all of it; `None`: it still sends.
    pub(crate) fn ended_at(&self) -> Option<Instant> {
        self.ended.get()
    }

    /// Whether it can be sent from its beginning.
    pub(crate) fn replayable(&self) -> bool {
        let state = self.state.borrow();
        !state.begun || state.limit.is_some()
    }

    /// A reader from the beginning; those made before it get nothing more.
    pub(crate) fn reader(self: &Rc<Self>) -> Reader {
        let mut state = self.state.borrow_mut();
        state.newest += 1;
        Reader { upload: Rc::clone(self), number: state.newest, position: 0, trailers_given: false }
    }

    /// Waits until the client has sent all of it.
    pub(crate) async fn ended(&self) -> Instant {
        poll_fn(|cx| match self.ended.get() {
            Some(at) => Poll::Ready(at),
            None => {
                let mut state = self.state.borrow_mut();
                if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                    state.waiting.push(cx.waker().clone());
                }
                Poll::Pending
            }
        })
        .await
    }

    /// All of it in one piece, once it has ended; `None` when it was too long to keep.
    pub(crate) fn whole(&self) -> Option<Bytes> {
        let state = self.state.borrow();
        state.limit.filter(|_| self.ended.get().is_some())?;
        Some(match state.kept.as_slice() {
            [] => Bytes::new(),
            [one] => one.clone(),
            many => many.concat().into(),
        })
    }

    fn end(&self, state: &mut State) {
        if self.ended.get().is_none() {
            let now = Instant::now();
            self.ended.set(Some(now));
            if let Some(progress) = &self.progress {
                progress.uploaded(now);
            }
            state.waiting.drain(..).for_each(Waker::wake);
        }
    }
}

impl State {
    fn keep(&mut self, data: &Bytes) {
        let Some(limit) = self.limit else { return };
        self.kept_bytes += data.len();
        if self.kept_bytes <= limit {
            self.kept.push(data.clone());
        } else {
            self.limit = None;
            self.kept = Vec::new();
        }
    }
}

impl Reader {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let upload = &*self.upload;
        let state = &mut *upload.state.borrow_mut();
        if self.number != state.newest {
            return Poll::Ready(Some(Err(UploadError::Abandoned)));
        }
        if let Some(data) = state.kept.get(self.position) {
            self.position += 1;
            return Poll::Ready(Some(Ok(Frame::data(data.clone()))));
        }
        if upload.ended.get().is_some() {
            let trailers =
                state.trailers.clone().filter(|_| !std::mem::replace(&mut self.trailers_given, true));
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        }
        state.begun = true;
        let polled = Pin::new(&mut state.source).poll_frame(cx);
        upload.awaited.set(polled.is_pending());
        let frame = match polled {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => {
                upload.end(state);
                return Poll::Ready(None);
            }
        };
        if let Some(progress) = &upload.progress {
            progress.moves();
        }
        if let Some(data) = frame.data_ref() {
            upload.sent.set(upload.sent.get() + data.len() as u64);
            state.keep(data);
            self.position = state.kept.len();
        } else if let Some(trailers) = frame.trailers_ref() {
            state.trailers = Some(trailers.clone());
            self.trailers_given = true;
        }
        if state.source.is_end_stream() {
            upload.end(state);
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            this @ Self::Full(_) => {
                let Self::Full(data) = std::mem::replace(this, Self::Empty) else { return Poll::Ready(None) };
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Self::Stream(reader) => reader.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(data) => data.is_empty(),
            Self::Stream(reader) => {
                let state = reader.upload.state.borrow();
                reader.upload.ended.get().is_some()
                    && reader.position >= state.kept.len()
                    && (reader.trailers_given || state.trailers.is_none())
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(data) => SizeHint::with_exact(data.len() as u64),
            // What is kept comes on top of what is still to come.
            Self::Stream(reader) => {
                let state = reader.upload.state.borrow();
                let ahead: usize =
                    state.kept[reader.position.min(state.kept.len())..].iter().map(Bytes::len).sum();
                let rest = state.source.size_hint();
                rest.exact().map_or_else(SizeHint::new, |rest| SizeHint::with_exact(rest + ahead as u64))
            }
        }
    }
}
