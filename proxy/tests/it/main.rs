//! The data plane over real sockets: own upstreams and clients on loopback, plans built by hand.

#![allow(clippy::disallowed_methods, reason = "a test may wait and read as it likes")]
#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

mod access_log;
mod balancing;
mod breakers;
mod cross_origin;
mod edge;
mod egress;
mod faults;
mod generated;
mod heads;
mod health;
mod hostile;
#[cfg(target_os = "linux")]
mod interception;
mod istio;
mod limits;
mod odd;
mod onward;
mod outlier;
mod plans;
mod protocol;
mod reasons;
mod routing;
mod semantics;
mod spellings;
mod stress;
mod support;
mod swaps;
mod tcp;
mod tls;
mod tracing;
mod traffic;
mod upgrades;
mod upstreams;
mod waits;
