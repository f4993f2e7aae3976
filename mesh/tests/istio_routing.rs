//! Istio's routing simulations, as data: which cluster a call reaches through a gateway or from a sidecar.
//!
//! Intended differences, each skipped below with its reason:
//!
//! | what | why |
//! | --- | --- |
//! | `internal.istio.io/gateway-service` | set by Istio's own Ingress and Gateway API controllers, never by people |
//! | two Gateways that want the same port of one workload | each Gateway has ports of its own here, and a diagnostic says so |
//! | the `Sidecar` resource | not one of the resources that Meshwright knows: it stays in the file, without effect |

#![allow(clippy::unwrap_used)]

#[path = "support/data.rs"]
#[allow(dead_code)]
mod data;

use std::borrow::Cow;

use data::{World, gateway, shared_json, workload};
use mesh::Plan;
use mesh::plan::{Action, ClusterKey};
use mesh::route::{self, Connection, Decision, Draws, Request};
use serde_json::Value;

struct Call<'a> {
    method: &'a str,
    scheme: &'a str,
    host: &'a str,
    path: &'a str,
    headers: &'a Value,
}

impl Request for Call<'_> {
    fn method(&self) -> &str {
        self.method
    }
    fn scheme(&self) -> &str {
        self.scheme
    }
    fn authority(&self) -> &str {
        self.host
    }
    fn path(&self) -> &str {
        self.path
    }
    fn header<'r>(&'r self, name: &'r str) -> impl Iterator<Item = Cow<'r, str>> {
        self.headers[name].as_str().map(Cow::Borrowed).into_iter()
    }
}

/// What a call meets, in the words of Istio's simulations.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Met {
    NoListener,
    NoVirtualHost,
    NoRoute,
    TlsRedirect,
    Cluster(ClusterKey, Option<String>),
}

/// A connection that is no plain HTTP: TLS that is not opened, or bytes.
fn pass(plan: &Plan, port: u16, call: &Value) -> Option<Met> {
    let Some(listener) = plan.listener(port) else { return Some(Met::NoListener) };
    let sni = call["host"].as_str().filter(|_| call["tls"].is_string());
    let opened = route::tls_server(listener, sni).is_some_and(|at| !listener.tls[at].passes());
    if opened || (call["protocol"] != "TCP" && sni.is_none()) {
        return None;
    }
    let connection = Connection { sni, destination: None, ..Connection::default() };
    let passage = route::connection(listener, &connection, Draws::default());
    let met = |it: route::Passage<'_>| {
        Met::Cluster(plan.clusters[it.destination.cluster.0 as usize].key.clone(), None)
    };
    Some(passage.map_or(Met::NoRoute, met))
}

fn meet(plan: &Plan, port: u16, call: &Call<'_>) -> Met {
    let Some(listener) = plan.listener(port) else { return Met::NoListener };
    match route::route(listener, call, Draws::default()) {
        Decision::NoHost => Met::NoVirtualHost,
        Decision::NoRoute(_) => Met::NoRoute,
        Decision::Redirect(..) => Met::TlsRedirect,
        Decision::Forward(chosen, _, destination) => {
            let key = plan.clusters[destination.cluster.0 as usize].key.clone();
            Met::Cluster(key, chosen.route.name.clone())
        }
        Decision::Direct(..) => panic!("no simulation answers"),
    }
}

/// `outbound|80|subset|host`.
fn key(cluster: &str) -> ClusterKey {
    let parts: Vec<&str> = cluster.split('|').collect();
    let subset = Some(parts[2].to_owned()).filter(|subset| !subset.is_empty());
    // Istio's simulation of gateways has no domain.
    let short = parts[3].split('.').count() == 2 && !parts[3].ends_with(".com");
    let host = if short { format!("{}.svc.cluster.local", parts[3]) } else { parts[3].to_owned() };
    ClusterKey { host, subset, port: parts[1].parse().unwrap() }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn call_of(call: &Value) -> Call<'_> {
    Call {
        method: "GET",
        scheme: if call["tls"].is_string() { "https" } else { "http" },
        host: call["host"].as_str().unwrap_or(""),
        path: call["path"].as_str().unwrap_or("/"),
        headers: &Value::Null,
    }
}

