//! Faults: delay and abort, for which requests, until when.

pub mod parts;

use crate::prelude::*;

use crate::browser;
use crate::client;
use crate::fault_form::FaultForm;
use crate::inspector::route_picker::{self, RoutePicker};
use crate::store::{Store, use_store};
use crate::subject::{RouteView, Subject};
use crate::topology::NodeId;
use parts::{Ending, Which};

/// The tab.
#[component]
pub fn FaultsTab(
    /// The node.
    id: NodeId,
    /// The node with its routes.
    subject: Memo<Subject>,
) -> impl IntoView {
    let store = use_store();
    let route = route_picker::route(store, id.clone(), subject);
    let form = RwSignal::new(None::<FaultForm>);
    // The form follows the route: what is typed goes into the draft at once and comes back from there.
    Effect::new(move |_| {
        let next = route.with(|route| route.as_ref().map(FaultForm::of));
        form.update(|form| match (form.as_mut(), next) {
            // Parts that are off keep what was typed.
            (Some(old), Some(mut new)) => {
                if !new.delay {
                    new.delay_spec = old.delay_spec;
                }
                if !new.abort {
                    new.abort_spec = old.abort_spec;
                }
                if !new.active() {
                    (new.some, new.header, new.ends) = (old.some, old.header.clone(), old.ends);
                }
                *old = new;
            }
            (_, next) => *form = next,
        });
    });
    let node = StoredValue::new(id.clone());
    let change = Callback::new(move |change: Box<dyn FnOnce(&mut FaultForm)>| {
        let Some(target) = route.with_untracked(|route| Some(route.as_ref()?.target.clone())) else { return };
        let Some(mut next) = form.get_untracked() else { return };
        let before = next.clone();
        change(&mut next);
        form.set(Some(next.clone()));
        let edits = next.edits(&before, &target, client::now() / 1000);
        if edits.is_empty() {
            return;
        }
        store.editing.put_all(edits);
        follow(store, &node.get_value(), subject, &next);
    });
    view! {
        <RoutePicker id subject/>
        <Show
            when=move || form.with(Option::is_some)
            fallback=|| view! { <p class="empty">"No route forwards requests here, so there is nothing to disturb."</p> }
        >
            <Form form=Signal::derive(move || form.get()) change/>
        </Show>
    }
}

/// A fault for some requests has a route of its own, made just now or gone: the form follows it.
fn follow(store: Store, id: &NodeId, subject: Memo<Subject>, form: &FaultForm) {
    let made = subject.with_untracked(|subject| {
        let own = |route: &RouteView| {
            route.copy && form.active() && form.some && route.only.as_ref() == Some(&form.header)
        };
        subject.routes.iter().position(own)
    });
    store.ui.route.update(|route| match made {
        Some(at) => *route = Some((id.clone(), at)),
        None if form.some || !form.active() => *route = None,
        None => {}
    });
}

/// A change of the form.
type Change = Box<dyn FnOnce(&mut FaultForm)>;

#[component]
fn Form(form: Signal<Option<FaultForm>>, change: Callback<Change>) -> impl IntoView {
    view! {
        <Delay form change/>
        <Abort form change/>
        <Which form change/>
        <Ending form change/>
        <div class="buttons">
            <button
                class="btn danger"
                disabled=move || !form.with(|form| form.as_ref().is_some_and(FaultForm::active))
                on:click=move |_| change.run(Box::new(|form| (form.delay, form.abort) = (false, false)))
            >
                "Switch off"
            </button>
        </div>
        <p class="note">
            "Delay and abort are drawn independently for each request; the delay comes first. The fault acts before the request leaves its caller."
        </p>
    }
}

