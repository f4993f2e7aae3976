//! One version's slider, number, lock and observed share.

use crate::prelude::*;
use api::observed::{ObservedShare, Split, Verdict};

use crate::icons::{Icon, icon};
use crate::split::{ShareView, SplitView};
use crate::store::{Store, use_store};
use crate::topology::{NodeId, version_color};
use crate::words;

/// The row of the share at a position.
#[component]
pub fn ShareRow(
    /// The node.
    id: NodeId,
    /// Position among the shares.
    position: usize,
    /// The split.
    split: Memo<Option<SplitView>>,
    /// What was observed of it.
    observed: Memo<Option<Split>>,
) -> impl IntoView {
    let store = use_store();
    let share = memo(move |_| split.with(|split| split.as_ref()?.shares.get(position).cloned()));
    let get = move |read: fn(&ShareView) -> String| {
        share.with(|share| share.as_ref().map(read).unwrap_or_default())
    };
    let weight = move || share.with(|share| share.as_ref().map_or(0, |share| share.share.weight));
    let locked = move || share.with(|share| share.as_ref().is_some_and(|share| share.locked));
    let color =
        move || share.with(|share| version_color(share.as_ref().map_or(position, |share| share.color)));
    let label = move |what: &'static str| move || format!("{what} {}", get(|share| share.version.clone()));
    let changed = move || split.with(|split| split.as_ref().is_some_and(|split| split.changed));
    let seen = memo(move |_| {
        let subset = get(|share| share.version.clone());
        observed.with(|split| {
            let split = split.as_ref()?;
            Some((split.shares.iter().find(|share| share.subset == subset)?.clone(), split.verdict))
        })
    });
    // For whoever measures from outside how soon the page shows traffic under a revision.
    let since = move || observed.with(|split| split.as_ref().map(|split| split.since.to_string()));
    let sample = move || seen.with(|seen| seen.as_ref().map(|(share, _)| share.n.to_string()));
    let id = StoredValue::new(id);
    let drag = move |text: String| {
        if let Ok(percent) = text.parse::<u32>() {
            id.with_value(|id| store.drag_share(id, position, percent.min(100)));
        }
    };
    view! {
        <div class="share-row">
            <span class="dot" style:background=color></span>
            <span class="version">{move || get(|share| share.version.clone())}</span>
            <input
                type="range"
                class="slider"
                min="0"
                max="100"
                step="1"
                aria-label=label("Share of")
                aria-valuetext=move || format!("{} percent", weight())
                style:--slider-color=color
                style:--at=move || format!("{}%", weight())
                disabled=locked
                prop:value=move || weight().to_string()
                on:input=move |event| drag(event_target_value(&event))
                on:change=move |_| store.release()
            />
            <span class="percent-box">
                <input
                    type="number"
                    class="input"
                    min="0"
                    max="100"
                    step="1"
                    aria-label=label("Percent of")
                    disabled=locked
                    prop:value=move || weight().to_string()
                    on:change=move |event| {
                        drag(event_target_value(&event));
                        store.release();
                    }
                />
            </span>
            <button
                class="lock"
                aria-label=label("Lock")
                title="A locked share does not move with the others"
                aria-pressed=move || locked().to_string()
                on:click=move |_| toggle_lock(store, split, position)
            >
                {move || icon(if locked() { Icon::Locked } else { Icon::Open })}
            </button>
            <span class="observed" data-since=since data-n=sample>{move || seen.with(|seen| seen.as_ref().map(|seen| observed_words(seen, changed())))}</span>
        </div>
    }
}

/// Observed beside desired. While the draft says otherwise, the word is for what runs now.
fn observed_words((share, of_all): &(ObservedShare, Verdict), changed: bool) -> impl IntoView + use<> {
    if share.n == 0 {
        return "no traffic yet".into_any();
    }
    let (tone, word) = match verdict(*of_all) {
        _ if changed => ("dim", format!("of {}", words::percent(share.desired, 0))),
        (tone, word) => (tone, word.to_owned()),
    };
    let interval = format!("{:.1}–{:.1}", share.low * 100.0, share.high * 100.0);
    view! {
        "observed "
        <b>{words::percent(share.observed, 1)}</b>
        " CI "{interval}" · n "{words::count(share.n)}" "
        <span class=tone>{word}</span>
    }
    .into_any()
}

/// Class and word of a verdict.
fn verdict(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Converging => ("info", "converging"),
        Verdict::Converged => ("ok", "converged"),
        Verdict::Diverged => ("bad", "diverged"),
    }
}

fn toggle_lock(store: Store, split: Memo<Option<SplitView>>, position: usize) {
    let key = split.with_untracked(|split| split.as_ref().and_then(|split| split.lock_key(position)));
    let Some(key) = key else { return };
    store.ui.locks.update(|locks| {
        if !locks.remove(&key) {
            locks.insert(key);
        }
    });
}
