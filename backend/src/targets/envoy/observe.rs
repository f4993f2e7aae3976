//! What Envoys write down of requests, as the same observations that the built-in proxy makes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use api::revision::Stage;
use mesh::plan::{Cluster, Endpoint, Plan, VirtualHost};
use mesh::route::{find_virtual_host, listener_for};
use mesh::{RouteKey, Source};
use proxy::{Batch, Name, Names, ObservationKey, Place, Stats};
use tokio::sync::{mpsc, watch};
use xds::ads::States;
use xds::als::{self, Entry, Logs};
use xds::translate::names::{parse_cluster, parse_route};

use super::cache::SnapshotCache;
use crate::timeline::StageReached;

/// Reads what Envoys say and hands it on, until the server for them ends.
pub(super) async fn run(
    mut logs: Logs,
    names: Arc<Names>,
    mut states: watch::Receiver<States>,
    cache: Arc<SnapshotCache>,
    batches: mpsc::Sender<Batch>,
    milestones: mpsc::Sender<StageReached>,
) {
    let mut revisions = Revisions::default();
    let mut first = 0;
    loop {
        let said = tokio::select! {
            biased;
            Ok(()) = states.changed() => {
                revisions.follow(&states.borrow_and_update(), SystemTime::now());
                continue;
            }
            said = logs.next() => said,
        };
        let Some(said) = said else { return };
        let Some(plan) = cache.plan(&said.node.source) else { continue };
        let batch = observed(&said, &plan, &revisions, &names);
        let newest = batch.stats.keys().map(|key| key.revision).max().unwrap_or_default();
        if newest > first {
            first = newest;
            let own = |entry: &&Entry| revisions.at(&said.node.id, entry.start) == newest;
            let began = said.entries.iter().filter(own).map(|entry| entry.start).min();
            let ago = began.and_then(|began| began.elapsed().ok()).unwrap_or_default();
            let at = Instant::now().checked_sub(ago).unwrap_or_else(Instant::now);
            let reached = StageReached { revision: newest, stage: Stage::FirstRequest, at, note: None };
            if milestones.send(reached).await.is_err() {
                return;
            }
        }
        if batches.send(batch).await.is_err() {
            return;
        }
    }
}

/// Which revision each Envoy had when: what it writes down does not say it.
#[derive(Debug, Default)]
struct Revisions(HashMap<String, Had>);

#[derive(Debug)]
struct Had {
    revision: u64,
    since: SystemTime,
    before: u64,
}

impl Revisions {
    fn follow(&mut self, states: &States, now: SystemTime) {
        let there: HashSet<&str> = states.iter().map(|state| state.node.id.as_str()).collect();
        self.0.retain(|id, _| there.contains(id.as_str()));
        for (id, acked) in states.iter().filter_map(|state| Some((&state.node.id, state.acked?))) {
            match self.0.get_mut(id) {
                Some(had) if had.revision == acked => {}
                Some(had) => *had = Had { revision: acked, since: now, before: had.revision },
                None => drop(self.0.insert(id.clone(), Had { revision: acked, since: now, before: acked })),
            }
        }
    }

    fn at(&self, id: &str, time: SystemTime) -> u64 {
        self.0.get(id).map_or(0, |had| if time < had.since { had.before } else { had.revision })
    }
}

/// What an Envoy says is counted under names that the mesh has; `names` bounds any other.
fn observed(said: &als::Batch, plan: &Plan, revisions: &Revisions, names: &Names) -> Batch {
    let source = Arc::new(said.node.source.clone());
    let mut batch = Batch::default();
    for entry in said.entries.iter().filter(|entry| !entry.open) {
        let key = parse_cluster(&entry.cluster);
        let cluster = plan.clusters.iter().map(|it| &**it).find(|cluster| Some(&cluster.key) == key.as_ref());
        let subset = cluster.and_then(|cluster| cluster.key.subset.clone());
        let key = ObservationKey {
            revision: revisions.at(&said.node.id, entry.start),
            route: parse_route(&entry.route).filter(|route| has_route(plan, entry, route)),
            host: match cluster {
                Some(cluster) => Name::of_mesh(&cluster.key.host),
                None => host_of(plan, entry, &source, names),
            },
            source: Arc::clone(&source),
            version: version(cluster, &entry.upstream).or_else(|| subset.clone()).unwrap_or_default(),
            subset,
        };
        count(batch.stats.entry(key).or_default(), entry);
        if let Some((cluster, endpoint)) = cluster.zip(cluster.and_then(|it| endpoint(it, &entry.upstream))) {
            let place = Place::of(&cluster.key, endpoint);
            // A connection is written down when it has ended; where none could be made, no upstream is.
            let status = entry.http.as_ref().map_or(200, |http| status(http.code));
            batch.tries.entry(place).or_default().add(status);
        }
    }
    batch
}

