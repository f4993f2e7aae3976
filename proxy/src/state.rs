//! What one thread keeps: the sources, their plans with all that was found out for them, and what its tasks share.

pub(crate) mod plan;
pub(crate) mod shared;
pub(crate) mod source;
pub(crate) mod sources;
