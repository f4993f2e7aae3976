//! Journeys through the real thing: the server as a process, a real Chromium, real requests.
//!
//! Everything listens on loopback at free ports and ends with the test that started it.

pub mod browser;
pub mod designer;
pub mod http;
pub mod server;
pub mod wait;

pub use browser::Browser;
pub use server::{Server, binary};
