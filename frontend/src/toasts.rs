//! Short messages at the edge.

use crate::prelude::*;

use crate::icons::{Icon, icon};
use crate::store::{ToastKind, use_store};

/// The toasts.
#[component]
pub fn Toasts() -> impl IntoView {
    let ui = use_store().ui;
    view! {
        <div class="toasts" role="log" aria-label="Messages">
            <For each=move || ui.toasts.get() key=|toast| toast.id let:toast>
                <div class="toast" class:error=toast.kind == ToastKind::Error>
                    <span class="grow">{toast.text}</span>
                    <button class="lock" aria-label="Close" on:click=move |_| ui.close_toast(toast.id)>
                        {icon(Icon::Close)}
                    </button>
                </div>
            </For>
        </div>
    }
}
