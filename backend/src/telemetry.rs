//! What the proxies observed, made into what the browser shows: rates, percentiles, shares with their intervals, series.
//!
//! Time is a parameter here: [`Collector`] is told when a quarter of a second ended.

pub mod alerts;
pub mod instances;
pub mod interval;
mod routes;
pub mod splits;
pub mod window;

mod collector;
mod follower;
pub(crate) mod task;

pub use collector::Collector;
pub use follower::Follower;
