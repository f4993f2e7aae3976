//! Puts batches of the proxy's threads together, four times a second.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use api::{EdgeKey, Tick};
use mesh::{Mesh, RouteKey};
use proxy::{Batch, ObservationKey};

use super::routes::Routes;
use super::splits::{Desired, SplitLog};
use super::window::{Scratch, TICKS_PER_SECOND, Window};

/// Seconds that requests are counted per route.
const ROUTE_SECONDS: usize = 60;

/// All windows, splits and counts. Knows no clock.
#[derive(Debug, Default)]
pub struct Collector {
    edges: HashMap<EdgeKey, Window>,
    routes: HashMap<RouteKey, VecDeque<u64>>,
    splits: SplitLog,
    places: Routes,
    revision: u64,
    ticks: usize,
    scratch: Scratch,
}

impl Collector {
    /// The routes of a revision that is about to be the head; `before` is the mesh of the last one. What was counted of a route goes
    /// with it to where it is now.
    pub fn set_routes(&mut self, revision: u64, mesh: &Mesh, before: Option<&Mesh>) {
        self.places.set(revision, mesh, before);
        let now = |key: &RouteKey| self.places.now(self.revision, key);
        let routes = std::mem::take(&mut self.routes).into_iter();
        self.routes = routes.filter_map(|(key, seconds)| Some((now(&key)?, seconds))).collect();
        self.splits.renumber(now);
    }

    /// A new head revision with its desired shares.
    pub fn set_head(&mut self, revision: u64, desired: Vec<Desired>) {
        self.revision = revision;
        self.splits.set(revision, desired);
    }

    /// Adds what a thread counted.
    pub fn add(&mut self, batch: &Batch) {
        for (key, stats) in &batch.stats {
            let edge = EdgeKey {
                source: (*key.source).clone(),
                host: key.host.to_string(),
                version: key.version.clone(),
            };
            self.edges.entry(edge).or_default().add(stats);
            let Some(key) = self.at_head(key) else { continue };
            // Connections that are passed on are of no split: those of hosts are of requests.
            self.splits.add(&key, stats.chosen.saturating_sub(stats.connections_opened));
            if let Some(route) = &key.route {
                let seconds = self.routes.entry(route.clone()).or_insert_with(|| VecDeque::from([0]));
                if let Some(second) = seconds.back_mut() {
                    *second += stats.chosen;
                }
            }
        }
    }

