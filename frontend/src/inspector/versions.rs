//! Figures of each version over the last minute.

use crate::prelude::*;
use api::Health;

use crate::look;
use crate::observed::{Figures, Traffic};
use crate::store::use_store;
use crate::subject::Subject;
use crate::topology::version_color;
use crate::words;

/// The table.
#[component]
pub fn Versions(
    /// Its traffic.
    traffic: ArcRwSignal<Traffic>,
    /// The node with its routes.
    subject: Memo<Subject>,
) -> impl IntoView {
    let store = use_store();
    let rows = move || {
        let seconds = store.traffic.seconds.get();
        let versions = subject.with(|subject| subject.versions.clone());
        traffic.with(|traffic| {
            let mut names: Vec<String> = versions.iter().map(|version| version.name.clone()).collect();
            let others =
                traffic.versions.iter().filter(|(name, figures)| !names.contains(name) && figures.minute > 0);
            names.extend(others.map(|(name, _)| name.clone()).collect::<Vec<_>>());
            // Requests that reached no instance have no version; of a host without versions none has one.
            let nameless = if versions.is_empty() { "all" } else { "no instance" };
            let row = |(at, name): (usize, &String)| {
                let figures = traffic.version(name).cloned().unwrap_or_default();
                let dot = Some(at).filter(|at| *at < versions.len()).map(version_color);
                version_row(dot, if name.is_empty() { nameless } else { name }, &figures, seconds)
            };
            names.iter().enumerate().map(row).collect()
        })
    };
    figures_table("version", Box::new(rows))
}

/// A table of figures over the last minute; `first` says what its rows are.
pub(super) fn figures_table(first: &'static str, rows: Box<dyn Fn() -> Vec<AnyView> + Send>) -> AnyView {
    let head = [first, "rps", "success", "p50", "p95", "p99"];
    view! {
        <table class="figures observed">
            <thead>
                <tr>{head.map(|name| view! { <th scope="col">{name}</th> }).collect_view()}</tr>
            </thead>
            <tbody>{move || rows()}</tbody>
        </table>
    }
}

/// One row; `dot` is the version's colour, `seconds` how much of the last minute was observed.
pub(super) fn version_row(dot: Option<String>, name: &str, figures: &Figures, seconds: f64) -> AnyView {
    let [p50, p95, p99] = figures.minute_latency.map(words::latency);
    let success = figures.minute_success();
    let tone = match figures.minute_classes.health(true) {
        Health::Failing => "bad",
        Health::Degraded => "warn",
        _ => "",
    };
    // Percentages say how many, classes say of which kind.
    let classes = look::classes(&figures.minute_classes.over(seconds));
    #[expect(clippy::cast_precision_loss, reason = "a minute's count is far below 2^52")]
    let rps = words::rate(figures.minute as f64 / seconds);
    view! {
        <tr>
            <td>{dot.map(|color| view! { <span class="dot" style:background=color></span> })}{name.to_owned()}</td>
            <td>{rps}</td>
            <td class=tone>{words::success(success)}</td>
            <td>{p50}</td>
            <td>{p95}</td>
            <td>{p99}</td>
        </tr>
        {classes.map(|classes| view! { <tr class="classes"><td></td><td colspan="5">{classes}</td></tr> })}
    }
}
