//! Rules: each route in words, and the share of the last minute's traffic that it took.

use crate::prelude::*;
use mesh::Diagnostic;

use crate::inspector::messages::Messages;
use crate::store::{Store, use_store};
use crate::subject::{RouteView, Subject};
use crate::{faults, words};

/// Codes of findings that say that a rule is never reached.
const UNREACHABLE: [&str; 1] = ["MW0403"];

/// The tab.
#[component]
pub fn RulesTab(
    /// The node with its routes.
    subject: Memo<Subject>,
) -> impl IntoView {
    let routes = memo(move |_| subject.with(|subject| subject.routes.clone()));
    let total = memo(move |_| {
        let store = use_store();
        routes.with(|routes| routes.iter().filter_map(|route| taken(store, route)).sum::<u64>())
    });
    view! {
        <p class="note">"The first matching route wins."</p>
        <ol>
            <For each=move || routes.get().into_iter().enumerate().collect() key=|(at, route)| (
                    route.target.clone(),
                    route.fault.as_ref().map(faults::label),
                    *at, route.label.clone(), route.matches.clone(), route.outcome.clone(), route.extras.clone()) let:item>
                <li><Card at=item.0 route=item.1 total/></li>
            </For>
        </ol>
        <Show when=move || routes.with(Vec::is_empty)>
            <p class="empty">"No VirtualService routes this traffic."</p>
        </Show>
    }
}

#[component]
fn Card(at: usize, route: RouteView, total: Memo<u64>) -> impl IntoView {
    let store = use_store();
    let problems = {
        let route = route.clone();
        memo(move |_| problems(store, &route))
    };
    let unreachable = move || problems.with(|all| all.iter().any(is_unreachable));
    let share = {
        let route = route.clone();
        memo(move |_| {
            #[expect(clippy::cast_precision_loss, reason = "a minute's count is far below 2^52")]
            taken(store, &route)
                .map(|count| if total.get() == 0 { 0.0 } else { count as f64 / total.get() as f64 })
        })
    };
    let matches =
        if route.matches.is_empty() { vec![every(&route).to_owned()] } else { route.matches.clone() };
    let fault = route.fault.as_ref().map(faults::label);
    view! {
        <article class="card" class:unreachable=unreachable>
            <h2>
                {format!("{}. {}", at + 1, route.label)}
                <Show when=unreachable><span class="warn">"never reached"</span></Show>
                <span class="took">{move || share.get().map(|share| format!("{} in the last 60 s", words::percent(share, 0)))}</span>
            </h2>
            <div class="bar" aria-hidden="true">
                <span style:width=move || words::percent(share.get().unwrap_or(0.0), 1)></span>
            </div>
            <dl>
                <dt>"when"</dt>
                <dd>{matches.into_iter().enumerate().map(|(at, text)| view! { <div>{(at > 0).then_some("or ")}{text}</div> }).collect_view()}</dd>
                <dt>"then"</dt>
                <dd>{route.outcome}</dd>
                {fault.map(|fault| view! { <dt>"fault"</dt><dd class="warn">{fault}</dd> })}
                {route.extras.into_iter().map(|(name, text)| view! { <dt>{name}</dt><dd>{text}</dd> }).collect_view()}
            </dl>
            <Messages messages=Signal::derive(move || problems.get())/>
        </article>
    }
}

/// What a route without conditions takes.
pub(super) fn every(route: &RouteView) -> &'static str {
    if route.is_connections() { "every connection" } else { "every request" }
}

/// Requests that the route took in the last minute; `None` where nobody counts: the default route.
fn taken(store: Store, route: &RouteView) -> Option<u64> {
    let key = route.key()?;
    store.head.tick.with(|tick| {
        let routes = &tick.as_ref()?.routes;
        Some(routes.iter().find(|(of, _)| of == key).map_or(0, |(_, count)| *count))
    })
}

/// What validation says of the route.
fn problems(store: Store, route: &RouteView) -> Vec<Diagnostic> {
    let found = route.target.connections().or_else(|| Some(("http", route.key()?)));
    let Some((kind, key)) = found else { return Vec::new() };
    let (resource, path) = (key.resource(), format!("spec.{kind}[{}]", key.index));
    let draft = store.derived.draft.get();
    let of = |one: &&Diagnostic| one.resource.as_ref() == Some(&resource) && one.path.starts_with(&path);
    draft.diagnostics.iter().filter(of).cloned().collect()
}

fn is_unreachable(diagnostic: &Diagnostic) -> bool {
    UNREACHABLE.contains(&&*diagnostic.code)
}
