//! What a person must know before anything else: no connection, a stale draft, a changed folder.

use crate::prelude::*;
use api::state::TargetState;
use leptos::task::spawn_local;

use crate::store::{Connection, Store, ToastKind, use_store};
use crate::{client, clock, words};

/// All banners.
#[component]
pub fn Banners() -> impl IntoView {
    let store = use_store();
    let lost = move || matches!(store.head.connection.get(), Connection::Lost { .. });
    view! {
        <div class="banners" role="status">
            <Show when=lost>
                <div class="banner">{move || lost_text(store)}</div>
            </Show>
            <Show when=move || store.editing.stale()>
                <Stale/>
            </Show>
            <Refused/>
            <Show when=move || store.head.proposal.with(Option::is_some)>
                <Proposal/>
            </Show>
        </div>
    }
}

fn lost_text(store: Store) -> impl IntoView {
    let Connection::Lost { since } = store.head.connection.get() else { return ().into_any() };
    let time = clock::time(since);
    if store.head.loaded.get() {
        view! {
            <span><b>"Disconnected."</b>" What is shown is old, since "{time}". Connecting again…"</span>
        }
        .into_any()
    } else {
        view! { <span><b>"The server does not answer"</b>" since "{time}". Connecting again…"</span> }
            .into_any()
    }
}

/// Another person applied a revision while there was a draft.
#[component]
fn Stale() -> impl IntoView {
    let store = use_store();
    let text = move || {
        store.head.revision.with(|head| {
            head.as_ref().map(|head| {
                view! {
                    <span class="grow">
                        <b>{head.author.clone()}" applied rev "{head.number}</b>
                        " ("{head.summary.clone()}") while you were editing."
                    </span>
                }
            })
        })
    };
    let mine = move || words::plural(store.editing.count(), "change", "changes");
    view! {
        <div class="banner info">
            {move || text()}
            <button class="btn small" on:click=move |_| store.editing.rebase()>
                "Make my "{move || mine()}" on top of it"
            </button>
            <button class="btn small quiet" on:click=move |_| store.editing.discard()>"Discard mine"</button>
        </div>
    }
}

/// An Envoy refused a revision: its words, and the way back.
#[component]
fn Refused() -> impl IntoView {
    let store = use_store();
    move || {
        let targets = store.head.targets.get();
        let refused = targets.into_iter().find_map(|status| match status.state {
            TargetState::Rejected { revision, why } => Some((revision, why)),
            _ => None,
        });
        refused.map(|(revision, why)| {
            view! {
                <div class="banner">
                    <span class="grow">
                        <b>"Envoy refused rev "{revision}", and goes on with what it had. "</b>
                        {why}
                    </span>
                    <button class="btn small" on:click=move |_| store.editing.revert(revision)>
                        "Take rev "{revision}" back"
                    </button>
                </div>
            }
        })
    }
}

/// The folder on disk changed.
#[component]
fn Proposal() -> impl IntoView {
    let store = use_store();
    let files = move || {
        store.head.proposal.with(|proposal| {
            proposal.as_ref().map(|proposal| {
                proposal.files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>().join(", ")
            })
        })
    };
    let answer = move |take: bool| {
        spawn_local(async move {
            let result = if take {
                let base =
                    store.head.revision.with_untracked(|head| head.as_ref().map_or(0, |head| head.number));
                client::accept_proposal(base, None).await.map(|_| ())
            } else {
                client::dismiss_proposal().await
            };
            if let Err(failure) = result {
                store.ui.toast(ToastKind::Error, failure.text());
            }
        });
    };
    view! {
        <div class="banner info">
            <span class="grow"><b>"The folder changed on disk: "</b>{move || files()}</span>
            <button class="btn small" on:click=move |_| answer(true)>"Apply it"</button>
            <button class="btn small quiet" on:click=move |_| answer(false)>"Dismiss"</button>
        </div>
    }
}
