//! Faults: delay and abort, for which requests, until when.

mod halves;
pub mod parts;

use crate::prelude::*;

use crate::clock;
use crate::fault_form::FaultForm;
use crate::inspector::route_picker::{self, RoutePicker};
use crate::store::{Store, use_store};
use crate::subject::{RouteView, Subject};
use crate::topology::NodeId;
use halves::Fields;
pub(super) use halves::millis;
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
                if old.connections != new.connections {
                    *old = new;
                    return;
                }
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
        let edits = next.edits(&before, &target, clock::now() / 1000);
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
            fallback=|| view! { <p class="empty">"No route here forwards requests, so no fault can be injected."</p> }
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
        subject.choice(subject.routes.iter().position(own)?)
    });
    store.ui.route.update(|route| match made {
        Some(chosen) => *route = Some((id.clone(), chosen)),
        None if form.some || !form.active() => *route = None,
        None => {}
    });
}

/// A change of the form.
type Change = Box<dyn FnOnce(&mut FaultForm)>;

#[component]
fn Form(form: Signal<Option<FaultForm>>, change: Callback<Change>) -> impl IntoView {
    let fields = Fields { form, change };
    let connections = memo(move |_| form.with(|form| form.as_ref().is_some_and(|form| form.connections)));
    view! {
        {move || fields.delay(connections.get())}
        <Show when=move || !connections.get() fallback=move || fields.reset()>
            {fields.abort()}
            <Which form change/>
            <Ending form change/>
        </Show>
        <Show when=move || form.with(|form| form.as_ref().is_some_and(FaultForm::active))>
            <div class="buttons">
                <button
                    class="btn danger"
                    on:click=move |_| change.run(Box::new(|form| (form.delay, form.abort) = (false, false)))
                >
                    "Remove fault"
                </button>
            </div>
        </Show>
        <p class="note last">
            "Delay and abort are decided independently for each request or connection; the delay comes first. Faults are injected at the caller, before the request is sent."
        </p>
    }
}
