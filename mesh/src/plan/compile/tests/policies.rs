//! DestinationRules: which one governs, and how they merge.

use super::*;
use std::time::Duration;

use crate::plan::{
    Balancer, Bounds, ConsistentHash, HashCookie, HashKey, HashTable, Keepalive, Outlier, Probe, RetryBudget,
    Warmup,
};

fn balancer(simple: &str) -> String {
    format!("trafficPolicy: {{loadBalancer: {{simple: {simple}}}}}")
}

#[test]
fn the_clients_namespace_then_the_services_then_the_root() {
    let host = "a.one.svc.cluster.local";
    let rule = |namespace: &str, host: &str, simple: &str| {
        policy(
            &format!("name: {namespace}-{}, namespace: {namespace}", simple.to_lowercase().replace('_', "-")),
            &format!("host: '{host}', {}", balancer(simple)),
        )
    };
    let services = service("a", "one");
    let client = rule("two", "*.local", "RANDOM");
    let own = rule("one", host, "ROUND_ROBIN");
    let wide = rule("one", "*.svc.cluster.local", "PASSTHROUGH");
    let root = rule("istio-system", host, "RANDOM");
    for (rules, from, expected) in [
        (vec![], "two", Balancer::LeastRequest),
        (vec![&root], "two", Balancer::Random),
        (vec![&root, &own], "two", Balancer::RoundRobin),
        // The client's own, although its host is less specific.
        (vec![&root, &own, &client], "two", Balancer::Random),
        (vec![&wide, &own], "two", Balancer::RoundRobin),
        (vec![&wide], "one", Balancer::Passthrough),
        // In the root namespace the rules that are meant for all do not stand before the service's.
        (vec![&root, &own], "istio-system", Balancer::RoundRobin),
    ] {
        let yaml = services.clone() + &rules.into_iter().cloned().collect::<String>();
        assert_eq!(cluster(&World::of(&yaml).from(from), "a.one").policy.balancer, expected, "{yaml}");
    }
}

#[test]
fn rules_of_one_host_are_united() {
    let services = service("a", "one");
    let rule = |name: &str, year: u32, rest: &str| {
        policy(
            &format!("name: {name}, namespace: one, creationTimestamp: '{year}-01-01T00:00:00Z'"),
            &format!("host: a, {rest}"),
        )
    };
    let all = [
        rule(
            "young",
            2022,
            &format!(
                "{}, subsets: [{{name: v1, labels: {{version: no}}}}, {{name: v2, labels: {{version: v2}}}}]",
                balancer("RANDOM")
            ),
        ),
        rule("old", 2020, "subsets: [{name: v1, labels: {version: v1}}]"),
        rule("youngest", 2023, &balancer("LEAST_REQUEST")),
    ];
    let to = rules(
        "name: a, namespace: one",
        "a",
        "  http: [{route: [{destination: {host: a, subset: v1}, weight: 1}, {destination: {host: a, subset: v2}, weight: 1}, {destination: {host: a, subset: v3}, weight: 1}]}]",
    );
    let endpoint = "---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: a-v1, namespace: one}
spec: {address: 1.1.1.1, labels: {app: a, version: v1}}
";
    let plan = World::of(&(services + &all.concat() + &to + endpoint)).from("one");
    let of = |subset: &str| plan.clusters.iter().find(|it| it.key.subset.as_deref() == Some(subset)).unwrap();
    assert_eq!(
        (of("v1").known, of("v1").endpoints.len(), of("v1").policy.balancer),
        (true, 1, Balancer::Random)
    );
    assert_eq!((of("v2").known, of("v2").endpoints.len()), (true, 0));
    assert_eq!((of("v3").known, of("v3").endpoints.len()), (false, 0));
    assert_eq!(of("v1").policy.from.as_deref(), Some("one/old"));
}

