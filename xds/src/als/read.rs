//! Envoy's entries as ours.

use std::time::{Duration, SystemTime};

use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{Address, RequestMethod, address};
use envoy_types::pb::envoy::data::accesslog::v3::http_access_log_entry::HttpVersion;
use envoy_types::pb::envoy::data::accesslog::v3::{
    AccessLogCommon, HttpAccessLogEntry, ResponseFlags, TcpAccessLogEntry,
};
use envoy_types::pb::google::protobuf;

use super::{CLUSTER, Entry, Http};

/// A request.
pub(super) fn http(entry: HttpAccessLogEntry) -> Entry {
    let version = entry.protocol_version();
    let mut it = common(entry.common_properties.unwrap_or_default());
    let request = entry.request.unwrap_or_default();
    let response = entry.response.unwrap_or_default();
    let grpc = response.response_trailers.get("grpc-status");
    let grpc = grpc.or_else(|| response.response_headers.get("grpc-status"));
    let code = response.response_code.map_or(0, |code| code.value);
    (it.received, it.sent) = (request.request_body_bytes, response.response_body_bytes);
    it.details = response.response_code_details;
    it.http = Some(Http {
        protocol: match version {
            HttpVersion::ProtocolUnspecified => "",
            HttpVersion::Http10 => "HTTP/1.0",
            HttpVersion::Http11 => "HTTP/1.1",
            HttpVersion::Http2 => "HTTP/2",
            HttpVersion::Http3 => "HTTP/3",
        },
        method: match RequestMethod::try_from(request.request_method) {
            Ok(RequestMethod::MethodUnspecified) | Err(_) => "",
            Ok(method) => method.as_str_name(),
        },
        // Envoy's `path` is what went to the upstream.
        path: if request.original_path.is_empty() { request.path } else { request.original_path },
        authority: request.authority,
        code: u16::try_from(code).unwrap_or_default(),
        grpc: grpc.and_then(|status| status.parse().ok()),
        id: request.request_id,
        agent: request.user_agent,
        headers: request.request_headers.into_iter().collect(),
    });
    it
}

/// A connection.
pub(super) fn tcp(entry: TcpAccessLogEntry) -> Entry {
    let bytes = entry.connection_properties.unwrap_or_default();
    let common = entry.common_properties.unwrap_or_default();
    let details = common.connection_termination_details.clone();
    Entry { received: bytes.received_bytes, sent: bytes.sent_bytes, details, ..self::common(common) }
}

fn common(mut it: AccessLogCommon) -> Entry {
    let tag = it.custom_tags.remove(CLUSTER).unwrap_or_default();
    #[expect(deprecated, reason = "the log's type says the same only where it was set")]
    let open = it.intermediate_log_entry;
    let last = it.time_to_last_downstream_tx_byte.or(it.time_to_last_rx_byte);
    Entry {
        start: it.start_time.and_then(time).unwrap_or(SystemTime::UNIX_EPOCH),
        duration: it.duration.or(last).map(duration).unwrap_or_default(),
        first_byte: it.time_to_first_upstream_rx_byte.map(duration),
        open,
        route: it.route_name,
        cluster: if it.upstream_cluster.is_empty() { tag } else { it.upstream_cluster },
        upstream: it.upstream_remote_address.and_then(socket).unwrap_or_default(),
        attempts: it.upstream_request_attempt_count,
        flags: it.response_flags.map(|set| flags(&set)).unwrap_or_default(),
        details: String::new(),
        failure: it.upstream_transport_failure_reason,
        sni: it.tls_properties.map(|tls| tls.tls_sni_hostname).unwrap_or_default(),
        received: 0,
        sent: 0,
        tags: it.custom_tags.into_iter().collect(),
        http: None,
    }
}

fn time(it: protobuf::Timestamp) -> Option<SystemTime> {
    let since = Duration::new(u64::try_from(it.seconds).ok()?, u32::try_from(it.nanos).ok()?);
    SystemTime::UNIX_EPOCH.checked_add(since)
}

fn duration(it: protobuf::Duration) -> Duration {
    let seconds = u64::try_from(it.seconds).unwrap_or_default();
    Duration::new(seconds, u32::try_from(it.nanos).unwrap_or_default())
}

fn socket(it: Address) -> Option<String> {
    match it.address? {
        address::Address::SocketAddress(socket) => {
            let Some(PortSpecifier::PortValue(port)) = socket.port_specifier else { return None };
            let v6 = socket.address.contains(':');
            Some(if v6 {
                format!("[{}]:{port}", socket.address)
            } else {
                format!("{}:{port}", socket.address)
            })
        }
        address::Address::Pipe(pipe) => Some(pipe.path),
        address::Address::EnvoyInternalAddress(_) => None,
    }
}

