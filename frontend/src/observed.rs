//! Sums what a tick says into figures per node and per link, and keeps the traffic of the last ten minutes. Pure.

use std::collections::{BTreeMap, BTreeSet};

use api::observed::{Series, Tick};
use api::{Classes, EdgeStats, Health};

use crate::topology::{LinkKey, NodeId};

/// Figures of a link, of a node or of one version.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figures {
    /// Requests per second.
    pub rps: f64,
    /// Requests per second by class.
    pub rates: Classes,
    /// Requests of the last 10 s by class.
    pub recent: Classes,
    /// There was traffic since the page was opened, or in the ten minutes before.
    pub asked: bool,
    /// Milliseconds. Of several edges the largest, since percentiles do not add.
    pub p50: Option<f64>,
    /// As `p50`.
    pub p95: Option<f64>,
    /// As `p50`.
    pub p99: Option<f64>,
    /// Delays injected per second.
    pub delay_rps: f64,
    /// Aborts injected per second.
    pub abort_rps: f64,
    /// Requests of the last minute.
    pub minute: u64,
    /// The same by class.
    pub minute_classes: Classes,
    /// Requests of the last minute that a limit refused.
    pub overflow: u64,
    /// Percentiles of the last minute, largest as above: p50, p95, p99.
    pub minute_latency: [Option<f64>; 3],
}

impl Figures {
    /// Adds one edge.
    pub fn add(&mut self, edge: &EdgeStats) {
        self.rps += edge.rps;
        self.delay_rps += edge.delay_rps;
        self.abort_rps += edge.abort_rps;
        self.p50 = larger(self.p50, edge.p50);
        self.p95 = larger(self.p95, edge.p95);
        self.p99 = larger(self.p99, edge.p99);
        self.minute += edge.minute.requests;
        self.minute_classes += edge.minute.classes;
        self.rates += edge.rates;
        self.recent += edge.recent;
        self.asked = true;
        let refused = edge.minute.flags.iter().filter(|(flag, _)| flag == "UO");
        self.overflow += refused.map(|(_, count)| count).sum::<u64>();
        let totals = [edge.minute.p50, edge.minute.p95, edge.minute.p99];
        for (mine, other) in self.minute_latency.iter_mut().zip(totals) {
            *mine = larger(*mine, other);
        }
    }

    /// Share of requests that are answered with less than 400, 0 to 1; `None` without traffic.
    pub fn success(&self) -> Option<f64> {
        self.rates.success_share()
    }

    /// The same over the last minute.
    pub fn minute_success(&self) -> Option<f64> {
        self.minute_classes.success_share()
    }

    /// How well it answers.
    pub fn health(&self) -> Health {
        self.recent.health(self.asked)
    }
}

/// Traffic of a link or a node.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Traffic {
    /// All of it.
    pub all: Figures,
    /// By version of the destination, sorted.
    pub versions: Vec<(String, Figures)>,
}

impl Traffic {
    fn add(&mut self, version: &str, edge: &EdgeStats) {
        self.all.add(edge);
        let position = match self.versions.binary_search_by(|(name, _)| name.as_str().cmp(version)) {
            Ok(position) => position,
            Err(position) => {
                self.versions.insert(position, (version.to_owned(), Figures::default()));
                position
            }
        };
        self.versions[position].1.add(edge);
    }

    /// Figures of one version.
    pub fn version(&self, name: &str) -> Option<&Figures> {
        self.versions.iter().find(|(version, _)| version == name).map(|(_, figures)| figures)
    }
}

/// A tick, summed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summed {
    /// Traffic of each link.
    pub links: BTreeMap<LinkKey, Traffic>,
    /// Traffic into each service and external host; out of each gateway and other source.
    pub nodes: BTreeMap<NodeId, Traffic>,
}

