//! Explain a request.

use leptos::prelude::*;

use crate::dialogs::sheet::SheetFrame;
use crate::store::Sheet;

/// The dialog.
#[component]
pub fn Explain() -> impl IntoView {
    view! {
        <SheetFrame sheet=Sheet::Explain title="Explain a request">
            <div class="body"></div>
        </SheetFrame>
    }
}
