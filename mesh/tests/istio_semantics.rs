//! Istio's own unit tests, as data: host names, gateway names, delegates, retries.

#![allow(clippy::unwrap_used)]

#[path = "support/data.rs"]
#[allow(dead_code)]
mod data;

use data::{World, gateway, shared_json, workload};
use mesh::host;
use mesh::plan::{Action, Plan, Retry, RetryOn, merge_delegate};
use mesh::resource::HttpRoute;
use serde_json::{Value, json};

fn cases(name: &str) -> Vec<Value> {
    let file = shared_json(&format!("istio/semantics/{name}.json"));
    file.map_or_else(Vec::new, |file| file["cases"].as_array().unwrap().clone())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().map_or_else(Vec::new, |list| list.iter().map(|it| text(it).to_owned()).collect())
}

#[test]
fn host_names() {
    for case in cases("host_name_matches") {
        assert_eq!(host::matches(text(&case["a"]), text(&case["b"])), case["out"], "{case}");
    }
    for case in cases("host_name_subset_of") {
        assert_eq!(host::subset_of(text(&case["a"]), text(&case["b"])), case["out"], "{case}");
    }
    for case in cases("host_more_specific") {
        let order = host::compare(text(&case["host1"]), text(&case["host2"]));
        // Istio calls two empty names both the more specific one.
        assert_eq!(
            order.is_lt() || (order.is_eq() && text(&case["host1"]).is_empty()),
            case["expected"],
            "{case}"
        );
    }
    for case in cases("hosts_sort_order") {
        let mut hosts = texts(&case["in"]);
        hosts.sort_by(|a, b| host::compare(a, b));
        assert_eq!(hosts, texts(&case["want"]), "{case}");
    }
    for case in cases("hosts_intersection") {
        let (a, b) = (texts(&case["a"]), texts(&case["b"]));
        let (a, b): (Vec<&str>, Vec<&str>) =
            (a.iter().map(String::as_str).collect(), b.iter().map(String::as_str).collect());
        assert_eq!(host::intersection(&a, &b), texts(&case["intersection"]), "{case}");
    }
    for case in cases("hosts_for_namespace") {
        let hosts = texts(&case["hosts"]);
        assert_eq!(host::for_namespace(&hosts, text(&case["namespace"]), ""), texts(&case["want"]), "{case}");
    }
    for case in cases("most_specific_host_match") {
        let mut map = host::HostMap::default();
        for host in texts(&case["in"]) {
            map.entry(&host, || host.clone());
        }
        let found = map.find(text(&case["needle"])).map_or("", String::as_str);
        assert_eq!(found, text(&case["want"]), "{case}");
    }
    for case in cases("shortname_to_fqdn") {
        let meta = &case["meta"];
        let full = host::qualify(text(&case["name"]), text(&meta["Namespace"]), text(&meta["Domain"]));
        assert_eq!(full, text(&case["out"]), "{case}");
    }
    for case in cases("gateway_name_resolution") {
        let full = host::qualify_gateway(text(&case["gateway"]), text(&case["namespace"]));
        assert_eq!(full, text(&case["resolved"]), "{case}");
    }
}

fn route(matches: &Value) -> HttpRoute {
    serde_json::from_value(json!({ "match": matches })).unwrap()
}

#[test]
fn delegates_merge() {
    for case in cases("delegate_has_conflict") {
        let merged = merge_delegate(&route(&json!([case["root"]])), &[route(&json!([case["leaf"]]))]);
        assert_eq!(merged.is_empty(), case["expected"], "{case}");
    }
    for case in cases("delegate_merge_match_requests") {
        let merged = merge_delegate(&route(&case["root"]), &[route(&case["delegate"])]);
        let merged = merged.first().map_or(Value::Null, |it| serde_json::to_value(&it.r#match).unwrap());
        assert_eq!(merged, case["expected"], "{case}");
    }
    for case in cases("delegate_merge_http_routes") {
        let root: HttpRoute = serde_json::from_value(case["root"].clone()).unwrap();
        let delegate: Vec<HttpRoute> = serde_json::from_value(case["delegate"].clone()).unwrap();
        let merged = serde_json::to_value(merge_delegate(&root, &delegate)).unwrap();
        assert_eq!(merged, case["expected"], "{case}");
    }
}

/// Routes of the gateway that the only VirtualService with hosts is bound to, without what says where they are written.
fn gateway_routes(yaml: &str) -> (Vec<Value>, Plan) {
    let gateways = ["default", "istio-system"].map(|namespace| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: gateway, namespace: {namespace}}}\n\
             spec: {{servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ['*']}}]}}\n"
        )
    });
    let world = World::of(format!("{yaml}{}", gateways.concat()));
    let (_, root) = world.mesh.virtual_services().find(|(_, service)| !service.hosts.is_empty()).unwrap();
    let (namespace, name) = root.gateways[0].split_once('/').unwrap();
    let plan = world.plan(&gateway(namespace, name));
    let routes = plan.listeners[0].hosts.list[0].routes.iter().map(|route| {
        let mut route = serde_json::to_value(route).unwrap();
        route["key"] = Value::Null;
        route
    });
    (routes.collect(), plan.clone())
}

#[test]
fn delegates_are_resolved() {
    for case in cases("delegate_controller_merge") {
        let (routes, plan) = gateway_routes(text(&case["input"]));
        let (expected, expected_plan) = gateway_routes(text(&case["expectedMerged"]));
        assert_eq!(routes, expected, "{}", case["name"]);
        assert_eq!(plan.clusters, expected_plan.clusters, "{}", case["name"]);
    }
}

#[test]
fn retries() {
    for case in cases("retry_policy") {
        let expected = &case["expected"];
        let retry = retry_of(&case["retries"]);
        let Some(retry) = retry else {
            assert!(expected.is_null(), "{case}");
            continue;
        };
        if let Some(on) = expected["retry_on"].as_str() {
            let mut wanted = RetryOn::parse(on);
            let codes = expected["retriable_status_codes"].as_array().into_iter().flatten();
            wanted.status_codes = codes.map(|code| u16::try_from(code.as_u64().unwrap()).unwrap()).collect();
            assert_eq!(retry.on, wanted, "{case}");
        }
        if let Some(attempts) = expected["num_retries"].as_u64() {
            assert_eq!(u64::from(retry.attempts), attempts, "{case}");
        }
        if expected.get("per_try_timeout").is_some_and(Value::is_null) {
            assert_eq!(retry.per_try_timeout, None, "{case}");
        }
        if let Some(previous) = expected["previous_hosts"].as_bool() {
            assert_eq!(retry.ignore_previous_hosts, previous, "{case}");
        }
    }
    assert_eq!(retry_of(&json!({"attempts": 0})), None);
    let default = retry_of(&Value::Null).unwrap();
    assert_eq!((default.attempts, default.on), (2, RetryOn::istio_default()));
}

fn retry_of(retries: &Value) -> Option<Retry> {
    let service = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "a"},
        "spec": {"hosts": ["a.com"], "http": [{"route": [{"destination": {"host": "a.com"}}], "retries": retries}]},
    });
    let world = World::of(service.to_string());
    let plan = world.plan(&workload("default", "any"));
    match &plan.listeners[0].hosts.list[0].routes[0].action {
        Action::Forward(forward) => forward.retries.clone(),
        other => panic!("{other:?}"),
    }
}
