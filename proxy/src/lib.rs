//! The data plane: listeners, connections, balancing, resilience and faults.
//!
//! [`Proxy::start`] makes one thread per core; each accepts on every listener (`SO_REUSEPORT`) and has its own plans,
//! counters and connections to the upstreams, so nothing is locked while a request passes. Swapping a plan drops no
//! request. What happened comes out as observations, counted on each thread and handed over in batches.
//!
//! What happens to a request is decided by [`mesh::route`]; here it is done.

mod accept;
mod config;
mod control;
mod listen;
pub mod observation;
mod shared;
mod stats;
mod thread;

pub use config::Config;
pub use control::{BindError, Entry, Events, Proxy, StartError, Swapped};
pub use observation::{Batch, Notice, ObservationKey, Stats};
