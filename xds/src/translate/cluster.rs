//! Clusters, with the policies that govern the way behind them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use envoy::cluster::{
    ClusterDiscoveryType, CommonLbConfig, CustomClusterType, DiscoveryType, DnsLookupFamily,
    EdsClusterConfig, LbConfig, LbPolicy,
};
use envoy_types::pb::envoy::config::cluster::v3 as envoy;
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::extensions::clusters::dynamic_forward_proxy::v3 as dynamic;
use envoy_types::pb::envoy::extensions::common::dynamic_forward_proxy::v3::DnsCacheConfig;
use envoy_types::pb::envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport;
use envoy_types::pb::envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer;
use envoy_types::pb::envoy::extensions::upstreams::http::v3 as http;
use mesh::plan::{Balancer, Cluster, ClusterPolicy, Endpoint, HashTable, Probe, ProxyHeader, Warmup};

use super::{Delivery, health, limits, names, pb, tls};

/// Istio's default (and Envoy's own is 5 s).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Envoy's largest ring.
const LARGEST_RING: u64 = 8 * 1024 * 1024;
/// The most streams that Envoy lets one connection have.
const MOST_STREAMS: u32 = (1 << 31) - 1;
/// The key under which a cluster says which protocol it speaks.
const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// How the endpoints of a cluster are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Discovery {
    /// Endpoints by address, or by path, which come by EDS.
    Eds,
    /// All addresses that DNS has for names.
    Dns,
    /// One of the addresses that DNS has for a name.
    FirstAddress,
    /// The host that a request names.
    Dynamic,
}

impl Discovery {
    pub(super) fn of(cluster: &Cluster) -> Self {
        let address = |endpoint: &Endpoint| {
            endpoint.address.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
                || endpoint.address.starts_with("unix://")
        };
        match cluster.policy.balancer {
            Balancer::Passthrough if cluster.endpoints.is_empty() => Self::Dynamic,
            _ if cluster.endpoints.iter().all(address) => Self::Eds,
            _ if cluster.policy.first_address && cluster.endpoints.len() == 1 => Self::FirstAddress,
            _ => Self::Dns,
        }
    }
}

/// What begins with a header of the PROXY protocol, where one is asked for.
fn headed(policy: &ClusterPolicy, inner: Option<core::TransportSocket>) -> Option<core::TransportSocket> {
    use core::proxy_protocol_config::Version;
    let Some(header) = policy.proxy_header() else { return inner };
    let version = match header {
        ProxyHeader::V1 => Version::V1,
        ProxyHeader::V2 => Version::V2,
    };
    let plain = || pb::transport("envoy.transport_sockets.raw_buffer", pb::any(&RawBuffer {}));
    let transport = ProxyProtocolUpstreamTransport {
        config: Some(core::ProxyProtocolConfig { version: version.into(), ..Default::default() }),
        transport_socket: Some(inner.unwrap_or_else(plain)),
        ..Default::default()
    };
    Some(pb::transport("envoy.transport_sockets.upstream_proxy_protocol", pb::any(&transport)))
}

/// A plan's cluster. `bytes` says that it carries something else than HTTP.
pub(super) fn cluster(
    cluster: &Cluster,
    load: ClusterLoadAssignment,
    bytes: bool,
    delivery: Delivery,
) -> envoy::Cluster {
    let name = names::cluster(&cluster.key);
    let policy = &cluster.policy;
    // A tunnel is HTTP, whatever is within.
    let bytes = bytes && policy.tunnel().is_none();
    let discovery = Discovery::of(cluster);
    let (lb_policy, lb_config) = match discovery {
        Discovery::Dynamic => (LbPolicy::ClusterProvided, None),
        _ => balancing(policy),
    };
    let distributed = policy.locality.as_ref().is_some_and(|it| !it.distribute.is_empty());
    let mut made = envoy::Cluster {
        connect_timeout: Some(pb::duration(policy.connect_timeout.unwrap_or(CONNECT_TIMEOUT))),
        cluster_discovery_type: Some(discovery_type(discovery)),
        // One family is enough, and hosts that cannot be reached are none.
        dns_lookup_family: DnsLookupFamily::V4Preferred.into(),
        lb_policy: lb_policy.into(),
        lb_config,
        common_lb_config: Some(common(policy, distributed)),
        circuit_breakers: Some(limits::breakers(&policy.bounds)),
        outlier_detection: policy.outlier.as_ref().map(limits::outlier),
        health_checks: policy.health.iter().map(|check| health::check(check, &cluster.key.host)).collect(),
        upstream_connection_options: limits::connection(&policy.bounds),
        transport_socket: headed(policy, tls::upstream(&name, cluster, bytes, delivery)),
        ..Default::default()
    };
    if !bytes {
        let options = pb::any(&protocol(policy));
        made.typed_extension_protocol_options = HashMap::from([(HTTP_OPTIONS.to_owned(), options)]);
    }
    match discovery {
        Discovery::Eds if delivery == Delivery::Static => {
            made.cluster_discovery_type = Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into()));
            made.load_assignment = Some(load);
        }
        Discovery::Eds => {
            made.eds_cluster_config =
                Some(EdsClusterConfig { eds_config: Some(pb::from_ads()), service_name: String::new() });
        }
        Discovery::Dns | Discovery::FirstAddress => made.load_assignment = Some(load),
        Discovery::Dynamic => {}
    }
    made.name = name;
    made
}

