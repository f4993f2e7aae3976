//! Access logs, which come back over gRPC: what Envoy observes.

use std::time::Duration;

use envoy_types::pb::envoy::config::accesslog::v3 as envoy;
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::extensions::access_loggers::grpc::v3 as grpc;
use envoy_types::pb::envoy::r#type::tracing::v3::{CustomTag, custom_tag};
use envoy_types::pb::google::protobuf::Any;

use super::{Delivery, SERVER, pb};
use crate::als;

/// For how long Envoy gathers entries before it sends them.
const GATHERED: Duration = Duration::from_millis(200);

/// The log of requests.
pub(super) fn requests(delivery: Delivery) -> Option<envoy::AccessLog> {
    let config = grpc::HttpGrpcAccessLogConfig { common_config: Some(common("http")), ..Default::default() };
    (delivery != Delivery::Static).then(|| log("envoy.access_loggers.http_grpc", pb::any(&config)))
}

/// The log of connections.
pub(super) fn connections(delivery: Delivery) -> Option<envoy::AccessLog> {
    let config = grpc::TcpGrpcAccessLogConfig { common_config: Some(common("tcp")) };
    (delivery != Delivery::Static).then(|| log("envoy.access_loggers.tcp_grpc", pb::any(&config)))
}

fn log(name: &str, config: Any) -> envoy::AccessLog {
    use envoy::access_log::ConfigType;
    envoy::AccessLog {
        name: name.to_owned(),
        config_type: Some(ConfigType::TypedConfig(config)),
        ..Default::default()
    }
}

fn common(name: &str) -> grpc::CommonGrpcAccessLogConfig {
    use core::grpc_service::{EnvoyGrpc, TargetSpecifier};
    let target = EnvoyGrpc { cluster_name: SERVER.to_owned(), ..Default::default() };
    grpc::CommonGrpcAccessLogConfig {
        log_name: name.to_owned(),
        transport_api_version: core::ApiVersion::V3.into(),
        grpc_service: Some(core::GrpcService {
            target_specifier: Some(TargetSpecifier::EnvoyGrpc(target)),
            ..Default::default()
        }),
        buffer_flush_interval: Some(pb::duration(GATHERED)),
        // By itself the log names the cluster only of what came to one of its hosts.
        custom_tags: vec![CustomTag {
            tag: als::CLUSTER.to_owned(),
            r#type: Some(custom_tag::Type::Value("%UPSTREAM_CLUSTER_RAW%".to_owned())),
        }],
        ..Default::default()
    }
}
