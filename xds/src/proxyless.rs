//! Clients of gRPC that need no proxy: they ask for a listener by the name that they were told to call (`xds:///reviews:9080`), and open
//! none.
//!
//! Theirs are a workload's resources as it gets them whole, but for the listeners: one for each name that its routes know. gRPC does less than
//! Envoy: it balances by turns or by rings, and whoever has another way gets turns.

use std::sync::Arc;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::LbPolicy;
use envoy_types::pb::envoy::config::core::v3::config_source::ConfigSourceSpecifier;
use envoy_types::pb::envoy::config::core::v3::{AggregatedConfigSource, ApiVersion, ConfigSource};
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::listener::v3::{ApiListener, Listener};
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_filter::ConfigType;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, Rds,
};
use envoy_types::pb::google::protobuf::{Any, UInt32Value};
use prost::{Message, Name};

use crate::resource::{Kind, Resource, Resources, Snapshot};

/// Whether a client is one of gRPC, by what it calls itself.
pub fn is_one(agent: &str) -> bool {
    agent.starts_with("gRPC")
}

/// A workload's resources for such clients.
pub fn proxyless(whole: &Snapshot) -> Snapshot {
    let mut snapshot = whole.clone();
    let mut listeners = Resources::new();
    for routes in whole.of(Kind::Routes).values() {
        // They were encoded here.
        let Ok(config) = RouteConfiguration::decode(routes.body.value.as_slice()) else { continue };
        let api = Some(ApiListener { api_listener: Some(any(&manager(&routes.name))) });
        for name in config.virtual_hosts.into_iter().flat_map(|host| host.domains) {
            // A name that is a pattern is none to call.
            if !name.contains('*') && !listeners.contains_key(&*name) {
                let listener =
                    Listener { name: name.clone(), api_listener: api.clone(), ..Listener::default() };
                put(&mut listeners, Kind::Listener, &name, &listener);
            }
        }
    }
    snapshot.set(Kind::Listener, Arc::new(listeners));
    let mut clusters = Resources::new();
    for (name, resource) in whole.of(Kind::Cluster).as_ref() {
        let Ok(mut cluster) = Cluster::decode(resource.body.value.as_slice()) else { continue };
        if !matches!(cluster.lb_policy(), LbPolicy::RoundRobin | LbPolicy::RingHash) {
            // gRPC takes no cluster that is balanced in a way that it does not have.
            cluster.set_lb_policy(LbPolicy::RoundRobin);
            cluster.lb_config = None;
        }
        put(&mut clusters, Kind::Cluster, name, &cluster);
    }
    snapshot.set(Kind::Cluster, Arc::new(clusters));
    let mut endpoints = Resources::new();
    for (name, resource) in whole.of(Kind::Endpoints).as_ref() {
        let Ok(mut assignment) = ClusterLoadAssignment::decode(resource.body.value.as_slice()) else {
            continue;
        };
        for group in &mut assignment.endpoints {
            // Where nothing says what a locality weighs, Envoy goes by its endpoints; gRPC takes it for nothing.
            let weights =
                group.lb_endpoints.iter().map(|it| it.load_balancing_weight.map_or(1, |it| it.value));
            let sum = weights.fold(0_u32, u32::saturating_add);
            group.load_balancing_weight.get_or_insert(UInt32Value { value: sum });
        }
        put(&mut endpoints, Kind::Endpoints, name, &assignment);
    }
    snapshot.set(Kind::Endpoints, Arc::new(endpoints));
    snapshot
}

fn manager(routes: &str) -> HttpConnectionManager {
    let ads = ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..ConfigSource::default()
    };
    let rds = Rds { config_source: Some(ads), route_config_name: routes.to_owned() };
    let router = HttpFilter {
        name: "envoy.filters.http.router".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(&Router::default()))),
        ..HttpFilter::default()
    };
    HttpConnectionManager {
        route_specifier: Some(RouteSpecifier::Rds(rds)),
        http_filters: vec![router],
        ..HttpConnectionManager::default()
    }
}

fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

fn put(resources: &mut Resources, kind: Kind, name: &str, message: &impl Message) {
    let resource = Resource::new(kind, name, message.encode_to_vec());
    resources.insert(Arc::clone(&resource.name), Arc::new(resource));
}
