//! In Review of a cluster's mesh: what will be written there, in which order, and what is taken from whom.

use crate::prelude::*;
use api::cluster::{Call, NextWrite, Preview, Write};
use leptos::task::spawn_local;

use crate::client;
use crate::diff::DiffView;
use crate::inspector::messages::Messages;
use crate::store::use_store;

/// The writes, as the server says that it would make them. Asked anew whenever the draft changes while this is open.
#[component]
pub fn Writes() -> impl IntoView {
    let store = use_store();
    let preview = RwSignal::new(None::<Result<Preview, String>>);
    let asked = StoredValue::new(0_u32);
    Effect::new(move |_| {
        let edits = store.editing.draft.with(|draft| draft.edits().to_vec());
        let base = store.head.number();
        if edits.is_empty() || store.head.cluster.with(Option::is_none) {
            return preview.set(None);
        }
        asked.update_value(|count| *count += 1);
        let number = asked.get_value();
        spawn_local(async move {
            let answer = client::preview_writes(base, edits).await.map_err(|failure| failure.text());
            // The dialog may have been closed, or the draft may be another by now.
            if asked.try_get_value() == Some(number) {
                let _ = preview.try_set(Some(answer));
            }
        });
    });
    move || {
        preview.get().map(|answer| match answer {
            Ok(preview) => list(preview).into_any(),
            Err(why) => view! {
                <h2 class="eyebrow">"What will be written to the cluster"</h2>
                <p class="note">{why}</p>
            }
            .into_any(),
        })
    }
}

fn list(preview: Preview) -> impl IntoView + use<> {
    let Preview { writes, last_from, refused } = preview;
    let rows = writes.into_iter().enumerate().map(|(at, write)| row(at, last_from, write)).collect_view();
    let messages = (!refused.is_empty()).then(|| {
        let refused = Signal::stored(refused);
        view! {
            <h2 class="eyebrow">"The cluster refuses it"</h2>
            <Messages messages=refused/>
        }
    });
    view! {
        {messages}
        <h2 class="eyebrow">"What will be written to the cluster"</h2>
        <ol class="edits">{rows}</ol>
    }
}

fn row(at: usize, last_from: usize, write: Write) -> impl IntoView + use<> {
    let call = match write.call {
        Call::Apply => "create",
        Call::Patch => "patch",
        Call::Delete => "delete",
    };
    let later = (at >= last_from).then_some(" · after the sidecars have what is written before");
    let taken = write.taken.into_iter().map(|taken| {
        let class = match taken.next_write {
            NextWrite::Nothing => "note",
            NextWrite::Unknown | NextWrite::Conflicts | NextWrite::Overwrites | NextWrite::Steers => "warn",
        };
        view! { <p class=class>{taken.sentence}</p> }
    });
    let operations = Signal::stored(operations(&write.operations));
    view! {
        <li>
            <div class="grow">
                <span>{call}" "<b>{write.key.to_string()}</b>{later}</span>
                {taken.collect_view()}
                {operations.with(|text| !text.is_empty()).then(|| view! {
                    <details><summary>"The patch"</summary><DiffView text=operations/></details>
                })}
            </div>
        </li>
    }
}

/// A JSON patch as lines: what is tested stands as what goes, what is set as what comes.
fn operations(patch: &[serde_json::Value]) -> String {
    let line = |operation: &serde_json::Value| {
        let path = operation["path"].as_str().unwrap_or_default();
        let sign = match operation["op"].as_str() {
            Some("test" | "remove") => '-',
            _ => '+',
        };
        match operation.get("value") {
            Some(value) => format!("{sign}{path}: {value}\n"),
            None => format!("{sign}{path}\n"),
        }
    };
    patch.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_patch_reads_as_a_difference() {
        let patch = [
            json!({"op": "test", "path": "/spec/http/0/route/0/weight", "value": 90}),
            json!({"op": "replace", "path": "/spec/http/0/route/0/weight", "value": 50}),
            json!({"op": "remove", "path": "/spec/gateways"}),
        ];
        let lines = "-/spec/http/0/route/0/weight: 90\n+/spec/http/0/route/0/weight: 50\n-/spec/gateways\n";
        assert_eq!(super::operations(&patch), lines);
    }
}
