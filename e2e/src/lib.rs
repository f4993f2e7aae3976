//! Journeys through the real thing: the server as a process, a real Chromium, real requests.
//!
//! Everything listens on loopback at free ports and ends with the test that started it.

pub mod browser;
pub mod cluster;
pub mod designer;
pub mod http;
pub mod istio;
pub mod program;
pub mod server;
pub mod wait;
pub mod wire;

pub use browser::Browser;
pub use server::{Server, binary};
