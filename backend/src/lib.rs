//! The designer's server: the control loop, the API, storage and telemetry.
//!
//! A library so that integration tests can start it; the program is `main.rs`.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test may wait and read as it likes"))]

pub mod analysis;
pub mod app_window;
pub mod cli;
pub mod clock;
pub mod connections;
pub mod control;
pub mod events;
pub mod export;
pub mod files;
pub mod http;
pub mod load;
pub mod metrics;
pub mod origins;
pub mod sample;
pub mod server;
pub mod settings;
pub mod spans;
pub mod store;
pub mod targets;
pub mod telemetry;
pub mod timeline;
pub mod watch;
pub mod work;
