//! What names may look like: DNS labels, fully qualified and wildcard domains, as Istio checks them.

use std::net::IpAddr;

/// A DNS label: letters, digits and `-` within, 63 at most.
pub(super) fn is_label(text: &str) -> bool {
    let within = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(within)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A label or name of Kubernetes: lower case.
pub(super) fn is_namespace(text: &str) -> bool {
    is_label(text) && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// What is wrong with a domain that may begin with a wildcard; `None` when nothing is.
pub(super) fn wildcard_domain_problem(domain: &str) -> Option<&'static str> {
    let (first, rest) = domain.split_once('.').map_or((domain, None), |(first, rest)| (first, Some(rest)));
    let starred = match first.strip_prefix('*') {
        // `*`, `*-foo` and `*foo` may begin a domain.
        Some(tail) => tail.is_empty() || is_label(tail.strip_prefix('-').unwrap_or(tail)),
        None => is_label(first),
    };
    if domain.is_empty() {
        Some("it is empty")
    } else if domain.len() > 255 {
        Some("it is longer than 255 characters")
    } else if domain.get(1..).is_some_and(|rest| rest.contains('*')) {
        Some("a wildcard can only stand at the beginning")
    } else if !starred
        || !rest.is_none_or(|rest| rest.strip_suffix('.').unwrap_or(rest).split('.').all(is_label))
    {
        Some("its parts must be of letters, digits and `-`, 63 at most")
    } else if is_numeric_top(domain) {
        Some("its last part is a number, as in an IP address")
    } else {
        None
    }
}

fn is_numeric_top(domain: &str) -> bool {
    let top = domain.strip_suffix('.').unwrap_or(domain).rsplit('.').next().unwrap_or_default();
    !top.is_empty() && top.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether it is an IP address.
pub(super) fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// Whether it is a name by which gateways of a network pass traffic on: `outbound_.PORT_.SUBSET_.HOST`.
pub(super) fn is_sni_cluster(host: &str) -> bool {
    let parts: Vec<&str> = host.splitn(4, '.').collect();
    let [direction, port, subset, host] = parts.as_slice() else { return false };
    matches!(*direction, "outbound_" | "inbound_")
        && port.strip_suffix('_').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
        && subset.strip_suffix('_').is_some_and(|subset| subset.is_empty() || is_label(subset))
        && wildcard_domain_problem(host).is_none()
        && !host.starts_with('*')
}

/// The name among `names` that was most likely meant: at most two letters off, or a third of them.
pub(super) fn nearest<'n>(meant: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let most = (meant.len() / 3).clamp(1, 2);
    let near = names
        .into_iter()
        .map(|name| (distance(&meant.to_ascii_lowercase(), &name.to_ascii_lowercase()), name));
    near.filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name)
}

/// Letters that differ, are missing, are too many, or have changed places with their neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (last[j - 1] + change).min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains() {
        for (domain, good) in [
            ("foo.bar.com", true),
            ("foo", true),
            ("*", true),
            ("*.bar.com", true),
            ("*foo", true),
            ("*-foo.baz", true),
            ("foo.bar.com.", true),
            ("", false),
            (".", false),
            ("foo.*.com", false),
            ("foo*.bar.com", false),
            ("foo.*", false),
            ("**.com", false),
            ("default/baz", false),
            ("foo_bar.com", false),
            ("1.1.1.1", false),
            ("-foo.com", false),
            ("foo..com", false),
        ] {
            assert_eq!(wildcard_domain_problem(domain).is_none(), good, "{domain}");
        }
        assert!(wildcard_domain_problem(&"x".repeat(64)).is_some());
    }

    #[test]
    fn cluster_names() {
        assert!(is_sni_cluster("outbound_.15010_._.istiod.istio-system.svc.cluster.local"));
        assert!(is_sni_cluster("outbound_.80_.v1_.e2e.foobar.mesh"));
        assert!(!is_sni_cluster("outbound_.thisIsNotAPort_._.e2e.foobar.mesh"));
        assert!(!is_sni_cluster("outbound_.80_._"));
    }

    #[test]
    fn the_nearest_name_is_found() {
        let names = ["weight", "timeout", "retries", "route"];
        for (meant, expected) in [
            ("wieght", Some("weight")),
            ("timeOut", Some("timeout")),
            ("retrys", Some("retries")),
            ("zebra", None),
        ] {
            assert_eq!(nearest(meant, names), expected, "{meant}");
        }
    }
}
