//! What holds and where it comes from, and where edits go.

use mesh::Edit;
use serde_json::{Value, json};

use super::*;
use crate::fixture::{bookinfo, host};
use crate::reading::Reading;

const RULE: &str = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: cart}
spec:
  hosts: [cart.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 81, name: tcp, protocol: HTTP}, {number: 9080, name: http, protocol: HTTP}]
  endpoints:
  - {address: 10.0.0.1, labels: {version: v1}}
  - {address: 10.0.0.2, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: bare}
spec:
  hosts: [bare.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 9080, name: http, protocol: HTTP}]
  endpoints: [{address: 10.0.0.3}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cart}
spec:
  host: cart
  trafficPolicy:
    connectionPool:
      tcp: {maxConnections: 10, connectTimeout: 1500ms}
      http: {maxRetries: 0}
    loadBalancer: {simple: RANDOM}
    tls: {mode: SIMPLE}
    portLevelSettings:
    - port: {number: 9080}
      outlierDetection: {consecutive5xxErrors: 0}
  subsets:
  - name: v1
    labels: {version: v1}
    trafficPolicy:
      connectionPool: {http: {http2MaxRequests: 3}}
  - name: v2
    labels: {version: v2}
    trafficPolicy:
      portLevelSettings:
      - port: {number: 9080}
        loadBalancer: {consistentHash: {httpCookie: {name: c, ttl: 60s}, maglev: {}}}
";

fn scope(subset: &str, port: u16) -> Scope {
    Scope {
        subset: Some(subset.to_owned()).filter(|subset| !subset.is_empty()),
        port: Some(port).filter(|port| *port > 0),
    }
}

