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
    let keys = keys(&reading.analysis.mesh, &Settings::default(), &resources, &service);
    look(Rules::new(&reading.analysis.mesh, &service, &keys))
}

/// A service that no rule is for.
const BARE: &str = "bare";

/// `effective, from origin` of a field.
fn effective(reading: &Reading, service: &str, scope: &Scope, label: &str) -> String {
    with(reading, service, |rules| {
        let at = fields().position(|field| field.label == label).unwrap();
        let shown = &rules.shown(scope, &Settings::default())[at];
        format!("{}, from {}", shown.effective, shown.origin)
    })
}

#[test]
fn each_field_says_what_holds_and_where_it_comes_from() {
    let reading = bookinfo(RULE);
    for (subset, port, label, expected) in [
        ("", 0, "Maximum connections", "10, from DestinationRule cart"),
        ("", 0, "Connect timeout, s", "1.5 s, from DestinationRule cart"),
        ("", 0, "Maximum active retries", "no limit, from DestinationRule cart"),
        ("", 0, "Maximum pending requests", "no limit, from default"),
        ("", 0, "Consecutive 5xx errors", "off, from default"),
        ("", 0, "Algorithm", "RANDOM, from DestinationRule cart"),
        // A port's own policy stands in place of the whole one.
        ("", 9080, "Maximum connections", "no limit, from default"),
        ("", 9080, "Eject failing instances", "on, from port 9080"),
        ("", 9080, "Consecutive 5xx errors", "not counted, from port 9080"),
        ("", 9080, "Interval, s", "10 s, from default"),
        ("", 81, "Maximum connections", "10, from DestinationRule cart"),
        // A subset's part stands in place of the rule's.
        ("v1", 0, "Maximum active requests", "3, from subset v1"),
        ("v1", 0, "Maximum connections", "no limit, from default"),
        ("v1", 0, "Algorithm", "RANDOM, from DestinationRule cart"),
        ("v1", 9080, "Eject failing instances", "on, from port 9080"),
        ("v2", 0, "Maximum connections", "10, from DestinationRule cart"),
        ("v2", 9080, "Algorithm", "hash of a cookie, from subset v2, port 9080"),
        ("v2", 9080, "Cookie lifetime, s", "60 s, from subset v2, port 9080"),
        ("v2", 9080, "Maximum connections", "no limit, from default"),
    ] {
        let seen = effective(&reading, "cart", &scope(subset, port), label);
        let expected = expected.replace("60 s", "1 min");
        assert_eq!(seen, expected, "{subset} {port} {label}");
    }
    let none = effective(&reading, BARE, &Scope::default(), "Algorithm");
    assert_eq!(none, "LEAST_REQUEST, from mesh default");
}

#[test]
fn what_is_set_here_stands_in_the_control() {
    let reading = bookinfo(RULE);
    let own = |scope: &Scope, label: &str| {
        with(&reading, "cart", |rules| {
            let at = fields().position(|field| field.label == label).unwrap();
            let shown = rules.shown(scope, &Settings::default()).swap_remove(at);
            (shown.own, shown.visible)
        })
    };
    assert_eq!(own(&Scope::default(), "Connect timeout, s"), ("1.5".to_owned(), true));
    assert_eq!(own(&scope("v1", 0), "Maximum connections"), (String::new(), true));
    assert_eq!(own(&scope("v2", 9080), "Algorithm"), ("httpCookie".to_owned(), true));
    assert_eq!(own(&scope("v2", 9080), "Cookie name"), ("c".to_owned(), true));
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
        assert!(
            after.analysis.sources.0["bare.yaml"].contains(line),
            "{}",
            after.analysis.sources.0["bare.yaml"]
        );
        let here = with(&after, BARE, |rules| rules.shown(&scope("", port), &Settings::default()));
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
            let balancer = find(&rules.layers(&place), "loadBalancer").unwrap().0.clone();
            assert_eq!(table::chosen(table::ALGORITHMS, &balancer).0, choice);
            find(&rules.layers(&place), "loadBalancer").map(|(value, _)| value.clone())
        });
        assert_eq!(found, Some(expected));
    }
    let edit = with(&reading, "cart", |rules| balance(rules, &place, "")).unwrap();
    let after = reading.edited(&[edit], &Settings::default());
    assert_eq!(
        effective(&after, "cart", &place, "Algorithm"),
        "LEAST_REQUEST, from mesh default",
        "the rule has a port 9080"
    );
}

