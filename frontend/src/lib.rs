//! The designer in the browser: the graph of a mesh, its traffic, and the controls that change it.
//!
//! Deciding and doing are apart: the modules marked as pure hold the logic and are tested on the host; [`store`] holds the
//! signals; components draw them.

#![allow(clippy::suboptimal_flops, reason = "wasm has no fused multiply-add: mul_add is a slow call there")]

pub mod app;
pub mod banners;
pub mod browser;
pub mod catalog;
pub mod chart;
pub mod choices;
pub mod client;
pub mod clock;
pub mod dialogs;
pub mod diff;
pub mod draft;
pub mod editing_text;
pub mod event_stream;
pub mod explain_form;
pub mod explained;
pub mod fault_form;
pub mod faults;
#[cfg(test)]
mod fixture;
pub mod graph;
pub mod highlight;
pub mod icons;
pub mod inspector;
pub mod instances;
pub mod kept;
pub mod look;
pub mod observed;
pub mod policy;
mod prelude;
pub mod reading;
pub mod rebase;
pub mod rules;
pub mod shell;
pub mod shortcuts;
pub mod sidebar;
pub mod split;
pub mod store;
pub mod subject;
pub mod tabs;
pub mod take_back;
pub mod timeline;
pub mod toasts;
pub mod topbar;
pub mod topology;
pub mod typed;
pub mod version_order;
pub mod view;
pub mod words;
