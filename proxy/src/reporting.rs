//! What is told of the traffic: observations, the access log, traces, and the names and reasons that they share. Nothing here
//! knows how a request is served.

pub(crate) mod access_log;
pub(crate) mod distribution;
pub(crate) mod flags;
pub(crate) mod names;
pub mod observation;
pub(crate) mod reason;
pub(crate) mod stats;
pub(crate) mod trace;
