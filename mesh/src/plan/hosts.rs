//! The index over the domains of virtual hosts.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{VirtualHost, VirtualHosts};

/// Positions of virtual hosts.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Index {
    /// By their exact domains.
    exact: BTreeMap<String, usize>,
    /// `.x` (of `*.x`) with its position, longest first.
    suffixes: Vec<(String, usize)>,
    /// `x.` (of `x.*`) with its position, longest first.
    prefixes: Vec<(String, usize)>,
    /// The position of `*`.
    any: Option<usize>,
}

impl VirtualHosts {
    /// Indexes virtual hosts. Where two have the same domain the first keeps it.
    pub fn of(list: Vec<VirtualHost>) -> Self {
        let list: Vec<_> = list.into_iter().map(Arc::new).collect();
        let mut hosts = Index::default();
        for (at, domain) in
            list.iter().enumerate().flat_map(|(at, host)| host.domains.iter().map(move |d| (at, d)))
        {
            let domain = domain.to_ascii_lowercase();
            if domain == "*" {
                hosts.any.get_or_insert(at);
            } else if let Some(suffix) = domain.strip_prefix('*') {
                hosts.suffixes.push((suffix.to_owned(), at));
            } else if let Some(prefix) = domain.strip_suffix('*') {
                hosts.prefixes.push((prefix.to_owned(), at));
            } else {
                hosts.exact.entry(domain).or_insert(at);
            }
        }
        for wildcards in [&mut hosts.suffixes, &mut hosts.prefixes] {
            wildcards.sort_by(|a, b| (Reverse(a.0.len()), &a.0, a.1).cmp(&(Reverse(b.0.len()), &b.0, b.1)));
            wildcards.dedup_by(|later, first| later.0 == first.0);
        }
        Self { list, index: Arc::new(hosts) }
    }

    /// These, with others of the same domains in the places of some.
    pub(super) fn with(&self, list: Vec<Arc<VirtualHost>>) -> Self {
        Self { list, index: Arc::clone(&self.index) }
    }

    /// The position of the virtual host for every name.
    pub fn any(&self) -> Option<usize> {
        self.index.any
    }

    /// The position of the virtual host for a name in lower case without a port. A wildcard stands for one character at
    /// least.
    pub fn find(&self, name: &str) -> Option<usize> {
        if let Some(at) = self.index.exact.get(name) {
            return Some(*at);
        }
        let suffix = self
            .index
            .suffixes
            .iter()
            .find(|(suffix, _)| name.len() > suffix.len() && name.ends_with(suffix.as_str()));
        let wildcard = suffix.or_else(|| {
            self.index
                .prefixes
                .iter()
                .find(|(prefix, _)| name.len() > prefix.len() && name.starts_with(prefix.as_str()))
        });
        wildcard.map(|(_, at)| *at).or(self.any())
    }
}
