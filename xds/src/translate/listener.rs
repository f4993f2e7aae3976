//! Listeners: where connections come in, what is spoken there, and which filters see it.

use std::sync::Arc;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::listener::v3 as envoy;
use envoy_types::pb::envoy::extensions::filters::http::cors::v3::Cors;
use envoy_types::pb::envoy::extensions::filters::http::dynamic_forward_proxy::v3 as dynamic;
use envoy_types::pb::envoy::extensions::filters::http::fault::v3::HttpFault;
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::listener::http_inspector::v3::HttpInspector;
use envoy_types::pb::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3 as manager;
use envoy_types::pb::google::protobuf::Any;
use manager::http_connection_manager::{
    ForwardClientCertDetails, InternalAddressConfig, PathWithEscapedSlashesAction, RouteSpecifier,
    ServerHeaderTransformation, SetCurrentClientCertDetails, UpgradeConfig,
};
use mesh::PathNormalization::{self, DecodeAndMergeSlashes, MergeSlashes};
use mesh::plan::{Cluster, ConnectionMatch, Listener, Protocol, Subnet, TlsServer};
use mesh::route::tls_server;

use super::hosts::Routes;
use super::{Delivery, cluster, filters, log, pb, tcp, tls};

/// For how long a client may be silent before it is taken for one that waits for the server; the built-in proxy's time.
const SILENCE: Duration = Duration::from_secs(1);

/// What Envoy finds in a client's first words, where they are HTTP's.
const HTTP: [&str; 3] = ["http/1.0", "http/1.1", "h2c"];

/// How HTTP is served on a listener.
pub(super) struct Http<'a> {
    /// The route configuration.
    pub(super) routes: &'a Routes,
    /// Clients are outside the mesh: what they say of themselves proves nothing.
    pub(super) gateway: bool,
    /// Addresses of clients that are not: whose requests may steer timeouts and retries.
    pub(super) internal: &'a [Subnet],
    /// Some requests go to hosts that they name themselves.
    pub(super) dynamic: bool,
    /// What of a path is resolved.
    pub(super) paths: PathNormalization,
    /// For how long a stream may stand still; 0 is no limit.
    pub(super) idle: Duration,
}

/// A listener for HTTP in plain text.
pub(super) fn http(name: String, at: SocketAddr, http: &Http<'_>, delivery: Delivery) -> envoy::Listener {
    let chain = envoy::FilterChain { filters: vec![connections(http, delivery)], ..Default::default() };
    listener(name, at, vec![chain])
}

