//! The server and its clients over real sockets, and meshes on real Envoys.

#![allow(clippy::disallowed_methods, reason = "a test may wait and read as it likes")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod client;
mod envoy;
mod made;
mod worlds;

mod ads;
mod fixed;
mod grpc;
mod live;
