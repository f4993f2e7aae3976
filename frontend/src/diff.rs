//! A unified diff, in colours.

use crate::prelude::*;

/// What a line of a unified diff is.
fn class_of(line: &str) -> &'static str {
    if line.starts_with("+++") || line.starts_with("---") {
        "line file"
    } else if line.starts_with("@@") {
        "line hunk"
    } else if line.starts_with('+') {
        "line add"
    } else if line.starts_with('-') {
        "line del"
    } else {
        "line"
    }
}

/// A unified diff.
#[component]
pub fn DiffView(
    /// The diff's text.
    text: Signal<String>,
) -> impl IntoView {
    let lines = move || {
        text.with(|text| {
            text.lines()
                .map(|line| view! { <span class=class_of(line)>{line.to_owned()}</span> })
                .collect_view()
        })
    };
    view! {
        <Show when=move || !text.with(String::is_empty) fallback=|| view! { <p class="note">"No changes."</p> }>
            // Focusable, so that it can be scrolled from the keyboard.
            <div class="diff" tabindex="0" role="region" aria-label="Diff">
                <div class="lines">{move || lines()}</div>
            </div>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        for (line, class) in [
            ("+++ b/reviews.yaml", "line file"),
            ("--- a/reviews.yaml", "line file"),
            ("@@ -1,2 +1,2 @@", "line hunk"),
            ("+  weight: 50", "line add"),
            ("-  weight: 100", "line del"),
            ("   http:", "line"),
        ] {
            assert_eq!(class_of(line), class);
        }
    }
}
