//! Requests under our own names: by source, destination, version and status.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mesh::Source;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use proxy::Name;
use proxy::observation::{ObservationKey, Stats};

use super::there::There;
use super::{NO_EXEMPLAR, source};

/// By source, host and version.
type Edge = (Arc<Source>, Name, String);

/// All that has been counted since the start.
#[derive(Debug, Default)]
pub(super) struct Own(Mutex<HashMap<Edge, Counts>>);

#[derive(Debug, Default)]
struct Counts {
    codes: BTreeMap<u16, u64>,
    flags: BTreeMap<&'static str, u64>,
    /// Connections that could not be made, by the names of their reasons.
    failures: BTreeMap<&'static str, u64>,
    retries: u64,
    received: u64,
    opened: u64,
    closed: u64,
}

impl Own {
    fn edges(&self) -> MutexGuard<'_, HashMap<Edge, Counts>> {
        // Each entry is whole, whatever became of the thread that changed it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn observe(&self, key: &ObservationKey, stats: &Stats) {
        let edge = (Arc::clone(&key.source), key.host.clone(), key.version.clone());
        let mut edges = self.edges();
        let counts = edges.entry(edge).or_default();
        for (&code, count) in &stats.codes {
            *counts.codes.entry(code).or_default() += count;
        }
        for (&flag, count) in &stats.flags {
            *counts.flags.entry(flag).or_default() += count;
        }
        for (reason, count) in &stats.failures {
            *counts.failures.entry(reason.name()).or_default() += count;
        }
        counts.retries += stats.retries;
        counts.received += stats.bytes_received;
        counts.opened += stats.connections_opened;
        counts.closed += stats.connections_closed;
    }

    /// Drops what is gone.
    pub(super) fn follow(&self, there: &There<'_>) {
        self.edges().retain(|(source, host, version), _| there.has(source, host, version));
    }
}

/// What a registry collects from.
#[derive(Debug)]
pub(super) struct Shared(pub(super) Arc<Own>);

impl Collector for Shared {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let edges = self.0.edges();
        let labels = |(source, host, version): &Edge| {
            [
                ("source", super::source(source)),
                ("destination", host.to_string()),
                ("version", version.clone()),
            ]
        };
        let kind = MetricType::Counter;
        let help = "Requests through the built-in proxy";
        let mut family = encoder.encode_descriptor("meshwright_requests", help, None, kind)?;
        for (edge, counts) in edges.iter() {
            let [source, destination, version] = labels(edge);
            for (code, count) in &counts.codes {
                let code = ("code", code.to_string());
                let labels = [source.clone(), destination.clone(), version.clone(), code];
                family.encode_family(&labels)?.encode_counter(count, NO_EXEMPLAR)?;
            }
        }
        let mut flags: BTreeMap<(String, &str, &str), u64> = BTreeMap::new();
        for ((from, host, _), counts) in edges.iter() {
            for (flag, count) in &counts.flags {
                *flags.entry((source(from), host, flag)).or_default() += count;
            }
        }
        let help = "Requests by Envoy's response flags";
        let mut family = encoder.encode_descriptor("meshwright_response_flags", help, None, kind)?;
        for ((source, destination, flag), count) in &flags {
            let labels = [("source", source.as_str()), ("destination", destination), ("flag", flag)];
            family.encode_family(&labels)?.encode_counter(count, NO_EXEMPLAR)?;
        }
        let help =
            "Connections to endpoints that could not be made, and clients with whom TLS failed, by why";
        let mut family = encoder.encode_descriptor("meshwright_connection_failures", help, None, kind)?;
        for (edge, counts) in edges.iter() {
            let [source, destination, version] = labels(edge);
            for (&reason, count) in &counts.failures {
                let reason = ("reason", reason.to_owned());
                let labels = [source.clone(), destination.clone(), version.clone(), reason];
                family.encode_family(&labels)?.encode_counter(count, NO_EXEMPLAR)?;
            }
        }
        type Figure = fn(&Counts) -> u64;
        let figures: [(&str, &str, Option<&Unit>, Figure); 4] = [
            ("meshwright_retries", "Tries beyond the first", None, |counts| counts.retries),
            ("meshwright_connections_opened", "Connections passed on as bytes", None, |counts| counts.opened),
            ("meshwright_connections_closed", "Of those, the ended ones", None, |counts| counts.closed),
            ("meshwright_response", "Bytes of response bodies", Some(&Unit::Bytes), |counts| counts.received),
        ];
        for (name, help, unit, figure) in figures {
            let mut family = encoder.encode_descriptor(name, help, unit, kind)?;
            // Of what is rare, zeros say nothing.
            for (edge, counts) in edges.iter().filter(|(_, counts)| unit.is_some() || figure(counts) > 0) {
                family.encode_family(&labels(edge))?.encode_counter(&figure(counts), NO_EXEMPLAR)?;
            }
        }
        Ok(())
    }
}
