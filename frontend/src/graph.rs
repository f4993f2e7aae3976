//! The graph of the mesh.

pub mod curve;
pub mod layout;

use leptos::prelude::*;

/// The graph of the mesh.
#[component]
pub fn Graph() -> impl IntoView {
    view! { <div></div> }
}
