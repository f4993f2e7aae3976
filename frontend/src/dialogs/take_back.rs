//! Taking an applied revision back: what it would do, the question where there is one to ask, and the button that does it.

use crate::prelude::*;
use leptos::task::spawn_local;
use mesh::Sources;

use crate::dialogs::sheet::SheetFrame;
use crate::diff::DiffView;
use crate::icons::{Icon, icon};
use crate::inspector::messages::Messages;
use crate::store::{Sheet, Store, use_store};
use crate::take_back::{Preview, Reason, Revision, Running, preview};
use crate::{client, clock, words};

/// The button that opens the dialog.
#[component]
pub fn TakeBackButton(
    /// The revision.
    number: u64,
    /// Class of the button.
    class: &'static str,
) -> impl IntoView {
    let store = use_store();
    view! {
        <button
            class=class
            disabled=move || number <= 1 || store.editing.applying.get()
            title="Shows what reverting this revision would change"
            on:click=move |_| store.ui.take_back(number)
        >
            "Revert revision "{number}"…"
        </button>
    }
}

/// The dialog.
#[component]
pub fn TakeBack() -> impl IntoView {
    let ui = use_store().ui;
    view! {
        <SheetFrame sheet=Sheet::TakeBack title="Revert a revision">
            {move || {
                let number = ui.taking_back.get();
                view! { <Content number/> }
            }}
        </SheetFrame>
    }
}

/// The files before and after a revision, once they have come; or why they have not.
type Files = Option<Result<(Sources, Sources), String>>;

#[component]
fn Content(number: u64) -> impl IntoView {
    let store = use_store();
    let files = RwSignal::new(None);
    spawn_local(async move {
        let found = both(number).await;
        // The dialog may have been closed meanwhile.
        let _ = files.try_set(Some(found));
    });
    let info = store.head.history.with_untracked(|all| all.iter().find(|one| one.number == number).cloned());
    let said = info.map(|info| {
        view! {
            <p class="taken-back">{info.summary}</p>
            <p class="note">"Made by "{info.author}", "{clock::moment(info.at)}</p>
        }
    });
    let seen = memo(move |_| files.with(|files| preview_of(store, number, files)));
    let agreed = RwSignal::new(false);
    let reasons = move || seen.with(|seen| ready(seen).map(|seen| seen.reasons.clone()).unwrap_or_default());
    // Asked anew where the answer was to another question: somebody applied a revision meanwhile.
    Effect::new(move |before: Option<Vec<Reason>>| {
        let now = reasons();
        if before.is_some_and(|before| before != now) {
            agreed.set(false);
        }
        now
    });
    let may = move || {
        let free = seen.with(|seen| ready(seen).is_some_and(|seen| !seen.blocked() && !seen.diff.is_empty()));
        free && (reasons().is_empty() || agreed.get()) && !store.editing.applying.get()
    };
    let go = move |_| {
        store.editing.revert(number);
        store.ui.sheet.set(None);
    };
    view! {
        <div class="body">
            <h2 class="eyebrow">"Revision "{number}</h2>
            {said}
            {move || seen.with(shown)}
            <Show when=move || !reasons().is_empty()>
                <div class="question" role="group" aria-label="Before you revert it">
                    <ul>{move || reasons().iter().map(reason).collect_view()}</ul>
                    <label class="switch-line">
                        <input type="checkbox" prop:checked=agreed on:change=move |event| agreed.set(event_target_checked(&event))/>
                        "Revert anyway"
                    </label>
                </div>
            </Show>
        </div>
        <footer>
            <span class="note grow">{move || after_words(store)}</span>
            <button class="btn" autofocus=true on:click=move |_| store.ui.sheet.set(None)>"Cancel"</button>
            <button
                class="btn"
                class:danger=move || !reasons().is_empty()
                class:primary=move || reasons().is_empty()
                disabled=move || !may()
                on:click=go
            >
                "Revert revision "{number}
            </button>
        </footer>
    }
}

/// What is known of it: nothing yet, why it cannot be, or what it would do.
type PreviewState = Option<Result<Preview, String>>;

fn ready(seen: &PreviewState) -> Option<&Preview> {
    seen.as_ref()?.as_ref().ok()
}

fn shown(seen: &PreviewState) -> AnyView {
    match seen {
        None => view! { <div class="skeleton" style:height="120px"></div> },
        Some(Err(why)) => {
            let why = why.clone();
            view! { <p class="note bad">{why}</p> }
        }
        Some(Ok(seen)) => {
            let (problems, diff) = (Signal::stored(seen.problems.clone()), Signal::stored(seen.diff.clone()));
            let heading =
                (!seen.problems.is_empty()).then(|| view! { <h2 class="eyebrow">"New problems"</h2> });
            view! {
                <h2 class="eyebrow">"What will change"</h2>
                <DiffView text=diff/>
                {heading}
                <Messages messages=problems/>
            }
        }
    }
}

fn reason(reason: &Reason) -> impl IntoView + use<> {
    view! { <li><span class="warn">{icon(Icon::Warning)}</span><span>{reason.text()}</span></li> }
}

/// What becomes of all else.
fn after_words(store: Store) -> String {
    let waits = store.editing.count();
    let draft = match waits {
        0 => String::new(),
        _ => format!(" Your draft of {} is kept.", words::plural(waits, "change", "changes")),
    };
    format!("Creates revision {}; no other revision is reverted.{draft}", store.head.number() + 1)
}

async fn both(number: u64) -> Result<(Sources, Sources), String> {
    let files = async |number: u64| client::get_revision(number).await.map_err(|failure| failure.text());
    let after = files(number).await?;
    let before = files(number.saturating_sub(1)).await?;
    Ok((before.sources, after.sources))
}

/// What it would do to what runs now. Tracked: the head may move while the dialog is open.
fn preview_of(store: Store, number: u64, files: &Files) -> PreviewState {
    let (before, after) = match files.as_ref()? {
        Ok((before, after)) => (before, after),
        Err(why) => return Some(Err(why.clone())),
    };
    let head = store.derived.head.get();
    let info = store.head.history.with(|all| all.iter().find(|one| one.number == number).cloned());
    let Some(info) = info else {
        return Some(Err(
            "This revision is too old to be shown here; the API can still revert it.".to_owned()
        ));
    };
    let made_here = store.keeping.made.with(|made| made.contains(&number));
    let alerts = store.head.alerts.get();
    Some(store.editing.author.with(|me| {
        store.head.settings.with(|settings| {
            let revision = Revision { info: &info, made_here, me, before, after };
            preview(&revision, &Running { head: &head, alerts: &alerts, settings })
        })
    }))
}
