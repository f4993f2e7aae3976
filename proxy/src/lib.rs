//! The data plane: listeners, connections, balancing, resilience and faults.
//!
//! [`Proxy::start`] makes one thread per core; each accepts on every listener (`SO_REUSEPORT`) and has its own plans,
//! counters and connections to the upstreams, so nothing is locked while a request passes. Swapping a plan drops no
//! request. What happened comes out as observations, counted on each thread and handed over in batches.
//!
//! What happens to a request is decided by [`mesh::route`]; here it is done.

mod accept;
mod access_log;
mod affinity;
mod balance;
mod body;
mod breaker;
mod cluster;
mod config;
mod connect;
mod connection;
mod control;
mod copy;
mod cors;
mod distribution;
mod drain;
mod edge;
mod facts;
mod flags;
mod fleet;
mod forward;
mod headers;
mod health;
mod hello;
mod http;
mod lines;
mod listen;
mod local;
mod mirror;
mod names;
pub mod observation;
mod odd;
mod outbound;
mod outcome;
mod outlier;
mod pool;
mod preface;
mod pulse;
mod reason;
pub mod regular;
mod reply;
mod serve;
mod shared;
mod source;
mod stats;
mod stream;
mod tcp;
mod thread;
mod ticket;
mod tls;
mod trace;
mod tunnel;
mod upload;
mod view;

pub use access_log::{AccessLog, Format};
pub use breaker::Limit;
pub use config::Config;
pub use control::{BindError, Entry, Events, Proxy, StartError, Swapped};
pub use distribution::{Answered, Answers, BOUNDS, Distribution};
pub use names::{Name, Names};
pub use observation::{Batch, Notice, ObservationKey, Place, Stats, Tries};
pub use outlier::EjectedFor;
pub use reason::Reason;
pub use trace::{Span, Spans, Tracing};
