//! What is active, and how it ends: requests, their bodies, and the connections that they come on.

pub(crate) mod drain;
pub(crate) mod progress;
pub(crate) mod upload;
