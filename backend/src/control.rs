//! The control loop: one task owns the newest revision, so edits come one after the other.
//!
//! What a change leads to is decided in [`change`], by [`admission`] away from the loop, so that one that takes long holds up no other:
//! it is read, validated and compiled there. Then the [`actor`] does it, in this order: stored on disk, acknowledged, told to the
//! browsers, applied to the targets. Every milestone on the way is measured.

mod actor;
mod admission;
mod change;
mod expiry;
mod handle;
mod inbox;
mod outside;

pub use actor::{Actor, Parts};
pub use change::{Head, OWN, Refusal};
pub use handle::Control;
