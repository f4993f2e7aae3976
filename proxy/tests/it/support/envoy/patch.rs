//! Resources with logs on the standard output, where the tests read them.

use std::sync::Arc;

use envoy_types::pb::envoy::config::accesslog::v3::access_log::ConfigType as LogConfig;
use envoy_types::pb::envoy::config::accesslog::v3::{AccessLog, access_log};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::core::v3::{
    SubstitutionFormatString, TypedExtensionConfig, substitution_format_string,
};
use envoy_types::pb::envoy::config::listener::v3::filter::ConfigType as FilterConfig;
use envoy_types::pb::envoy::config::listener::v3::{Filter, Listener};
use envoy_types::pb::envoy::extensions::access_loggers::stream::v3::StdoutAccessLog;
use envoy_types::pb::envoy::extensions::access_loggers::stream::v3::stdout_access_log::AccessLogFormat;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
use envoy_types::pb::envoy::extensions::health_check::event_sinks::file::v3::HealthCheckEventFileSink;
use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};
use serde_json::json;
use xds::node::structure;
use xds::resource::{Kind, Resource, Resources, Snapshot};

/// Each request, each connection and each verdict of a health check becomes a line.
pub(super) fn log_to_stdout(snapshot: &mut Snapshot) {
    each::<Listener>(snapshot, Kind::Listener, |listener| {
        let chains = listener.filter_chains.iter_mut().chain(&mut listener.default_filter_chain);
        chains.flat_map(|chain| &mut chain.filters).for_each(logs);
    });
    each::<Cluster>(snapshot, Kind::Cluster, |cluster| {
        for check in &mut cluster.health_checks {
            let sink = HealthCheckEventFileSink { event_log_path: "/dev/stdout".to_owned() };
            check.event_logger = vec![TypedExtensionConfig {
                name: "envoy.health_check.event_sink.file".to_owned(),
                typed_config: Some(any(&sink)),
            }];
        }
    });
}

fn each<M: Message + Default>(snapshot: &mut Snapshot, kind: Kind, change: impl Fn(&mut M)) {
    let changed = snapshot.of(kind).iter().map(|(name, resource)| {
        let mut message = M::decode(resource.body.value.as_slice()).unwrap();
        change(&mut message);
        (Arc::clone(name), Arc::new(Resource::new(kind, Arc::clone(name), message.encode_to_vec())))
    });
    let changed: Resources = changed.collect();
    snapshot.set(kind, Arc::new(changed));
}

fn logs(filter: &mut Filter) {
    let Some(FilterConfig::TypedConfig(config)) = &mut filter.config_type else { return };
    if config.type_url == HttpConnectionManager::type_url() {
        let mut manager = HttpConnectionManager::decode(config.value.as_slice()).unwrap();
        manager.access_log = vec![log("http")];
        *config = any(&manager);
    } else if config.type_url == TcpProxy::type_url() {
        let mut proxy = TcpProxy::decode(config.value.as_slice()).unwrap();
        proxy.access_log = vec![log("tcp")];
        *config = any(&proxy);
    }
}

fn log(kind: &str) -> AccessLog {
    let mut format = json!({
        "kind": kind,
        "code": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "route": "%ROUTE_NAME%",
        "cluster": "%UPSTREAM_CLUSTER_RAW%",
        "upstream": "%UPSTREAM_HOST%",
        "duration": "%DURATION%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "received": "%BYTES_RECEIVED%",
        "sent": "%BYTES_SENT%",
    });
    if kind == "http" {
        format["authority"] = json!("%REQ(:AUTHORITY)%");
    }
    let format = SubstitutionFormatString {
        format: Some(substitution_format_string::Format::JsonFormat(structure(&format))),
        ..SubstitutionFormatString::default()
    };
    let stdout = StdoutAccessLog { access_log_format: Some(AccessLogFormat::LogFormat(format)) };
    let config: access_log::ConfigType = LogConfig::TypedConfig(any(&stdout));
    AccessLog {
        name: "envoy.access_loggers.stdout".to_owned(),
        config_type: Some(config),
        ..AccessLog::default()
    }
}

fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}
