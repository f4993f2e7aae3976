//! The listeners of plans: which plans share them, and which is on a port.

use std::collections::HashSet;

use super::{Listener, Plan};

/// Host and port of an authority: `reviews:9080`, `[::1]:80`, `reviews`. A port that is not a number is no port.
pub fn split_authority(authority: &str) -> (&str, Option<u16>) {
    let after_host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    match authority[after_host..].rfind(':') {
        // Without brackets, more than one colon is an IPv6 address rather than a host and a port.
        Some(colon) if after_host > 0 || !authority[..colon].contains(':') => {
            let (host, port) = authority.split_at(after_host + colon);
            (host, port[1..].parse().ok())
        }
        _ => (authority, None),
    }
}

/// One plan for each view of a mesh: sources that see the same share listeners and clusters, and a large mesh has thousands of such
/// sources.
pub fn distinct<'p>(plans: impl IntoIterator<Item = &'p Plan>) -> impl Iterator<Item = &'p Plan> {
    let mut seen = HashSet::new();
    plans.into_iter().filter(move |plan| seen.insert((plan.listeners.as_ptr(), plan.clusters.as_ptr())))
}

impl Plan {
    /// The listener on a port.
    pub fn listener(&self, port: u16) -> Option<&Listener> {
        let at = self.listeners.binary_search_by_key(&port, |listener| listener.port).ok()?;
        self.listeners.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::split_authority;

    #[test]
    fn authorities_are_split() {
        for (authority, host, port) in [
            ("reviews", "reviews", None),
            ("reviews:9080", "reviews", Some(9080)),
            ("reviews:", "reviews", None),
            ("reviews:http", "reviews", None),
            ("reviews:99999", "reviews", None),
            ("[::1]:80", "[::1]", Some(80)),
            ("[::1]", "[::1]", None),
            ("::1", "::1", None),
            ("", "", None),
        ] {
            assert_eq!(split_authority(authority), (host, port), "{authority}");
        }
    }
}
