//! The page: top bar, list, graph, inspector and timeline.

use leptos::prelude::*;

use crate::graph::Graph;
use crate::store::Store;
use crate::timeline::TimelineStrip;

/// The whole page.
#[component]
pub fn App() -> impl IntoView {
    let store = Store::provide();
    crate::client::listen(store);
    view! {
        <div class="app">
            <main class="stage"><Graph/></main>
            <TimelineStrip/>
        </div>
    }
}
