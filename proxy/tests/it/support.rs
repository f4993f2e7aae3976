//! What the tests are made of.

mod client;
mod rig;
mod server;

pub(crate) use client::{Answer, Connection, get, request};
pub(crate) use rig::Rig;
pub(crate) use server::{Raw, Server, reply};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

/// Any body.
pub(crate) type AnyBody = UnsyncBoxBody<Bytes, std::io::Error>;
