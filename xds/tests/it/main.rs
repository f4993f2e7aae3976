//! Meshes on real Envoys.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod envoy;
mod worlds;

mod fixed;
