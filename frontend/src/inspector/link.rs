//! A link: who calls whom, and how it goes.

use crate::prelude::*;

use crate::inspector::versions::{figures_table, version_row};
use crate::store::{Tab, use_store};
use crate::topology::{LinkKey, version_color};

/// A selected link.
#[component]
pub fn LinkView(
    /// What is selected.
    key: LinkKey,
) -> impl IntoView {
    let store = use_store();
    let traffic = store.traffic.of_link(&key);
    let title = format!("{} → {}", key.from.name(), key.to.name());
    let (open, to) = (key.to.clone(), key.to.clone());
    let rows = move || {
        let seconds = store.traffic.seconds.get();
        let versions = store.derived.subject(&to).versions;
        traffic.with(|traffic| {
            let nameless = if versions.is_empty() { "all" } else { "no instance" };
            let row = |(name, figures): &(String, _)| {
                let color = versions.iter().position(|version| version.name == *name).map(version_color);
                version_row(color, if name.is_empty() { nameless } else { name }, figures, seconds)
            };
            traffic.versions.iter().map(row).collect()
        })
    };
    let faults = move || {
        store.derived.faults.with(|faults| {
            let here = faults.iter().filter(|fault| fault.acts_on(&key));
            let faults = here.map(|fault| fault.label.clone());
            let lines = faults
                .chain(store.derived.limits(Some(&key.from), &key.to))
                .map(|line| view! { <p class="warn">{line}</p> });
            lines.collect_view()
        })
    };
    view! {
        <header>
            <h1>{title}</h1>
            <p>{move || faults()}</p>
        </header>
        <div class="panel-body">
            <h2 class="eyebrow">"Last 60 s"</h2>
            {figures_table("version", Box::new(rows))}
            <div class="buttons">
                <button
                    class="btn"
                    on:click=move |_| {
                        store.ui.select(open.clone());
                        store.ui.tab.set(Tab::Faults);
                    }
                >
                    "Inject a fault…"
                </button>
            </div>
        </div>
    }
}
