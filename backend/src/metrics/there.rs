//! What the mesh has, for metrics: series of anything else are dropped.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mesh::{Plan, Source};
use proxy::{Name, Names};

/// The sources of the plans, the hosts that they know, and the versions and subsets of these.
pub(super) struct There<'p> {
    sources: HashSet<&'p Source>,
    versions: HashMap<&'p str, HashSet<&'p str>>,
    names: &'p Names,
}

impl<'p> There<'p> {
    pub(super) fn new(plans: impl Iterator<Item = &'p Plan>, names: &'p Names) -> Self {
        let mut there = Self { sources: HashSet::new(), versions: HashMap::new(), names };
        // Plans share what they have in common: each is read once.
        let (mut clusters, mut hosts) = (HashSet::new(), HashSet::new());
        for plan in plans {
            there.sources.insert(&plan.source);
            if clusters.insert(plan.clusters.as_ptr()) {
                for cluster in plan.clusters.iter() {
                    let versions = there.versions.entry(&cluster.key.host).or_default();
                    versions.extend(cluster.key.subset.as_deref());
                    versions.extend(cluster.endpoints.iter().map(|endpoint| endpoint.version()));
                }
            }
            for listener in plan.listeners.iter().filter(|it| hosts.insert(it.hosts.list.as_ptr())) {
                for host in listener.hosts.list.iter() {
                    there.versions.entry(&host.name).or_default();
                }
            }
        }
        there
    }

    /// Whether the mesh has a source, a host, and a version or subset of it (empty: none of them), or the host is a name that clients
    /// made up.
    pub(super) fn has(&self, source: &Arc<Source>, host: &Name, version: &str) -> bool {
        self.sources.contains(&**source)
            && match self.versions.get(&**host) {
                Some(versions) => version.is_empty() || versions.contains(version),
                None => self.names.has(source, host),
            }
    }

    /// The same of a cluster.
    pub(super) fn has_cluster(&self, source: &Source, host: &str, subset: Option<&str>) -> bool {
        self.sources.contains(source)
            && self.versions.get(host).is_some_and(|known| subset.is_none_or(|subset| known.contains(subset)))
    }
}
