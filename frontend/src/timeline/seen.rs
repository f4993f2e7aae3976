//! When this page had drawn the first traffic under a change that was made here.

use crate::prelude::*;
use api::revision::Stage;

use crate::clock;
use crate::store::Store;

/// The revision and the milliseconds from letting go of the control to the drawn page; `None` before.
pub fn measure(store: Store) -> ReadSignal<Option<(u64, f64)>> {
    let (seen, set_seen) = signal(None);
    Effect::new(move || {
        let Some((number, began)) = store.editing.acted.get() else { return };
        let flows = store.head.timeline.with(|timeline| {
            timeline.as_ref().is_some_and(|timeline| {
                timeline.revision == number
                    && timeline.milestones.iter().any(|one| one.stage >= Stage::FirstRequest)
            })
        });
        if !flows || seen.with_untracked(|seen| seen.is_some_and(|(of, _)| of == number)) {
            return;
        }
        // What runs after the next frame's callbacks finds that frame drawn.
        request_animation_frame(move || {
            let drawn = move || set_seen.set(clock::page().map(|now| (number, now - began)));
            set_timeout(drawn, std::time::Duration::ZERO);
        });
    });
    seen
}
