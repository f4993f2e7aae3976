//! The designer's server: the control loop, the API, storage and telemetry.
//!
//! A library so that integration tests can start it; the program is `main.rs`.

pub mod cli;
pub mod clock;
pub mod events;
pub mod export;
pub mod files;
pub mod sample;
pub mod store;
pub mod telemetry;
