//! The graph of the mesh: services, gateways and external hosts, and the traffic between them.
//!
//! [`layout`], [`curve`], [`scene`], [`camera`] and [`details`] decide and know no signals; [`state`] holds the
//! signals; the rest draws. A tick changes attributes of what is there; only another topology makes elements.

pub mod bars;
pub mod camera;
pub mod curve;
pub mod details;
pub mod edge;
pub mod explained;
pub mod flow;
pub mod keys;
pub mod layout;
pub mod memory;
pub mod node;
pub mod scene;
pub mod stage;
pub mod state;
pub mod tip;
pub mod tools;

use crate::prelude::*;

use stage::Stage;
use state::GraphState;
use tip::Tooltip;
use tools::{Empty, Legend, Tools};

/// The graph of the mesh.
#[component]
pub fn Graph() -> impl IntoView {
    let graph = GraphState::provide();
    keys::listen(graph);
    memory::recall(graph);
    view! {
        <div class="graph">
            <Stage/>
            <Empty/>
            <Legend/>
            <Tools/>
            <Tooltip/>
        </div>
    }
}
