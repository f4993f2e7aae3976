//! Resources for real Envoys, made by hand.

use std::net::SocketAddr;
use std::sync::Arc;

use envoy_types::pb::envoy::config::accesslog::v3::{AccessLog, access_log};
use envoy_types::pb::envoy::config::cluster::v3::cluster::{ClusterDiscoveryType, DiscoveryType, EdsClusterConfig};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::core::v3::config_source::ConfigSourceSpecifier;
use envoy_types::pb::envoy::config::core::v3::grpc_service::{EnvoyGrpc, TargetSpecifier};
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{
    Address, AggregatedConfigSource, ApiVersion, ConfigSource, GrpcService, Locality, SocketAddress, address,
};
use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
};
use envoy_types::pb::envoy::config::listener::v3::{ApiListener, Filter, FilterChain, Listener, filter};
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::route_action::ClusterSpecifier;
use envoy_types::pb::envoy::config::route::v3::route_match::PathSpecifier;
use envoy_types::pb::envoy::config::route::v3::{
    Route, RouteAction, RouteConfiguration, RouteMatch, Vhds, VirtualHost,
};
use envoy_types::pb::envoy::extensions::access_loggers::grpc::v3::{
    CommonGrpcAccessLogConfig, HttpGrpcAccessLogConfig,
};
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_filter::ConfigType;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, Rds,
};
use envoy_types::pb::google::protobuf::{Any, Duration as PbDuration, UInt32Value};
use envoy_types::pb::envoy::r#type::tracing::v3::{CustomTag, custom_tag};
use prost::{Message, Name};
use xds::resource::{Kind, Resource, Snapshot};
use xds::translate::SERVER;

/// A mesh of one listener and of clusters that have one endpoint each.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) revision: u64,
    /// The clusters, where each is (port 0: nowhere), and how long a connection may take in milliseconds.
    pub(crate) clusters: Vec<(&'static str, SocketAddr, u32)>,
    /// Where all requests go.
    pub(crate) to: &'static str,
    /// A listener that no Envoy takes.
    pub(crate) bad: bool,
    /// Virtual hosts are resources of their own.
    pub(crate) apart: bool,
}

impl Made {
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        let mut snapshot = Snapshot::new(self.revision);
        let clusters = self.clusters.iter().map(|(name, _, timeout)| (*name, cluster(name, *timeout)));
        put(&mut snapshot, Kind::Cluster, clusters);
        let endpoints = self.clusters.iter().map(|(name, at, _)| (*name, endpoints(name, *at)));
        put(&mut snapshot, Kind::Endpoints, endpoints);
        put(&mut snapshot, Kind::Listener, [("in", listener(self.bad))]);
        let host = VirtualHost {
            name: "all".to_owned(),
            domains: vec!["*".to_owned()],
            routes: vec![route(self.to)],
            ..VirtualHost::default()
        };
        let mut routes = RouteConfiguration { name: "routes".to_owned(), ..RouteConfiguration::default() };
        if self.apart {
            routes.vhds = Some(Vhds { config_source: Some(ads()) });
            put(&mut snapshot, Kind::VirtualHost, [("routes/all", host)]);
        } else {
            routes.virtual_hosts = vec![host];
        }
        put(&mut snapshot, Kind::Routes, [("routes", routes)]);
        Arc::new(snapshot)
    }
}

impl Made {
    /// The same for a client of gRPC, which asks for listeners by the target's name and opens none.
    pub(crate) fn proxyless(&self, target: &'static str) -> Arc<Snapshot> {
        let mut snapshot = Snapshot::clone(&self.snapshot());
        let api = ApiListener { api_listener: Some(any(&manager(false))) };
        let listener = Listener { name: target.to_owned(), api_listener: Some(api), ..Listener::default() };
        put(&mut snapshot, Kind::Listener, [(target, listener)]);
        Arc::new(snapshot)
    }
}

fn put<M: Message>(
    snapshot: &mut Snapshot,
    kind: Kind,
    resources: impl IntoIterator<Item = (&'static str, M)>,
) {
    let resources = resources.into_iter().map(|(name, message)| {
        let resource = Resource::new(kind, name, message.encode_to_vec());
        (Arc::clone(&resource.name), Arc::new(resource))
    });
    snapshot.set(kind, Arc::new(resources.collect()));
}

fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

fn ads() -> ConfigSource {
    ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..ConfigSource::default()
    }
}

