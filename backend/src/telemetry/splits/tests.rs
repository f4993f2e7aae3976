use std::collections::BTreeMap;
use std::sync::Arc;

use mesh::Source;
use mesh::plan::{
    ClusterId, ClusterKey, ClusterPolicy, Destination, Endpoint, HeaderOps, Listener, Protocol, Route,
    UnknownHost, VirtualHost, VirtualHosts,
};
use proxy::Name;

use super::*;

const REVIEWS: &str = "reviews.default.svc.cluster.local";

fn gateway() -> Source {
    Source::Gateway { namespace: "default".to_owned(), name: "in".to_owned() }
}

fn route_key() -> RouteKey {
    RouteKey { namespace: "default".to_owned(), name: "reviews".to_owned(), index: 0 }
}

fn cluster(subset: Option<&str>, versions: &[&str]) -> Cluster {
    let endpoint = |version: &&str| Endpoint {
        address: "127.0.0.1".to_owned(),
        port: 9080,
        workload: format!("reviews-{version}"),
        labels: BTreeMap::from([("version".to_owned(), (*version).to_owned())]),
        weight: 1,
        locality: String::new(),
    };
    Cluster {
        key: ClusterKey { host: REVIEWS.to_owned(), subset: subset.map(str::to_owned), port: 9080 },
        known: true,
        endpoints: versions.iter().map(endpoint).collect(),
        policy: ClusterPolicy::default(),
    }
}

/// A plan with one route to these clusters with these weights.
fn plan(key: Option<RouteKey>, destinations: &[(Cluster, u32)]) -> Plan {
    let forward = Forward {
        destinations: (0..)
            .zip(destinations)
            .map(|(at, (_, weight))| Destination {
                cluster: ClusterId(at),
                weight: *weight,
                headers: HeaderOps::default(),
            })
            .collect(),
        total_weight: destinations.iter().map(|(_, weight)| u64::from(*weight)).sum(),
        rewrite: None,
        timeout: None,
        mesh_timeout: false,
        retries: None,
        mirrors: vec![],
    };
    let route = Route {
        key,
        name: None,
        matches: vec![],
        action: Action::Forward(Box::new(forward)),
        fault: None,
        headers: HeaderOps::default(),
        cors: None,
    };
    let host =
        VirtualHost { name: REVIEWS.to_owned(), domains: vec![REVIEWS.to_owned()], routes: vec![route] };
    let listener = Listener {
        port: 9080,
        protocol: Protocol::Http,
        hosts: VirtualHosts::of(vec![host]),
        unknown_host: UnknownHost::NotFound,
        connections: Vec::new(),
        tls: Vec::new(),
    };
    Plan {
        revision: 1,
        source: gateway(),
        labels: Arc::default(),
        paths: mesh::PathNormalization::default(),
        internal: Vec::new(),
        listeners: [listener].into(),
        clusters: destinations.iter().map(|(cluster, _)| Arc::new(cluster.clone())).collect(),
    }
}

fn split(weights: &[(&str, u32)]) -> Plan {
    let destinations: Vec<_> =
        weights.iter().map(|(subset, weight)| (cluster(Some(subset), &[subset]), *weight)).collect();
    plan(Some(route_key()), &destinations)
}

fn observation(
    revision: u64,
    route: Option<RouteKey>,
    subset: Option<&str>,
    version: &str,
) -> ObservationKey {
    ObservationKey {
        source: Arc::new(gateway()),
        revision,
        route,
        host: Name::of_mesh(REVIEWS),
        subset: subset.map(str::to_owned),
        version: version.to_owned(),
    }
}

/// All splits, told of before or not.
fn all(log: &mut SplitLog) -> Vec<Split> {
    log.splits.iter_mut().for_each(|state| state.told = false);
    log.judge().0
}

#[test]
fn desired_shares_come_from_the_plan() {
    let labels = |plan: &Plan| -> Vec<(String, f64)> {
        desired([plan])
            .iter()
            .flat_map(|desired| &desired.shares)
            .map(|(part, share)| (part.label().to_owned(), *share))
            .collect()
    };
    let share = |label: &str, share: f64| (label.to_owned(), share);
    assert_eq!(
        labels(&split(&[("v1", 50), ("v2", 25), ("v3", 25)])),
        [share("v1", 0.5), share("v2", 0.25), share("v3", 0.25)]
    );
    assert_eq!(labels(&split(&[("v1", 7)])), [share("v1", 1.0)]);
    // Without a subset, the endpoints decide.
    assert_eq!(
        labels(&plan(None, &[(cluster(None, &["v1", "v1", "v2", "v3"]), 0)])),
        [share("v1", 0.5), share("v2", 0.25), share("v3", 0.25)]
    );
    // Unless a hash does.
    let mut hashed = cluster(None, &["v1", "v2"]);
    hashed.policy.raw = serde_json::json!({"loadBalancer": {"consistentHash": {"useSourceIp": true}}});
    assert_eq!(labels(&plan(None, &[(hashed, 0)])), []);
}