#[test]
fn ports_and_subsets_override() {
    let yaml = service("a", "one")
        + &policy(
            "name: a, namespace: one",
            "host: a,
  trafficPolicy: {
    loadBalancer: {simple: RANDOM}, connectionPool: {tcp: {maxConnections: 1, connectTimeout: 3s}},
    portLevelSettings: [{port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]},
  subsets: [
    {name: own, trafficPolicy: {connectionPool: {tcp: {maxConnections: 2}}}},
    {name: port, trafficPolicy: {loadBalancer: {simple: RANDOM}, portLevelSettings: [{port: {number: 80}, outlierDetection: {}}]}},
    {name: none}]",
        )
        + &rules("name: a, namespace: one", "a", "  http: [{route: [{destination: {host: a, subset: own}, weight: 1}, {destination: {host: a, subset: port}, weight: 1}, {destination: {host: a, subset: none}, weight: 1}, {destination: {host: a, port: {number: 81}}, weight: 1}]}]");
    let plan = World::of(&yaml).from("one");
    let policy =
        |at: usize| plan.clusters[forward(&plan, "a").destinations[at].cluster.0 as usize].policy.clone();
    // The port's settings stand in place of the whole; the subset's go over them, field by field.
    assert_eq!(policy(0).raw, serde_json::json!({"connectionPool": {"tcp": {"maxConnections": 2}}}));
    assert_eq!(policy(1).raw, serde_json::json!({"outlierDetection": {}}));
    assert_eq!((policy(1).balancer, policy(1).http2), (Balancer::LeastRequest, false));
    assert_eq!(
        policy(2).raw,
        serde_json::json!({"connectionPool": {"http": {"h2UpgradePolicy": "UPGRADE"}}})
    );
    assert!(policy(2).http2);
    assert_eq!(
        (policy(3).balancer, policy(3).connect_timeout),
        (Balancer::Random, Some(std::time::Duration::from_secs(3)))
    );
    assert!(!plan.clusters[forward(&plan, "a").destinations[3].cluster.0 as usize].known);
}

#[test]
fn rules_for_certain_clients_and_rules_that_stay_at_home() {
    let entry = |name: &str, app: &str| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: {name}, namespace: one}}\nspec: {{address: 1.1.1.1, labels: {{app: {app}}}}}\n"
        )
    };
    let yaml = service("a", "one")
        + &entry("x", "x")
        + &entry("y", "y")
        + &policy("name: all, namespace: one", &format!("host: a, exportTo: [.], {}", balancer("RANDOM")))
        + &policy(
            "name: some, namespace: one, creationTimestamp: '2030-01-01T00:00:00Z'",
            &format!("host: a, workloadSelector: {{matchLabels: {{app: x}}}}, {}", balancer("ROUND_ROBIN")),
        );
    let world = World::of(&yaml);
    let from = |namespace: &str, name: &str| {
        let plan = world.plan(&Source::Workload { namespace: namespace.to_owned(), name: name.to_owned() });
        cluster(&plan, "a.one").policy.balancer
    };
    assert_eq!(from("one", "x"), Balancer::RoundRobin);
    assert_eq!(from("one", "y"), Balancer::Random);
    assert_eq!(from("two", "x"), Balancer::LeastRequest);
}

#[test]
fn ports_of_destinations() {
    let yaml = "
apiVersion: v1
kind: Service
metadata: {name: one-port, namespace: one}
spec: {ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: two-ports, namespace: one}
spec: {ports: [{name: http, port: 8080}, {name: http-admin, port: 80}]}
"
    .to_owned()
        + &service("a", "one")
        + &rules(
            "name: a, namespace: one",
            "a",
            "  http: [{route: [{destination: {host: one-port}, weight: 1}, {destination: {host: two-ports}, weight: 1}, {destination: {host: two-ports, port: {number: 8080}}, weight: 1}, {destination: {host: unknown}, weight: 1}]}]",
        );
    let plan = World::of(&yaml).from("one");
    let keys = forward(&plan, "a").destinations.iter().map(|it| &plan.clusters[it.cluster.0 as usize]);
    let ports: Vec<(u16, bool)> = keys.map(|it| (it.key.port, it.known)).collect();
    // Within the mesh a service that lacks the listener's port is not known there.
    assert_eq!(ports, [(80, false), (80, true), (8080, true), (80, false)]);
    // A gateway takes a service's only port.
    let gateway = "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: gate}\nspec: {servers: [{port: {number: 81, name: http, protocol: HTTP}, hosts: ['*']}]}\n";
    let bound = rules(
        "name: b",
        "b.com",
        "  gateways: [gate]\n  http: [{route: [{destination: {host: one-port.one.svc.cluster.local}}], mirrors: [{destination: {}}]}]",
    );
    let plan = World::of(&(yaml + gateway + &bound)).gateway("gate");
    let keys: Vec<(u16, bool)> = plan.clusters.iter().map(|it| (it.key.port, it.known)).collect();
    assert_eq!(keys, [(8080, true)]);
}

