//! Which requests a fault is for, and when it ends.

use crate::prelude::*;
use mesh::annotation::FAULT_EXPIRES;

use super::Change;
use crate::fault_form::{Ends, FaultForm};
use crate::inspector::api_field::ApiField;
use crate::store::use_store;
use crate::words;

/// All requests, or those with a header.
#[component]
pub fn Which(
    /// What the form shows.
    form: Signal<Option<FaultForm>>,
    /// Changes it.
    change: Callback<Change>,
) -> impl IntoView {
    let some = move || form.with(|form| form.as_ref().is_some_and(|form| form.some));
    let read =
        move |read: fn(&FaultForm) -> String| form.with(|form| form.as_ref().map(read).unwrap_or_default());
    view! {
        <fieldset class="group">
            <legend>"Which requests"</legend>
            <label class="switch-line">
                <input type="radio" name="fault-which" prop:checked=move || !some()
                    on:change=move |_| change.run(Box::new(|form| form.some = false))
                />
                "All"
            </label>
            <label class="switch-line">
                <input type="radio" name="fault-which" prop:checked=some
                    on:change=move |_| change.run(Box::new(|form| form.some = true))
                />
                <ApiField label="Only those with a header" path="match.headers"/>
            </label>
            <Show when=some>
                <div class="row-line">
                    <input class="input code" aria-label="Header name" style:width="130px"
                        prop:value=move || read(|form| form.header.name.clone())
                        on:change=move |event| {
                            let name = event_target_value(&event).trim().to_ascii_lowercase();
                            change.run(Box::new(move |form| form.header.name = name));
                        }
                    />
                    "is"
                    <input class="input code" aria-label="Header value" style:width="130px"
                        prop:value=move || read(|form| form.header.value.clone())
                        on:change=move |event| {
                            let value = event_target_value(&event);
                            change.run(Box::new(move |form| form.header.value = value));
                        }
                    />
                </div>
            </Show>
        </fieldset>
    }
}

/// When it ends.
#[component]
pub fn Ending(
    /// What the form shows.
    form: Signal<Option<FaultForm>>,
    /// Changes it.
    change: Callback<Change>,
) -> impl IntoView {
    let store = use_store();
    let ends = memo(move |_| form.with(|form| form.as_ref().map_or(Ends::Never, |form| form.ends)));
    let is = move |choice: Ends| move || ends.get() == choice;
    let left = move || match ends.get() {
        Ends::At(at) => Some(format!("Ends in {}", words::remaining(at - store.ui.now.get() / 1000))),
        _ => None,
    };
    let choose = move |text: String| {
        let next = match text.as_str() {
            "keep" => return,
            "never" => Ends::Never,
            minutes => match minutes.parse() {
                Ok(minutes) => Ends::After(minutes),
                Err(_) => return,
            },
        };
        change.run(Box::new(move |form| form.ends = next));
    };
    view! {
        <label class="field">
            <ApiField label="Expires" path=FAULT_EXPIRES/>
            <select class="select" on:change=move |event| choose(event_target_value(&event))>
                <Show when=move || left().is_some()>
                    <option value="keep" selected=true>{move || left()}</option>
                </Show>
                <option value="never" selected=is(Ends::Never)>"Never"</option>
                <option value="5" selected=is(Ends::After(5))>"After 5 minutes"</option>
                <option value="15" selected=is(Ends::After(15))>"After 15 minutes"</option>
                <option value="60" selected=is(Ends::After(60))>"After an hour"</option>
            </select>
        </label>
    }
}
