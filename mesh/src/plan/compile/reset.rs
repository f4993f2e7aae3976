//! Faults that Istio has no field for, from an annotation on a VirtualService.
//!
//! `meshwright.io/connection-faults: "http[0] reset 5%; tcp[0] delay 2s 50%; tls[1] reset 10%"`. An entry names a rule by
//! its kind and position, then what happens and to which share. A rule of `http` can be reset; its delay has a field.

use std::time::Duration;

use crate::annotation::CONNECTION_FAULTS;
use crate::plan::ConnectionFault;
use crate::resource::{DurationString, Resource};
use crate::yaml;

/// One entry: the kind and position of its rule, and what happens.
pub(crate) struct Entry<'t> {
    pub(crate) kind: &'t str,
    pub(crate) index: usize,
    what: What,
}

enum What {
    Reset(u32),
    Delay(u32, Duration),
}

/// The entries of the annotation, each with its text; `None` for one that cannot be read.
pub(crate) fn entries(text: &str) -> impl Iterator<Item = (&str, Option<Entry<'_>>)> {
    let all = text.split([';', ',', '\n']).map(str::trim).filter(|entry| !entry.is_empty());
    all.map(|text| (text, entry(text)))
}

/// The faults of a rule, by its kind (`http`, `tcp`, `tls`) and position. Entries that cannot be read say nothing.
pub(crate) fn of(resource: &Resource, kind: &str, index: usize) -> Option<ConnectionFault> {
    let all = resource.metadata.annotations.get(CONNECTION_FAULTS)?;
    let mut fault = ConnectionFault::default();
    let own = entries(all).filter_map(|(_, entry)| entry).filter(|it| it.kind == kind && it.index == index);
    for entry in own {
        match entry.what {
            What::Reset(share) => fault.reset = share,
            What::Delay(share, length) => fault.delay = Some((share, length)),
        }
    }
    (fault != ConnectionFault::default()).then_some(fault)
}

fn entry(text: &str) -> Option<Entry<'_>> {
    let mut words = text.split_whitespace();
    let (kind, index) = words.next()?.strip_suffix(']')?.split_once('[')?;
    let what = match (words.next()?, words.next()?, words.next()) {
        ("reset", share, None) => What::Reset(millionths(share)?),
        ("delay", length, Some(share)) if kind != "http" => {
            What::Delay(millionths(share)?, DurationString(length.to_owned()).parse().ok()?)
        }
        _ => return None,
    };
    let known = matches!(kind, "http" | "tcp" | "tls") && words.next().is_none();
    Some(Entry { kind, index: index.parse().ok()?, what }).filter(|_| known)
}

fn millionths(share: &str) -> Option<u32> {
    let percent = yaml::number(share.strip_suffix('%')?)?.as_f64()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped just before")]
    Some((percent * 10_000.0).clamp(0.0, 1_000_000.0) as u32)
}
