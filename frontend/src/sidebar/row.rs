//! A row of the list: health, name, a line of the last minute, requests per second.

use crate::prelude::*;
use api::Health;

use crate::observed::{Figures, History};
use crate::store::use_store;
use crate::topology::NodeId;
use crate::words;

/// The class of a health dot: green, yellow and red by Kiali's thresholds, grey without traffic, hollow where there was none yet.
pub fn health(figures: &Figures) -> &'static str {
    match figures.health() {
        Health::Unknown => "dot unknown",
        Health::Idle => "dot",
        Health::Healthy => "dot ok",
        Health::Degraded => "dot warn",
        Health::Failing => "dot bad",
    }
}

/// The same in words.
fn health_words(figures: &Figures) -> String {
    match (figures.health(), figures.success()) {
        (Health::Unknown, _) => "no traffic yet".to_owned(),
        (_, None) => "no traffic".to_owned(),
        (health, success) => format!("{}, {} succeed", health.word(), words::success(success)),
    }
}

/// One node.
#[component]
pub fn Row(
    /// The node.
    id: NodeId,
    /// Its name.
    name: String,
) -> impl IntoView {
    let store = use_store();
    let traffic = store.traffic.of_node(&id);
    let figures = memo(move |_| traffic.with(|traffic| traffic.all.clone()));
    // Hosts outside have long names, which need the room.
    let spark_too = !matches!(id, NodeId::External(_));
    let history = id.host().map(|host| store.traffic.history(host));
    let points = memo(move |_| history.as_ref().map(|history| history.with(spark)).unwrap_or_default());
    let selected = {
        let id = id.clone();
        memo(move |_| store.ui.node().as_ref() == Some(&id))
    };
    let title = name.clone();
    view! {
        <button
            class="item-row"
            title=title
            aria-current=move || selected.get().to_string()
            on:click=move |_| store.ui.select(id.clone())
        >
            <span class=move || figures.with(health)></span>
            <span class="hidden">{move || figures.with(health_words)}</span>
            <span class="name">{name}</span>
            {spark_too.then(|| view! {
                <svg class="spark" viewBox="0 0 46 16" preserveAspectRatio="none" aria-hidden="true">
                    <polyline points=points></polyline>
                </svg>
            })}
            <span class="figure">
                {move || figures.with(|figures| words::rate(figures.rps))}
                <span class="hidden">" requests per second"</span>
            </span>
        </button>
    }
}

/// Points of the last minute in a box of 46 by 16, over two-second steps; the largest touches the top.
fn spark(history: &History) -> String {
    use std::fmt::Write;
    let totals = history.totals(60);
    if totals.iter().all(|total| *total == 0) {
        return String::new();
    }
    let steps: Vec<u32> =
        totals.rchunks(2).rev().map(|pair| pair.iter().sum::<u32>() * 2 / pair.len().max(1) as u32).collect();
    let most = f64::from(steps.iter().copied().max().unwrap_or(1).max(1));
    let mut points = String::new();
    for (back, step) in steps.iter().rev().enumerate() {
        let x = 46.0 - f64::from(u32::try_from(back).unwrap_or(0)) * 46.0 / 29.0;
        let y = 15.0 - f64::from(*step) / most * 14.0;
        let _ = write!(points, "{x:.1},{y:.1} ");
    }
    points
}

#[cfg(test)]
mod tests {
    use api::Classes;

    use super::*;

    #[test]
    fn health_by_success() {
        let figures = |success, client, server| {
            let recent = Classes { success, client, server, ..Classes::default() };
            Figures { recent, asked: true, ..Figures::default() }
        };
        for (figures, class) in [
            (Figures::default(), "dot unknown"),
            (figures(0.0, 0.0, 0.0), "dot"),
            (figures(10.0, 0.0, 0.0), "dot ok"),
            (figures(99.0, 0.0, 1.0), "dot warn"),
            (figures(8.0, 2.0, 0.0), "dot bad"),
        ] {
            assert_eq!(health(&figures), class);
        }
    }

    #[test]
    fn a_spark_ends_at_the_right() {
        let mut history = History::default();
        for second in 0..10 {
            history.count("v1", second, 5, 0);
        }
        history.count("v1", 10, 1, 0);
        assert!(spark(&history).starts_with("46.0,1.0 "), "{}", spark(&history));
        assert_eq!(spark(&History::default()), "");
    }
}
