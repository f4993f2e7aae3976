//! What the tests are made of.

mod client;
mod envoy;
mod rig;
mod server;
pub(crate) mod tls;

pub(crate) use client::{Connection, get, request};
pub(crate) use envoy::is_asked_for as is_envoy;
pub(crate) use rig::{ANY, Rig};
pub(crate) use server::{Raw, Server, reply, streamed};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

/// Says why a test does nothing here: on the real standard output, which the harness does not swallow and `cargo xtask test`
/// reads.
pub(crate) fn skipped(why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "\nskipped: {why}");
}

/// Any body.
pub(crate) type AnyBody = UnsyncBoxBody<Bytes, std::io::Error>;