/// Sums a tick. `locate` says which node a source is, and which node a host is.
pub fn sum(tick: &Tick, source: impl Fn(&mesh::Source) -> NodeId, host: impl Fn(&str) -> NodeId) -> Summed {
    let mut summed = Summed::default();
    for (key, edge) in &tick.edges {
        let (from, to) = (source(&key.source), host(&key.host));
        summed.nodes.entry(to.clone()).or_default().add(&key.version, edge);
        if matches!(from, NodeId::Gateway { .. } | NodeId::Workload { .. }) {
            summed.nodes.entry(from.clone()).or_default().add("", edge);
        }
        summed.links.entry(LinkKey { from, to }).or_default().add(&key.version, edge);
    }
    summed
}

fn larger(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (one, None) | (None, one) => one,
    }
}

/// Requests and errors of one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bin {
    /// Requests that ended in it.
    pub requests: u32,
    /// Of these, failed.
    pub errors: u32,
}

/// Seconds that a [`History`] keeps.
pub const KEPT: usize = 600;

/// Traffic into one service by version, one bin a second, ten minutes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// The first bin's second since 1970. All versions start here.
    pub start: i64,
    /// Bins of each version, all of the same length.
    pub versions: BTreeMap<String, Vec<Bin>>,
}

impl History {
    /// Number of bins.
    pub fn len(&self) -> usize {
        self.versions.values().next().map_or(0, Vec::len)
    }

    /// Nothing was observed.
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// Makes every version reach up to `second`, with no traffic where there was none.
    pub fn reach(&mut self, second: i64) {
        if self.versions.is_empty() {
            self.start = second;
            return;
        }
        let Ok(wanted) = usize::try_from(second - self.start + 1) else { return };
        let drop = wanted.saturating_sub(KEPT);
        for bins in self.versions.values_mut() {
            if bins.len() < wanted {
                bins.resize(wanted, Bin::default());
            }
            bins.drain(..drop.min(bins.len()));
        }
        self.start += i64::try_from(drop).unwrap_or(0);
    }

    /// Counts requests of a version in a second.
    pub fn count(&mut self, version: &str, second: i64, requests: u32, errors: u32) {
        if self.versions.is_empty() {
            self.start = second;
        }
        if second < self.start {
            let missing = usize::try_from(self.start - second).unwrap_or(0);
            if missing > KEPT {
                return;
            }
            for bins in self.versions.values_mut() {
                bins.splice(..0, std::iter::repeat_n(Bin::default(), missing));
            }
            self.start = second;
        }
        let length = self.len();
        self.versions.entry(version.to_owned()).or_insert_with(|| vec![Bin::default(); length]);
        self.reach(second);
        let Ok(position) = usize::try_from(second - self.start) else { return };
        if let Some(bin) = self.versions.get_mut(version).and_then(|bins| bins.get_mut(position)) {
            bin.requests += requests;
            bin.errors += errors;
        }
    }

    /// Requests of all versions in each of the last `seconds` whole bins before the newest, which still fills.
    pub fn totals(&self, seconds: usize) -> Vec<u32> {
        let length = self.len();
        let last = length.saturating_sub(1);
        (last.saturating_sub(seconds)..last)
            .map(|at| self.versions.values().map(|bins| bins[at].requests).sum())
            .collect()
    }
}

/// The histories of all hosts that `series` tells of.
pub fn histories(series: &[Series]) -> BTreeMap<String, History> {
    let mut all = BTreeMap::<String, History>::new();
    for one in series {
        let Some(key) = &one.key else { continue };
        let history = all.entry(key.host.clone()).or_default();
        for (position, requests) in one.requests.iter().enumerate() {
            let errors = one.errors.get(position).copied().unwrap_or(0);
            let at = one.start + i64::try_from(position).unwrap_or(0) * i64::from(one.step);
            history.count(&key.version, at.div_euclid(1000), *requests, errors);
        }
    }
    all
}

/// Seconds of the last minute that were observed, where nothing before the second `since` is known: a rate over a whole minute
/// would be too low just after the start.
pub fn seconds(since: i64, now: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a minute has few seconds")]
    let seconds = (now - since).clamp(1, 60) as f64;
    seconds
}

