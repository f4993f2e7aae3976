//! Resources as they go over the wire, and all of them that one node gets.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use envoy_types::pb::google::protobuf::Any;

/// The kinds of resources, in the order in which they are sent: what is pointed at goes before what points at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Certificates and keys (SDS).
    Secret,
    /// Clusters (CDS).
    Cluster,
    /// The endpoints of a cluster (EDS).
    Endpoints,
    /// Listeners (LDS).
    Listener,
    /// Routes of a listener (RDS).
    Routes,
    /// One virtual host of routes (VHDS, which delta streams alone have).
    VirtualHost,
}

impl Kind {
    /// All kinds, in the order in which they are sent.
    pub const ALL: [Self; 6] =
        [Self::Secret, Self::Cluster, Self::Endpoints, Self::Listener, Self::Routes, Self::VirtualHost];

    /// The type URL by which xDS names the kind.
    pub fn type_url(self) -> &'static str {
        match self {
            Self::Secret => "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            Self::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            Self::Endpoints => "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            Self::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            Self::Routes => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            Self::VirtualHost => "type.googleapis.com/envoy.config.route.v3.VirtualHost",
        }
    }

    /// The kind that a type URL names.
    pub fn of(type_url: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.type_url() == type_url)
    }
}

/// One resource, encoded. The same resource has the same bytes each time, so its version is a hash of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Resource {
    /// What it is called.
    pub name: Arc<str>,
    /// Of its bytes.
    pub version: u64,
    /// Its type and its bytes.
    pub body: Any,
}

impl Resource {
    /// A resource of these bytes.
    pub fn new(kind: Kind, name: impl Into<Arc<str>>, bytes: Vec<u8>) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(&bytes);
        let body = Any { type_url: kind.type_url().to_owned(), value: bytes };
        Self { name: name.into(), version: hasher.finish(), body }
    }
}

impl fmt::Debug for Resource {
    /// Without the bytes: they may be a key's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes, {:016x})", self.name, self.body.value.len(), self.version)
    }
}

/// The resources of one kind, by name.
pub type Resources = BTreeMap<Arc<str>, Arc<Resource>>;

/// All resources of a node at one revision. Nodes that see the same share them.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The revision that they were made from.
    pub revision: u64,
    kinds: [Arc<Resources>; Kind::ALL.len()],
}

impl Snapshot {
    /// A snapshot without resources.
    pub fn new(revision: u64) -> Self {
        Self { revision, ..Self::default() }
    }

    /// Puts all resources of a kind in the place of those that were there.
    pub fn set(&mut self, kind: Kind, resources: Arc<Resources>) {
        self.kinds[kind as usize] = resources;
    }

    /// Takes over from another snapshot what is the same: that is then kept once, and seen to be the same without looking into it.
    pub fn share(&mut self, other: &Self) {
        for (mine, theirs) in self.kinds.iter_mut().zip(&other.kinds) {
            if Arc::ptr_eq(mine, theirs) {
                continue;
            }
            let mut same = mine.len() == theirs.len();
            for (name, resource) in Arc::make_mut(mine) {
                match theirs.get(name) {
                    Some(known) if known.version == resource.version => *resource = Arc::clone(known),
                    _ => same = false,
                }
            }
            if same {
                *mine = Arc::clone(theirs);
            }
        }
    }

    /// The resources of a kind.
    pub fn of(&self, kind: Kind) -> &Arc<Resources> {
        &self.kinds[kind as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_their_urls() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of(kind.type_url()), Some(kind));
            assert_eq!(Kind::ALL[kind as usize], kind);
        }
        assert_eq!(Kind::of("type.googleapis.com/envoy.config.core.v3.Node"), None);
    }

    #[test]
    fn what_is_the_same_is_shared() {
        let snapshot = |words: &[(Kind, &str, &str)]| {
            let mut snapshot = Snapshot::new(1);
            for of in Kind::ALL {
                let mine = words.iter().filter(|(kind, _, _)| *kind == of);
                let resources = mine.map(|(kind, name, bytes)| {
                    (Arc::from(*name), Arc::new(Resource::new(*kind, *name, bytes.as_bytes().to_vec())))
                });
                snapshot.set(of, Arc::new(resources.collect()));
            }
            snapshot
        };
        let (cluster, routes) = (Kind::Cluster, Kind::Routes);
        let old = snapshot(&[(cluster, "a", "1"), (routes, "a", "1"), (routes, "b", "1")]);
        let mut new = snapshot(&[(cluster, "a", "1"), (routes, "a", "1"), (routes, "b", "2")]);
        new.share(&old);
        assert!(Arc::ptr_eq(old.of(cluster), new.of(cluster)));
        assert!(Arc::ptr_eq(&old.of(routes)["a"], &new.of(routes)["a"]));
        assert_eq!(new.of(routes)["b"].body.value, b"2");
        assert_eq!(old.of(routes)["b"].body.value, b"1");
    }

    #[test]
    fn a_version_is_of_the_bytes() {
        let version = |bytes: &[u8]| Resource::new(Kind::Cluster, "a", bytes.to_vec()).version;
        assert_eq!(version(b"x"), version(b"x"));
        assert_ne!(version(b"x"), version(b"y"));
    }
}
