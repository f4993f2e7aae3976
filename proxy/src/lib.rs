//! The data plane: listeners, connections, balancing, resilience and faults.
//!
//! [`Proxy::start`] makes one thread per core; each accepts on every listener (`SO_REUSEPORT`), has its own connections
//! to the upstreams, and reads plans through an atomic pointer. Swapping a plan drops no request. What happened comes
//! out as observations, counted on each thread and handed over in batches.

pub mod observation;

pub use observation::{Batch, Notice, ObservationKey, Stats};
