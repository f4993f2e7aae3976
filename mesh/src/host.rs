//! Host names as Istio compares them: short names, wildcards, which covers which, and which is more specific.
//!
//! A host is plain text; a wildcard starts with `*`. The rules are those of Istio's `pkg/config/host`.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

/// The fully qualified form of a host that a resource in `namespace` names: `name.<namespace>.svc.<domain>`. What has a
/// dot, is `*` or an IP address stays as it is. An empty namespace or domain leaves its part out.
pub fn qualify<'h>(host: &'h str, namespace: &str, domain: &str) -> Cow<'h, str> {
    if host.is_empty() || host == "*" || host.contains('.') || host.parse::<IpAddr>().is_ok() {
        return Cow::Borrowed(host);
    }
    let mut full = host.to_owned();
    for (joint, part) in [(".", namespace), (".svc.", domain)] {
        if !part.is_empty() {
            full.push_str(joint);
            full.push_str(part);
        }
    }
    Cow::Owned(full)
}

/// The namespace and name of a gateway that a VirtualService of `namespace` names: `name`, `./name`, `namespace/name`, or the old
/// `name.namespace` and `name.namespace.svc.…`.
pub fn gateway_name<'n>(gateway: &'n str, namespace: &'n str) -> (&'n str, &'n str) {
    match gateway.split_once('/') {
        Some((".", name)) => (namespace, name),
        Some(full) => full,
        None => match gateway.split_once('.') {
            Some((name, rest)) => (rest.split('.').next().unwrap_or(namespace), name),
            None => (namespace, gateway),
        },
    }
}

/// The full name (`namespace/name`) of a gateway, as [`gateway_name`]. `mesh` stays.
pub fn qualify_gateway(gateway: &str, namespace: &str) -> String {
    if gateway == MESH {
        return MESH.to_owned();
    }
    let (namespace, name) = gateway_name(gateway, namespace);
    format!("{namespace}/{name}")
}

/// Whether a VirtualService with these gateways is for workloads of the mesh: it names `mesh`, or no gateway.
pub fn in_mesh(gateways: &[String]) -> bool {
    gateways.is_empty() || gateways.iter().any(|gateway| gateway == MESH)
}

/// The gateway that stands for all sidecars.
pub const MESH: &str = "mesh";

/// Whether the host is a wildcard.
pub fn is_wildcard(host: &str) -> bool {
    host.starts_with('*')
}

/// Whether the two overlap: one covers the other.
pub fn matches(a: &str, b: &str) -> bool {
    subset_of(a, b) || subset_of(b, a)
}

/// Whether `b` covers all of `a`.
pub fn subset_of(a: &str, b: &str) -> bool {
    match (a.strip_prefix('*'), b.strip_prefix('*')) {
        (Some(a), Some(b)) => a.len() >= b.len() && a.ends_with(b),
        (Some(_), None) => false,
        (None, Some(b)) => a.ends_with(b),
        (None, None) => a == b,
    }
}

/// Orders hosts from the most specific: plain before wildcard, longest first, then by the alphabet.
pub fn compare(a: &str, b: &str) -> Ordering {
    (is_wildcard(a).cmp(&is_wildcard(b))).then(b.len().cmp(&a.len())).then(a.cmp(b))
}

/// The hosts that are covered by both sides, in the order of `a`.
pub fn intersection(a: &[&str], b: &[&str]) -> Vec<String> {
    Overlaps::of(a.iter().copied()).common(b)
}

/// Hosts of a Gateway's server (`host`, `*/host`, `./host`, `namespace/host`) that are open to a VirtualService's
/// namespace, without their namespaces. `own` is the Gateway's namespace, which `.` stands for.
pub fn for_namespace<'h>(hosts: &'h [String], namespace: &str, own: &str) -> Vec<&'h str> {
    let open = |host: &'h String| match host.split_once('/') {
        None => Some(host.as_str()),
        Some(("*", host)) => Some(host),
        Some((".", host)) => (own == namespace).then_some(host),
        Some((other, host)) => (other == namespace).then_some(host),
    };
    hosts.iter().filter_map(open).collect()
}

/// A map from hosts to values that finds the most specific host for a name. The first value of a host stays.
#[derive(Debug, Clone)]
pub struct HostMap<T> {
    exact: HashMap<String, T>,
    wildcards: HashMap<String, T>,
    /// Lengths of the wildcards' suffixes, longest first: each is looked up once.
    lengths: Vec<usize>,
}

impl<T> Default for HostMap<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), wildcards: HashMap::new(), lengths: Vec::new() }
    }
}

impl<T> HostMap<T> {
    /// The value of this very host, made by `make` when there is none.
    pub fn entry(&mut self, host: &str, make: impl FnOnce() -> T) -> &mut T {
        let Some(suffix) = host.strip_prefix('*') else {
            return self.exact.entry(host.to_owned()).or_insert_with(make);
        };
        if let Err(at) = self.lengths.binary_search_by(|length| suffix.len().cmp(length)) {
            self.lengths.insert(at, suffix.len());
        }
        self.wildcards.entry(suffix.to_owned()).or_insert_with(make)
    }

