//! Which of a node's routes the controls act on.

use crate::prelude::*;

use crate::inspector::rules;
use crate::store::{Store, use_store};
use crate::subject::{ChosenRoute, RouteView, Subject};
use crate::topology::NodeId;

/// Position of the route that is chosen for a node, among those that it has. Tracked.
pub(super) fn chosen(store: Store, id: &NodeId, subject: &Subject) -> Option<usize> {
    let picked = store.ui.route.with(|route| {
        let (_, chosen) = route.as_ref().filter(|(of, _)| of == id)?;
        subject.find(chosen)
    });
    picked.or_else(|| subject.main_route())
}

/// The route that is chosen, as a memo.
pub(super) fn route(store: Store, id: NodeId, subject: Memo<Subject>) -> Memo<Option<RouteView>> {
    memo(move |_| {
        subject.with(|subject| chosen(store, &id, subject).and_then(|at| subject.routes.get(at).cloned()))
    })
}

/// A select where there are several routes.
#[component]
pub fn RoutePicker(
    /// The node.
    id: NodeId,
    /// The node with its routes.
    subject: Memo<Subject>,
) -> impl IntoView {
    let store = use_store();
    let several = memo(move |_| subject.with(|subject| subject.routes.len() > 1));
    let id = StoredValue::new(id);
    let at =
        memo(move |_| subject.with(|subject| id.with_value(|id| chosen(store, id, subject)).unwrap_or(0)));
    // An edit may make another route of it, and it is the same one to who edits.
    Effect::new(move |_| {
        let of_this =
            |(of, chosen): &(NodeId, ChosenRoute)| id.with_value(|id| of == id).then(|| chosen.clone());
        let Some(chosen) = store.ui.route.with(|route| route.as_ref().and_then(of_this)) else { return };
        let now = subject.with(|subject| subject.choice(subject.find(&chosen)?));
        if let Some(now) = now.filter(|now| *now != chosen) {
            store.ui.route.set(Some((id.get_value(), now)));
        }
    });
    let labels = memo(move |_| {
        subject.with(|subject| {
            let label = |route: &RouteView| match route.matches.first() {
                Some(first) => format!("{}: {first}", route.label),
                None => format!("{}: {}", route.label, rules::every(route)),
            };
            subject.routes.iter().map(label).collect::<Vec<_>>()
        })
    });
    let options = move || {
        labels
            .get()
            .into_iter()
            .enumerate()
            .map(|(position, label)| {
                view! { <option value=position.to_string() selected=move || at.get() == position>{label}</option> }
            })
            .collect_view()
    };
    view! {
        <Show when=move || several.get()>
            <label class="field route-picker">
                "Route"
                <select
                    class="select"
                    on:change=move |event| {
                        if let Ok(position) = event_target_value(&event).parse() {
                            let choice = subject.with_untracked(|subject| subject.choice(position));
                            store.ui.route.set(choice.map(|choice| (id.get_value(), choice)));
                        }
                    }
                >
                    {move || options()}
                </select>
            </label>
        </Show>
    }
}
