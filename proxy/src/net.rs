//! Byte streams, and what hyper needs to run on one thread. Nothing here knows of requests or of the mesh.

pub(crate) mod copy;
pub(crate) mod downstream;
pub(crate) mod executor;
pub(crate) mod stream;
