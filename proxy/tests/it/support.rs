//! What the tests are made of.

mod envoy;
mod rig;
pub(crate) mod tls;

pub(crate) use envoy::is_asked_for as is_envoy;
pub(crate) use rig::{ANY, Rig};
pub(crate) use testkit::{AnyBody, Connection, Raw, Server, get, reply, request, skipped, streamed};