#[test]
fn gateways() {
    let Some(cases) = shared_json("istio/routing/gateway_simulation.json") else { return };
    let mut checked = 0;
    for case in array(&cases) {
        let name = case["name"].as_str().unwrap();
        let config = case["config"].as_str().unwrap();
        if config.contains("internal.istio.io/gateway-service") || name.ends_with("gateway collision") {
            println!("intended difference: {name}");
            continue;
        }
        let world = World::of(config);
        let labels = case["proxy"]["labels"].as_object().unwrap();
        let selected = world.registry.gateways().iter().filter(|gateway| {
            gateway.selector.iter().all(|(key, value)| labels.get(key).and_then(Value::as_str) == Some(value))
        });
        // Gateways that the same workload runs share its ports: the one that knows most about a call answers it.
        let plans: Vec<Plan> = selected.map(|it| world.plan(&gateway(&it.namespace, &it.name))).collect();
        for entry in array(&case["calls"]) {
            let (call, expect) = (&entry["call"], &entry["expect"]);
            let port = u16::try_from(call["port"].as_u64().unwrap()).unwrap();
            let met = |plan| pass(plan, port, call).unwrap_or_else(|| meet(plan, port, &call_of(call)));
            let met = plans.iter().map(met).max().unwrap();
            let expected = match (expect["error"].as_str(), expect["cluster"].as_str()) {
                (Some("ErrNoListener"), _) => Met::NoListener,
                (Some("ErrNoVirtualHost"), _) => Met::NoVirtualHost,
                (Some("ErrNoRoute"), _) => Met::NoRoute,
                (Some("ErrTLSRedirect"), _) => Met::TlsRedirect,
                (None, Some(cluster)) => Met::Cluster(key(cluster), None),
                other => panic!("{name}: {other:?}"),
            };
            assert_eq!(met, expected, "{name}/{}", entry["name"]);
            checked += 1;
        }
    }
    assert!(checked >= 13, "{checked}");
}

#[test]
fn sidecars() {
    let Some(cases) = shared_json("istio/routing/sidecar_simulation.json") else { return };
    let mut checked = 0;
    for case in array(&cases) {
        let world = World::of(case["config"].as_str().unwrap());
        let plan = world.plan(&workload(case["proxy"]["namespace"].as_str().unwrap(), "any"));
        for entry in array(&case["calls"]) {
            let (call, expect) = (&entry["call"], &entry["expect"]);
            let port = u16::try_from(call["port"].as_u64().unwrap()).unwrap();
            let name = expect["route"].as_str().filter(|name| *name != "default").map(str::to_owned);
            let expected = Met::Cluster(key(expect["cluster"].as_str().unwrap()), name);
            let met = pass(&plan, port, call).unwrap_or_else(|| meet(&plan, port, &call_of(call)));
            assert_eq!(met, expected, "{}/{}", case["name"], entry["name"]);
            checked += 1;
        }
    }
    assert!(checked >= 8, "{checked}");
}

#[test]
fn precedence_of_virtual_services() {
    let Some(cases) = shared_json("istio/routing/sidecar_routes_precedence.json") else { return };
    let mut checked = 0;
    for case in array(&cases) {
        let name = case["name"].as_str().unwrap();
        let Some(expected) = case["expectedVirtualHosts"].as_object() else {
            println!("intended difference: {name}");
            continue;
        };
        let world = World::of(case["config"].as_str().unwrap());
        let plan = world.plan(&workload(case["proxyNamespace"].as_str().unwrap(), "any"));
        let listener = plan.listener(u16::try_from(case["port"].as_u64().unwrap()).unwrap());
        for (host, clusters) in expected {
            let found = listener.and_then(|it| it.hosts.list.iter().find(|it| it.name == *host));
            let reached = found.map(|host| {
                let routes = host.routes.iter().flat_map(|route| match &route.action {
                    Action::Forward(forward) => forward.destinations.as_slice(),
                    Action::Redirect(_) | Action::Direct(_) => &[],
                });
                routes.map(|it| plan.clusters[it.cluster.0 as usize].key.clone()).collect::<Vec<_>>()
            });
            let wanted =
                clusters.as_array().map(|list| list.iter().map(|it| key(it.as_str().unwrap())).collect());
            assert_eq!(reached, wanted, "{name}: {host}");
            checked += 1;
        }
    }
    assert!(checked >= 15, "{checked}");
}

