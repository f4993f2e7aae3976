//! The graph of the mesh.

use leptos::prelude::*;

/// The graph of the mesh.
#[component]
pub fn Graph() -> impl IntoView {
    view! { <div></div> }
}
