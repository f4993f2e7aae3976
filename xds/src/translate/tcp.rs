//! Connections whose bytes are passed on.

use std::sync::Arc;

use envoy_types::pb::envoy::config::listener::v3 as envoy;
use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3 as tcp;
use envoy_types::pb::envoy::r#type::v3::HashPolicy;
use envoy_types::pb::envoy::r#type::v3::hash_policy::{PolicySpecifier, SourceIp};
use mesh::plan::{Cluster, ConnectionRoute, HashKey, Tunnel};
use tcp::tcp_proxy::weighted_cluster::ClusterWeight;
use tcp::tcp_proxy::{ClusterSpecifier, TunnelingConfig, WeightedCluster};

use super::{Delivery, log, names, pb};

/// The tunnels of a route's destinations, those that are alike once: with more than one of them Envoy has none, since it is
/// the listener's to say.
pub(super) fn tunnels<'c>(
    route: &'c ConnectionRoute,
    clusters: &'c [Arc<Cluster>],
) -> impl Iterator<Item = Option<Tunnel>> + 'c {
    let mut seen = Vec::new();
    let all = route.destinations.iter().filter_map(|it| names::get(clusters, it.cluster));
    all.filter_map(move |cluster| {
        let tunnel = cluster.policy.tunnel();
        (!seen.contains(&tunnel)).then(|| {
            seen.push(tunnel.clone());
            tunnel
        })
    })
}

fn through(tunnel: Tunnel) -> TunnelingConfig {
    TunnelingConfig { hostname: tunnel.authority, use_post: tunnel.post, ..Default::default() }
}

/// The filter that passes on what one route takes.
pub(super) fn filter(
    route: &ConnectionRoute,
    clusters: &[Arc<Cluster>],
    delivery: Delivery,
) -> envoy::Filter {
    let specifier = match route.destinations.as_slice() {
        [only] => ClusterSpecifier::Cluster(names::of(clusters, only.cluster)),
        several => ClusterSpecifier::WeightedClusters(WeightedCluster {
            clusters: several
                .iter()
                .map(|it| ClusterWeight {
                    name: names::of(clusters, it.cluster),
                    weight: it.weight,
                    ..Default::default()
                })
                .collect(),
        }),
    };
    let hashed = route.destinations.iter().filter_map(|it| names::get(clusters, it.cluster));
    let by_source = hashed
        .filter_map(|cluster| cluster.policy.hash.as_ref())
        .any(|hash| matches!(hash.key, HashKey::SourceIp));
    let shortest = route.destinations.iter().filter_map(|it| names::get(clusters, it.cluster));
    let shortest = shortest.filter_map(|cluster| cluster.policy.bounds.connection_duration).min();
    let mut tunnels = tunnels(route, clusters);
    let source = HashPolicy { policy_specifier: Some(PolicySpecifier::SourceIp(SourceIp {})) };
    let proxy = tcp::TcpProxy {
        stat_prefix: route.from.clone(),
        cluster_specifier: Some(specifier),
        hash_policy: if by_source { vec![source] } else { Vec::new() },
        // It is the listener's to say, so that of several destinations the strictest counts.
        max_downstream_connection_duration: shortest.map(pb::millis),
        tunneling_config: tunnels.next().flatten().filter(|_| tunnels.next().is_none()).map(through),
        access_log: log::connections(delivery).into_iter().collect(),
        ..Default::default()
    };
    envoy::Filter {
        name: "envoy.filters.network.tcp_proxy".to_owned(),
        config_type: Some(envoy::filter::ConfigType::TypedConfig(pb::any(&proxy))),
    }
}
