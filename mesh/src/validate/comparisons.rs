//! The comparisons of a match, for the rules that look at each.

use crate::resource::http::{HttpMatch, StringMatch};
use crate::resource::walk::At;

/// Shows every comparison of a match; with it whether it is one of several under a name, which may ask for presence alone.
pub(super) fn each_comparison(
    entry: &HttpMatch,
    at: &At<'_>,
    see: &mut dyn FnMut(&At<'_>, &StringMatch, bool),
) {
    for (field, comparison) in [
        ("uri", &entry.uri),
        ("scheme", &entry.scheme),
        ("method", &entry.method),
        ("authority", &entry.authority),
    ] {
        if let Some(comparison) = comparison {
            see(&at.field(field), comparison, false);
        }
    }
    for (field, map) in [
        ("headers", &entry.headers),
        ("withoutHeaders", &entry.without_headers),
        ("queryParams", &entry.query_params),
    ] {
        let at = at.field(field);
        for (name, comparison) in map {
            see(&at.key(name), comparison, true);
        }
    }
}