/// The mesh after this was typed into a field of the service `cart`, or why it cannot be.
fn typed(before: &Reading, service: &str, scope: &Scope, path: &str, text: &str) -> Result<Reading, String> {
    let field = fields().find(|field| field.path == path).unwrap();
    let value = value(field.unit, text)?;
    let edit =
        with(before, service, |rules| change(rules, scope, field, value))?.expect("it changes something");
    let after = before.edited(&[edit], &Settings::default());
    assert_eq!(after.unmade, 0);
    Ok(after)
}

/// What stands in the control of a field, and what holds.
fn seen(reading: &Reading, service: &str, scope: &Scope, path: &str) -> (String, String) {
    with(reading, service, |rules| {
        let at = fields().position(|field| field.path == path).unwrap();
        let shown = rules.shown(scope, &Settings::default()).swap_remove(at);
        (
            shown.own,
            format!(
                "{}, from {}{}",
                shown.effective,
                shown.origin,
                if shown.visible { "" } else { " (hidden)" }
            ),
        )
    })
}

#[test]
fn what_is_typed_is_set_and_shown() {
    let all = Scope::default();
    let warmup = "loadBalancer.warmup";
    let locality = "loadBalancer.localityLbSetting";
    for (path, text, own, effective) in [
        (format!("{warmup}.duration"), "30", "30", "30 s"),
        (format!("{warmup}.minimumPercent"), "12.5", "12.5", "12.5"),
        (format!("{locality}.enabled"), "false", "false", "off"),
        (format!("{locality}.failover"), "us -> eu, eu → asia", "us → eu, eu → asia", "us → eu, eu → asia"),
        (
            format!("{locality}.distribute"),
            "us/* → us/*=80 eu/*=20%",
            "us/* → eu/*=20 us/*=80",
            "us/* → eu/*=20 us/*=80",
        ),
        (format!("{locality}.failoverPriority"), "region , zone", "region, zone", "region, zone"),
        ("retryBudget.percent".to_owned(), "20", "20", "20"),
        ("connectionPool.tcp.tcpKeepalive.time".to_owned(), "7.5", "7.5", "7.5 s"),
        ("connectionPool.http.http2KeepAlive.interval".to_owned(), "10", "10", "10 s"),
    ] {
        let after = typed(&bookinfo(RULE), "cart", &all, &path, text).unwrap();
        let expected = (own.to_owned(), format!("{effective}, from DestinationRule cart"));
        assert_eq!(seen(&after, "cart", &all, &path), expected, "{path}");
    }
}

#[test]
fn what_cannot_be_is_said() {
    let reading = bookinfo(RULE);
    let locality = |field: &str| format!("loadBalancer.localityLbSetting.{field}");
    for (path, text, expected) in [
        ("outlierDetection.maxEjectionPercent".to_owned(), "120", "it takes 0 to 100"),
        ("connectionPool.tcp.maxConnections".to_owned(), "1.5", "it takes a whole number, 0 or more"),
        ("connectionPool.tcp.connectTimeout".to_owned(), "-1", "it takes a number, 0 or more"),
        (locality("failover"), "us", "“us” is not of the form a → b"),
        (locality("distribute"), "us/* → us/*=80 eu/*=10", "the shares of “us/*” sum up to 90, not to 100"),
        (locality("distribute"), "us/* → eu/*", "“us/* → eu/*” is not of the form a/* → a/*=80 b/*=20"),
    ] {
        assert_eq!(typed(&reading, "cart", &Scope::default(), &path, text).err().as_deref(), Some(expected));
    }
    let checked = typed(&reading, "cart", &Scope::default(), "healthCheck", "http").unwrap();
    for (path, text, expected) in [
        ("healthCheck.http.path", "healthz", "`path` begins with `/`"),
        ("healthCheck.interval", "0", "`interval` and `timeout` are more than 0"),
    ] {
        assert_eq!(typed(&checked, "cart", &Scope::default(), path, text).err().as_deref(), Some(expected));
    }
}

