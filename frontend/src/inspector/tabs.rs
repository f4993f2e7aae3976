//! The inspector's tabs: one stop for Tab, arrows move among them.

use crate::prelude::*;
use leptos::ev;
use wasm_bindgen::JsCast;

use crate::store::{Tab, use_store};

const ALL: [(Tab, &str); 5] = [
    (Tab::Split, "Split"),
    (Tab::Rules, "Rules"),
    (Tab::Faults, "Faults"),
    (Tab::Resilience, "Resilience"),
    (Tab::Yaml, "YAML"),
];

/// The element of a tab.
pub(super) fn id(tab: Tab) -> &'static str {
    match tab {
        Tab::Split => "tab-split",
        Tab::Rules => "tab-rules",
        Tab::Faults => "tab-faults",
        Tab::Resilience => "tab-resilience",
        Tab::Yaml => "tab-yaml",
    }
}

/// The tabs. The first is named by what is selected.
#[component]
pub fn Tabs(
    /// Name of the first tab.
    first: &'static str,
) -> impl IntoView {
    let open = use_store().ui.tab;
    let tab = move |(tab, label): (Tab, &'static str)| {
        let selected = move || open.get() == tab;
        view! {
            <button
                role="tab"
                id=id(tab)
                aria-selected=move || selected().to_string()
                aria-controls="inspector-panel"
                tabindex=move || if selected() { "0" } else { "-1" }
                on:click=move |_| open.set(tab)
            >
                {if tab == Tab::Split { first } else { label }}
            </button>
        }
    };
    view! {
        <div class="tabs" role="tablist" aria-label="Inspector" on:keydown=move |event| rove(&event, open)>
            {ALL.map(tab).collect_view()}
        </div>
    }
}

fn rove(event: &ev::KeyboardEvent, open: RwSignal<Tab>) {
    let at = ALL.iter().position(|(tab, _)| *tab == open.get_untracked()).unwrap_or(0);
    let next = match event.key().as_str() {
        "ArrowRight" => (at + 1) % ALL.len(),
        "ArrowLeft" => (at + ALL.len() - 1) % ALL.len(),
        "Home" => 0,
        "End" => ALL.len() - 1,
        _ => return,
    };
    event.prevent_default();
    let next = ALL[next].0;
    open.set(next);
    if let Some(button) = document().get_element_by_id(id(next)) {
        let _ = button.unchecked_into::<web_sys::HtmlElement>().focus();
    }
}
