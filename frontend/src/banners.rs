//! What a person must know before anything else: no connection, a stale draft, a changed folder.

use crate::prelude::*;
use api::state::TargetState;
use leptos::task::spawn_local;

use crate::dialogs::take_back::TakeBackButton;
use crate::kept::Kept;
use crate::store::{Connection, Store, use_store, waiting};
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
            <DiskFull/>
            <SetAside/>
            <Refused/>
            <NotKept/>
            <Offers/>
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
            <span><b>"Disconnected."</b>" Showing data from "{time}". Reconnecting…"</span>
        }
        .into_any()
    } else {
        view! { <span><b>"The server is not responding"</b>" since "{time}". Reconnecting…"</span> }
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
                    <span>
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
            <div class="grow">
                {move || text()}
                <Conflicts/>
            </div>
            <button class="btn small" on:click=move |_| store.rebase()>
                "Rebase my "{move || mine()}
            </button>
            <button class="btn small quiet" on:click=move |_| store.editing.discard()>"Discard mine"</button>
        </div>
    }
}

/// Where the other person changed the same.
#[component]
fn Conflicts() -> impl IntoView {
    let store = use_store();
    let lines = move || {
        store
            .derived
            .conflicts
            .get()
            .into_iter()
            .map(|line| view! { <li class="warn">{line}</li> })
            .collect_view()
    };
    view! {
        <Show when=move || store.derived.conflicts.with(|all| !all.is_empty())>
            <ul class="conflicts">{move || lines()}</ul>
        </Show>
    }
}

/// The server cannot store what was applied.
#[component]
fn DiskFull() -> impl IntoView {
    let store = use_store();
    view! {
        <Show when=move || store.editing.disk_full.get()>
            <div class="banner" role="alert">
                <span class="grow">
                    <b>"The server's disk is full: nothing can be applied. "</b>
                    "Traffic continues as before, and your draft is kept. Free space on the disk that holds the data folder, then apply again."
                </span>
            </div>
        </Show>
    }
}

/// The newest revision could not be run when the server started: another one runs in its place.
#[component]
fn SetAside() -> impl IntoView {
    let head = use_store().head;
    let bar = move |aside: api::state::SetAside| {
        view! {
            <div class="banner">
                <span class="grow">
                    <b>"Revision "{aside.revision}" cannot run. "</b>
                    "The mesh runs revision "{aside.runs}" instead; History shows both. Reason: "{aside.why}
                </span>
                <button class="btn small quiet" on:click=move |_| head.set_aside.set(None)>"Hide"</button>
            </div>
        }
    };
    move || head.set_aside.get().map(bar)
}

/// The browser does not keep what is not applied.
#[component]
fn NotKept() -> impl IntoView {
    let store = use_store();
    view! {
        <Show when=move || store.keeping.refused.get()>
            <div class="banner">
                <span class="grow">
                    <b>"This browser cannot save your "{move || waiting(store)}"."</b>
                    " Its storage is full or disabled: they are lost when this page is reloaded or closed. Apply them, or copy the text."
                </span>
            </div>
        </Show>
    }
}

/// Work of a tab that is closed.
#[component]
fn Offers() -> impl IntoView {
    let store = use_store();
    let offers = move || store.keeping.offers.get();
    let row = move |(name, kept): (String, Kept)| {
        let (wanted, unwanted) = (name.clone(), name);
        let here = store.keeping.mesh.with_untracked(|mesh| mesh.as_ref() == Some(&kept.mesh));
        let origin = if here { "" } else { " of an earlier history of this mesh" };
        view! {
            <div class="banner info">
                <span class="grow">
                    <b>{kept.words()}</b>
                    " from a closed tab, not applied. Based on revision "{kept.base}{origin}", last changed "{clock::moment(kept.at)}"."
                </span>
                <button class="btn small" on:click=move |_| store.accept_offer(wanted.clone())>"Restore"</button>
                <button class="btn small quiet" on:click=move |_| store.refuse_offer(&unwanted)>"Discard"</button>
            </div>
        }
    };
    view! {
        <For each=offers key=|(name, _)| name.clone() children=row/>
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
                        <b>"Envoy rejected revision "{revision}" and keeps the previous one. "</b>
                        {why}
                    </span>
                    <TakeBackButton number=revision class="btn small"/>
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
                store.editing.failed(&failure);
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