/// What is no status of HTTP is none.
fn status(code: u16) -> u16 {
    if code < 1000 { code } else { 0 }
}

fn count(stats: &mut Stats, entry: &Entry) {
    stats.bytes_sent += entry.received;
    stats.bytes_received += entry.sent;
    stats.chosen += 1;
    for flag in &entry.flags {
        *stats.flags.entry(flag).or_default() += 1;
    }
    let Some(http) = &entry.http else {
        stats.connections_opened += 1;
        stats.connections_closed += 1;
        return;
    };
    stats.requests += 1;
    stats.retries += u64::from(entry.attempts.saturating_sub(1));
    let code = status(http.code);
    *stats.codes.entry(code).or_default() += 1;
    let flags = if entry.flags.is_empty() { "-".to_owned() } else { entry.flags.join(",") };
    let micros = u64::try_from(entry.duration.as_micros()).unwrap_or(u64::MAX);
    stats.answers.entry(code, &flags).record(micros, entry.received, entry.sent);
    // It grows as it needs to, so there is no value that it cannot take.
    let _ = stats.latency.record(micros);
}

/// The version of the instance that a request went to.
fn version(cluster: Option<&Cluster>, upstream: &str) -> Option<String> {
    endpoint(cluster?, upstream).map(|endpoint| endpoint.version().to_owned())
}

/// The instance that a request went to.
fn endpoint<'c>(cluster: &'c Cluster, upstream: &str) -> Option<&'c Endpoint> {
    let is_it = |address: &str, port: u16| {
        upstream.rsplit_once(':').is_some_and(|(host, number)| {
            host.trim_matches(['[', ']']) == address.trim_matches(['[', ']']) && number.parse() == Ok(port)
        })
    };
    let endpoints = &cluster.endpoints;
    let found = endpoints.iter().find(|endpoint| is_it(&endpoint.address, endpoint.port));
    // Of a name that DNS knows under several addresses, all that is known is that it was one of them.
    let only = || if let [only] = endpoints.as_slice() { Some(only) } else { None };
    found.or_else(|| only().filter(|_| !upstream.is_empty()))
}

/// The virtual host that a request was for.
fn virtual_host<'p>(plan: &'p Plan, entry: &Entry) -> Option<&'p VirtualHost> {
    let authority = &entry.http.as_ref()?.authority;
    find_virtual_host(listener_for(plan, authority)?, authority)
}

/// The host of what came to no cluster: its virtual host's name, or what was asked for.
fn host_of(plan: &Plan, entry: &Entry, source: &Arc<Source>, names: &Names) -> Name {
    match (virtual_host(plan, entry), &entry.http) {
        (Some(host), _) => Name::of_mesh(&host.name),
        (None, Some(http)) => names.of_client(source, &http.authority),
        (None, None) => names.of_client(source, &entry.sni),
    }
}

