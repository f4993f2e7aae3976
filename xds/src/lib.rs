//! The same mesh on Envoys.
//!
//! [`translate`] turns a plan into Envoy's resources, purely; [`ads`] serves them over xDS to Envoys and hears what they
//! make of them. All that is protobuf is in this crate; nothing of the control loop, HTTP or storage is.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test may wait and read as it likes"))]

pub mod ads;
pub mod als;
pub mod bootstrap;
mod describe;
mod incoming;
pub mod node;
pub mod proxyless;
pub mod resource;
pub mod translate;
