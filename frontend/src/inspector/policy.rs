//! Limits, ejection and balancing of a service, of a subset or of a port: a row for each field of the table.

use crate::prelude::*;
use web_sys::HtmlInputElement;

use crate::inspector::api_field::ApiField;
use crate::policy::{self, Field, GROUPS, Rules, Scope, Shown, Unit};
use crate::store::{Store, ToastKind, use_store};
use crate::subject::Subject;

/// What a policy is edited of.
#[derive(Clone, Copy)]
struct Form {
    store: Store,
    subject: Memo<Subject>,
    /// The chosen one of what the policy can be for.
    at: RwSignal<usize>,
    shown: Memo<Vec<Shown>>,
}

/// All groups of fields.
#[component]
pub fn Policy(
    /// The node with its resources.
    subject: Memo<Subject>,
) -> impl IntoView {
    let store = use_store();
    let at = RwSignal::new(0);
    let shown = memo(move |_| {
        with(store, subject, |rules, scopes| {
            let scope = &scopes[at.get().min(scopes.len() - 1)];
            store.head.settings.with(|settings| rules.shown(scope, settings))
        })
    });
    let form = Form { store, subject, at, shown };
    let names =
        memo(move |_| with(store, subject, |_, scopes| scopes.iter().map(Scope::words).collect::<Vec<_>>()));
    let options = move || {
        let option = |(position, name): (usize, String)| {
            let name = if name.is_empty() { "the whole service".to_owned() } else { name };
            view! { <option value=position.to_string() selected=move || at.get() == position>{name}</option> }
        };
        names.get().into_iter().enumerate().map(option).collect_view()
    };
    let mut first = 0;
    let groups = GROUPS.map(|(title, part, fields)| {
        let rows = fields
            .iter()
            .enumerate()
            .map(|(position, field)| form.row(field, first + position))
            .collect_view();
        first += fields.len();
        view! { <fieldset class="group policy"><legend><ApiField label=title path=part/></legend>{rows}</fieldset> }
    });
    view! {
        <label class="field route-picker">
            <ApiField label="Traffic policy" path="trafficPolicy"/>
            <select
                class="select"
                on:change=move |event| at.set(event_target_value(&event).parse().unwrap_or(0))
            >
                {move || options()}
            </select>
        </label>
        {groups.collect_view()}
    }
}

impl Form {
    fn row(self, field: &'static Field, position: usize) -> AnyView {
        let read = move |read: fn(&Shown) -> String| {
            self.shown.with(|all| all.get(position).map(read).unwrap_or_default())
        };
        let own = move || read(|shown| shown.own.clone());
        let hidden = move || self.shown.with(|all| all.get(position).is_none_or(|shown| !shown.visible));
        let control = match field.unit {
            Unit::Choice(choices) => {
                let option = |(value, name): &(&'static str, &'static str)| {
                    let value = *value;
                    view! { <option value=value selected=move || own() == value>{*name}</option> }
                };
                view! {
                    <select class="select" on:change=move |event| {
                        if let Err(message) = self.put(field, &event_target_value(&event)) {
                            self.refuse(field, &message);
                        }
                    }>
                        {choices.iter().map(option).collect_view()}
                    </select>
                }
            }
            unit => {
                let (kind, class) = match unit {
                    Unit::Switch => ("checkbox", "switch"),
                    Unit::Text | Unit::List | Unit::Regions | Unit::Shares => ("text", "input"),
                    _ => ("number", "input"),
                };
                view! {
                    <input type=kind class=class min="0" step=if unit == Unit::Count || unit == Unit::Percent { "1" } else { "any" }
                        prop:value=own
                        prop:checked=move || !own().is_empty()
                        on:change=move |event| self.typed(field, &event_target(&event))
                    />
                }
            }
        };
        let long = matches!(field.unit, Unit::List | Unit::Regions | Unit::Shares);
        view! {
            <label class="policy-row" class:none=hidden class:long=long title=field.path>
                <ApiField label=field.label path=field.written()/>
                <small><b>{move || read(|shown| shown.effective.clone())}</b>" · "{move || read(|shown| shown.origin.clone())}</small>
                {control}
            </label>
        }
        .into_any()
    }

    /// Takes what was typed. What cannot be is left standing, marked, with a message.
    fn typed(self, field: &'static Field, input: &HtmlInputElement) {
        input.set_custom_validity("");
        let text = match field.unit {
            Unit::Switch if input.checked() => "on".to_owned(),
            Unit::Switch => String::new(),
            _ => input.value(),
        };
        let done = match input.check_validity() {
            true => self.put(field, &text),
            false => Err(input.validation_message().unwrap_or_default()),
        };
        if let Err(message) = done {
            input.set_custom_validity(&message);
            self.refuse(field, &message);
        }
    }

    fn refuse(self, field: &Field, message: &str) {
        self.store.ui.toast(ToastKind::Error, format!("{}: {message}", field.label));
    }

    fn put(self, field: &Field, text: &str) -> Result<(), String> {
        let value = policy::value(field.unit, text)?;
        let at = self.at.get_untracked();
        let edit = untrack(|| {
            with(self.store, self.subject, |rules, scopes| {
                policy::change(rules, &scopes[at.min(scopes.len() - 1)], field, value)
            })
        })?;
        if let Some(edit) = edit {
            self.store.editing.put(edit);
        }
        Ok(())
    }
}

/// The rules of a subject in the draft, and what they can be for. Tracked.
fn with<T>(store: Store, subject: Memo<Subject>, look: impl FnOnce(Rules<'_>, &[Scope]) -> T) -> T {
    let draft = store.derived.draft.get();
    subject.with(|subject| {
        let host = subject.id.host().unwrap_or_default();
        let keys = store
            .head
            .settings
            .with(|settings| policy::keys(&draft.analysis.mesh, settings, &subject.resources, host));
        let rules = Rules::new(&draft.analysis.mesh, host, &keys);
        let ports = draft.catalog.services.get(host).map_or(&[][..], |service| &service.ports);
        look(rules, &rules.scopes(ports))
    })
}
