//! Active health checks.

use envoy::health_check::{GrpcHealthCheck, HealthChecker, HttpHealthCheck, TcpHealthCheck};
use envoy_types::pb::envoy::config::core::v3 as envoy;
use envoy_types::pb::envoy::r#type::v3::Int64Range;
use mesh::plan::{HealthCheck, Probe};

use super::pb;

pub(super) fn check(check: &HealthCheck, host: &str) -> envoy::HealthCheck {
    let checker = match &check.probe {
        Probe::Http { path, host: said, expected, retriable } => {
            HealthChecker::HttpHealthCheck(HttpHealthCheck {
                path: path.clone(),
                host: said.as_deref().unwrap_or(host).to_owned(),
                expected_statuses: expected.iter().map(|code| range(*code)).collect(),
                retriable_statuses: retriable.iter().map(|code| range(*code)).collect(),
                ..Default::default()
            })
        }
        Probe::Tcp => HealthChecker::TcpHealthCheck(TcpHealthCheck::default()),
        Probe::Grpc { service } => HealthChecker::GrpcHealthCheck(GrpcHealthCheck {
            service_name: service.clone(),
            // Otherwise it would be the cluster's name, which is none of a host.
            authority: host.to_owned(),
            ..Default::default()
        }),
    };
    envoy::HealthCheck {
        timeout: Some(pb::duration(check.timeout)),
        interval: Some(pb::duration(check.interval)),
        // Envoy's own is a minute as long as there is no traffic.
        no_traffic_interval: Some(pb::duration(check.interval)),
        interval_jitter: Some(pb::duration(check.jitter)),
        unhealthy_threshold: Some(pb::number(check.unhealthy_threshold)),
        healthy_threshold: Some(pb::number(check.healthy_threshold)),
        alt_port: check.port.map(|port| pb::number(port.into())),
        health_checker: Some(checker),
        ..Default::default()
    }
}

fn range(code: u16) -> Int64Range {
    Int64Range { start: code.into(), end: i64::from(code) + 1 }
}
