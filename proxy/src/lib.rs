//! The data plane: listeners, connections, balancing, resilience and faults.
//!
//! [`Proxy::start`] makes one thread per core; each accepts on every listener (`SO_REUSEPORT`) and has its own plans,
//! counters and connections to the upstreams, so nothing is locked while a request passes. Swapping a plan drops no
//! request. What happened comes out as observations, counted on each thread and handed over in batches.
//!
//! What happens to a request is decided by [`mesh::route`]; here it is done.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test may wait and read as it likes"))]

mod activity;
mod config;
mod control;
mod downstream;
mod headers;
mod net;
pub mod regular;
mod reporting;
mod request;
mod state;
mod thread;
mod tls;
mod upstream;

pub use config::Config;
pub use control::{BindError, Events, Proxy, StartError, Swapped};
pub use reporting::access_log::{AccessLog, Format};
pub use reporting::distribution::{Answered, Answers, BOUNDS, Distribution};
pub use reporting::names::{Name, Names};
pub use reporting::observation;
pub use reporting::observation::{Batch, EjectedFor, Limit, Notice, ObservationKey, Place, Stats, Tries};
pub use reporting::reason::Reason;
pub use reporting::trace::{Span, Spans, Tracing};
pub use thread::Entry;
