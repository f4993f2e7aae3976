//! A gateway: where it really listens, and what for.

use crate::prelude::*;

use crate::inspector::versions::{figures_table, version_row};
use crate::store::{Store, use_store};
use crate::subject::Subject;
use crate::topology::NodeId;

/// The tab.
#[component]
pub fn GatewayTab(
    /// Namespace of the Gateway.
    namespace: String,
    /// Its name.
    name: String,
    /// The node with its routes.
    subject: Memo<Subject>,
) -> impl IntoView {
    let store = use_store();
    let source = mesh::Source::Gateway { namespace: namespace.clone(), name: name.clone() };
    let id = NodeId::Gateway { namespace: namespace.clone(), name: name.clone() };
    let traffic = store.traffic.of_node(&id);
    let servers = move || {
        let draft = store.derived.draft.get();
        let key = mesh::ResourceKey::new(mesh::Kind::Gateway, &namespace, &name);
        let servers =
            draft.catalog.gateways.get(&key).map(|gateway| gateway.servers.clone()).unwrap_or_default();
        let source = source.clone();
        servers.into_iter().map(move |server| server_card(store, &source, server)).collect_view()
    };
    let rows = move || {
        let seconds = store.traffic.seconds.get();
        vec![traffic.with(|traffic| version_row(None, "all", &traffic.all, seconds))]
    };
    view! {
        <h2 class="eyebrow">"Listeners"</h2>
        {move || servers()}
        <h2 class="eyebrow">"Routes"</h2>
        <p class="note">
            {move || subject.with(|subject| crate::words::plural(subject.routes.len(), "route", "routes"))}
            " of VirtualServices are bound to this gateway; see Rules."
        </p>
        <h2 class="eyebrow">"Last 60 s"</h2>
        {figures_table("traffic", Box::new(rows))}
    }
}

fn server_card(
    store: Store,
    source: &mesh::Source,
    server: (u16, String, Vec<String>),
) -> impl IntoView + use<> {
    let (port, protocol, hosts) = server;
    let address = store.head.listeners.with(|all| {
        all.iter().find(|one| one.source == *source && one.port == Some(port)).map(|one| one.address.clone())
    });
    let speaks = |other: &str| protocol.eq_ignore_ascii_case(other);
    let scheme = if speaks("https") { "https" } else { "http" };
    // What else comes in cannot be looked at in a browser.
    let bytes = speaks("tcp") || speaks("tls");
    // The page that the load generator asks for is the one that a person wants to see, too.
    let path = store.head.load.with(|load| {
        let (load, address) = (load.as_ref()?, address.as_ref()?);
        load.url.split_once(address.as_str()).map(|(_, path)| path.to_owned())
    });
    let address = match address {
        Some(address) if bytes => view! { <code>{address}</code> }.into_any(),
        Some(address) => {
            let url = format!("{scheme}://{address}{}", path.unwrap_or_default());
            let text = url.clone();
            view! { <a href=url target="_blank" rel="noopener">{text}</a> }.into_any()
        }
        None => view! { <span class="warn">"not listening yet"</span> }.into_any(),
    };
    view! {
        <article class="card">
            <h2>{format!("{protocol} {port}")}</h2>
            <dl>
                <dt>"address"</dt>
                <dd>{address}</dd>
                <dt>"hosts"</dt>
                <dd>{hosts.join(", ")}</dd>
            </dl>
        </article>
    }
}
