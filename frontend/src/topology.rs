//! What the graph draws: services, gateways and external hosts, and who calls whom. Pure.
//!
//! Positions do not live here, and neither do figures: a node or link of a topology changes only when the mesh does.

use std::collections::{BTreeMap, BTreeSet};

/// What names a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeId {
    /// A Gateway resource.
    Gateway {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A service of the mesh, by its fully qualified host.
    Service(String),
    /// A host outside the mesh: of a ServiceEntry, or one that was called without any.
    External(String),
    /// A workload that calls others and that no service stands for.
    Workload {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl NodeId {
    /// The host that traffic to this node is counted under; `None` for what is only a source.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Service(host) | Self::External(host) => Some(host),
            Self::Gateway { .. } | Self::Workload { .. } => None,
        }
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        match self {
            Self::Service(host) | Self::External(host) => short_host(host),
            Self::Gateway { name, .. } | Self::Workload { name, .. } => name,
        }
    }
}

/// One version of a service: its instances with one value of the label `version`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version {
    /// The label's value; empty where instances have none.
    pub name: String,
    /// How many instances it has.
    pub instances: usize,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Node {
    /// What names it.
    pub id: NodeId,
    /// What to write on it: the short name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its versions, sorted. The position is the version's colour.
    pub versions: Vec<Version>,
    /// Its ports: those that a service has or that a gateway opens.
    pub ports: Vec<u16>,
}

impl Node {
    /// Instances of all versions.
    pub fn instances(&self) -> usize {
        self.versions.iter().map(|version| version.instances).sum()
    }
}

/// What names a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkKey {
    /// The caller.
    pub from: NodeId,
    /// Who is called.
    pub to: NodeId,
}

/// Who calls whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What names it.
    pub key: LinkKey,
    /// A route of the (draft) mesh names it, traffic or not.
    pub desired: bool,
    /// Traffic flowed in the last minute.
    pub observed: bool,
}

/// The graph without positions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topology {
    /// Sorted by id.
    pub nodes: Vec<Node>,
    /// Sorted by key.
    pub links: Vec<Link>,
}

impl Topology {
    /// The node of an id.
    pub fn node(&self, id: &NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == *id)
    }
}

/// What is selected.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Selection {
    /// A node.
    Node(NodeId),
    /// A link.
    Link(LinkKey),
}

/// CSS colour of a version by its position in [`Node::versions`]: one of eight tokens.
pub fn version_color(position: usize) -> String {
    format!("var(--version-{})", position % 8 + 1)
}

/// `details` of `details.default.svc.cluster.local`; any other host unchanged.
pub fn short_host(host: &str) -> &str {
    match host.split_once('.') {
        Some((name, rest)) if rest.contains(".svc") => name,
        _ => host,
    }
}

/// Which node a source or a host belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// Service of each workload, by namespace and name.
    pub workloads: BTreeMap<(String, String), String>,
    /// Hosts of the mesh's own services.
    pub services: BTreeSet<String>,
    /// Hosts outside that the mesh knows; the first part may be `*`.
    pub externals: BTreeSet<String>,
}

impl Places {
    /// The node of a source.
    pub fn of_source(&self, source: &mesh::Source) -> NodeId {
        match source {
            mesh::Source::Gateway { namespace, name } => {
                NodeId::Gateway { namespace: namespace.clone(), name: name.clone() }
            }
            mesh::Source::Workload { namespace, name } => {
                match self.workloads.get(&(namespace.clone(), name.clone())) {
                    Some(host) => NodeId::Service(host.clone()),
                    None => NodeId::Workload { namespace: namespace.clone(), name: name.clone() },
                }
            }
        }
    }

    /// The node of a host.
    pub fn of_host(&self, host: &str) -> NodeId {
        if self.services.contains(host) {
            return NodeId::Service(host.to_owned());
        }
        if self.externals.contains(host) {
            return NodeId::External(host.to_owned());
        }
        // A host that only a wildcard covers is drawn with it.
        let covers = |wild: &&String| mesh::host::is_wildcard(wild) && mesh::host::subset_of(host, wild);
        match self.externals.iter().find(covers) {
            Some(wild) => NodeId::External(wild.clone()),
            None if host.contains(".svc.") => NodeId::Service(host.to_owned()),
            None => NodeId::External(host.to_owned()),
        }
    }
}

/// The topology of a mesh's nodes, the links that its gateways' routes ask for, and those that were observed. `seen` are all
/// links that ever carried traffic while the page is open: a graph that loses its links when the load stops would jump.
pub fn assemble(
    mut nodes: Vec<Node>,
    desired: &BTreeSet<LinkKey>,
    seen: &BTreeSet<LinkKey>,
    now: &BTreeSet<LinkKey>,
) -> Topology {
    let all: BTreeSet<_> = desired.iter().chain(seen).chain(now).collect();
    let known: BTreeSet<_> = nodes.iter().map(|node| node.id.clone()).collect();
    let ends: BTreeSet<_> = all.iter().flat_map(|link| [&link.from, &link.to]).collect();
    nodes.extend(ends.into_iter().filter(|id| !known.contains(*id)).map(|id| bare(id.clone())));
    nodes.sort_by(|a, b| a.id.cmp(&b.id));
    let links = all
        .into_iter()
        .map(|key| Link { key: key.clone(), desired: desired.contains(key), observed: now.contains(key) })
        .collect();
    Topology { nodes, links }
}

/// A node of which nothing but its id is known.
fn bare(id: NodeId) -> Node {
    let namespace = match &id {
        NodeId::Gateway { namespace, .. } | NodeId::Workload { namespace, .. } => namespace.clone(),
        NodeId::Service(_) | NodeId::External(_) => String::new(),
    };
    Node { name: id.name().to_owned(), id, namespace, versions: Vec::new(), ports: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_hosts() {
        for (host, short) in [
            ("details.default.svc.cluster.local", "details"),
            ("*.wikipedia.org", "*.wikipedia.org"),
            ("details", "details"),
        ] {
            assert_eq!(short_host(host), short);
        }
    }

    #[test]
    fn links_that_were_seen_stay() {
        let link = |from: &str, to: &str| LinkKey {
            from: NodeId::Service(from.to_owned()),
            to: NodeId::Service(to.to_owned()),
        };
        let (seen, now) = (BTreeSet::from([link("a", "b")]), BTreeSet::from([link("a", "c")]));
        let topology = assemble(Vec::new(), &BTreeSet::from([link("g", "a")]), &seen, &now);
        assert_eq!(topology.nodes.len(), 4);
        let flags: Vec<_> = topology.links.iter().map(|link| (link.desired, link.observed)).collect();
        assert_eq!(flags, [(false, false), (false, true), (true, false)]);
    }
}