/// Whether the plan has a route: most likely the virtual host that was asked for has it, unless the route has rewritten the host.
fn has_route(plan: &Plan, entry: &Entry, key: &RouteKey) -> bool {
    let has = |host: &VirtualHost| host.routes.iter().any(|route| route.key.as_ref() == Some(key));
    virtual_host(plan, entry).is_some_and(has)
        || plan.listeners.iter().flat_map(|listener| listener.hosts.list.iter()).any(|host| has(host))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mesh::{Mesh, Registry, Settings};
    use xds::als::Http;
    use xds::node::{Bind, Node};

    use super::*;

    fn entry(cluster: &str, upstream: &str, code: u16, flags: Vec<&'static str>) -> Entry {
        let http = Http { authority: "reviews:9080".to_owned(), code, ..Http::default() };
        Entry {
            start: SystemTime::UNIX_EPOCH + Duration::from_secs(10),
            duration: Duration::from_millis(5),
            first_byte: None,
            open: false,
            route: "default/reviews http[0]".to_owned(),
            cluster: cluster.to_owned(),
            upstream: upstream.to_owned(),
            attempts: 2,
            flags,
            details: String::new(),
            failure: String::new(),
            sni: String::new(),
            received: 3,
            sent: 4,
            tags: std::collections::BTreeMap::new(),
            http: Some(http),
        }
    }

    #[test]
    fn entries_become_observations() {
        let (settings, sources) = (Settings::default(), crate::sample::mesh());
        let mesh = Mesh::parse(&sources).mesh;
        let registry = Registry::of(&mesh, &mesh::Inventory::default(), &settings);
        let (namespace, name) = ("default".to_owned(), "productpage-v1".to_owned());
        let source = Source::Workload { namespace: namespace.clone(), name };
        let plan = mesh::plan::compile(&mesh, &registry, &settings, &source, 7);
        let reviews =
            |cluster: &&Arc<Cluster>| cluster.key.host.starts_with("reviews") && cluster.key.subset.is_some();
        let cluster = plan.clusters.iter().find(reviews).unwrap();
        let instance = &cluster.endpoints[0];
        let (named, upstream) =
            (xds::translate::names::cluster(&cluster.key), format!("{}:{}", instance.address, instance.port));
        let node = Node { id: "n".to_owned(), source: source.clone(), bind: Bind::default() };
        let said = als::Batch {
            node: Arc::new(node),
            log: "http".into(),
            entries: vec![
                entry(&named, &upstream, 200, Vec::new()),
                entry(&named, "", 503, vec!["UH"]),
                entry("", "", 404, vec!["NR"]),
            ],
        };
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(11);
        let revisions = Revisions(HashMap::from([("n".to_owned(), Had { revision: 7, since, before: 6 })]));
        let batch = observed(&said, &plan, &revisions, &Names::default());
        let route = Some(RouteKey { namespace, name: "reviews".to_owned(), index: 0 });
        assert!(
            batch.stats.keys().all(|key| key.route == route && key.revision == 6 && *key.source == source)
        );
        let at_version = |host: &str, version: &str| {
            let found = batch.stats.iter().find(|(key, _)| *key.host == *host && key.version == version);
            found.map(|(_, stats)| stats.clone()).unwrap()
        };
        let reached = at_version(&cluster.key.host, instance.version());
        assert_eq!((reached.requests, reached.chosen, reached.retries), (2, 2, 2));
        assert_eq!((reached.codes[&200], reached.codes[&503], reached.flags["UH"]), (1, 1, 1));
        assert_eq!(reached.answers.clone().entry(503, "UH").requests, 1);
        assert_eq!((reached.bytes_sent, reached.bytes_received, reached.latency.max()), (6, 8, 5_023));
        let lost = at_version("reviews.default.svc.cluster.local", "");
        assert_eq!((lost.requests, lost.flags["NR"]), (1, 1));
    }

    #[test]
    fn what_an_envoy_makes_up_is_bounded() {
        let (settings, sources) = (Settings::default(), crate::sample::mesh());
        let mesh = Mesh::parse(&sources).mesh;
        let registry = Registry::of(&mesh, &mesh::Inventory::default(), &settings);
        let source = Source::Workload { namespace: "default".to_owned(), name: "productpage-v1".to_owned() };
        let plan = mesh::plan::compile(&mesh, &registry, &settings, &source, 7);
        let node = Arc::new(Node { id: "n".to_owned(), source, bind: Bind::default() });
        let names = Names::default();
        let (mut hosts, mut routes, mut bytes) = (HashSet::new(), HashSet::new(), 0);
        for number in 0..600 {
            let long = format!("{number}.{}", "x".repeat(if number < 300 { 10 } else { 50_000 }));
            let mut entry = entry(&format!("outbound|80|{long}|{long}"), "", 60_000, Vec::new());
            entry.route = format!("default/{long} http[{number}]");
            entry.http.as_mut().unwrap().authority = long;
            let said = als::Batch { node: Arc::clone(&node), log: "http".into(), entries: vec![entry] };
            let batch = observed(&said, &plan, &Revisions::default(), &names);
            let (key, stats) = batch.stats.into_iter().next().unwrap();
            assert_eq!((stats.codes.keys().next(), key.version.as_str(), key.subset), (Some(&0), "", None));
            routes.insert(key.route);
            if hosts.insert(key.host.clone()) {
                bytes += key.host.len();
            }
        }
        assert_eq!(routes, HashSet::from([None]));
        assert_eq!(hosts.len(), Names::MOST + 1);
        assert!(bytes <= Names::BYTES + 5, "{bytes} bytes");
    }

    #[test]
    fn a_request_belongs_to_the_revision_that_its_envoy_had() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let revisions =
            Revisions(HashMap::from([("n".to_owned(), Had { revision: 4, since: at(5), before: 3 })]));
        assert_eq!([revisions.at("n", at(4)), revisions.at("n", at(6)), revisions.at("m", at(6))], [3, 4, 0]);
    }
}