/// The cluster of hosts that the mesh does not know.
pub(super) fn passthrough() -> envoy::Cluster {
    envoy::Cluster {
        name: names::PASSTHROUGH.to_owned(),
        connect_timeout: Some(pb::duration(CONNECT_TIMEOUT)),
        cluster_discovery_type: Some(discovery_type(Discovery::Dynamic)),
        lb_policy: LbPolicy::ClusterProvided.into(),
        circuit_breakers: Some(limits::breakers(&mesh::plan::Bounds::default())),
        ..Default::default()
    }
}

/// The cache of names that requests ask for, which the filter and the clusters share.
pub(super) fn dns_cache() -> DnsCacheConfig {
    DnsCacheConfig {
        name: "hosts".to_owned(),
        dns_lookup_family: DnsLookupFamily::V4Preferred.into(),
        ..Default::default()
    }
}

fn discovery_type(discovery: Discovery) -> ClusterDiscoveryType {
    match discovery {
        Discovery::Eds => ClusterDiscoveryType::Type(DiscoveryType::Eds.into()),
        Discovery::Dns => ClusterDiscoveryType::Type(DiscoveryType::StrictDns.into()),
        Discovery::FirstAddress => ClusterDiscoveryType::Type(DiscoveryType::LogicalDns.into()),
        Discovery::Dynamic => {
            use dynamic::cluster_config::ClusterImplementationSpecifier;
            let config = dynamic::ClusterConfig {
                // The resources say how the server is checked.
                allow_insecure_cluster_options: true,
                cluster_implementation_specifier: Some(ClusterImplementationSpecifier::DnsCacheConfig(
                    dns_cache(),
                )),
                ..Default::default()
            };
            ClusterDiscoveryType::ClusterType(CustomClusterType {
                name: "envoy.clusters.dynamic_forward_proxy".to_owned(),
                typed_config: Some(pb::any(&config)),
            })
        }
    }
}

fn balancing(policy: &ClusterPolicy) -> (LbPolicy, Option<LbConfig>) {
    use envoy::cluster::{LeastRequestLbConfig, MaglevLbConfig, RingHashLbConfig, RoundRobinLbConfig};
    if let Some(hash) = &policy.hash {
        return match hash.table {
            HashTable::Ring(least) => {
                let config = RingHashLbConfig {
                    minimum_ring_size: Some(pb::long(u64::from(least).min(LARGEST_RING))),
                    ..Default::default()
                };
                (LbPolicy::RingHash, Some(LbConfig::RingHashLbConfig(config)))
            }
            HashTable::Maglev(size) => {
                let config = MaglevLbConfig { table_size: Some(pb::long(size.into())) };
                (LbPolicy::Maglev, Some(LbConfig::MaglevLbConfig(config)))
            }
        };
    }
    let slowly = policy.warmup.as_ref().map(slow_start);
    match policy.balancer {
        Balancer::LeastRequest => {
            let config =
                slowly.map(|it| LeastRequestLbConfig { slow_start_config: Some(it), ..Default::default() });
            (LbPolicy::LeastRequest, config.map(LbConfig::LeastRequestLbConfig))
        }
        Balancer::Random => (LbPolicy::Random, None),
        // Where a service lists its endpoints, what passes through takes turns: see docs/semantics.md.
        Balancer::RoundRobin | Balancer::Passthrough => {
            let config = slowly.map(|it| RoundRobinLbConfig { slow_start_config: Some(it) });
            (LbPolicy::RoundRobin, config.map(LbConfig::RoundRobinLbConfig))
        }
    }
}

