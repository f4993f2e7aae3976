//! Explain a request: a small form, and the answer rule by rule. The server answers for the draft, with the routing that
//! the proxy has: here it would weigh as much as the whole graph does.

pub mod answer;

use crate::prelude::*;
use api::request::PostExplain;
use leptos::ev;
use leptos::task::spawn_local;
use mesh::explain::Explanation;

use crate::client;
use crate::dialogs::sheet::SheetFrame;
use crate::explain_form;
use crate::store::{Sheet, Store, ToastKind, use_store};
use answer::Answer;

/// What was typed; kept while the page is open.
#[derive(Debug, Clone, Copy)]
struct Fields {
    from: RwSignal<String>,
    method: RwSignal<String>,
    host: RwSignal<String>,
    path: RwSignal<String>,
    headers: RwSignal<String>,
    answer: RwSignal<Option<Explanation>>,
    /// What the form began with: what a person typed instead is not written over.
    start: StoredValue<Option<explain_form::Start>>,
}

impl Fields {
    /// What stands in the fields that a form begins with.
    fn now(&self) -> explain_form::Start {
        explain_form::Start {
            from: self.from.get_untracked(),
            host: self.host.get_untracked(),
            path: self.path.get_untracked(),
        }
    }
}

/// The dialog.
#[component]
pub fn Explain() -> impl IntoView {
    let fields = Fields {
        from: RwSignal::new(String::new()),
        method: RwSignal::new("GET".to_owned()),
        host: RwSignal::new(String::new()),
        path: RwSignal::new("/".to_owned()),
        headers: RwSignal::new(String::new()),
        answer: RwSignal::new(None),
        start: StoredValue::new(None),
    };
    view! {
        <SheetFrame sheet=Sheet::Explain title="Explain a request">
            <div class="body">
                <Form fields/>
                <Answer answer=fields.answer/>
            </div>
        </SheetFrame>
    }
}

#[component]
fn Form(fields: Fields) -> impl IntoView {
    let store = use_store();
    let sources = memo(move |_| explain_form::sources(&store.derived.draft.get().analysis.registry));
    let hosts = memo(move |_| store.derived.draft.get().catalog.services.keys().cloned().collect::<Vec<_>>());
    preset(store, fields);
    let options = move || {
        let option = |(label, _): (String, _)| {
            let value = label.clone();
            view! { <option value=value.clone() selected=move || fields.from.get() == value>{label}</option> }
        };
        sources.get().into_iter().map(option).collect_view()
    };
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        answer_now(store, fields);
    };
    view! {
        <form class="explain-form" on:submit=submit>
            <label class="field w2">
                "From"
                <select class="select" autofocus=true on:change=move |event| fields.from.set(event_target_value(&event))>
                    {move || options()}
                </select>
            </label>
            <label class="field">
                "Method"
                <input class="input code" list="explain-methods" bind:value=fields.method/>
                <datalist id="explain-methods">
                    {["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"].map(|name| view! { <option value=name></option> }).collect_view()}
                </datalist>
            </label>
            <label class="field w3">
                "Host"
                <input class="input code" required list="explain-hosts" placeholder="reviews:9080" bind:value=fields.host/>
                <datalist id="explain-hosts">
                    {move || hosts.get().into_iter().map(|name| view! { <option value=name></option> }).collect_view()}
                </datalist>
            </label>
            <label class="field w3">
                "Path"
                <input class="input code" placeholder="/" bind:value=fields.path/>
            </label>
            <label class="field w3">
                "Headers, one per line"
                <textarea class="input code" rows="2" placeholder="end-user: jason" bind:value=fields.headers></textarea>
            </label>
            <div class="w6 row-line">
                <button class="btn primary" type="submit">"Explain"</button>
                <span class="note">"Evaluated against your draft, with the proxy's own routing code."</span>
            </div>
        </form>
    }
}

/// Starts from what is selected: a request that reaches it as its traffic does.
fn preset(store: Store, fields: Fields) {
    let Some(start) = untrack(|| explain_start(store)) else { return };
    let typed = fields.start.with_value(|start| start.as_ref().is_some_and(|start| *start != fields.now()));
    if !typed && store.ui.explained.with_untracked(Option::is_none) {
        fields.start.set_value(Some(start.clone()));
        fields.from.set(start.from);
        fields.host.set(start.host);
        fields.path.set(start.path);
        fields.answer.set(None);
    }
}

fn explain_start(store: Store) -> Option<explain_form::Start> {
    let (draft, topology) = (store.derived.draft.get(), store.derived.topology.get());
    let front = store.head.load.with(|load| load.as_ref().map(|load| load.url.clone()));
    explain_form::start(&draft, &topology, store.ui.node().as_ref(), front.as_deref())
}

/// Says that the graph shows an answer, and takes it away.
#[component]
pub fn ExplainedChip() -> impl IntoView {
    let ui = use_store().ui;
    view! {
        <Show when=move || ui.explained.with(Option::is_some)>
            <button class="chip explained-chip" on:click=move |_| ui.explained.set(None)>
                "Explained request "<b>"Clear"</b><kbd>"Esc"</kbd>
            </button>
        </Show>
    }
}

fn answer_now(store: Store, fields: Fields) {
    let draft = store.derived.draft.get_untracked();
    let from = fields.from.get_untracked();
    let Some((_, source)) =
        explain_form::sources(&draft.analysis.registry).into_iter().find(|(label, _)| *label == from)
    else {
        return;
    };
    let text = |signal: RwSignal<String>| signal.get_untracked();
    let request = explain_form::request(
        &text(fields.method),
        &text(fields.host),
        &text(fields.path),
        &text(fields.headers),
    );
    let request = match request {
        Ok(request) => request,
        Err(error) => return store.ui.toast(ToastKind::Error, error.to_string()),
    };
    let edits = store.editing.draft.with_untracked(|draft| draft.edits().to_vec());
    spawn_local(async move {
        let question = PostExplain { source, request, edits };
        match client::explain(&question).await {
            Ok(answer) => {
                let drawn = store
                    .derived
                    .places
                    .with_untracked(|places| explain_form::explained(&answer, &question.source, places));
                store.ui.explained.set(Some(drawn));
                fields.answer.set(Some(answer));
            }
            Err(failure) => store.ui.toast(ToastKind::Error, failure.text()),
        }
    });
}
