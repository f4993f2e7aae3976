//! What belongs to this page alone: selection, theme, the inspector's tab, toasts, open dialogs.

use std::collections::HashSet;

use crate::prelude::*;
use mesh::ResourceKey;

use crate::browser::{self, Theme};
use crate::choices::Choices;
use crate::explained::Explained;
use crate::split::LockKey;
use crate::subject::ChosenRoute;
use crate::topology::{NodeId, Selection};

/// Tabs of the inspector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tab {
    /// Shares of the versions.
    Split,
    /// Routes in words.
    Rules,
    /// Faults.
    Faults,
    /// Timeout and retries.
    Resilience,
    /// The text.
    Yaml,
}

/// Dialogs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sheet {
    /// The draft's edits and their diff.
    Review,
    /// All revisions.
    History,
    /// Where a request would go.
    Explain,
    /// A file as text: what no resource can be read from is mended there.
    File,
    /// What taking a revision back would do.
    TakeBack,
}

/// How a toast looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToastKind {
    /// Something went well.
    Info,
    /// Something failed; the text says what to do.
    Error,
}

/// A short message at the edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// Grows.
    pub id: u64,
    /// How it looks.
    pub kind: ToastKind,
    /// What it says.
    pub text: String,
}

/// A place in a resource's text to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jump {
    /// The resource; `None` for text that no resource could be read from.
    pub resource: Option<ResourceKey>,
    /// Its file.
    pub file: Option<String>,
    /// Line within its file, from 1.
    pub line: Option<usize>,
}

/// This page's own state.
#[derive(Clone, Copy)]
pub struct Ui {
    /// What is selected.
    pub selection: RwSignal<Option<Selection>>,
    /// The request that was explained last, drawn on the graph.
    pub explained: RwSignal<Option<Explained>>,
    /// The inspector's tab.
    pub tab: RwSignal<Tab>,
    /// The theme.
    pub theme: RwSignal<Theme>,
    /// The dialog that is open.
    pub sheet: RwSignal<Option<Sheet>>,
    /// The revision that [`Sheet::TakeBack`] is about.
    pub taking_back: RwSignal<u64>,
    /// The route that a person chose for a node.
    pub route: RwSignal<Option<(NodeId, ChosenRoute)>>,
    /// The version that was chosen last for each route.
    pub choices: RwSignal<Choices>,
    /// Locked shares.
    pub locks: RwSignal<HashSet<LockKey>>,
    /// Toasts, oldest first.
    pub toasts: RwSignal<Vec<Toast>>,
    /// Milliseconds since 1970; moves once a second.
    pub now: RwSignal<i64>,
    /// The place that the YAML tab should show.
    pub jump: RwSignal<Option<Jump>>,
    next_toast: StoredValue<u64>,
}

impl Ui {
    /// The state at the start.
    pub fn new() -> Self {
        Self {
            selection: RwSignal::new(None),
            explained: RwSignal::new(None),
            tab: RwSignal::new(Tab::Split),
            theme: RwSignal::new(Theme::Dark),
            sheet: RwSignal::new(None),
            taking_back: RwSignal::new(0),
            route: RwSignal::new(None),
            choices: RwSignal::new(Choices::default()),
            locks: RwSignal::new(HashSet::new()),
            toasts: RwSignal::new(Vec::new()),
            now: RwSignal::new(0),
            jump: RwSignal::new(None),
            next_toast: StoredValue::new(0),
        }
    }

    /// The node that is selected. Tracked.
    pub fn node(&self) -> Option<NodeId> {
        match self.selection.get() {
            Some(Selection::Node(id)) => Some(id),
            _ => None,
        }
    }

    /// Selects a node.
    pub fn select(&self, id: NodeId) {
        self.selection.set(Some(Selection::Node(id)));
    }

    /// Opens the dialog that takes a revision back.
    pub fn take_back(&self, number: u64) {
        self.taking_back.set(number);
        self.sheet.set(Some(Sheet::TakeBack));
    }

    /// Shows a toast. Errors stay until they are closed, others for five seconds.
    pub fn toast(&self, kind: ToastKind, text: impl Into<String>) {
        self.next_toast.update_value(|next| *next += 1);
        let toast = Toast { id: self.next_toast.get_value(), kind, text: text.into() };
        let (id, ui) = (toast.id, *self);
        self.toasts.update(|toasts| toasts.push(toast));
        if kind == ToastKind::Info {
            set_timeout(move || ui.close_toast(id), std::time::Duration::from_secs(5));
        }
    }

    /// Puts text on the clipboard and says so.
    pub async fn copy(self, text: String) {
        if browser::copy(&text).await {
            self.toast(ToastKind::Info, "Copied.");
        } else {
            self.toast(ToastKind::Error, "The browser did not allow copying. Download the file instead.");
        }
    }

    /// Takes a toast away.
    pub fn close_toast(&self, id: u64) {
        self.toasts.update(|toasts| toasts.retain(|toast| toast.id != id));
    }
}

impl Default for Ui {
    fn default() -> Self {
        Self::new()
    }
}
