//! Faults that Istio has no field for, from an annotation on a VirtualService.
//!
//! `meshwright.io/connection-faults: "http[0] reset 5%; tcp[0] delay 2s 50%; tls[1] reset 10%"`. An entry names a rule by
//! its kind and position, then what happens and to which share. A rule of `http` can be reset; its delay has a field.

use std::time::Duration;

use crate::plan::ConnectionFault;
use crate::resource::{DurationString, Resource};

/// The annotation.
pub(crate) const CONNECTION_FAULTS: &str = "meshwright.io/connection-faults";

/// The faults of a rule, by its kind (`http`, `tcp`, `tls`) and position. Entries that cannot be read say nothing.
pub(super) fn of(resource: &Resource, kind: &str, index: usize) -> Option<ConnectionFault> {
    let all = resource.metadata.annotations.get(CONNECTION_FAULTS)?;
    let rule = format!("{kind}[{index}]");
    let mut fault = ConnectionFault::default();
    for entry in all.split([';', ',', '\n']) {
        let mut words = entry.split_whitespace();
        if words.next() != Some(rule.as_str()) {
            continue;
        }
        match (words.next(), words.next(), words.next()) {
            (Some("reset"), share, None) => fault.reset = share.and_then(millionths).unwrap_or(0),
            (Some("delay"), Some(length), share) => {
                fault.delay = share.and_then(millionths).zip(duration(length))
            }
            _ => {}
        }
    }
    (fault != ConnectionFault::default()).then_some(fault)
}

fn duration(text: &str) -> Option<Duration> {
    DurationString(text.to_owned()).parse().ok()
}

fn millionths(share: &str) -> Option<u32> {
    let percent: f64 = share.strip_suffix('%')?.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped just before")]
    Some((percent * 10_000.0).clamp(0.0, 1_000_000.0) as u32)
}
