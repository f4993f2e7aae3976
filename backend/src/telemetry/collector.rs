//! Puts batches of the proxy's threads together, four times a second.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use api::observed::Gone;
use api::{EdgeKey, EdgeStats, Tick};
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
    edges: HashMap<EdgeKey, Edge>,
    routes: HashMap<RouteKey, Route>,
    /// Routes that were told of, and may be there no more.
    gone: Vec<RouteKey>,
    splits: SplitLog,
    places: Routes,
    revision: u64,
    ticks: usize,
    scratch: Scratch,
}

/// An edge, and the figures that were told of it last.
#[derive(Debug, Default)]
struct Edge {
    window: Window,
    /// At first those of an edge that nobody asked, which no edge here is.
    told: EdgeStats,
}

/// Requests of a route by seconds, the newest last, and the sum that was told last.
#[derive(Debug)]
struct Route {
    seconds: VecDeque<u64>,
    told: Option<u64>,
}

impl Default for Route {
    fn default() -> Self {
        Self { seconds: VecDeque::from([0]), told: None }
    }
}

impl Collector {
    /// The routes of a revision that is about to be the head; `before` is the mesh of the last one. What was counted of a route goes
    /// with it to where it is now.
    pub fn set_routes(&mut self, revision: u64, mesh: &Mesh, before: Option<&Mesh>) {
        self.places.set(revision, mesh, before);
        let now = |key: &RouteKey| self.places.now(self.revision, key);
        for (key, mut route) in std::mem::take(&mut self.routes) {
            let here = now(&key);
            if here.as_ref() != Some(&key) {
                self.gone.push(key);
                route.told = None;
            }
            if let Some(here) = here {
                self.routes.insert(here, route);
            }
        }
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
            self.edges.entry(edge).or_default().window.add(stats);
            let Some(key) = self.at_head(key) else { continue };
            // Connections that are passed on are of no split: those of hosts are of requests.
            self.splits.add(&key, stats.chosen.saturating_sub(stats.connections_opened));
            let route = key.route.as_ref().map(|route| self.routes.entry(route.clone()).or_default());
            if let Some(second) = route.and_then(|route| route.seconds.back_mut()) {
                *second += stats.chosen;
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

    /// Ends a tick of `millis` milliseconds at `at` (milliseconds since 1970). It has what is not as the tick before said.
    pub fn tick(&mut self, at: i64, millis: u32) -> Tick {
        self.ticks += 1;
        let second = self.ticks.is_multiple_of(TICKS_PER_SECOND);
        let (scratch, mut gone) = (&mut self.scratch, Gone::default());
        let mut edges = Vec::new();
        self.edges.retain(|key, edge| {
            edge.window.roll(second, scratch);
            if edge.window.idle() {
                gone.edges.push(key.clone());
                return false;
            }
            let stats = edge.window.stats(scratch);
            if stats != edge.told {
                edge.told.clone_from(&stats);
                edges.push((key.clone(), stats));
            }
            true
        });
        edges.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut routes = Vec::new();
        for (key, route) in &mut self.routes {
            let sum = route.seconds.iter().sum();
            if route.told != Some(sum) {
                route.told = Some(sum);
                routes.push((key.clone(), sum));
            }
        }
        routes.sort();
        gone.routes = std::mem::take(&mut self.gone);
        gone.routes.retain(|key| !self.routes.contains_key(key));
        if second {
            self.end_second();
        }
        let (splits, gone_splits) = self.splits.judge();
        gone.splits = gone_splits;
        Tick { at, millis, edges, splits, routes, gone }
    }

    /// The head revision and its sample size, once its splits have converged.
    pub fn converged(&self) -> Option<(u64, u64)> {
        self.splits.converged(self.revision).map(|n| (self.revision, n))
    }

    fn end_second(&mut self) {
        self.routes.retain(|key, route| {
            route.seconds.push_back(0);
            if route.seconds.len() > ROUTE_SECONDS {
                route.seconds.pop_front();
            }
            let asked = route.seconds.iter().any(|&count| count > 0);
            if !asked {
                self.gone.push(key.clone());
            }
            asked
        });
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
        let (mut collector, mut seen) = (Collector::default(), Tick::default());
        for tick in 0..300 {
            collector.add(&batch(1));
            collector.add(&batch(2));
            seen.advance(&collector.tick(tick, 250));
            assert_eq!(seen.edges[0].1.requests, 3);
            if tick == 299 {
                // 59 whole seconds and the one that ends now.
                assert_eq!(seen.routes[0].1, 60 * 4 * 3);
            }
        }
        for tick in 300..600 {
            seen.advance(&collector.tick(tick, 250));
        }
        assert_eq!((seen.edges.len(), seen.routes.len()), (0, 0));
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
        let mut seen = collector.tick(0, 250);
        assert_eq!(seen.routes.iter().map(|(key, count)| (key.index, *count)).collect::<Vec<_>>(), [(1, 7)]);
        assert_eq!((seen.splits[0].since, seen.splits[0].shares[0].count), (1, 7));

        // It moves back, told of where it was.
        collector.set_routes(3, &before, Some(&after));
        collector.set_head(3, desired(0));
        seen.advance(&collector.tick(250, 250));
        assert_eq!(seen.routes.iter().map(|(key, count)| (key.index, *count)).collect::<Vec<_>>(), [(0, 7)]);
        let splits = seen.splits.iter().map(|split| (split.route.as_ref().unwrap().index, split.shares[0].n));
        assert_eq!(splits.collect::<Vec<_>>(), [(0, 7)]);

        collector.set_routes(4, &mesh(front), Some(&before));
        collector.set_head(4, Vec::new());
        seen.advance(&collector.tick(500, 250));
        assert_eq!((seen.routes.len(), seen.splits.len()), (0, 0), "it is gone");
    }

    #[test]
    fn what_is_idle_is_told_once() {
        let desired = |at: usize| {
            let name = if at == 7 { "r".to_owned() } else { format!("s{at}") };
            let route = RouteKey { namespace: "default".to_owned(), name, index: 0 };
            let host = "reviews".to_owned();
            Desired { route: Some(route), shares: vec![(Part::Host(host.clone()), 1.0)], host }
        };
        let mut collector = Collector::default();
        collector.set_head(1, (0..1000).map(desired).collect());
        let mut seen = collector.tick(0, 250);
        assert_eq!(seen.splits.len(), 1000);
        let bytes = |tick: &Tick| serde_json::to_string(tick).unwrap().len();
        let idle = collector.tick(250, 250);
        assert!(bytes(&idle) < 100, "{idle:?}");

        // One of them has traffic, and then none.
        collector.add(&batch(5));
        let busy = collector.tick(500, 250);
        assert!(bytes(&busy) < 1500, "{busy:?}");
        seen.advance(&idle);
        seen.advance(&busy);
        assert_eq!((seen.edges[0].1.requests, seen.splits.len()), (5, 1000));
        assert_eq!(seen.splits.iter().map(|split| split.shares[0].n).sum::<u64>(), 5);
        let mut longest = 0;
        for at in 3..400 {
            let tick = collector.tick(at * 250, 250);
            longest = longest.max(bytes(&tick));
            seen.advance(&tick);
        }
        assert!(longest < 1500, "{longest} bytes");
        assert_eq!((seen.edges.len(), seen.routes.len(), seen.splits.len()), (0, 0, 1000));
    }
}
