//! What the tests are made of.

mod client;
mod envoy;
mod rig;
mod server;
pub(crate) mod tls;

pub(crate) use client::{Connection, get, request};
pub(crate) use rig::{ANY, Rig};
pub(crate) use server::{Raw, Server, reply, streamed};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

/// Any body.
pub(crate) type AnyBody = UnsyncBoxBody<Bytes, std::io::Error>;
