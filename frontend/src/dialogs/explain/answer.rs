//! The answer: what happens, and what was thought of each rule.

use crate::prelude::*;
use mesh::explain::{Explanation, RouteRef, Step};

use crate::icons::{Icon, icon};
use crate::store::use_store;
use crate::topology::short_host;
use crate::{explain_form, words};

/// The answer; nothing before the first.
#[component]
pub fn Answer(
    /// The answer.
    answer: RwSignal<Option<Explanation>>,
) -> impl IntoView {
    let store = use_store();
    let close = move |_| store.ui.sheet.set(None);
    let forget = move |_| {
        store.ui.explained.set(None);
        answer.set(None);
    };
    view! {
        <section class="answer" aria-live="polite">
            {move || {
                answer
                    .get()
                    .map(|answer| {
                        view! {
                            <p class="headline">{explain_form::headline(&answer)}</p>
                            <Facts answer=answer.clone()/>
                            <h2 class="eyebrow">"Route by route"</h2>
                            <ol class="rule-steps">{answer.steps.into_iter().map(step).collect_view()}</ol>
                            <div class="buttons">
                                <button class="btn" on:click=close>"Show on the graph"</button>
                                <button class="btn quiet" on:click=forget>"Clear"</button>
                            </div>
                        }
                    })
            }}
        </section>
    }
}

#[component]
fn Facts(answer: Explanation) -> impl IntoView {
    let mut rows = Vec::<(&str, String)>::new();
    for target in &answer.destinations {
        let subset = target.subset.as_deref().map(|subset| format!(" {subset}")).unwrap_or_default();
        let share = words::percent(target.weight, 0);
        let to = format!("{}{subset} on port {}", short_host(&target.host), target.port);
        rows.push(match answer.certain {
            Some(_) => ("would go to", to),
            None => ("to", format!("{to} · {share}")),
        });
    }
    if let Some(service) = &answer.virtual_service {
        rows.push(("decided by", format!("VirtualService {service}")));
    }
    if let Some(root) = &answer.delegated_by {
        rows.push((
            "delegated by",
            format!("VirtualService {} · {}", root.virtual_service, rule_name(&root.route)),
        ));
    }
    if !answer.destinations.is_empty() {
        let from = answer.timeout_from.map(|from| format!(" ({})", from.words())).unwrap_or_default();
        let timeout = answer.timeout.as_deref().unwrap_or("none");
        rows.push(("timeout", format!("{timeout}{from}")));
    }
    if let Some(retries) = &answer.retries {
        rows.push((
            "retries",
            format!("up to {}, on {}", retries.attempts, retries.retry_on.replace(',', ", ")),
        ));
    }
    if let Some(fault) = &answer.fault {
        if let Some(delay) = &fault.delay {
            let share = words::percentage(delay.percentage);
            rows.push(("fault", format!("{} delay · {share}", delay.fixed_delay)));
        }
        if let Some(abort) = &fault.abort {
            let share = words::percentage(abort.percentage);
            rows.push(("fault", format!("{} abort · {share}", abort.http_status)));
        }
    }
    for copy in answer.mirror.iter().flatten() {
        rows.push((
            "mirrored to",
            format!("{} · {}", short_host(&copy.host), words::percentage(copy.percentage)),
        ));
    }
    let row = |(name, text): (&'static str, String)| view! { <dt>{name}</dt><dd>{text}</dd> };
    let rows: Vec<(&'static str, String)> = rows;
    view! {
        <div class="card">
            <dl>{rows.into_iter().map(row).collect_view()}</dl>
        </div>
    }
}

fn rule_name(route: &RouteRef) -> String {
    route.name.clone().unwrap_or_else(|| format!("route {}", route.index + 1))
}

fn step(step: Step) -> impl IntoView {
    let (tone, sign, word) =
        if step.matched { ("ok", Icon::Yes, "matched") } else { ("faint", Icon::No, "not matched") };
    let rule = match (&step.virtual_service, &step.route) {
        (Some(service), Some(route)) => {
            let root = step.delegated_by.as_ref();
            let root = root.map(|root| format!("{} · {} → ", root.virtual_service, rule_name(&root.route)));
            format!("{}{service} · {}", root.unwrap_or_default(), rule_name(route))
        }
        (Some(service), None) => service.clone(),
        (None, _) => "default".to_owned(),
    };
    view! {
        <li>
            <span class=tone>{icon(sign)}<span class="hidden">{word}</span></span>
            <span><b>{rule}</b>" "<span class="reason">{step.reason}</span></span>
        </li>
    }
}