#[test]
fn health_checks_are_typed_into_their_annotation() {
    let all = Scope::default();
    let text = |reading: &Reading, service: &str| {
        let key = mesh::ResourceKey::new(mesh::Kind::DestinationRule, "default", service);
        let document = reading.analysis.mesh.document(&key).unwrap();
        document.value("metadata.annotations[\"meshwright.io/health-check\"]").cloned()
    };
    for service in ["cart", BARE] {
        let mut reading = bookinfo(RULE);
        assert_eq!(seen(&reading, service, &all, "healthCheck").1, "off, from default");
        assert_eq!(seen(&reading, service, &all, "healthCheck.interval").1, "10 s, from default (hidden)");
        for (path, typing, written) in [
            ("healthCheck", "http", "{http: {}}"),
            ("healthCheck.http.path", "/healthz", "{http: {path: /healthz}}"),
            ("healthCheck.interval", "0.5", "{http: {path: /healthz}, interval: 500ms}"),
            (
                "healthCheck.unhealthyThreshold",
                "1",
                "{http: {path: /healthz}, interval: 500ms, unhealthyThreshold: 1}",
            ),
            ("healthCheck.http.path", "", "{http: {}, interval: 500ms, unhealthyThreshold: 1}"),
            ("healthCheck", "grpc", "{grpc: {}, interval: 500ms, unhealthyThreshold: 1}"),
        ] {
            reading = typed(&reading, service, &all, path, typing).unwrap();
            assert_eq!(text(&reading, service), Some(Value::from(written)));
            assert!(mesh::plan::HealthCheck::parse(written).is_ok());
        }
        let interval = seen(&reading, service, &all, "healthCheck.interval");
        assert_eq!(interval, ("0.5".to_owned(), format!("500 ms, from DestinationRule {service}")));
        assert_eq!(
            seen(&reading, service, &all, "healthCheck").1,
            format!("gRPC, from DestinationRule {service}")
        );
        assert!(
            seen(&reading, service, &scope("", 9080), "healthCheck").1.ends_with("(hidden)"),
            "of ports there are none"
        );
        let without = typed(&reading, service, &all, "healthCheck", "").unwrap();
        assert_eq!(text(&without, service), None);
    }
}

#[test]
fn a_hash_has_one_table() {
    let (place, ring) = (scope("v2", 9080), table::RING);
    let reading = typed(&bookinfo(RULE), "cart", &place, ring, "2048").unwrap();
    assert_eq!(
        seen(&reading, "cart", &place, ring),
        ("2048".to_owned(), "2048, from subset v2, port 9080".to_owned())
    );
    assert_eq!(seen(&reading, "cart", &place, table::MAGLEV).0, "");
    let reading = typed(&reading, "cart", &place, table::MAGLEV, "5003").unwrap();
    assert_eq!(seen(&reading, "cart", &place, table::MAGLEV).0, "5003");
    assert_eq!(seen(&reading, "cart", &place, ring).0, "");
    assert!(seen(&reading, "cart", &Scope::default(), ring).1.ends_with("(hidden)"));
    let path = "loadBalancer.consistentHash.httpCookie.path";
    let reading = typed(&reading, "cart", &place, path, "/cart").unwrap();
    assert_eq!(seen(&reading, "cart", &place, path).0, "/cart");
}