#[test]
fn destinations_without_a_share_are_shown_with_none() {
    let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: reviews}\nspec:\n  hosts: [reviews]\n  \
        http:\n  - route:\n    - {destination: {host: reviews, subset: v1}, weight: 0}\n    \
        - {destination: {host: reviews, subset: v2}, weight: 100}\n    - {destination: {host: reviews, subset: v3}}\n";
    let mesh = Mesh::parse(&mesh::Sources::single("reviews.yaml", text)).mesh;
    let desired = with_idle(desired([&split(&[("v2", 100)])]), &mesh, "cluster.local");
    let shares: Vec<_> = desired[0].shares.iter().map(|(part, share)| (part.label(), *share)).collect();
    assert_eq!(shares, [("v1", 0.0), ("v2", 1.0), ("v3", 0.0)]);
}

#[test]
fn one_route_seen_by_many_sources_is_one_split() {
    let plan = split(&[("v1", 50), ("v2", 50)]);
    assert_eq!(desired([&plan, &plan]).len(), 1);
}

#[test]
fn only_traffic_since_the_shares_were_set_counts() {
    let mut log = SplitLog::default();
    log.set(3, desired([&split(&[("v1", 50), ("v2", 50)])]));
    let route = Some(route_key());
    let cases = [
        // (revision, route, subset, requests, v1, v2)
        (3, route.clone(), "v1", 10, 10, 0),
        (2, route.clone(), "v1", 10, 10, 0),
        (4, route.clone(), "v2", 5, 10, 5),
        (4, route, "v9", 5, 10, 5),
        (4, None, "v2", 5, 10, 5),
    ];
    for (revision, route, subset, requests, v1, v2) in cases {
        log.add(&observation(revision, route, Some(subset), subset), requests);
        let split = &all(&mut log)[0];
        assert_eq!(split.since, 3);
        assert_eq!((split.shares[0].count, split.shares[1].count), (v1, v2), "{revision} {subset}");
        assert_eq!(split.shares[0].n, v1 + v2);
    }
}

#[test]
fn a_revision_that_leaves_the_shares_keeps_their_counts() {
    let mut log = SplitLog::default();
    log.set(1, desired([&split(&[("v1", 50), ("v2", 50)])]));
    log.add(&observation(1, Some(route_key()), Some("v1"), "v1"), 10);
    log.set(2, desired([&split(&[("v1", 50), ("v2", 50)])]));
    let found = all(&mut log).remove(0);
    assert_eq!((found.since, found.shares[0].count), (1, 10));
    log.set(3, desired([&split(&[("v1", 60), ("v2", 40)])]));
    let found = all(&mut log).remove(0);
    assert_eq!((found.since, found.shares[0].count), (3, 0));
}

#[test]
fn a_revision_has_converged_when_all_that_it_set_has() {
    let mut log = SplitLog::default();
    log.set(1, desired([&split(&[("v1", 50), ("v2", 50)])]));
    assert_eq!(log.converged(1), None);
    for (n, expected) in [(100, None), (200, Some(400))] {
        for subset in ["v1", "v2"] {
            let have = all(&mut log)[0].shares.iter().find(|share| share.subset == subset).unwrap().count;
            log.add(&observation(1, Some(route_key()), Some(subset), subset), n - have);
        }
        log.judge();
        assert_eq!(log.converged(1), expected);
        assert_eq!(log.converged(2), None, "a revision that set nothing");
    }
}

#[test]
fn only_what_changed_is_told() {
    let mut log = SplitLog::default();
    let told = |log: &mut SplitLog| {
        let (splits, gone) = log.judge();
        (splits.iter().map(|split| split.shares[0].n).collect::<Vec<_>>(), gone)
    };
    log.set(1, desired([&split(&[("v1", 50), ("v2", 50)])]));
    assert_eq!(told(&mut log), (vec![0], vec![]));
    assert_eq!(told(&mut log), (vec![], vec![]), "it is idle, and was");
    log.add(&observation(1, Some(route_key()), Some("v1"), "v1"), 10);
    assert_eq!(told(&mut log), (vec![10], vec![]));
    log.set(2, desired([&split(&[("v1", 50), ("v2", 50)])]));
    assert_eq!(told(&mut log), (vec![], vec![]), "its shares are as before");
    log.set(3, desired([&split(&[("v1", 60), ("v2", 40)])]));
    assert_eq!(told(&mut log), (vec![0], vec![]), "others came in its place");
    log.set(4, vec![]);
    assert_eq!(told(&mut log), (vec![], vec![SplitKey::Route(route_key())]));
}
