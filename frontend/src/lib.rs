//! The designer in the browser: the graph of a mesh, its traffic, and the controls that change it.
//!
//! Deciding and doing are apart: [`topology`], [`draft`] and the other modules without signals hold the logic and are
//! tested on the host; [`store`] holds the signals; components draw them.

#![allow(clippy::suboptimal_flops, reason = "wasm has no fused multiply-add: mul_add is a slow call there")]

pub mod app;
pub mod chart;
pub mod client;
pub mod draft;
pub mod explained;
pub mod faults;
pub mod graph;
pub mod observed;
pub mod shell;
pub mod split;
pub mod store;
pub mod timeline;
pub mod topology;