/// The flags as Envoy's formatted logs have them, in Envoy's order.
fn flags(set: &ResponseFlags) -> Vec<&'static str> {
    let all = [
        (set.failed_local_healthcheck, "LH"),
        (set.no_healthy_upstream, "UH"),
        (set.upstream_request_timeout, "UT"),
        (set.local_reset, "LR"),
        (set.upstream_remote_reset, "UR"),
        (set.upstream_connection_failure, "UF"),
        (set.upstream_connection_termination, "UC"),
        (set.upstream_overflow, "UO"),
        (set.no_route_found, "NR"),
        (set.delay_injected, "DI"),
        (set.fault_injected, "FI"),
        (set.rate_limited, "RL"),
        (set.unauthorized_details.is_some(), "UAEX"),
        (set.rate_limit_service_error, "RLSE"),
        (set.downstream_connection_termination, "DC"),
        (set.upstream_retry_limit_exceeded, "URX"),
        (set.stream_idle_timeout, "SI"),
        (set.invalid_envoy_request_headers, "IH"),
        (set.downstream_protocol_error, "DPE"),
        (set.upstream_max_stream_duration_reached, "UMSDR"),
        (set.response_from_cache_filter, "RFCF"),
        (set.no_filter_config_found, "NFCF"),
        (set.duration_timeout, "DT"),
        (set.upstream_protocol_error, "UPE"),
        (set.no_cluster_found, "NC"),
        (set.overload_manager, "OM"),
        (set.dns_resolution_failure, "DF"),
        (set.downstream_remote_reset, "DR"),
    ];
    all.into_iter().filter_map(|(is, flag)| is.then_some(flag)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use envoy_types::pb::envoy::config::core::v3::SocketAddress;
    use envoy_types::pb::envoy::data::accesslog::v3::{
        ConnectionProperties, HttpRequestProperties, HttpResponseProperties,
    };

    use super::*;

    fn common() -> AccessLogCommon {
        let address = SocketAddress {
            address: "127.0.0.1".to_owned(),
            port_specifier: Some(PortSpecifier::PortValue(9080)),
            ..SocketAddress::default()
        };
        AccessLogCommon {
            start_time: Some(protobuf::Timestamp { seconds: 10, nanos: 5 }),
            duration: Some(protobuf::Duration { seconds: 1, nanos: 500_000_000 }),
            time_to_first_upstream_rx_byte: Some(protobuf::Duration { seconds: 0, nanos: 7 }),
            upstream_remote_address: Some(Address {
                address: Some(address::Address::SocketAddress(address)),
            }),
            upstream_cluster: "c".to_owned(),
            route_name: "r".to_owned(),
            upstream_request_attempt_count: 2,
            response_flags: Some(ResponseFlags {
                upstream_request_timeout: true,
                delay_injected: true,
                ..ResponseFlags::default()
            }),
            custom_tags: HashMap::from([("a".to_owned(), "b".to_owned())]),
            ..AccessLogCommon::default()
        }
    }

    #[test]
    fn requests_are_read() {
        let entry = http(HttpAccessLogEntry {
            common_properties: Some(common()),
            protocol_version: HttpVersion::Http2.into(),
            request: Some(HttpRequestProperties {
                request_method: RequestMethod::Post.into(),
                authority: "a.test".to_owned(),
                path: "/new".to_owned(),
                original_path: "/old".to_owned(),
                request_body_bytes: 3,
                ..HttpRequestProperties::default()
            }),
            response: Some(HttpResponseProperties {
                response_code: Some(protobuf::UInt32Value { value: 504 }),
                response_body_bytes: 4,
                response_trailers: HashMap::from([("grpc-status".to_owned(), "14".to_owned())]),
                ..HttpResponseProperties::default()
            }),
        });
        assert_eq!((&*entry.route, &*entry.cluster, &*entry.upstream), ("r", "c", "127.0.0.1:9080"));
        assert_eq!((entry.received, entry.sent, entry.attempts, entry.open), (3, 4, 2, false));
        assert_eq!(entry.flags, ["UT", "DI"]);
        assert_eq!(entry.duration, Duration::from_millis(1500));
        assert_eq!(entry.first_byte, Some(Duration::from_nanos(7)));
        assert_eq!(entry.start, SystemTime::UNIX_EPOCH + Duration::new(10, 5));
        assert_eq!(entry.tags["a"], "b");
        let request = entry.http.unwrap();
        assert_eq!((request.protocol, request.method, &*request.path), ("HTTP/2", "POST", "/old"));
        assert_eq!((request.code, request.grpc, &*request.authority), (504, Some(14), "a.test"));
    }

    #[test]
    fn connections_are_read() {
        let entry = tcp(TcpAccessLogEntry {
            common_properties: Some(common()),
            connection_properties: Some(ConnectionProperties { received_bytes: 1, sent_bytes: 2 }),
        });
        assert_eq!((entry.received, entry.sent, entry.http), (1, 2, None));
        // What is missing is nothing, not an error.
        assert_eq!(tcp(TcpAccessLogEntry::default()).upstream, "");
        assert_eq!(http(HttpAccessLogEntry::default()).http.unwrap().code, 0);
    }
}