    /// A key with its route where that is now; `None` where that is gone.
    fn at_head<'k>(&self, key: &'k ObservationKey) -> Option<Cow<'k, ObservationKey>> {
        let Some(route) = key.route.as_ref().filter(|_| key.revision != self.revision) else {
            return Some(Cow::Borrowed(key));
        };
        let route = Some(self.places.now(key.revision, route)?);
        Some(Cow::Owned(ObservationKey { route, ..key.clone() }))
    }

    /// Ends a tick of `millis` milliseconds at `at` (milliseconds since 1970).
    pub fn tick(&mut self, at: i64, millis: u32) -> Tick {
        self.ticks += 1;
        let second = self.ticks.is_multiple_of(TICKS_PER_SECOND);
        let scratch = &mut self.scratch;
        for window in self.edges.values_mut() {
            window.roll(second, scratch);
        }
        self.edges.retain(|_, window| !window.idle());
        let mut edges: Vec<_> =
            self.edges.iter().map(|(key, window)| (key.clone(), window.stats(scratch))).collect();
        edges.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut routes: Vec<_> =
            self.routes.iter().map(|(key, seconds)| (key.clone(), seconds.iter().sum())).collect();
        routes.sort();
        if second {
            self.end_second();
        }
        Tick { at, millis, edges, splits: self.splits.judge(), routes }
    }

    /// The head revision and its sample size, once its splits have converged.
    pub fn converged(&self) -> Option<(u64, u64)> {
        self.splits.converged(self.revision).map(|n| (self.revision, n))
    }

    fn end_second(&mut self) {
        for seconds in self.routes.values_mut() {
            seconds.push_back(0);
            if seconds.len() > ROUTE_SECONDS {
                seconds.pop_front();
            }
        }
        self.routes.retain(|_, seconds| seconds.iter().any(|&count| count > 0));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use hdrhistogram::Histogram;
    use proxy::{Name, ObservationKey, Stats};

    use super::*;
    use crate::telemetry::splits::Part;

    fn batch(requests: u64) -> Batch {
        let key = ObservationKey {
            source: Arc::new(mesh::Source::Gateway {
                namespace: "default".to_owned(),
                name: "in".to_owned(),
            }),
            revision: 1,
            route: Some(RouteKey { namespace: "default".to_owned(), name: "r".to_owned(), index: 0 }),
            host: Name::of_mesh("reviews"),
            subset: None,
            version: "v1".to_owned(),
        };
        let stats = Stats {
            chosen: requests,
            requests,
            codes: HashMap::from([(200, requests)]),
            flags: HashMap::new(),
            latency: Histogram::new(3).unwrap(),
            bytes_sent: 0,
            bytes_received: 0,
            retries: 0,
            ..Stats::default()
        };
        Batch { stats: HashMap::from([(key, stats)]), ..Batch::default() }
    }

    #[test]
    fn neither_copies_nor_connections_are_of_a_hosts_split() {
        let host = "reviews".to_owned();
        let shares = ["v1", "v2"].map(|version| (Part::Version(host.clone(), version.to_owned()), 0.5));
        let mut collector = Collector::default();
        collector.set_head(1, vec![Desired { route: None, host, shares: shares.into() }]);
        let add = |collector: &mut Collector, version: &str, stats: Stats| {
            let mut batch = batch(0);
            let (mut key, _) = batch.stats.drain().next().unwrap();
            (key.route, key.version) = (None, version.to_owned());
            collector.add(&Batch { stats: HashMap::from([(key, stats)]), ..Batch::default() });
        };
        for version in ["v1", "v2"] {
            add(&mut collector, version, Stats { chosen: 50, requests: 50, ..Stats::default() });
        }
        // What is mirrored to v2, and what speaks TCP with it.
        add(&mut collector, "v2", Stats { requests: 1000, ..Stats::default() });
        add(&mut collector, "v2", Stats { chosen: 1000, connections_opened: 1000, ..Stats::default() });
        let split = collector.tick(0, 250).splits.remove(0);
        let counts: Vec<_> = split.shares.iter().map(|share| (share.count, share.n)).collect();
        assert_eq!(counts, [(50, 100), (50, 100)]);
    }

    #[test]
    fn threads_add_up_and_routes_are_counted_over_a_minute() {
        let mut collector = Collector::default();
        for tick in 0..300 {
            collector.add(&batch(1));
            collector.add(&batch(2));
            let got = collector.tick(tick, 250);
            assert_eq!(got.edges[0].1.requests, 3);
            if tick == 299 {
                // 59 whole seconds and the one that ends now.
                assert_eq!(got.routes[0].1, 60 * 4 * 3);
            }
        }
        let mut last = Tick::default();
        for tick in 300..600 {
            last = collector.tick(tick, 250);
        }
        assert_eq!((last.edges.len(), last.routes.len()), (0, 0));
    }

    #[test]
    fn what_was_counted_of_a_route_goes_with_it() {
        let mesh = |routes: &str| {
            let text = format!(
                "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: r}}\nspec:\n  hosts: [reviews]\n  \
                 http: [{routes}]\n"
            );
            Mesh::parse(&mesh::Sources::single("r.yaml", text)).mesh
        };
        let (first, front) =
            ("{route: [{destination: {host: a}}]}", "{name: new, route: [{destination: {host: b}}]}");
        let (before, after) = (mesh(first), mesh(&format!("{front}, {first}")));
        let host = || "reviews".to_owned();
        let desired = |index: usize| {
            let route = RouteKey { namespace: "default".to_owned(), name: "r".to_owned(), index };
            vec![Desired { route: Some(route), host: host(), shares: vec![(Part::Host(host()), 1.0)] }]
        };
        let mut collector = Collector::default();
        collector.set_routes(1, &before, None);
        collector.set_head(1, desired(0));
        collector.add(&batch(5));
        collector.set_routes(2, &after, Some(&before));
        collector.set_head(2, desired(1));
        // Of a request that began under the revision before.
        collector.add(&batch(2));
        let tick = collector.tick(0, 250);
        assert_eq!(tick.routes.iter().map(|(key, count)| (key.index, *count)).collect::<Vec<_>>(), [(1, 7)]);
        assert_eq!((tick.splits[0].since, tick.splits[0].shares[0].count), (1, 7));
        collector.set_routes(3, &mesh(front), Some(&after));
        collector.set_head(3, Vec::new());
        assert_eq!(collector.tick(250, 250).routes, [], "it is gone");
    }
}
