//! The tooltip of nodes and links.

use crate::prelude::*;

use super::details::{self, Details};
use super::state::{GraphState, use_graph};
use crate::inspector::instances;
use crate::look;
use crate::observed::{Figures, Traffic};
use crate::topology::{NodeId, Selection};
use crate::words;

/// Width that a tooltip takes at most; keeps it within the view.
const WIDTH: f64 = 264.0;
/// Height that it takes as a rule.
const HEIGHT: f64 = 170.0;

/// The tooltip, where there is something to tell.
#[component]
pub fn Tooltip() -> impl IntoView {
    let graph = use_graph();
    let about = memo(move |_| graph.tip.with(|tip| tip.as_ref().map(|tip| tip.about.clone())));
    let place = move |horizontal: bool| {
        let at = graph.tip.with(|tip| tip.as_ref().map(|tip| tip.at)).unwrap_or_default();
        let (width, height) = graph.size.get();
        let pixels = if horizontal { at.x.min(width - WIDTH - 8.0) } else { at.y.min(height - HEIGHT - 8.0) };
        format!("{:.0}px", pixels.max(8.0))
    };
    view! {
        <div
            class="tip"
            role="tooltip"
            class:none=move || about.with(Option::is_none)
            style:left=move || place(true)
            style:top=move || place(false)
        >
            {move || about.get().map(|about| view! { <Facts about/> })}
        </div>
    }
}

#[component]
fn Facts(about: Selection) -> impl IntoView {
    let graph = use_graph();
    let traffic = match &about {
        Selection::Node(id) => graph.store.traffic.of_node(id),
        Selection::Link(key) => graph.store.traffic.of_link(key),
    };
    let title = match &about {
        Selection::Node(id) => named(graph, id),
        Selection::Link(key) => format!("{} → {}", named(graph, &key.from), named(graph, &key.to)),
    };
    let host = match &about {
        Selection::Node(id) => id.host(),
        Selection::Link(key) => key.to.host(),
    };
    let faults = {
        let (about, host) = (about.clone(), host.unwrap_or_default().to_owned());
        memo(move |_| match &about {
            Selection::Link(key) => graph.faults_on(key),
            Selection::Node(_) => graph.faults.with(|all| {
                all.get(&host).into_iter().flatten().map(|fault| fault.label.clone()).collect::<Vec<_>>()
            }),
        })
    };
    let alerts = {
        let (about, store) = (about.clone(), graph.store);
        memo(move |_| match &about {
            Selection::Link(key) => store.derived.limits(Some(&key.from), &key.to),
            Selection::Node(id) if store.derived.impaired(id).is_some() => instances::lines(store, id),
            Selection::Node(_) => Vec::new(),
        })
    };
    let host = host.filter(|host| *host != title).map(|host| host.to_owned());
    let details = memo(move |_| told(graph, &about));
    view! {
        <strong>{title}</strong>
        {host.map(|host| view! { <div class="host">{host}</div> })}
        {move || table(&traffic.get())}
        {move || lists(&details.get())}
        {move || {
            let faults = faults.get().into_iter().map(|fault| format!("Fault: {fault}"));
            faults.chain(alerts.get()).map(|line| view! { <div class="tip-fault">{line}</div> }).collect_view()
        }}
    }
}

fn named(graph: GraphState, id: &NodeId) -> String {
    graph.nodes.with_untracked(|nodes| nodes.get(id).map(|node| node.name.clone())).unwrap_or_default()
}

fn told(graph: GraphState, about: &Selection) -> Details {
    let places = graph.store.derived.places.get();
    graph.store.head.tick.with(|tick| {
        let Some(tick) = tick else { return Details::default() };
        details::details(tick, |key| {
            let (from, to) = (places.of_source(&key.source), places.of_host(&key.host));
            match about {
                Selection::Node(id) if id.host().is_none() => from == *id,
                Selection::Node(id) => to == *id,
                Selection::Link(link) => link.from == from && link.to == to,
            }
        })
    })
}

fn table(traffic: &Traffic) -> AnyView {
    if traffic.all.rps <= 0.0 && traffic.all.minute == 0 {
        return view! { <div class="quiet">"No traffic in the last minute"</div> }.into_any();
    }
    let versions = traffic.versions.iter().filter(|(name, _)| !name.is_empty()).collect::<Vec<_>>();
    let rows = if versions.len() > 1 {
        versions.into_iter().map(|(name, figures)| row(name.clone(), figures)).collect_view()
    } else {
        vec![row("all".to_owned(), &traffic.all)]
    };
    view! {
        <table>
            <thead>
                <tr><td></td><th>"rps"</th><th>"success"</th><th>"p50"</th><th>"p95"</th><th>"p99"</th></tr>
            </thead>
            <tbody>{rows}</tbody>
        </table>
    }
    .into_any()
}

fn row(name: String, figures: &Figures) -> impl IntoView + use<> {
    let classes = look::classes(&figures.rates);
    view! {
        <tr class=look::tone(figures).class()>
            <th scope="row">{name}</th>
            <td>{look::rate(figures.rps)}</td>
            <td class="success">{figures.success().map_or_else(|| "–".to_owned(), look::percent)}</td>
            <td>{words::latency(figures.p50)}</td>
            <td>{words::latency(figures.p95)}</td>
            <td>{words::latency(figures.p99)}</td>
        </tr>
        {classes.map(|classes| view! { <tr class="classes"><td></td><td colspan="5">{classes}</td></tr> })}
    }
}

fn lists(details: &Details) -> impl IntoView + use<> {
    let codes = details.codes.iter().take(6).map(|(code, count)| {
        let class = if *code == 0 || *code >= 500 {
            "code bad"
        } else if *code >= 400 {
            "code warn"
        } else {
            "code"
        };
        let code = if *code == 0 { "none".to_owned() } else { code.to_string() };
        view! { <span class=class>{code}" × "{count.to_string()}</span> }
    });
    let flags = details.flags.iter().take(4).map(|(flag, count)| {
        view! { <div class="flag"><b>{flag.clone()}</b>" × "{count.to_string()}" "{details::flag(flag)}</div> }
    });
    view! {
        <div class="codes">{codes.collect_view()}</div>
        {flags.collect_view()}
    }
}
