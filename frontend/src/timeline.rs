//! The apply timeline of the head revision.

use leptos::prelude::*;

/// The apply timeline of the head revision.
#[component]
pub fn TimelineStrip() -> impl IntoView {
    view! { <div></div> }
}
