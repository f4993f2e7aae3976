//! What of a request is hashed to find its endpoint.

use std::sync::Arc;

use envoy::route_action::HashPolicy;
use envoy::route_action::hash_policy::{
    ConnectionProperties, Cookie, CookieAttribute, Header, PolicySpecifier, QueryParameter,
};
use envoy_types::pb::envoy::config::route::v3 as envoy;
use mesh::plan::{Cluster, Forward, HashKey};

use super::{names, pb};

/// The policies of a route: what each of its destinations hashes, each once.
pub(super) fn policies(forward: &Forward, clusters: &[Arc<Cluster>]) -> Vec<HashPolicy> {
    let clusters = forward.destinations.iter().filter_map(|it| names::get(clusters, it.cluster));
    let mut keys: Vec<&HashKey> = Vec::new();
    for hash in clusters.filter_map(|cluster| cluster.policy.hash.as_ref()) {
        if !keys.contains(&&hash.key) {
            keys.push(&hash.key);
        }
    }
    keys.into_iter().map(policy).collect()
}

fn policy(key: &HashKey) -> HashPolicy {
    let specifier = match key {
        HashKey::Header(name) => {
            PolicySpecifier::Header(Header { header_name: name.clone(), regex_rewrite: None })
        }
        HashKey::Cookie(cookie) => PolicySpecifier::Cookie(Cookie {
            name: cookie.name.clone(),
            ttl: cookie.ttl.map(pb::duration),
            path: cookie.path.clone().unwrap_or_default(),
            attributes: cookie
                .attributes
                .iter()
                .map(|(name, value)| CookieAttribute { name: name.clone(), value: value.clone() })
                .collect(),
        }),
        HashKey::SourceIp => PolicySpecifier::ConnectionProperties(ConnectionProperties { source_ip: true }),
        HashKey::Query(name) => PolicySpecifier::QueryParameter(QueryParameter { name: name.clone() }),
    };
    HashPolicy { terminal: false, policy_specifier: Some(specifier) }
}