#[test]
fn destinations_and_rules_are_looked_up_exactly() {
    let entry = "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: foo}\nspec: {hosts: ['*.foo.com', Api.bar.com], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 10.0.0.1}]}\n";
    let yaml = service("a", "one")
        + entry
        + &rules(
            "name: a, namespace: one",
            "a",
            "  http: [{route: [{destination: {host: x.foo.com}, weight: 1}, {destination: {host: '*.foo.com'}, weight: 1}, {destination: {host: A}, weight: 1}, {destination: {host: Api.bar.com}, weight: 1}, {destination: {host: api.bar.com}, weight: 1}]}]",
        )
        + &policy("name: below, namespace: one", &format!("host: x.foo.com, {}", balancer("RANDOM")))
        + &policy("name: case, namespace: one", &format!("host: A, {}", balancer("RANDOM")))
        + &policy("name: same, namespace: one", &format!("host: Api.bar.com, {}", balancer("RANDOM")));
    let plan = World::of(&yaml).from("one");
    let clusters = forward(&plan, "a").destinations.iter().map(|it| &plan.clusters[it.cluster.0 as usize]);
    let known: Vec<(&str, bool, usize)> =
        clusters.map(|it| (it.key.host.as_str(), it.known, it.endpoints.len())).collect();
    assert_eq!(
        known,
        [
            ("x.foo.com", false, 0),
            ("*.foo.com", true, 1),
            ("A.one.svc.cluster.local", false, 0),
            ("Api.bar.com", true, 1),
            ("api.bar.com", false, 0)
        ]
    );
    let random = |host: &str| {
        let found = plan.clusters.iter().find(|it| it.known && it.key.host == host);
        found.map(|it| it.policy.balancer == Balancer::Random)
    };
    assert_eq!(random("Api.bar.com"), Some(true));
    assert_eq!(random("*.foo.com"), Some(false));
    // A wildcard's requests go to the wildcard's own cluster.
    assert_eq!(cluster(&plan, "x.foo.com").key.host, "*.foo.com");
}

