//! The dots that move along the edges, all of them in one frame, so that the page is painted as seldom as possible.

use std::cell::Cell;
use std::time::Duration;

use crate::prelude::*;
use leptos::svg::Path;

/// Time between two frames. Dots move a few pixels in it; sixty frames a second would double the work for nothing.
const FRAME: Duration = Duration::from_millis(40);
/// Edges that are moved in one frame at most; where there are more, they take turns.
const AT_ONCE: usize = 250;
/// Seconds that a frame may take: after a pause the dots go on, they do not jump.
const LONGEST: f64 = 0.2;

/// Distance between the dots of one edge, and their speed; `None` while nothing flows.
pub type Dots = Memo<Option<(f64, f64)>>;

/// All edges with dots.
#[derive(Clone, Copy)]
pub struct Flow {
    lines: StoredValue<Vec<Line>>,
    next: StoredValue<u64>,
}

struct Line {
    id: u64,
    path: NodeRef<Path>,
    dots: Dots,
    offset: f64,
}

impl Flow {
    /// Begins to move what is added. Stands still while nobody looks, and for those who asked for less motion.
    pub fn start() -> Self {
        let flow = Self { lines: StoredValue::new(Vec::new()), next: StoredValue::new(0) };
        let still = window().match_media("(prefers-reduced-motion: reduce)").ok().flatten();
        let (last, frame) = (Cell::new(0.0), Cell::new(0));
        let interval = set_interval_with_handle(
            move || {
                if document().hidden() || still.as_ref().is_some_and(web_sys::MediaQueryList::matches) {
                    return;
                }
                let now = js_sys::Date::now() / 1000.0;
                let seconds = (now - last.replace(now)).clamp(0.0, LONGEST);
                let turn = frame.get() + 1;
                frame.set(turn);
                request_animation_frame(move || flow.advance(seconds, turn));
            },
            FRAME,
        );
        if let Ok(interval) = interval {
            on_cleanup(move || interval.clear());
        }
        flow
    }

    /// Moves the dots of a path for as long as the component lives that adds it.
    pub fn add(&self, path: NodeRef<Path>, dots: Dots) {
        let (lines, id) = (self.lines, self.next.get_value());
        self.next.set_value(id + 1);
        lines.update_value(|lines| lines.push(Line { id, path, dots, offset: 0.0 }));
        on_cleanup(move || {
            lines.try_update_value(|lines| lines.retain(|line| line.id != id));
        });
    }

    fn advance(self, seconds: f64, turn: usize) {
        self.lines.try_update_value(|lines| {
            let turns = lines.len() / AT_ONCE + 1;
            #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
            let seconds = seconds * turns as f64;
            for (at, line) in lines.iter_mut().enumerate() {
                if !(at + turn).is_multiple_of(turns) {
                    continue;
                }
                let Some(Some((spacing, speed))) = line.dots.try_get_untracked() else { continue };
                let offset = line.offset + speed * seconds;
                line.offset = offset - spacing * (offset / spacing).floor();
                if let Some(Some(path)) = line.path.try_get_untracked() {
                    // Fails for no attribute of this name.
                    let _ = path.set_attribute("stroke-dashoffset", &format!("{:.1}", -line.offset));
                }
            }
        });
    }
}
