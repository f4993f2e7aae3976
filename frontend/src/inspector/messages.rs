//! A list of diagnostics, with their fixes.

use crate::prelude::*;
use mesh::Diagnostic;

use crate::icons::icon;
use crate::sidebar::problems::look;
use crate::store::use_store;

/// Diagnostics one below the other.
#[component]
pub fn Messages(
    /// What to say.
    messages: Signal<Vec<Diagnostic>>,
) -> impl IntoView {
    view! {
        <Show when=move || !messages.with(Vec::is_empty)>
            <ul class="messages">
                {move || messages.get().into_iter().map(|one| view! { <Message diagnostic=one/> }).collect_view()}
            </ul>
        </Show>
    }
}

#[component]
fn Message(diagnostic: Diagnostic) -> impl IntoView {
    let store = use_store();
    let (tone, sign, word) = look(diagnostic.severity);
    let at = diagnostic.place.as_ref().map(|place| format!("line {}", place.line));
    let fix = diagnostic.fix.clone().map(|fix| {
        view! {
            <button class="btn small" on:click=move |_| store.editing.put(fix.edit.clone())>{fix.title}</button>
        }
    });
    view! {
        <li>
            <span class=tone>{icon(sign)}<span class="hidden">{word}</span></span>
            <span class="grow">
                {diagnostic.message}" "
                <code class="faint">{diagnostic.code.to_string()}</code>
                " "
                {fix}
            </span>
            <span class="at">{at}</span>
        </li>
    }
}