#[component]
fn Delay(form: Signal<Option<FaultForm>>, change: Callback<Change>) -> impl IntoView {
    let read =
        move |read: fn(&FaultForm) -> String| form.with(|form| form.as_ref().map(read).unwrap_or_default());
    let on = move || form.with(|form| form.as_ref().is_some_and(|form| form.delay));
    view! {
        <fieldset class="group">
            <legend>
                <label class="switch-line">
                    <input type="checkbox" role="switch" class="switch" prop:checked=on
                        on:change=move |event| {
                            let on = event_target_checked(&event);
                            change.run(Box::new(move |form| form.delay = on));
                        }
                    />
                    "Delay"
                </label>
            </legend>
            <div class="row-line">
                <label class="unit">
                    <input type="number" class="input" min="0" max="100" step="any" style:width="68px" aria-label="Percent of requests to delay"
                        prop:value=move || read(|form| form.delay_spec.percent.to_string())
                        on:change=move |event| {
                            if let Some(percent) = browser::typed_number(&event) {
                                change.run(Box::new(move |form| form.delay_spec.percent = percent.clamp(0.0, 100.0)));
                            }
                        }
                    />
                    "% of requests by"
                </label>
                <label class="unit">
                    <input type="number" class="input" min="0.001" max="3600" step="any" style:width="76px" aria-label="Delay in seconds"
                        prop:value=move || read(|form| seconds(form.delay_spec.millis))
                        on:change=move |event| {
                            if let Some(millis) = millis(&event) {
                                change.run(Box::new(move |form| form.delay_spec.millis = millis.max(1)));
                            }
                        }
                    />
                    "seconds"
                </label>
            </div>
        </fieldset>
    }
}

#[component]
fn Abort(form: Signal<Option<FaultForm>>, change: Callback<Change>) -> impl IntoView {
    let read =
        move |read: fn(&FaultForm) -> String| form.with(|form| form.as_ref().map(read).unwrap_or_default());
    let on = move || form.with(|form| form.as_ref().is_some_and(|form| form.abort));
    view! {
        <fieldset class="group">
            <legend>
                <label class="switch-line">
                    <input type="checkbox" role="switch" class="switch" prop:checked=on
                        on:change=move |event| {
                            let on = event_target_checked(&event);
                            change.run(Box::new(move |form| form.abort = on));
                        }
                    />
                    "Abort"
                </label>
            </legend>
            <div class="row-line">
                <label class="unit">
                    <input type="number" class="input" min="0" max="100" step="any" style:width="68px" aria-label="Percent of requests to abort"
                        prop:value=move || read(|form| form.abort_spec.percent.to_string())
                        on:change=move |event| {
                            if let Some(percent) = browser::typed_number(&event) {
                                change.run(Box::new(move |form| form.abort_spec.percent = percent.clamp(0.0, 100.0)));
                            }
                        }
                    />
                    "% of requests with"
                </label>
                <label class="unit">
                    "HTTP"
                    <input type="number" class="input" min="200" max="599" step="1" list="fault-statuses" style:width="68px" aria-label="HTTP status of aborted requests"
                        prop:value=move || read(|form| form.abort_spec.status.to_string())
                        on:change=move |event| {
                            if let Ok(status) = event_target_value(&event).parse::<u16>() {
                                change.run(Box::new(move |form| form.abort_spec.status = status.clamp(200, 599)));
                            }
                        }
                    />
                </label>
                <datalist id="fault-statuses">
                    {["400", "404", "429", "500", "502", "503", "504"].map(|code| view! { <option value=code></option> }).collect_view()}
                </datalist>
            </div>
        </fieldset>
    }
}

/// Milliseconds as seconds to type: `0.25`.
pub(super) fn seconds(millis: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "settings are far below 2^52 ms")]
    let seconds = millis as f64 / 1000.0;
    seconds.to_string()
}

/// Typed seconds as milliseconds.
pub(super) fn millis(event: &leptos::ev::Event) -> Option<u64> {
    let seconds = browser::typed_number(event)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    (0.0..=1e9).contains(&seconds).then(|| (seconds * 1000.0).round() as u64)
}