fn millis(millis: u32) -> PbDuration {
    PbDuration { seconds: (millis / 1000).into(), nanos: (millis % 1000 * 1_000_000).try_into().unwrap() }
}

fn address(at: SocketAddr) -> Address {
    let socket = SocketAddress {
        address: at.ip().to_string(),
        port_specifier: Some(PortSpecifier::PortValue(at.port().into())),
        ..SocketAddress::default()
    };
    Address { address: Some(address::Address::SocketAddress(socket)) }
}

fn cluster(name: &str, timeout: u32) -> Cluster {
    Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into())),
        eds_cluster_config: Some(EdsClusterConfig { eds_config: Some(ads()), ..EdsClusterConfig::default() }),
        connect_timeout: Some(millis(timeout)),
        ..Cluster::default()
    }
}

fn endpoints(name: &str, at: SocketAddr) -> ClusterLoadAssignment {
    let endpoint = Endpoint { address: Some(address(at)), ..Endpoint::default() };
    let host = HostIdentifier::Endpoint(endpoint);
    let lb = LbEndpoint { host_identifier: Some(host), ..LbEndpoint::default() };
    ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: if at.port() == 0 { vec![] } else { vec![lb] },
            // gRPC takes no locality that weighs nothing.
            locality: Some(Locality::default()),
            load_balancing_weight: Some(UInt32Value { value: 1 }),
            ..LocalityLbEndpoints::default()
        }],
        ..ClusterLoadAssignment::default()
    }
}

fn route(to: &str) -> Route {
    let path = PathSpecifier::Prefix("/".to_owned());
    let action = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster(to.to_owned())),
        ..RouteAction::default()
    };
    Route {
        name: format!("to {to}"),
        r#match: Some(RouteMatch { path_specifier: Some(path), ..RouteMatch::default() }),
        action: Some(Action::Route(action)),
        ..Route::default()
    }
}

fn listener(bad: bool) -> Listener {
    let filter = Filter {
        name: "http".to_owned(),
        config_type: Some(filter::ConfigType::TypedConfig(any(&manager(bad)))),
    };
    Listener {
        name: "in".to_owned(),
        address: Some(address(SocketAddr::from(([127, 0, 0, 1], 0)))),
        filter_chains: vec![FilterChain { filters: vec![filter], ..FilterChain::default() }],
        ..Listener::default()
    }
}

fn manager(bad: bool) -> HttpConnectionManager {
    let to = EnvoyGrpc { cluster_name: SERVER.to_owned(), ..EnvoyGrpc::default() };
    let log = HttpGrpcAccessLogConfig {
        common_config: Some(CommonGrpcAccessLogConfig {
            log_name: "requests".to_owned(),
            grpc_service: Some(GrpcService {
                target_specifier: Some(TargetSpecifier::EnvoyGrpc(to)),
                ..GrpcService::default()
            }),
            transport_api_version: ApiVersion::V3.into(),
            buffer_flush_interval: Some(millis(50)),
            custom_tags: vec![CustomTag {
                tag: xds::als::CLUSTER.to_owned(),
                r#type: Some(custom_tag::Type::Value("%UPSTREAM_CLUSTER_RAW%".to_owned())),
            }],
            ..CommonGrpcAccessLogConfig::default()
        }),
        ..HttpGrpcAccessLogConfig::default()
    };
    let mut router = any(&Router::default());
    if bad {
        router.type_url = "type.googleapis.com/no.such.Filter".to_owned();
    }
    HttpConnectionManager {
        stat_prefix: "in".to_owned(),
        route_specifier: Some(RouteSpecifier::Rds(Rds {
            config_source: Some(ads()),
            route_config_name: "routes".to_owned(),
        })),
        http_filters: vec![HttpFilter {
            name: "router".to_owned(),
            config_type: Some(ConfigType::TypedConfig(router)),
            ..HttpFilter::default()
        }],
        access_log: vec![AccessLog {
            name: "grpc".to_owned(),
            config_type: Some(access_log::ConfigType::TypedConfig(any(&log))),
            ..AccessLog::default()
        }],
        ..HttpConnectionManager::default()
    }
}
