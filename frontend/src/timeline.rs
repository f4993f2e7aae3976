//! The apply timeline of the head revision: from the edit to the traffic.

pub mod seen;
pub mod steps;

use crate::prelude::*;

use crate::clock;
use crate::dialogs::take_back::TakeBackButton;
use crate::store::{Store, use_store};
use steps::{Progress, Step};

/// The apply timeline of the head revision.
#[component]
pub fn TimelineStrip() -> impl IntoView {
    let store = use_store();
    let head = store.head;
    let seen = seen::measure(store);
    let steps = memo(move |_| {
        let number = head.number();
        head.timeline.with(|timeline| {
            let timeline = timeline.as_ref()?;
            let splits = head.revision.with(|revision| {
                let revision = revision.as_ref()?;
                Some(head.history.with(|history| steps::splits(revision, history)))
            });
            Some(steps::steps(
                timeline,
                splits.unwrap_or(true),
                seen.get().filter(|(of, _)| *of == number).map(|(_, millis)| millis),
                head.cluster.with(Option::is_some),
            ))
        })
    });
    view! {
        <section class="timeline" aria-label="Apply timeline">
            {move || match steps.get() {
                Some(steps) => list(&steps).into_any(),
                None => view! { <p class="timeline-none">"Apply a change to see how long it takes to reach the traffic."</p> }.into_any(),
            }}
            <Story store/>
        </section>
    }
}

fn list(steps: &[Step]) -> impl IntoView + use<> {
    let items = steps.iter().map(|step| {
        let spoken = match step.progress {
            Progress::Done => "",
            Progress::Next => "in progress",
            Progress::Waiting => "not yet",
        };
        let when = if step.when.is_empty() { spoken.to_owned() } else { step.when.clone() };
        view! {
            <li class=step.progress.class() title=step.meaning>
                <span class="step-name">{step.name}</span>
                <span class="step-when">{when}</span>
            </li>
        }
    });
    view! { <ol class="apply-steps">{items.collect_view()}</ol> }
}

/// Which revision that is, whose, and the way back.
#[component]
fn Story(store: Store) -> impl IntoView {
    move || {
        store.head.revision.get().map(|revision| {
            let number = revision.number;
            let back = (number > 1).then(|| view! { <TakeBackButton number class="timeline-undo"/> });
            view! {
                <p class="timeline-story">
                    <b>"rev "{number.to_string()}</b>
                    <span class="timeline-what" title=revision.summary.clone()>{revision.summary.clone()}</span>
                    <span>"by "{revision.author}</span>
                    <time>{clock::moment(revision.at)}</time>
                    {back}
                </p>
            }
        })
    }
}
