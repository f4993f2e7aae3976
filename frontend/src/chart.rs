//! Charts of observed traffic.

use leptos::prelude::*;

/// Traffic into a service by version, over the last minutes, with a mark for every revision.
#[component]
pub fn TrafficChart(
    /// The service's fully qualified host.
    #[prop(into)]
    host: Signal<String>,
) -> impl IntoView {
    view! { <div>{host}</div> }
}
