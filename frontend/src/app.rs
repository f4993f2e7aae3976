//! The page: top bar, banners, list, graph, inspector, timeline, dialogs and toasts.

use crate::prelude::*;

use crate::banners::Banners;
use crate::browser::Theme;
use crate::choices::Choices;
use crate::dialogs::Dialogs;
use crate::dialogs::explain::ExplainedChip;
use crate::graph::Graph;
use crate::inspector::Inspector;
use crate::sidebar::Sidebar;
use crate::store::{Connection, Store};
use crate::timeline::TimelineStrip;
use crate::toasts::Toasts;
use crate::topbar::Topbar;
use crate::{browser, clock, event_stream, shortcuts};

/// The whole page.
#[component]
pub fn App() -> impl IntoView {
    let store = Store::provide();
    remember(store);
    store.tidy_draft();
    store.keep_work();
    keep_time(store);
    shortcuts::install(store);
    event_stream::listen(store);
    crate::shell::register();
    let stale = move || matches!(store.head.connection.get(), Connection::Lost { .. });
    view! {
        <div class="app" class:stale=stale>
            <Topbar/>
            <Banners/>
            <Sidebar/>
            <main class="stage" aria-label="Graph of the mesh">
                <Graph/>
                <ExplainedChip/>
            </main>
            <Inspector/>
            <TimelineStrip/>
            <Dialogs/>
            <Toasts/>
        </div>
    }
}

/// Theme, author and the versions that were chosen are remembered by the browser.
fn remember(store: Store) {
    store.ui.theme.set(browser::theme());
    store.editing.author.set(browser::recall("author").unwrap_or_default());
    store.ui.choices.set(browser::recall("versions").map(|text| Choices::read(&text)).unwrap_or_default());
    Effect::new(move |before: Option<Theme>| {
        let theme = store.ui.theme.get();
        let name = match theme {
            Theme::Dark => "dark",
            Theme::Light => "light",
        };
        if let Some(root) = document().document_element() {
            let _ = root.set_attribute("data-theme", name);
        }
        // The system's choice is not a person's: only a change is remembered.
        if before.is_some_and(|before| before != theme) {
            browser::remember("theme", name);
        }
        theme
    });
}

fn keep_time(store: Store) {
    store.ui.now.set(clock::now());
    set_interval(move || store.ui.now.set(clock::now()), std::time::Duration::from_secs(1));
}
