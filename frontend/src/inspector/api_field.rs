//! The name that a value has in Istio's resources, beside its label.

use crate::prelude::*;

/// A label with the field that it stands for, in a quieter style: `Maximum connections maxConnections`.
#[component]
pub fn ApiField(
    /// What people read.
    label: &'static str,
    /// The field's path in its resource, or the flag that sets the value.
    path: &'static str,
) -> impl IntoView {
    view! { <span class="api-field">{label}" "<code title=path>{name(path)}</code></span> }
}

/// The part of a path that tells the field: the last name, with the one before where the last is a plain word (`interval`).
fn name(path: &str) -> &str {
    if path.contains('/') {
        // An annotation.
        return path;
    }
    let last = path.rsplit('.').next().unwrap_or(path);
    if last.contains(|letter: char| letter.is_ascii_uppercase() || letter == '-') {
        return last;
    }
    match path.rmatch_indices('.').nth(1) {
        Some((at, _)) => &path[at + 1..],
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_named_by_what_tells_it() {
        for (path, expected) in [
            ("connectionPool.tcp.maxConnections", "maxConnections"),
            ("outlierDetection", "outlierDetection"),
            ("outlierDetection.interval", "outlierDetection.interval"),
            ("loadBalancer.consistentHash.httpCookie.ttl", "httpCookie.ttl"),
            ("retries.perTryTimeout", "perTryTimeout"),
            ("timeout", "timeout"),
            ("meshwright.io/health-check", "meshwright.io/health-check"),
            ("--request-timeout", "--request-timeout"),
        ] {
            assert_eq!(name(path), expected);
        }
    }
}