/// The end-to-end tests, as far as a plan decides them: status, shares, authority, path, mirror.
#[test]
fn end_to_end_cases() {
    let Some(cases) = shared_json("istio/traffic.json") else { return };
    for case in array(&cases) {
        let name = case["name"].as_str().unwrap();
        let service = |name: &Value| {
            let name = name.as_str().unwrap();
            format!(
                "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{ports: [{{port: 80, name: http}}]}}\n"
            )
        };
        let services: String = array(&case["backends"]).iter().map(service).collect();
        let world = World::of(format!("{}\n{services}", case["config"].as_str().unwrap()));
        let source = match case["via"].as_str() {
            Some("gateway") => gateway("default", "gateway"),
            _ => workload("default", "a"),
        };
        let plan = world.plan(&source);
        for entry in array(&case["calls"]) {
            check_call(&plan, &entry["request"], &entry["expect"], name);
        }
    }
}

fn check_call(plan: &Plan, request: &Value, expect: &Value, name: &str) {
    let mut path = request["path"].as_str().unwrap().to_owned();
    let mut host = request["host"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        let method = request["method"].as_str().unwrap();
        let call = Call { method, scheme: "http", host: &host, path: &path, headers: &request["headers"] };
        let decision = route::route(plan.listener(80).unwrap(), &call, Draws::default());
        let status = match (&decision, decision.chosen().and_then(|chosen| chosen.abort)) {
            (_, Some(mesh::plan::AbortWith::Http(status))) => status,
            (Decision::NoRoute(_) | Decision::NoHost, _) => 404,
            (Decision::Redirect(_, redirect), _) => redirect.status,
            _ => 200,
        };
        if let (Decision::Redirect(..), Some(true)) = (&decision, request["follow_redirects"].as_bool()) {
            let location = route::location(&decision, &call).unwrap();
            let (authority, rest) = location.strip_prefix("http://").unwrap().split_once('/').unwrap();
            (host, path) = (authority.to_owned(), format!("/{rest}"));
            continue;
        }
        assert_eq!(u64::from(status), expect["status"].as_u64().unwrap(), "{name}");
        if let Some(upstream) = expect["upstream_host"].as_str() {
            assert_eq!(route::authority(&decision), Some(upstream), "{name}");
        }
        if let Some(upstream) = expect["upstream_url"].as_str() {
            assert_eq!(route::rewrite_path(&decision, &path).unwrap_or(path), upstream, "{name}");
        }
        let Decision::Forward(_, forward, _) = &decision else { return };
        let short = |id: mesh::plan::ClusterId| {
            plan.clusters[id.0 as usize].key.host.split('.').next().unwrap().to_owned()
        };
        if let Some(distribution) = expect["distribution"].as_object() {
            for destination in &forward.destinations {
                let share = u64::from(destination.weight) * 100 / forward.total_weight;
                assert_eq!(distribution[&short(destination.cluster)], share, "{name}");
            }
        }
        if let Some(percent) = expect["mirrored_percent"].as_u64() {
            let shares: Vec<(String, u64)> = forward
                .mirrors
                .iter()
                .map(|mirror| (short(mirror.cluster), u64::from(mirror.parts_per_million) / 10_000))
                .collect();
            let wanted = (expect["mirrored_to"].as_str().unwrap().to_owned(), percent);
            assert_eq!(shares, if percent > 0 { vec![wanted] } else { vec![] }, "{name}");
        }
        return;
    }
    panic!("{name}: redirected for ever");
}
