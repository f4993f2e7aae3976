//! What things are called, and how the names are read again.

use std::sync::Arc;

use mesh::RouteKey;
use mesh::plan::{Cluster, ClusterId, ClusterKey, Route};

/// The cluster of hosts that nobody knows: reached at the address that a request names.
pub const PASSTHROUGH: &str = "PassthroughCluster";

/// The name of a cluster, in Istio's form.
pub fn cluster(key: &ClusterKey) -> String {
    key.istio_name()
}

/// The cluster that a name means.
pub fn parse_cluster(name: &str) -> Option<ClusterKey> {
    let mut parts = name.splitn(4, '|');
    let "outbound" = parts.next()? else { return None };
    let port = parts.next()?.parse().ok()?;
    let subset = Some(parts.next()?.to_owned()).filter(|subset| !subset.is_empty());
    Some(ClusterKey { host: parts.next()?.to_owned(), subset, port })
}

/// What a plan that names no cluster of its own leads to: nothing has this name.
const NOTHING: &str = "BlackHoleCluster";

pub(super) fn get(clusters: &[Arc<Cluster>], id: ClusterId) -> Option<&Cluster> {
    clusters.get(id.0 as usize).map(|cluster| &**cluster)
}

/// The name of a plan's cluster.
pub(super) fn of(clusters: &[Arc<Cluster>], id: ClusterId) -> String {
    get(clusters, id).map_or_else(|| NOTHING.to_owned(), |it| cluster(&it.key))
}

/// The name of a route: where it stands, if a resource wrote it.
pub(super) fn route(route: &Route) -> String {
    match &route.key {
        Some(RouteKey { namespace, name, index }) => format!("{namespace}/{name} http[{index}]"),
        None => "default".to_owned(),
    }
}

/// The route that a name means; `None` for a service's own.
pub fn parse_route(name: &str) -> Option<RouteKey> {
    let (resource, index) = name.strip_suffix(']')?.split_once(" http[")?;
    let (namespace, name) = resource.split_once('/')?;
    Some(RouteKey { namespace: namespace.to_owned(), name: name.to_owned(), index: index.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for subset in [None, Some("v1".to_owned())] {
            let key = ClusterKey { host: "a.b.svc.cluster.local".to_owned(), subset, port: 9080 };
            assert_eq!(parse_cluster(&cluster(&key)), Some(key));
        }
        let key = RouteKey { namespace: "shop".to_owned(), name: "cart".to_owned(), index: 2 };
        assert_eq!(parse_route("shop/cart http[2]"), Some(key));
        for other in [PASSTHROUGH, "inbound|80||", "outbound|x||a", "outbound|80"] {
            assert_eq!(parse_cluster(other), None, "{other}");
        }
        for other in ["default", "", "shop http[1]", "shop/cart http[x]"] {
            assert_eq!(parse_route(other), None, "{other}");
        }
    }
}
