//! Taking the YAML away.

use crate::prelude::*;
use leptos::task::spawn_local;

use crate::client;
use crate::icons::{Icon, icon};
use crate::store::{ToastKind, use_store};
use crate::topbar::menu::Menu;

/// The export menu.
#[component]
pub fn Export() -> impl IntoView {
    let store = use_store();
    let copy = move |_| {
        spawn_local(async move {
            match client::export_text().await {
                Ok(text) => store.ui.copy(text).await,
                Err(failure) => store.ui.toast(ToastKind::Error, failure.text()),
            }
        });
    };
    view! {
        <Menu label="Export" button=move || icon(Icon::Download)>
            <a class="item" href=client::EXPORT_YAML download="">{icon(Icon::Download)} "One file (YAML)"</a>
            <a class="item" href=client::EXPORT_ZIP download="">{icon(Icon::Download)} "Folder with kustomization (zip)"</a>
            <button class="item" on:click=copy>{icon(Icon::Copy)} "Copy as YAML"</button>
        </Menu>
    }
}
