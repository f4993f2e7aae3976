//! Protobuf's little wrappers.

use std::net::SocketAddr;
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::r#type::matcher::v3 as matcher;
use envoy_types::pb::envoy::r#type::v3 as types;
use envoy_types::pb::google::protobuf as google;
use mesh::plan::Matcher;
use prost::Message;

/// A transport socket by Envoy's name for it.
pub(super) fn transport(name: &str, config: google::Any) -> core::TransportSocket {
    let config = core::transport_socket::ConfigType::TypedConfig(config);
    core::TransportSocket { name: name.to_owned(), config_type: Some(config) }
}

/// A message within a field that takes any.
pub(super) fn any<M: Message + prost::Name>(message: &M) -> google::Any {
    google::Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

pub(super) fn duration(duration: Duration) -> google::Duration {
    google::Duration {
        // Durations come from resources, which cannot say more than this.
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
    }
}

/// The same, for what Envoy counts in milliseconds and wants one of at least.
pub(super) fn millis(duration: Duration) -> google::Duration {
    self::duration(duration.max(Duration::from_millis(1)))
}

pub(super) fn number(value: u32) -> google::UInt32Value {
    google::UInt32Value { value }
}

pub(super) fn long(value: u64) -> google::UInt64Value {
    google::UInt64Value { value }
}

pub(super) fn flag(value: bool) -> google::BoolValue {
    google::BoolValue { value }
}

pub(super) fn percent(value: f64) -> types::Percent {
    types::Percent { value }
}

/// A share in millionths.
pub(super) fn share(parts_per_million: u32) -> types::FractionalPercent {
    types::FractionalPercent {
        numerator: parts_per_million,
        denominator: types::fractional_percent::DenominatorType::Million.into(),
    }
}

/// A share in millionths where the runtime could say another one.
pub(super) fn runtime_share(parts_per_million: u32) -> core::RuntimeFractionalPercent {
    core::RuntimeFractionalPercent { default_value: Some(share(parts_per_million)), ..Default::default() }
}

pub(super) fn socket(address: SocketAddr) -> core::Address {
    host(&address.ip().to_string(), address.port())
}

/// An address by IP or by name, or the path of a socket (`unix://…`).
pub(super) fn host(address: &str, port: u16) -> core::Address {
    use core::address::Address;
    let address = match address.strip_prefix("unix://") {
        Some(path) => Address::Pipe(core::Pipe { path: path.to_owned(), mode: 0 }),
        None => Address::SocketAddress(core::SocketAddress {
            address: address.to_owned(),
            port_specifier: Some(core::socket_address::PortSpecifier::PortValue(port.into())),
            ..Default::default()
        }),
    };
    core::Address { address: Some(address) }
}

pub(super) fn regex(pattern: &str) -> matcher::RegexMatcher {
    matcher::RegexMatcher { regex: pattern.to_owned(), ..Default::default() }
}

pub(super) fn string(comparison: &Matcher) -> matcher::StringMatcher {
    use matcher::string_matcher::MatchPattern;
    let pattern = match comparison {
        Matcher::Exact(text) => MatchPattern::Exact(text.clone()),
        Matcher::Prefix(text) => MatchPattern::Prefix(text.clone()),
        Matcher::Regex(pattern) => MatchPattern::SafeRegex(regex(pattern.as_str())),
    };
    matcher::StringMatcher { match_pattern: Some(pattern), ignore_case: false }
}

/// Resources of this kind come over the stream that the listeners came by.
pub(super) fn from_ads() -> core::ConfigSource {
    use core::config_source::ConfigSourceSpecifier;
    core::ConfigSource {
        resource_api_version: core::ApiVersion::V3.into(),
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(core::AggregatedConfigSource {})),
        ..Default::default()
    }
}
