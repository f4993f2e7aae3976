//! The inspector at the right: what is selected, and the controls that change it.

pub mod api_field;
pub mod faults;
pub mod gateway;
pub mod instances;
pub mod link;
pub mod messages;
pub mod overview;
pub mod policy;
pub mod resilience;
pub mod route_picker;
pub mod rules;
pub mod share_row;
pub mod split;
pub mod tabs;
pub mod version_menu;
pub mod versions;
pub mod yaml;

use crate::prelude::*;
use mesh::Kind;

use crate::store::{Tab, use_store};
use crate::subject::Subject;
use crate::topology::{NodeId, Selection};

/// The inspector.
#[component]
pub fn Inspector() -> impl IntoView {
    let store = use_store();
    let node = memo(move |_| store.ui.node());
    let link = memo(move |_| match store.ui.selection.get() {
        Some(Selection::Link(key)) => Some(key),
        _ => None,
    });
    view! {
        <aside class="inspector" aria-label="Inspector">
            {move || match (node.get(), link.get()) {
                (Some(id), _) => view! { <NodeView id/> }.into_any(),
                (_, Some(key)) => view! { <link::LinkView key/> }.into_any(),
                _ => view! { <overview::Overview/> }.into_any(),
            }}
        </aside>
    }
}

#[component]
fn NodeView(id: NodeId) -> impl IntoView {
    let store = use_store();
    let subject = {
        let id = id.clone();
        memo(move |_| store.derived.subject(&id))
    };
    let first = match id {
        NodeId::Service(_) => "Split",
        NodeId::Gateway { .. } => "Listeners",
        NodeId::External(_) | NodeId::Workload { .. } => "Traffic",
    };
    let body = move || match (store.ui.tab.get(), &id) {
        (Tab::Split, NodeId::Gateway { namespace, name }) => {
            view! { <gateway::GatewayTab namespace=namespace.clone() name=name.clone() subject/> }.into_any()
        }
        (Tab::Split, _) => view! { <split::SplitTab id=id.clone() subject/> }.into_any(),
        (Tab::Rules, _) => view! { <rules::RulesTab subject/> }.into_any(),
        (Tab::Faults, _) => view! { <faults::FaultsTab id=id.clone() subject/> }.into_any(),
        (Tab::Resilience, _) => view! { <resilience::ResilienceTab id=id.clone() subject/> }.into_any(),
        (Tab::Yaml, _) => view! { <yaml::YamlTab subject/> }.into_any(),
    };
    view! {
        <Header subject/>
        <tabs::Tabs first/>
        <div class="panel-body" role="tabpanel" id="inspector-panel" aria-labelledby=move || tabs::id(store.ui.tab.get())>
            {move || body()}
        </div>
    }
}

#[component]
fn Header(subject: Memo<Subject>) -> impl IntoView {
    let name = move || subject.with(|subject| subject.id.name().to_owned());
    let detail = move || {
        subject.with(|subject| match &subject.id {
            NodeId::Service(host) => host.clone(),
            NodeId::External(_) => "outside the mesh".to_owned(),
            NodeId::Gateway { namespace, .. } => format!("gateway in {namespace}"),
            NodeId::Workload { namespace, .. } => format!("workload in {namespace}"),
        })
    };
    let governs = move || {
        subject.with(|subject| {
            let shown = |kind: &Kind| matches!(kind, Kind::VirtualService | Kind::DestinationRule);
            let keys = subject.resources.iter().filter(|key| shown(&key.kind)).collect::<Vec<_>>();
            let parts: Vec<_> = keys
                .iter()
                .enumerate()
                .map(|(at, key)| {
                    // A name that the next one has too is said once.
                    let again = keys.get(at + 1).is_some_and(|next| next.name == key.name);
                    view! {
                        {(at > 0).then_some(" · ")}
                        {key.kind.to_string()}
                        {(!again).then(|| view! { " "<b>{key.name.clone()}</b> })}
                    }
                })
                .collect();
            if parts.is_empty() {
                "No VirtualService or DestinationRule: all instances share the requests.".into_any()
            } else {
                parts.into_any()
            }
        })
    };
    view! {
        <header>
            <h1>{move || name()}" "<code>{move || detail()}</code></h1>
            <p>{move || governs()}</p>
        </header>
    }
}
