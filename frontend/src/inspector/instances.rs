//! Instances of a service, each with its state, and limits that are reached.

use crate::instances::{self, Instance};
use crate::prelude::*;
use crate::store::use_store;

/// The table, where there are any.
#[component]
pub fn Instances(
    /// The service's host.
    host: String,
) -> impl IntoView {
    let store = use_store();
    let host = StoredValue::new(host);
    let all = memo(move |_| {
        store.head.troubles.with(|troubles| {
            store
                .derived
                .base
                .with(|base| host.with_value(|host| instances::of(&base.registry, host, troubles)))
        })
    });
    let limits = move || {
        let all =
            store.head.troubles.with(|troubles| host.with_value(|host| instances::limits(host, troubles)));
        all.into_iter().map(|limit| view! { <p class="bad">{limit}</p> }).collect_view()
    };
    view! {
        <Show when=move || !all.with(Vec::is_empty)>
            <h2 class="eyebrow">"Instances"</h2>
            <div role="status">{move || limits()}</div>
            <table class="figures">
                <thead>
                    <tr>{["instance", "version", "state"].map(|name| view! { <th scope="col">{name}</th> }).collect_view()}</tr>
                </thead>
                <tbody>{move || all.get().into_iter().map(row).collect_view()}</tbody>
            </table>
        </Show>
    }
}

fn row(instance: Instance) -> AnyView {
    let (dot, state) = match instance.troubles.join("; ") {
        none if none.is_empty() => ("dot ok", "in use".to_owned()),
        troubles => ("dot bad", troubles),
    };
    view! {
        <tr>
            <td><span class=dot></span>{instance.name}</td>
            <td>{instance.version}</td>
            <td>{state}</td>
        </tr>
    }
}
