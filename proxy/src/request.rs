//! One request from its head to its response, or one connection whose bytes are passed on: the mesh decides, and this does
//! what was decided.

pub(crate) mod affinity;
pub(crate) mod body;
pub(crate) mod client;
pub(crate) mod connect;
pub(crate) mod cors;
pub(crate) mod forward;
pub(crate) mod inbound;
pub(crate) mod mirror;
pub(crate) mod outbound;
pub(crate) mod outcome;
pub(crate) mod repeated_headers;
pub(crate) mod reply;
pub(crate) mod sanitize;
pub(crate) mod serve;
pub(crate) mod stream_info;
pub(crate) mod tcp;
pub(crate) mod tracker;
pub(crate) mod upgrade;
pub(crate) mod validate;
