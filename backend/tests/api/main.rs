//! The server over real HTTP, each test with a server and a data folder of its own.
#![allow(clippy::disallowed_methods, reason = "a test may wait and read as it likes")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics fails, in its helpers too")]

mod alerts;
mod cluster;
mod control;
mod crash;
mod events;
mod folder;
mod limits;
mod openapi;
mod poison;
mod security;
mod support;
