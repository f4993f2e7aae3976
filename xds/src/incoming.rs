//! Messages out of the body of a gRPC request.
//!
//! tonic's own reader keeps room for the longest message that it has seen. An Envoy names all of its endpoints once, and then
//! says little for days: a thousand of them would keep what they needed once.

use std::marker::PhantomData;

use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use prost::Message;
use tonic::Status;
use tonic::body::Body;

/// The length of what comes before a message: whether it is compressed, and how long it is.
const PREFIX: usize = 5;

/// The longest message that is read: what a client that returns has of 100,000 resources is less.
const LONGEST: usize = 32 << 20;

/// How much room is kept between messages.
const KEPT: usize = 4096;

/// The messages that a client sends.
#[derive(Debug)]
pub(crate) struct Incoming<M> {
    body: Body,
    held: BytesMut,
    message: PhantomData<fn() -> M>,
}

impl<M: Message + Default> Incoming<M> {
    /// The messages of a request.
    pub(crate) fn new(body: Body) -> Self {
        Self { body, held: BytesMut::new(), message: PhantomData }
    }

    /// The next message; nothing when the client has no more. May be given up and asked again.
    pub(crate) async fn next(&mut self) -> Result<Option<M>, Status> {
        loop {
            if let Some(message) = self.complete()? {
                return Ok(Some(message));
            }
            match self.body.frame().await {
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        self.held.extend_from_slice(&data);
                    }
                }
                None if self.held.is_empty() => return Ok(None),
                None => return Err(Status::invalid_argument("the stream ended within a message")),
            }
        }
    }

    /// The message that has arrived, if it has.
    fn complete(&mut self) -> Result<Option<M>, Status> {
        let Some((&[compressed, a, b, c, d], rest)) = self.held.split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if compressed != 0 {
            return Err(Status::unimplemented("messages are not compressed here"));
        }
        if length > LONGEST {
            return Err(Status::resource_exhausted(format!("a message of {length} bytes is too long")));
        }
        let Some(bytes) = rest.get(..length) else {
            // One that is long comes in many pieces, and would be moved for many of them.
            self.held.reserve((PREFIX + length).saturating_sub(self.held.len()));
            return Ok(None);
        };
        let message = M::decode(bytes);
        self.held.advance(PREFIX + length);
        if self.held.capacity() > KEPT || length > KEPT {
            self.held = BytesMut::from(&self.held[..]);
        }
        message.map(Some).map_err(|error| Status::invalid_argument(format!("not what was expected: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use envoy_types::pb::google::protobuf::StringValue;
    use futures::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tonic::Code;

    use super::*;

    fn message(text: &str) -> Vec<u8> {
        let message = StringValue { value: text.to_owned() }.encode_to_vec();
        let mut bytes = vec![0];
        bytes.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        bytes.extend(message);
        bytes
    }

    #[track_caller]
    fn check(bytes: &[u8], size: usize, expected: &[&str], end: Code) {
        let pieces: Vec<Bytes> = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
        let frames = pieces.into_iter().map(|piece| Ok::<_, Status>(Frame::data(piece)));
        let mut incoming = Incoming::<StringValue>::new(Body::new(StreamBody::new(stream::iter(frames))));
        let (found, code) = futures::executor::block_on(async {
            let mut found = Vec::new();
            loop {
                match incoming.next().await {
                    Ok(Some(message)) => found.push(message.value),
                    Ok(None) => return (found, Code::Ok),
                    Err(status) => return (found, status.code()),
                }
                assert!(incoming.held.capacity() <= KEPT.max(size));
            }
        });
        assert_eq!(found, expected);
        assert_eq!(code, end);
    }

    #[test]
    fn messages_come_in_pieces_of_any_size() {
        let long = "x".repeat(100_000);
        let bytes = [message("a"), message(&long), message(""), message("b")].concat();
        for size in [1, 3, 1000, bytes.len()] {
            check(&bytes, size, &["a", &long, "", "b"], Code::Ok);
        }
    }

    #[test]
    fn what_is_no_message_ends_the_stream() {
        for (bytes, end) in [
            (vec![1, 0, 0, 0, 0], Code::Unimplemented),
            (vec![0, 255, 0, 0, 0], Code::ResourceExhausted),
            (vec![0, 0, 0, 0, 1, 7], Code::InvalidArgument),
            (vec![0, 0, 0, 0, 9, 7], Code::InvalidArgument),
        ] {
            check(&[message("a"), bytes].concat(), 2, &["a"], end);
        }
    }
}
