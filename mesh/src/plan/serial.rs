//! How plans look as JSON, for people who debug: durations as Istio writes them, and nothing where there is nothing.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// A duration, as in `1.5s`.
pub(super) fn duration<S: Serializer>(it: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&text(*it))
}

/// A duration that may be missing.
#[expect(clippy::ref_option, reason = "serde passes the field")]
pub(super) fn optional_duration<S: Serializer>(
    it: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    it.map(text).serialize(serializer)
}

/// The share of a delay, and its length.
#[expect(clippy::ref_option, reason = "serde passes the field")]
pub(super) fn delay<S: Serializer>(it: &Option<(u32, Duration)>, serializer: S) -> Result<S::Ok, S::Error> {
    it.map(|(share, length)| (share, text(length))).serialize(serializer)
}

/// Whether a value says nothing.
pub(super) fn is_default<T: Default + PartialEq>(it: &T) -> bool {
    *it == T::default()
}

fn text(it: Duration) -> String {
    crate::resource::DurationString::from_millis(u64::try_from(it.as_millis()).unwrap_or(u64::MAX)).0
}
