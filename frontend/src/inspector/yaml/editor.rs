//! A text field that shows YAML in colours: the colours lie behind a textarea whose own text is transparent, so typing,
//! selection, undo and screen readers are the browser's own.

use crate::prelude::*;
use leptos::ev;
use leptos::html;
use mesh::{Diagnostic, Severity};
use wasm_bindgen::JsCast;

use crate::highlight;

/// The editor.
#[component]
pub fn Editor(
    /// The text.
    #[prop(into)]
    text: Signal<String>,
    /// Takes what is typed.
    typed: Callback<String>,
    /// Diagnostics, with lines of the text.
    problems: Memo<Vec<Diagnostic>>,
    /// A line to show, from 1.
    line: Signal<Option<usize>>,
    /// The person is done: Ctrl+Enter.
    commit: Callback<()>,
) -> impl IntoView {
    let scroll = NodeRef::<html::Div>::new();
    // Shows the line that was asked for once it is there.
    Effect::new(move |_| {
        let (Some(line), Some(scroll)) = (line.get(), scroll.get()) else { return };
        request_animation_frame(move || {
            let selector = format!(".gutter span:nth-child({line})");
            if let Ok(Some(mark)) = scroll.query_selector(&selector) {
                let top = mark.unchecked_into::<web_sys::HtmlElement>().offset_top();
                scroll.set_scroll_top((top - scroll.client_height() / 2).max(0));
            }
        });
    });
    let count = memo(move |_| text.with(|text| text.split('\n').count()));
    let gutter = move || {
        let marks = problems.get();
        (1..=count.get()).map(|at| view! { <span class=mark(&marks, at)>{at}</span> }).collect_view()
    };
    let colored = move || {
        let current = line.get();
        text.with(|text| {
            let lines = text.split('\n').enumerate();
            lines.map(|(at, line)| colored_line(line, current == Some(at + 1))).collect_view()
        })
    };
    let on_keydown = move |event: ev::KeyboardEvent| {
        if event.key() != "Enter" || event.is_composing() {
            return;
        }
        if event.ctrl_key() || event.meta_key() {
            // The shortcut that applies the draft then takes it along.
            commit.run(());
        } else {
            keep_indent(&event, typed);
        }
    };
    view! {
        <div class="editor">
            <div class="scroll" node_ref=scroll>
                <div class="gutter" aria-hidden="true">{move || gutter()}</div>
                <div class="text">
                    <pre aria-hidden="true">{move || colored()}</pre>
                    <textarea
                        aria-label="YAML of the resource"
                        aria-invalid=move || problems.with(|all| all.iter().any(|one| one.severity == Severity::Error)).to_string()
                        spellcheck="false"
                        autocomplete="off"
                        autocapitalize="off"
                        wrap="off"
                        prop:value=text
                        on:input=move |event| typed.run(event_target_value(&event))
                        on:keydown=on_keydown
                    ></textarea>
                </div>
            </div>
        </div>
    }
}

fn colored_line(line: &str, current: bool) -> impl IntoView + use<> {
    let pieces: Vec<_> = highlight::line(line)
        .into_iter()
        .map(|(token, piece)| view! { <span class=token.class()>{piece.to_owned()}</span> })
        .collect();
    view! { <span class="line" class:current=current>{pieces}"\u{200b}"</span> }
}

/// Class of a line in the gutter: the worst that is said of it.
fn mark(problems: &[Diagnostic], line: usize) -> &'static str {
    let here = problems.iter().filter(|one| one.place.as_ref().is_some_and(|place| place.line == line));
    match here.map(|one| one.severity).min() {
        Some(Severity::Error) => "error",
        Some(Severity::Warning) => "warning",
        Some(Severity::Info) => "info",
        None => "",
    }
}

/// A new line begins below the text of the line before.
fn keep_indent(event: &ev::KeyboardEvent, typed: Callback<String>) {
    let Some(field) =
        event.target().and_then(|target| target.dyn_into::<web_sys::HtmlTextAreaElement>().ok())
    else {
        return;
    };
    let (Ok(Some(from)), Ok(Some(to))) = (field.selection_start(), field.selection_end()) else { return };
    // Positions count UTF-16 units, as the browser does.
    let before: Vec<u16> = field.value().encode_utf16().take(from as usize).collect();
    let before = String::from_utf16_lossy(&before);
    let line = before.rsplit('\n').next().unwrap_or_default();
    let indent = line.len() - line.trim_start_matches(' ').len();
    let new = format!("\n{}", " ".repeat(indent));
    event.prevent_default();
    if field.set_range_text_with_start_and_end(&new, from, to).is_ok() {
        let at = from + u32::try_from(new.len()).unwrap_or(0);
        let _ = field.set_selection_range(at, at);
        typed.run(field.value());
    }
}