fn slow_start(warmup: &Warmup) -> envoy::cluster::SlowStartConfig {
    envoy::cluster::SlowStartConfig {
        slow_start_window: Some(pb::duration(warmup.window)),
        aggression: Some(core::RuntimeDouble {
            default_value: warmup.aggression,
            // Envoy wants a name for each.
            runtime_key: "meshwright.aggression".to_owned(),
        }),
        min_weight_percent: Some(pb::percent(warmup.minimum)),
    }
}

fn common(policy: &ClusterPolicy, distributed: bool) -> CommonLbConfig {
    use envoy::cluster::common_lb_config::{LocalityConfigSpecifier, LocalityWeightedLbConfig};
    let least = policy.outlier.as_ref().map_or(0, |outlier| outlier.min_healthy);
    let weighted = LocalityConfigSpecifier::LocalityWeightedLbConfig(LocalityWeightedLbConfig {});
    CommonLbConfig {
        healthy_panic_threshold: Some(pb::percent(least.into())),
        // Envoy would keep what it hears of an endpoint to itself for up to a second.
        update_merge_window: Some(pb::duration(Duration::ZERO)),
        locality_config_specifier: distributed.then_some(weighted),
        ..Default::default()
    }
}

fn protocol(policy: &ClusterPolicy) -> http::HttpProtocolOptions {
    use http::http_protocol_options::explicit_http_config::ProtocolConfig;
    let by_grpc = policy.health.as_ref().is_some_and(|check| matches!(check.probe, Probe::Grpc { .. }));
    let spoken = if policy.client_protocol {
        either(policy)
    } else if policy.http2 {
        explicitly(ProtocolConfig::Http2ProtocolOptions(http2(policy)))
    } else if by_grpc {
        // Envoy makes checks with gRPC only where HTTP/2 may be spoken at all; requests keep the client's protocol.
        either(policy)
    } else {
        explicitly(ProtocolConfig::HttpProtocolOptions(http1()))
    };
    let bounds = &policy.bounds;
    http::HttpProtocolOptions {
        common_http_protocol_options: Some(core::HttpProtocolOptions {
            idle_timeout: bounds.idle_timeout.map(pb::duration),
            max_connection_duration: bounds.connection_duration.map(pb::millis),
            max_requests_per_connection: bounds.requests_per_connection.map(pb::number),
            ..Default::default()
        }),
        upstream_protocol_options: Some(spoken),
        ..Default::default()
    }
}

/// What the client speaks.
fn either(policy: &ClusterPolicy) -> http::http_protocol_options::UpstreamProtocolOptions {
    use http::http_protocol_options::{UpstreamProtocolOptions, UseDownstreamHttpConfig};
    UpstreamProtocolOptions::UseDownstreamProtocolConfig(UseDownstreamHttpConfig {
        http_protocol_options: Some(http1()),
        http2_protocol_options: Some(http2(policy)),
        ..Default::default()
    })
}

fn http2(policy: &ClusterPolicy) -> core::Http2ProtocolOptions {
    let streams = policy.bounds.streams_per_connection;
    core::Http2ProtocolOptions {
        connection_keepalive: policy.pings().map(|(interval, answer)| core::KeepaliveSettings {
            interval: Some(pb::millis(interval)),
            timeout: Some(pb::millis(answer)),
            ..Default::default()
        }),
        max_concurrent_streams: streams.map(|it| pb::number(it.clamp(1, MOST_STREAMS))),
        ..Default::default()
    }
}

fn http1() -> core::Http1ProtocolOptions {
    core::Http1ProtocolOptions { enable_trailers: true, ..Default::default() }
}

fn explicitly(
    spoken: http::http_protocol_options::explicit_http_config::ProtocolConfig,
) -> http::http_protocol_options::UpstreamProtocolOptions {
    use http::http_protocol_options::{ExplicitHttpConfig, UpstreamProtocolOptions};
    UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig { protocol_config: Some(spoken) })
}