/// A listener of a plan for something else, or with TLS; `http` has the routes of its servers.
pub(super) fn mixed<'a>(
    at: SocketAddr,
    it: &Listener,
    clusters: &[Arc<Cluster>],
    http: &dyn Fn(Option<usize>) -> Option<Http<'a>>,
    delivery: Delivery,
) -> envoy::Listener {
    let name = it.port.to_string();
    let mut chains = Vec::new();
    let mut taken = HashSet::new();
    let mut add = |condition: envoy::FilterChainMatch, filter: envoy::Filter, socket| {
        // Envoy refuses two chains for the same; the first route that takes a connection wins, as everywhere.
        let first = taken.insert(format!("{condition:?}"));
        if first {
            chains.push(envoy::FilterChain {
                filter_chain_match: Some(condition),
                filters: vec![filter],
                transport_socket: socket,
                ..Default::default()
            });
        }
        first
    };
    // A server without a certificate opens nothing; Envoy would refuse the whole listener for it.
    let opens = |server: &TlsServer| !server.passes() && tls::has_certificate(server);
    for (at, server) in it.tls.iter().enumerate().filter(|(_, server)| opens(server)) {
        let socket = Some(tls::downstream(&secret_owner(it.port, at), server, delivery));
        let condition = || envoy::FilterChainMatch {
            server_names: names(server.hosts.iter()),
            transport_protocol: "tls".to_owned(),
            ..Default::default()
        };
        if server.http {
            if let Some(http) = http((it.tls.len() > 1).then_some(at)) {
                add(condition(), connections(&http, delivery), socket);
            }
        } else if let Some(route) =
            it.connections.iter().find(|route| route.matches.iter().all(|m| m.sni.is_empty()))
        {
            add(condition(), tcp::filter(route, clusters, delivery), socket);
        }
    }
    let tls_port = !it.tls.is_empty();
    for route in &it.connections {
        let filter = || tcp::filter(route, clusters, delivery);
        // What is opened here is not passed on by its name.
        let opened = |name: &String| {
            let server = tls_server(it, Some(&name.replace('*', "x")));
            server.is_some_and(|at| !it.tls[at].passes())
        };
        let passed = it.tls.is_empty() || it.tls.iter().any(TlsServer::passes);
        match route.matches.as_slice() {
            [] if passed => {
                add(on(tls_port), filter(), None);
            }
            matches => {
                for condition in matches {
                    let own = condition.sni.iter().filter(|name| !opened(name)).collect::<Vec<_>>();
                    if (own.is_empty() && !condition.sni.is_empty()) || (!passed && own.is_empty()) {
                        continue;
                    }
                    add(connection_match(condition, &own, tls_port), filter(), None);
                }
            }
        }
    }
    // What is not taken by its name is HTTP where that is spoken.
    let mut by_words = false;
    if let Some(http) = http(None).filter(|_| it.protocol == Protocol::Http) {
        let chain = || connections(&http, delivery);
        by_words = !add(envoy::FilterChainMatch::default(), chain(), None);
        if by_words {
            let application_protocols = HTTP.map(str::to_owned).to_vec();
            let condition = envoy::FilterChainMatch { application_protocols, ..Default::default() };
            add(condition, chain(), None);
        }
    }
    let mut made = listener(name, at, chains);
    let inspected = made.filter_chains.iter().filter_map(|chain| chain.filter_chain_match.as_ref());
    let mut inspected = inspected.map(|it| !it.server_names.is_empty() || !it.transport_protocol.is_empty());
    if inspected.any(|it| it) {
        let any = made
            .filter_chains
            .iter()
            .any(|chain| chain.filter_chain_match.as_ref().is_none_or(|it| it.transport_protocol.is_empty()));
        if any {
            // Who waits for the server to speak first is none of those that begin with TLS.
            made.listener_filters_timeout = Some(pb::duration(SILENCE));
            made.continue_on_listener_filters_timeout = true;
        }
        made.listener_filters
            .push(inspector("envoy.filters.listener.tls_inspector", pb::any(&TlsInspector::default())));
    }
    if by_words {
        made.listener_filters_timeout = Some(pb::duration(SILENCE));
        made.continue_on_listener_filters_timeout = true;
        made.listener_filters
            .push(inspector("envoy.filters.listener.http_inspector", pb::any(&HttpInspector {})));
    }
    made
}

fn inspector(name: &str, config: Any) -> envoy::ListenerFilter {
    let config = Some(envoy::listener_filter::ConfigType::TypedConfig(config));
    envoy::ListenerFilter { name: name.to_owned(), config_type: config, ..Default::default() }
}

/// What the secrets of a port's server begin with.
pub(super) fn secret_owner(port: u16, server: usize) -> String {
    format!("{port}.{server}")
}

fn listener(name: String, at: SocketAddr, filter_chains: Vec<envoy::FilterChain>) -> envoy::Listener {
    envoy::Listener {
        name,
        address: Some(pb::socket(at)),
        traffic_direction: core::TrafficDirection::Outbound.into(),
        filter_chains,
        ..Default::default()
    }
}

/// What takes all, or where TLS is all that comes in, all of that.
fn on(tls: bool) -> envoy::FilterChainMatch {
    let transport_protocol = if tls { "tls" } else { "" }.to_owned();
    envoy::FilterChainMatch { transport_protocol, ..Default::default() }
}

fn connection_match(condition: &ConnectionMatch, sni: &[&String], tls: bool) -> envoy::FilterChainMatch {
    envoy::FilterChainMatch {
        server_names: names(sni.iter().copied()),
        prefix_ranges: ranges(&condition.destinations),
        source_prefix_ranges: ranges(&condition.sources),
        ..on(tls || !sni.is_empty())
    }
}

fn ranges(subnets: &[Subnet]) -> Vec<core::CidrRange> {
    let range = |subnet: &Subnet| core::CidrRange {
        address_prefix: subnet.address.to_string(),
        prefix_len: Some(pb::number(subnet.prefix.into())),
    };
    subnets.iter().map(range).collect()
}

/// Names for a chain; `*` among them is any, which Envoy says by saying none.
fn names<'n>(hosts: impl Iterator<Item = &'n String>) -> Vec<String> {
    let mut hosts: Vec<String> = hosts.cloned().collect();
    if hosts.iter().any(|host| host == "*") {
        hosts.clear();
    }
    hosts.sort();
    hosts.dedup();
    hosts
}

