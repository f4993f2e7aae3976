//! History: all revisions with author, time and what they changed; each can be taken back.

use crate::prelude::*;
use api::RevisionInfo;
use leptos::task::spawn_local;

use crate::dialogs::sheet::SheetFrame;
use crate::dialogs::take_back::TakeBackButton;
use crate::diff::DiffView;
use crate::store::{Sheet, use_store};
use crate::{client, clock};

/// The dialog.
#[component]
pub fn History() -> impl IntoView {
    view! {
        <SheetFrame sheet=Sheet::History title="History" wide=true>
            <Content/>
        </SheetFrame>
    }
}

#[component]
fn Content() -> impl IntoView {
    let store = use_store();
    let chosen =
        RwSignal::new(store.head.revision.with_untracked(|head| head.as_ref().map(|head| head.number)));
    view! {
        <div class="body history-grid">
            <div class="history-list">
                <For each=move || store.head.history.get() key=|revision| revision.number let:revision>
                    <Row revision chosen/>
                </For>
            </div>
            <div>{move || chosen.get().map(|number| view! { <Detail number/> })}</div>
        </div>
    }
}

#[component]
fn Row(revision: RevisionInfo, chosen: RwSignal<Option<u64>>) -> impl IntoView {
    let number = revision.number;
    view! {
        <button
            class="revision"
            aria-pressed=move || (chosen.get() == Some(number)).to_string()
            on:click=move |_| chosen.set(Some(number))
        >
            <span class="number">{number}</span>
            <span>{revision.summary}</span>
            <span class="meta">{revision.author}" · "{clock::moment(revision.at)}</span>
        </button>
    }
}

#[component]
fn Detail(number: u64) -> impl IntoView {
    let store = use_store();
    let diff = RwSignal::new(None::<Result<String, String>>);
    spawn_local(async move {
        let found = client::get_revision(number).await;
        // The dialog may have been closed meanwhile.
        let _ = diff.try_set(Some(found.map(|detail| detail.diff).map_err(|failure| failure.text())));
    });
    let is_head = move || store.head.number() == number;
    view! {
        <div class="row-line">
            <h2 class="grow">"Revision "{number}{move || is_head().then_some(" · head")}</h2>
            <TakeBackButton number class="btn small"/>
        </div>
        {move || match diff.get() {
            None => view! { <div class="skeleton" style:height="120px"></div> }.into_any(),
            Some(Ok(text)) => view! { <DiffView text=Signal::stored(text)/> }.into_any(),
            Some(Err(text)) => view! { <p class="note bad">{text}</p> }.into_any(),
        }}
    }
}
