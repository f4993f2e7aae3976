//! What validation says of the draft; each leads to its place.

use crate::prelude::*;
use mesh::{Diagnostic, Severity};

use crate::icons::{Icon, icon};
use crate::store::use_store;

/// How many are shown at first.
const SHOWN: usize = 30;

/// The group; nothing without problems.
#[component]
pub fn Problems() -> impl IntoView {
    let store = use_store();
    let draft = store.derived.draft;
    let all = RwSignal::new(false);
    // What the folder has and nobody can read stands first: it is not in the text that the others are about.
    let unread = store.head.unread;
    let count = move || unread.with(Vec::len) + draft.get().diagnostics.len();
    let shown = move || {
        let limit = if all.get() { usize::MAX } else { SHOWN };
        let found = draft.get();
        let all: Vec<Diagnostic> =
            unread.get().into_iter().chain(found.diagnostics.iter().cloned()).take(limit).collect();
        all.into_iter().map(|one| view! { <li><Row diagnostic=one/></li> }).collect_view()
    };
    view! {
        <Show when=move || { count() > 0 }>
            <h2 class="eyebrow">"Problems"</h2>
            <ul aria-label="Problems">{move || shown()}</ul>
            <Show when=move || { count() > SHOWN && !all.get() }>
                <button class="btn quiet small" on:click=move |_| all.set(true)>"Show all "{move || count()}</button>
            </Show>
        </Show>
    }
}

#[component]
fn Row(diagnostic: Diagnostic) -> impl IntoView {
    let store = use_store();
    let (tone, sign, word) = look(diagnostic.severity);
    let code = diagnostic.code.to_string();
    let name = match (&diagnostic.resource, &diagnostic.place) {
        (Some(key), _) => Some(format!("{}: ", key.name)),
        (None, Some(place)) => Some(format!("{}:{}: ", place.file, place.line)),
        (None, None) => None,
    };
    let message = diagnostic.message.clone();
    view! {
        <button class="problem" on:click=move |_| store.jump(&diagnostic)>
            <span class=tone>{icon(sign)}</span>
            <span><span class="hidden">{word}": "</span>{name}{message}" "<code>{code}</code></span>
        </button>
    }
}

/// Class, icon and word of a severity.
pub fn look(severity: Severity) -> (&'static str, Icon, &'static str) {
    match severity {
        Severity::Error => ("bad", Icon::Error, "Error"),
        Severity::Warning => ("warn", Icon::Warning, "Warning"),
        Severity::Info => ("info", Icon::Info, "Note"),
    }
}
