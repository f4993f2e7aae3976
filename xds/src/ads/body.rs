//! Messages as the body of a gRPC response.
//!
//! What many streams send is passed on as it is: tonic's own encoder would copy it for each.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use futures::Stream;
use http::HeaderMap;
use http_body::Frame;
use tonic::Status;

/// Up to which size a message is copied into one piece.
const SMALL: usize = 8 * 1024;

/// The length of what comes before a message: whether it is compressed, and how long it is.
const PREFIX: usize = 5;

/// A message in two parts.
#[derive(Debug)]
pub(super) struct Message {
    head: BytesMut,
    body: Bytes,
}

impl Message {
    /// A message of what `head` writes, and of a body that may be others' too.
    pub(super) fn new(head: impl FnOnce(&mut BytesMut), body: Bytes) -> Self {
        let mut bytes = BytesMut::with_capacity(256);
        bytes.put_bytes(0, PREFIX);
        head(&mut bytes);
        let length = bytes.len() - PREFIX + body.len();
        // No message is longer than 4 GB; if one were, the client would find it malformed.
        bytes[1..PREFIX].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        Self { head: bytes, body }
    }

    /// Its length on the wire.
    pub(super) fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

/// A body of messages, with a status at its end.
#[derive(Debug)]
pub(super) struct Body<S> {
    messages: Pin<Box<S>>,
    rest: Option<Bytes>,
    ended: bool,
}

impl<S: Stream<Item = Result<Message, Status>>> Body<S> {
    /// A body of a stream that ends after an error.
    pub(super) fn new(messages: S) -> Self {
        Self { messages: Box::pin(messages), rest: None, ended: false }
    }
}

impl<S: Stream<Item = Result<Message, Status>>> http_body::Body for Body<S> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(rest) = self.rest.take() {
            return Poll::Ready(Some(Ok(Frame::data(rest))));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        let status = match ready!(self.messages.as_mut().poll_next(context)) {
            Some(Ok(Message { mut head, body })) => {
                if body.len() <= SMALL {
                    head.put(body);
                } else {
                    self.rest = Some(body);
                }
                return Poll::Ready(Some(Ok(Frame::data(head.freeze()))));
            }
            Some(Err(status)) => status,
            None => Status::ok(""),
        };
        self.ended = true;
        let mut trailers = HeaderMap::new();
        Poll::Ready(Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
    }
}