    /// All values, in no order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.exact.values().chain(self.wildcards.values())
    }

    /// The value of the most specific host that covers `needle`, which may be a wildcard itself.
    pub fn find(&self, needle: &str) -> Option<&T> {
        self.covering(needle).next()
    }

    /// The values of all hosts that cover `needle`, the most specific first.
    pub fn covering<'s>(&'s self, needle: &str) -> impl Iterator<Item = &'s T> {
        let (tail, exact) = match needle.strip_prefix('*') {
            None => (needle, self.exact.get(needle)),
            Some(tail) => (tail, None),
        };
        let wildcards = self.lengths.iter().filter_map(move |&length| {
            let start = tail.len().checked_sub(length)?;
            self.wildcards.get(tail.get(start..)?)
        });
        exact.into_iter().chain(wildcards)
    }
}

/// Hosts by their positions, to be asked which of them overlap with another. Each is looked up; none is compared with all.
#[derive(Debug, Clone, Default)]
pub struct Overlaps {
    hosts: Vec<String>,
    covering: HostMap<Vec<usize>>,
    /// Backwards, so that those that one wildcard covers are beside each other.
    backwards: BTreeMap<String, Vec<usize>>,
}

impl Overlaps {
    /// These hosts, in order.
    pub fn of<'h>(hosts: impl IntoIterator<Item = &'h str>) -> Self {
        let mut all = Self::default();
        hosts.into_iter().for_each(|host| all.add(host));
        all
    }

    /// Adds a host behind the others.
    pub fn add(&mut self, host: &str) {
        let at = self.hosts.len();
        self.hosts.push(host.to_owned());
        self.covering.entry(host, Vec::new).push(at);
        self.backwards.entry(backwards(host)).or_default().push(at);
    }

    /// The positions of the hosts that cover `host` or are covered by it; one may come twice.
    pub fn with<'o>(&'o self, host: &'o str) -> impl Iterator<Item = usize> + 'o {
        let covered = host.strip_prefix('*').map(backwards);
        let covered = covered.into_iter().flat_map(|start| {
            let below = self.backwards.range(start.clone()..);
            below.take_while(move |(key, _)| key.starts_with(&start)).flat_map(|(_, list)| list)
        });
        self.covering.covering(host).flatten().chain(covered).copied()
    }

    /// The narrower of each two hosts of both sides that overlap, in the order of these.
    pub fn common(&self, others: &[&str]) -> Vec<String> {
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        for (theirs, host) in others.iter().enumerate() {
            pairs.extend(self.with(host).map(|ours| (ours, theirs)));
        }
        pairs.sort_unstable();
        let mut known: HashSet<&str> = HashSet::new();
        let narrow = pairs.into_iter().map(|(ours, theirs)| {
            let (ours, theirs) = (self.hosts[ours].as_str(), others[theirs]);
            if subset_of(ours, theirs) { ours } else { theirs }
        });
        narrow.filter(|host| known.insert(host)).map(str::to_owned).collect()
    }
}

fn backwards(host: &str) -> String {
    host.chars().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_qualified() {
        for (host, expected) in [
            ("reviews", "reviews.default.svc.cluster.local"),
            ("reviews.prod", "reviews.prod"),
            ("*", "*"),
            ("*.foo.com", "*.foo.com"),
            ("10.0.0.1", "10.0.0.1"),
            ("2a00:4000::614", "2a00:4000::614"),
            ("", ""),
        ] {
            assert_eq!(qualify(host, "default", "cluster.local"), expected, "{host}");
        }
    }

    #[test]
    fn overlapping_hosts_are_found() {
        let all = Overlaps::of(["*", "a.com", "*.a.com", "x.a.com", "b.com", "*.x.a.com"]);
        for (host, expected) in [
            ("a.com", vec![0, 1]),
            ("x.a.com", vec![0, 2, 3]),
            ("y.x.a.com", vec![0, 2, 5]),
            ("*.a.com", vec![0, 2, 3, 5]),
            ("*a.com", vec![0, 1, 2, 3, 5]),
            ("*", vec![0, 1, 2, 3, 4, 5]),
            ("c.org", vec![0]),
        ] {
            let mut found: Vec<usize> = all.with(host).collect();
            found.sort_unstable();
            found.dedup();
            assert_eq!(found, expected, "{host}");
            let one_by_one = all.hosts.iter().enumerate().filter(|(_, known)| matches(known, host));
            assert_eq!(found, one_by_one.map(|(at, _)| at).collect::<Vec<_>>(), "{host}");
        }
    }

    #[test]
    fn server_hosts_open_to_namespaces() {
        let hosts: Vec<String> = ["a.com", "*/b.com", "./c.com", "ns1/d.com"].map(str::to_owned).into();
        assert_eq!(for_namespace(&hosts, "ns1", "gw"), ["a.com", "b.com", "d.com"]);
        assert_eq!(for_namespace(&hosts, "gw", "gw"), ["a.com", "b.com", "c.com"]);
    }
}
