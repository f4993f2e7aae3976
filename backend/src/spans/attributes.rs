//! What a span says, under the names that Envoy and Istio give it.

use mesh::Source;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use proxy::Span;
use xds::translate::names;

/// What a source is to a collector.
pub(super) fn of_source(source: &Source) -> [(&'static str, String); 4] {
    let (namespace, name, service) = match source {
        Source::Workload { namespace, name } => {
            // Workloads are named `<service>-<version>` where nothing says otherwise.
            (namespace, name, name.rsplit_once('-').map_or(name.as_str(), |(service, _)| service))
        }
        Source::Gateway { namespace, name } => (namespace, name, name.as_str()),
    };
    [
        ("service.name", format!("{service}.{namespace}")),
        ("service.instance.id", format!("{name}.{namespace}")),
        ("istio.canonical_service", service.to_owned()),
        ("istio.namespace", namespace.clone()),
    ]
}

/// A span as the exporter takes it.
pub(super) fn data(span: &Span) -> SpanData {
    let context = SpanContext::new(
        TraceId::from(span.trace),
        SpanId::from(span.id),
        TraceFlags::SAMPLED,
        false,
        TraceState::default(),
    );
    let failed = span.status == 0 || span.status >= 500;
    SpanData {
        span_context: context,
        parent_span_id: span.parent.map_or(SpanId::INVALID, SpanId::from),
        parent_span_is_remote: span.parent.is_some(),
        // A gateway stands for what is behind it, a workload's proxy for the workload.
        span_kind: match *span.source {
            Source::Gateway { .. } => SpanKind::Server,
            Source::Workload { .. } => SpanKind::Client,
        },
        name: name(span).into(),
        start_time: span.started,
        end_time: span.started + span.took,
        attributes: attributes(span, failed),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: if failed { Status::error("") } else { Status::Unset },
        instrumentation_scope: InstrumentationScope::builder("meshwright")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build(),
    }
}

/// As Istio names operations. Names that clients make up are bounded.
fn name(span: &Span) -> String {
    match &span.cluster {
        Some(cluster) => format!("{}:{}/*", cluster.host, cluster.port),
        None => span.host.to_string(),
    }
}

fn attributes(span: &Span, failed: bool) -> Vec<KeyValue> {
    let cluster = match &span.cluster {
        Some(key) => names::cluster(key),
        None if span.upstream.is_some() => names::PASSTHROUGH.to_owned(),
        None => "-".to_owned(),
    };
    let number = |number: u64| Value::I64(i64::try_from(number).unwrap_or(i64::MAX));
    let url = format!("{}://{}{}", span.scheme, span.authority, span.path);
    let mut all = vec![
        KeyValue::new("component", "proxy"),
        KeyValue::new("http.method", span.method.clone()),
        KeyValue::new("http.url", url),
        KeyValue::new("http.protocol", span.protocol),
        KeyValue::new("http.status_code", i64::from(span.status)),
        KeyValue::new("response_flags", span.flags.clone()),
        KeyValue::new("upstream_cluster", cluster.clone()),
        KeyValue::new("upstream_cluster.name", cluster),
        KeyValue::new("peer.address", span.peer.to_string()),
        KeyValue::new("downstream_cluster", "-"),
        KeyValue::new("request_size", number(span.received)),
        KeyValue::new("response_size", number(span.sent)),
    ];
    let texts = [
        ("user_agent", &span.user_agent),
        ("guid:x-request-id", &span.request_id),
        ("upstream_address", &span.upstream),
    ];
    all.extend(texts.into_iter().filter_map(|(name, text)| Some(KeyValue::new(name, text.clone()?))));
    if span.retries > 0 {
        all.push(KeyValue::new("retry.count", i64::from(span.retries)));
    }
    if failed {
        all.push(KeyValue::new("error", true));
    }
    all
}