/// The filter that speaks HTTP.
fn connections(http: &Http<'_>, delivery: Delivery) -> envoy::Filter {
    let mut chain = vec![
        filter(filters::FAULT, pb::any(&HttpFault::default())),
        filter(filters::CORS, pb::any(&Cors {})),
    ];
    if http.dynamic {
        use dynamic::filter_config::ImplementationSpecifier;
        let config = dynamic::FilterConfig {
            implementation_specifier: Some(ImplementationSpecifier::DnsCacheConfig(cluster::dns_cache())),
            ..Default::default()
        };
        chain.push(filter("envoy.filters.http.dynamic_forward_proxy", pb::any(&config)));
    }
    chain.push(filter("envoy.filters.http.router", pb::any(&Router::default())));
    let routes = if delivery == Delivery::Static {
        RouteSpecifier::RouteConfig(http.routes.config())
    } else {
        let name = http.routes.name.clone();
        RouteSpecifier::Rds(manager::Rds { config_source: Some(pb::from_ads()), route_config_name: name })
    };
    let shown = SetCurrentClientCertDetails {
        subject: Some(pb::flag(true)),
        cert: true,
        dns: true,
        uri: true,
        ..Default::default()
    };
    let manager = manager::HttpConnectionManager {
        stat_prefix: http.routes.name.clone(),
        route_specifier: Some(routes),
        http_filters: chain,
        access_log: log::requests(delivery).into_iter().collect(),
        // Envoy's own headers are heard from those who are known to be within.
        use_remote_address: Some(pb::flag(true)),
        skip_xff_append: !http.gateway,
        internal_address_config: Some(within(http)),
        // What a workload says of the requests that it serves (their scheme, their id) it says to the next one, too.
        xff_num_trusted_hops: u32::from(!http.gateway),
        preserve_external_request_id: !http.gateway,
        normalize_path: Some(pb::flag(http.paths != PathNormalization::None)),
        merge_slashes: matches!(http.paths, MergeSlashes | DecodeAndMergeSlashes),
        path_with_escaped_slashes_action: match http.paths {
            DecodeAndMergeSlashes => PathWithEscapedSlashesAction::UnescapeAndForward,
            _ => PathWithEscapedSlashesAction::KeepUnchanged,
        }
        .into(),
        // Within TLS the scheme is https, whatever the client has said.
        scheme_header_transformation: Some(core::SchemeHeaderTransformation {
            match_upstream: true,
            ..Default::default()
        }),
        // What the upstream says of itself stays.
        server_header_transformation: ServerHeaderTransformation::PassThrough.into(),
        stream_idle_timeout: Some(pb::duration(http.idle)),
        // As in the built-in proxy; Envoy wants to be asked for either.
        http_protocol_options: Some(core::Http1ProtocolOptions {
            accept_http_10: true,
            enable_trailers: true,
            ..Default::default()
        }),
        http2_protocol_options: Some(core::Http2ProtocolOptions {
            allow_connect: true,
            ..Default::default()
        }),
        upgrade_configs: vec![UpgradeConfig { upgrade_type: "websocket".to_owned(), ..Default::default() }],
        forward_client_cert_details: if http.gateway {
            ForwardClientCertDetails::SanitizeSet.into()
        } else {
            ForwardClientCertDetails::ForwardOnly.into()
        },
        set_current_client_cert_details: http.gateway.then_some(shown),
        ..Default::default()
    };
    envoy::Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(envoy::filter::ConfigType::TypedConfig(pb::any(&manager))),
    }
}

/// Who is believed: of a gateway's clients those that the operator has named, of a workload's listener everybody. Envoy takes
/// nobody with an `x-forwarded-for` of his own for one of these.
fn within(http: &Http<'_>) -> InternalAddressConfig {
    const ALL: [Subnet; 2] = [
        Subnet { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix: 0 },
        Subnet { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), prefix: 0 },
    ];
    // Without any networks Envoy would take loopback, and in older versions private networks: this one nobody is in.
    const NOBODY: [Subnet; 1] = [Subnet { address: IpAddr::V4(Ipv4Addr::BROADCAST), prefix: 32 }];
    let internal = match http.internal {
        _ if !http.gateway => &ALL,
        [] => &NOBODY[..],
        named => named,
    };
    InternalAddressConfig { unix_sockets: !http.gateway, cidr_ranges: ranges(internal) }
}

fn filter(name: &str, config: Any) -> manager::HttpFilter {
    use manager::http_filter::ConfigType;
    manager::HttpFilter {
        name: name.to_owned(),
        config_type: Some(ConfigType::TypedConfig(config)),
        ..Default::default()
    }
}