#[test]
fn what_governs_the_way_behind_a_cluster() {
    let of = |policy_yaml: &str| {
        let yaml = service("a", "one")
            + &policy("name: a, namespace: one", &format!("host: a, trafficPolicy: {policy_yaml}"));
        cluster(&World::of(&yaml).from("one"), "a.one").policy.clone()
    };
    let seconds = Duration::from_secs;
    let limits = of(
        "{connectionPool: {tcp: {maxConnections: 1, idleTimeout: 9s, maxConnectionDuration: 90s, tcpKeepalive: {time: 60s, probes: 4}}, \
        http: {http1MaxPendingRequests: 2, http2MaxRequests: 3, maxRequestsPerConnection: 4, maxRetries: 5, maxConcurrentStreams: 6}}, \
        retryBudget: {percent: 12.5}}",
    );
    let bounds = Bounds {
        connections: Some(1),
        pending: Some(2),
        requests: Some(3),
        retries: Some(5),
        retry_budget: Some(RetryBudget { parts_per_million: 125_000, at_least: 3 }),
        requests_per_connection: Some(4),
        streams_per_connection: Some(6),
        connection_duration: Some(seconds(90)),
        idle_timeout: Some(seconds(9)),
        keepalive: Some(Keepalive { probes: Some(4), time: Some(seconds(60)), interval: None }),
    };
    assert_eq!(limits.bounds, bounds);
    // What is 0 is not set.
    let zero =
        "{connectionPool: {tcp: {maxConnections: 0}, http: {maxRetries: 0, maxRequestsPerConnection: 0}}}";
    assert_eq!(of(zero).bounds, Bounds::default());

    let default = Outlier {
        errors: Some(5),
        gateway_errors: None,
        local_failures: None,
        codes: Vec::new(),
        interval: seconds(10),
        base_ejection: seconds(30),
        max_ejected: 10,
        min_healthy: 0,
    };
    assert_eq!(of("{outlierDetection: {}}").outlier, Some(default.clone()));
    let own = of("{outlierDetection: {consecutive5xxErrors: 0, consecutiveGatewayErrors: 2, \
        splitExternalLocalOriginErrors: true, interval: 1s, maxEjectionPercent: 100, minHealthPercent: 50}}");
    let expected = Outlier {
        errors: None,
        gateway_errors: Some(2),
        local_failures: Some(5),
        interval: seconds(1),
        max_ejected: 100,
        min_healthy: 50,
        ..default
    };
    assert_eq!(own.outlier, Some(expected));
    assert!(own.locality.unwrap().fails_over, "localities fail over where failures are noticed");
    assert_eq!((of("{}").outlier, of("{}").locality), (None, None));

    let cookie = of("{loadBalancer: {consistentHash: {httpCookie: {name: user, path: /, ttl: 0s}, \
        maglev: {tableSize: 101}}, warmup: {duration: 60s}}}");
    let key = HashKey::Cookie(HashCookie {
        name: "user".to_owned(),
        path: Some("/".to_owned()),
        ttl: Some(Duration::ZERO),
        attributes: Vec::new(),
    });
    assert_eq!(cookie.hash, Some(ConsistentHash { key, table: HashTable::Maglev(101) }));
    assert_eq!(cookie.warmup, Some(Warmup { window: seconds(60), minimum: 10.0, aggression: 1.0 }));
    let header = of("{loadBalancer: {consistentHash: {httpHeaderName: X-User, minimumRingSize: 64}}}");
    let key = HashKey::Header("x-user".to_owned());
    assert_eq!(header.hash, Some(ConsistentHash { key, table: HashTable::Ring(64) }));

    let table = |more: &str| {
        of(&format!("{{loadBalancer: {{consistentHash: {{useSourceIp: true{more}}}}}}}")).hash.unwrap().table
    };
    assert_eq!((table(""), table(", maglev: {}")), (HashTable::Ring(1024), HashTable::Maglev(65_537)));
    // Without a key a request goes anywhere; a key that is switched off is none.
    for no_key in ["{}", "{useSourceIp: false}", "{httpHeaderName: ''}", "{ringHash: {minimumRingSize: 64}}"]
    {
        let random = of(&format!("{{loadBalancer: {{consistentHash: {no_key}}}}}"));
        assert_eq!((random.hash, random.balancer), (None, Balancer::Random), "{no_key}");
    }
    let zeros =
        of("{outlierDetection: {maxEjectionPercent: 0}, retryBudget: {percent: 0, minRetryConcurrency: 0}}");
    assert_eq!(zeros.outlier.unwrap().max_ejected, 10);
    assert_eq!(zeros.bounds.retry_budget, Some(RetryBudget { parts_per_million: 0, at_least: 3 }));
    assert_eq!(of("{loadBalancer: {simple: LEAST_CONN}}").balancer, Balancer::LeastRequest);
    assert_eq!(of("{}").balancer, Balancer::LeastRequest);

    let spread =
        of("{loadBalancer: {localityLbSetting: {distribute: [{from: a/*, to: {a/b/*: 80, c: 20}}]}}}");
    let to = vec![("a/b/*".to_owned(), 80), ("c".to_owned(), 20)];
    assert_eq!(spread.locality.unwrap().distribute, [("a/*".to_owned(), to)]);
    let off = "{outlierDetection: {}, loadBalancer: {localityLbSetting: {enabled: false}}}";
    assert_eq!(of(off).locality, None);
}

#[test]
fn health_checks_come_from_an_annotation() {
    let yaml = service("a", "one")
        + &policy(
            "name: a, namespace: one, annotations: {meshwright.io/health-check: '{tcp: {}, interval: 5s}'}",
            "host: a",
        );
    let plan = World::of(&yaml).from("one");
    let check = cluster(&plan, "a.one").policy.health.clone().unwrap();
    assert_eq!((check.probe, check.interval), (Probe::Tcp, Duration::from_secs(5)));
}

#[test]
fn what_nobody_says_is_the_meshs() {
    for (rule, expected) in [
        ("", Balancer::RoundRobin),
        ("connectionPool: {http: {maxRetries: 1}}", Balancer::RoundRobin),
        ("loadBalancer: {simple: UNSPECIFIED}", Balancer::RoundRobin),
        ("loadBalancer: {simple: LEAST_REQUEST}", Balancer::LeastRequest),
        ("loadBalancer: {simple: RANDOM}", Balancer::Random),
    ] {
        let rule = if rule.is_empty() {
            String::new()
        } else {
            policy("name: a, namespace: one", &format!("host: a, trafficPolicy: {{{rule}}}"))
        };
        let world = World::with(&(service("a", "one") + &rule), Settings::sample());
        let plan = world.from("one");
        assert_eq!(cluster(&plan, "a.one").policy.balancer, expected, "{rule}");
        let forward = forward(&plan, "a");
        assert_eq!((forward.timeout, forward.mesh_timeout), (Some(Duration::from_secs(15)), true));
    }
}
