//! What opens over the page. Native `<dialog>`s, one at a time.

pub mod explain;
pub mod file;
pub mod history;
pub mod review;
pub mod sheet;
pub mod take_back;
pub mod writes;

use crate::prelude::*;

/// All dialogs of the page.
#[component]
pub fn Dialogs() -> impl IntoView {
    view! {
        <review::Review/>
        <history::History/>
        <explain::Explain/>
        <file::File/>
        <take_back::TakeBack/>
    }
}
