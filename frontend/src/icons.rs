//! Small line icons, drawn in 16 by 16. Decoration: the name is on the control.

use crate::prelude::*;

/// The icons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    /// An arrow that turns back.
    Undo,
    /// An arrow that turns forward.
    Redo,
    /// A clock.
    History,
    /// A moon.
    Dark,
    /// A sun.
    Light,
    /// A magnifying glass.
    Search,
    /// A cross.
    Close,
    /// A closed padlock.
    Locked,
    /// An open padlock.
    Open,
    /// A triangle with an exclamation mark.
    Warning,
    /// A circle with a cross.
    Error,
    /// A circle with an i.
    Info,
    /// A stop watch.
    Fault,
    /// A tick.
    Yes,
    /// A dash.
    No,
    /// An arrow down to a line.
    Download,
    /// Two sheets.
    Copy,
    /// A pulse.
    Load,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            Self::Undo => "M6 3.5 3 6.5l3 3M3 6.5h6.2a3.6 3.6 0 0 1 0 7.2H6",
            Self::Redo => "m10 3.5 3 3-3 3M13 6.5H6.8a3.6 3.6 0 0 0 0 7.2H10",
            Self::History => "M8 4.8V8l2.2 1.6M2.5 8a5.5 5.5 0 1 0 1.7-4L2.5 5.6M2.5 2.6v3h3",
            Self::Dark => "M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8Z",
            Self::Light => {
                "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M3.4 12.6l.7-.7M11.9 4.1l.7-.7"
            }
            Self::Search => "M7 2.8a4.2 4.2 0 1 0 0 8.4 4.2 4.2 0 0 0 0-8.4ZM10.2 10.2l3 3",
            Self::Close => "m4 4 8 8M12 4l-8 8",
            Self::Locked => "M4 7.5h8v5.7H4zM5.6 7.5V5.4a2.4 2.4 0 0 1 4.8 0v2.1",
            Self::Open => "M4 7.5h8v5.7H4zM5.6 7.5V5a2.4 2.4 0 0 1 4.6-.9",
            Self::Warning => "M8 2.6 14 13H2L8 2.6ZM8 6.6v3M8 11.3v.1",
            Self::Error => "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2ZM6 6l4 4M10 6l-4 4",
            Self::Info => "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2ZM8 7.4v3.4M8 5.2v.1",
            Self::Fault => "M8 4a4.8 4.8 0 1 0 0 9.6A4.8 4.8 0 0 0 8 4ZM8 6.4v2.4l1.6 1M6.4 1.8h3.2",
            Self::Yes => "m3.2 8.4 3.2 3.2 6.4-7",
            Self::No => "M4 8h8",
            Self::Download => "M8 2.6v7M5 7l3 3 3-3M3 13.2h10",
            Self::Copy => "M6 5.6h7v7.8H6zM10 5.4V2.6H3v7.8h2.8",
            Self::Load => "M1.8 8.6h2.6l1.9-5 3.2 9 1.9-4h2.8",
        }
    }
}

/// Draws an icon.
pub fn icon(icon: Icon) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
            <path d=icon.path()></path>
        </svg>
    }
}