/// The distinct links of a tick, for the topology: changes rarely.
pub fn links(summed: &Summed) -> BTreeSet<LinkKey> {
    summed.links.keys().cloned().collect()
}

#[cfg(test)]
mod tests {
    use api::EdgeKey;
    use api::observed::Totals;

    use super::*;

    #[test]
    fn a_minute_is_as_long_as_it_was_observed() {
        for (since, now, expected) in [(100, 100, 1.0), (100, 103, 3.0), (100, 160, 60.0), (100, 900, 60.0)] {
            assert_eq!(seconds(since, now), expected, "{since} to {now}");
        }
    }

    fn edge(from: &str, host: &str, version: &str, rps: f64, p95: f64) -> (EdgeKey, EdgeStats) {
        let source = mesh::Source::Workload { namespace: "default".into(), name: from.into() };
        let classes = Classes { success: 45.0, client: 5.0, server: 10.0, ..Classes::default() };
        let minute = Totals { requests: 60, classes, ..Totals::default() };
        let key = EdgeKey { source, host: host.into(), version: version.into() };
        let rates =
            Classes { success: rps * 0.7, client: rps * 0.2, server: rps * 0.1, ..Classes::default() };
        let recent = classes;
        (key, EdgeStats { rps, rates, recent, p95: Some(p95), minute, ..EdgeStats::default() })
    }

    #[test]
    fn sums_by_node_and_link() {
        let tick = Tick {
            edges: vec![edge("a-v1", "r", "v1", 10.0, 5.0), edge("a-v2", "r", "v2", 20.0, 7.0)],
            ..Tick::default()
        };
        let summed = sum(&tick, |_| NodeId::Service("a".into()), |host| NodeId::Service(host.into()));
        let node = &summed.nodes[&NodeId::Service("r".into())];
        assert_eq!((node.all.rps, node.all.p95, node.all.minute), (30.0, Some(7.0), 120));
        assert!((node.all.success().unwrap() - 0.7).abs() < 1e-9, "4xx are no successes");
        assert!((node.all.minute_success().unwrap() - 0.75).abs() < 1e-9);
        assert_eq!((node.all.health(), Figures::default().health()), (Health::Failing, Health::Unknown));
        assert_eq!(node.version("v2").unwrap().rps, 20.0);
        assert_eq!(summed.links.len(), 1);
    }

    #[test]
    fn history_fills_gaps_and_forgets() {
        let mut history = History::default();
        history.count("v1", 100, 3, 1);
        history.count("v2", 102, 4, 0);
        history.count("v1", 99, 1, 0);
        assert_eq!((history.start, history.len()), (99, 4));
        assert_eq!(history.versions["v1"].iter().map(|bin| bin.requests).collect::<Vec<_>>(), [1, 3, 0, 0]);
        assert_eq!(history.versions["v2"].iter().map(|bin| bin.requests).collect::<Vec<_>>(), [0, 0, 0, 4]);
        assert_eq!(history.totals(2), [3, 0]);
        history.count("v1", 1000, 9, 0);
        assert_eq!((history.len(), history.start), (KEPT, 401));
        assert_eq!(history.versions["v1"].last().unwrap().requests, 9);
    }

    #[test]
    fn series_become_histories() {
        let source = mesh::Source::Gateway { namespace: "default".into(), name: "g".into() };
        let key = EdgeKey { source, host: "r".into(), version: "v1".into() };
        let series = Series {
            key: Some(key),
            start: 10_000,
            step: 250,
            requests: vec![1, 2, 3, 4, 5],
            errors: vec![0, 1],
            client_errors: vec![],
        };
        let history = &histories(&[series])["r"];
        assert_eq!(history.versions["v1"], [Bin { requests: 10, errors: 1 }, Bin { requests: 5, errors: 0 }]);
    }
}
