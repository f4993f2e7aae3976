//! Towards clients: listening, accepting, finding out what is spoken, and serving HTTP.

pub(crate) mod accept;
pub(crate) mod connection;
pub(crate) mod detect;
pub(crate) mod http;
pub(crate) mod listen;