fn with<T>(reading: &Reading, service: &str, look: impl FnOnce(Rules<'_>) -> T) -> T {
    let service = host(service);
    let resources: Vec<_> = reading.catalog.policies.find(&service).into_iter().cloned().collect();
    let keys = keys(&reading.mesh, &Settings::default(), &resources, &service);
    look(Rules::new(&reading.mesh, &service, &keys))
}

/// A service that no rule is for.
const BARE: &str = "bare";

/// `effective, from origin` of a field.
fn effective(reading: &Reading, service: &str, scope: &Scope, label: &str) -> String {
    with(reading, service, |rules| {
        let at = fields().position(|field| field.label == label).unwrap();
        let shown = &rules.shown(scope)[at];
        format!("{}, from {}", shown.effective, shown.origin)
    })
}

#[test]
fn each_field_says_what_holds_and_where_it_comes_from() {
    let reading = bookinfo(RULE);
    for (subset, port, label, expected) in [
        ("", 0, "Connections", "10, from DestinationRule cart"),
        ("", 0, "Connect timeout, s", "1.5 s, from DestinationRule cart"),
        ("", 0, "Retries under way", "no limit, from DestinationRule cart"),
        ("", 0, "Waiting requests", "no limit, from default"),
        ("", 0, "5xx in a row", "off, from default"),
        ("", 0, "Algorithm", "RANDOM, from DestinationRule cart"),
        // A port's own policy stands in place of the whole one.
        ("", 9080, "Connections", "no limit, from default"),
        ("", 9080, "Eject instances that fail", "on, from port 9080"),
        ("", 9080, "5xx in a row", "not counted, from port 9080"),
        ("", 9080, "Interval, s", "10 s, from default"),
        ("", 81, "Connections", "10, from DestinationRule cart"),
        // A subset's part stands in place of the rule's.
        ("v1", 0, "Requests under way", "3, from subset v1"),
        ("v1", 0, "Connections", "no limit, from default"),
        ("v1", 0, "Algorithm", "RANDOM, from DestinationRule cart"),
        ("v1", 9080, "Eject instances that fail", "on, from port 9080"),
        ("v2", 0, "Connections", "10, from DestinationRule cart"),
        ("v2", 9080, "Algorithm", "hash of a cookie, from subset v2, port 9080"),
        ("v2", 9080, "Life of the cookie, s", "60 s, from subset v2, port 9080"),
        ("v2", 9080, "Connections", "no limit, from default"),
    ] {
        let seen = effective(&reading, "cart", &scope(subset, port), label);
        let expected = expected.replace("60 s", "1 min");
        assert_eq!(seen, expected, "{subset} {port} {label}");
    }
    let none = effective(&reading, BARE, &Scope::default(), "Algorithm");
    assert_eq!(none, "LEAST_REQUEST, from default");
}

#[test]
fn what_is_set_here_stands_in_the_control() {
    let reading = bookinfo(RULE);
    let own = |scope: &Scope, label: &str| {
        with(&reading, "cart", |rules| {
            let at = fields().position(|field| field.label == label).unwrap();
            let shown = rules.shown(scope).swap_remove(at);
            (shown.own, shown.visible)
        })
    };
    assert_eq!(own(&Scope::default(), "Connect timeout, s"), ("1.5".to_owned(), true));
    assert_eq!(own(&scope("v1", 0), "Connections"), (String::new(), true));
    assert_eq!(own(&scope("v2", 9080), "Algorithm"), ("httpCookie".to_owned(), true));
    assert_eq!(own(&scope("v2", 9080), "Cookie"), ("c".to_owned(), true));
    assert_eq!(own(&scope("v2", 9080), "Header"), (String::new(), false));
}

#[test]
fn a_policy_is_for_the_service_its_subsets_and_ports() {
    let reading = bookinfo(RULE);
    let words = |service: &str| {
        with(&reading, service, |rules| {
            rules.scopes(&[9080]).iter().map(Scope::words).collect::<Vec<_>>().join(" | ")
        })
    };
    assert_eq!(words("cart"), " | subset v1 | subset v2 | port 9080 | subset v2, port 9080");
    assert_eq!(words(BARE), " | port 9080");
}

/// Path and value of each field that the edit sets, and that the mesh then says so.
fn set(service: &str, scope: &Scope, path: &str, value: Option<Value>) -> Vec<(String, Option<Value>)> {
    let reading = bookinfo(RULE);
    match with(&reading, service, |rules| edit(rules, scope, path, value)) {
        Some(edit @ Edit::SetFields { .. }) => {
            let after = reading.edited(std::slice::from_ref(&edit), &Settings::default());
            assert_eq!(after.unmade, 0);
            let Edit::SetFields { fields, .. } = edit else { return Vec::new() };
            fields.into_iter().map(|field| (field.path, field.value)).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn edits_name_as_little_as_they_change() {
    let (rule, v1, v2) =
        ("spec.trafficPolicy", "spec.subsets[0].trafficPolicy", "spec.subsets[1].trafficPolicy");
    let connections = "connectionPool.tcp.maxConnections";
    let all = Scope::default();
    for (scope, path, value, at, written) in [
        (&all, connections, Some(json!(5)), format!("{rule}.{connections}"), Some(json!(5))),
        (
            &all,
            "outlierDetection.interval",
            Some(json!("5s")),
            format!("{rule}.outlierDetection.interval"),
            Some(json!("5s")),
        ),
        (&all, connections, None, format!("{rule}.{connections}"), None),
        // What is empty without the field goes with it.
        (&all, "connectionPool.http.maxRetries", None, format!("{rule}.connectionPool.http"), None),
        (&scope("v1", 0), "connectionPool.http.http2MaxRequests", None, v1.to_owned(), None),
        (
            &scope("", 9080),
            "outlierDetection.consecutive5xxErrors",
            None,
            format!("{rule}.portLevelSettings[0].outlierDetection.consecutive5xxErrors"),
            None,
        ),
        (&scope("", 9080), "outlierDetection", None, format!("{rule}.portLevelSettings"), None),
        // What begins takes along what held.
        (
            &scope("v2", 0),
            connections,
            Some(json!(5)),
            format!("{v2}.connectionPool"),
            Some(
                json!({"tcp": {"maxConnections": 5, "connectTimeout": "1500ms"}, "http": {"maxRetries": 0}}),
            ),
        ),
        (
            &scope("", 81),
            connections,
            Some(json!(5)),
            format!("{rule}.portLevelSettings[1]"),
            Some(json!({
                "port": {"number": 81},
                "loadBalancer": {"simple": "RANDOM"},
                "connectionPool": {"tcp": {"maxConnections": 5, "connectTimeout": "1500ms"}, "http": {"maxRetries": 0}},
                "tls": {"mode": "SIMPLE"},
            })),
        ),
        (
            &scope("v1", 81),
            "outlierDetection",
            Some(json!({})),
            format!("{v1}.portLevelSettings"),
            Some(json!([{
                "port": {"number": 81},
                "loadBalancer": {"simple": "RANDOM"},
                "connectionPool": {"http": {"http2MaxRequests": 3}},
                "outlierDetection": {},
                "tls": {"mode": "SIMPLE"},
            }])),
        ),
        (
            &scope("v1", 9080),
            "outlierDetection",
            Some(json!({})),
            format!("{v1}.portLevelSettings"),
            Some(json!([{
                "port": {"number": 9080},
                "connectionPool": {"http": {"http2MaxRequests": 3}},
                "outlierDetection": {"consecutive5xxErrors": 0},
            }])),
        ),
    ] {
        assert_eq!(set("cart", scope, path, value), [(at, written)], "{scope:?} {path}");
    }
    assert!(set("cart", &all, connections, Some(json!(10))).is_empty(), "it is so already");
    assert!(set("cart", &scope("v1", 0), connections, None).is_empty(), "it is not set there");
}

#[test]
fn a_service_without_a_rule_gets_one() {
    let reading = bookinfo(RULE);
    for (port, path, value, line) in [
        (0, "connectionPool.http.http2MaxRequests", json!(1), "        http2MaxRequests: 1\n"),
        (9080, "outlierDetection", json!({}), "        number: 9080\n"),
    ] {
        let edit = with(&reading, BARE, |rules| edit(rules, &scope("", port), path, Some(value))).unwrap();
        let after = reading.edited(&[edit], &Settings::default());
        assert_eq!(after.unmade, 0);
        assert!(after.sources.0["bare.yaml"].contains(line), "{}", after.sources.0["bare.yaml"]);
        let here = with(&after, BARE, |rules| rules.shown(&scope("", port)));
        assert!(here.iter().any(|shown| !shown.own.is_empty()));
    }
}

#[test]
fn another_algorithm_leaves_the_rest() {
    let mut reading = bookinfo(RULE);
    let place = scope("v2", 9080);
    for (choice, expected) in [
        ("httpHeaderName", json!({"consistentHash": {"maglev": {}, "httpHeaderName": "x-user"}})),
        ("useSourceIp", json!({"consistentHash": {"maglev": {}, "useSourceIp": true}})),
        ("ROUND_ROBIN", json!({"simple": "ROUND_ROBIN"})),
        ("httpCookie", json!({"consistentHash": {"httpCookie": {"name": "session", "ttl": "0s"}}})),
    ] {
        let edit = with(&reading, "cart", |rules| balance(rules, &place, choice)).unwrap();
        reading = reading.edited(&[edit], &Settings::default());
        let found = with(&reading, "cart", |rules| {
            assert_eq!(table::algorithm(find(&rules.layers(&place), "loadBalancer").unwrap().0), choice);
            find(&rules.layers(&place), "loadBalancer").map(|(value, _)| value.clone())
        });
        assert_eq!(found, Some(expected));
    }
    let edit = with(&reading, "cart", |rules| balance(rules, &place, "")).unwrap();
    let after = reading.edited(&[edit], &Settings::default());
    assert_eq!(
        effective(&after, "cart", &place, "Algorithm"),
        "LEAST_REQUEST, from default",
        "the rule has a port 9080"
    );
}
