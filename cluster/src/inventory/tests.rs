use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::{Value, json};

use super::*;

fn named(name: &str) -> Named {
    ("shop".to_owned(), name.to_owned())
}

fn service(platform: &mut Platform, name: &str) {
    let service = json!({"metadata": {"name": name, "namespace": "shop"}, "spec": {
        "clusterIP": "10.96.0.7", "selector": {"app": name},
        "ports": [{"name": "http", "port": 80, "targetPort": 9080, "protocol": "TCP"}]}});
    platform.set_service(named(name), &serde_json::from_value(service).unwrap());
}

fn pod(platform: &mut Platform, name: &str, phase: &str, node: &str) {
    let (set, _) = name.rsplit_once('-').unwrap();
    let (deployment, hash) = set.rsplit_once('-').unwrap();
    let version = deployment.rsplit_once('-').unwrap().1;
    let pod = json!({"metadata": {"name": name, "namespace": "shop",
            "labels": {"app": "reviews", "version": version, "pod-template-hash": hash},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set, "uid": "u", "controller": true}]},
        "spec": {"nodeName": node, "containers": []}, "status": {"phase": phase}});
    platform.set_pod(named(name), Pod::of(&serde_json::from_value(pod).unwrap()));
}

fn slice(platform: &mut Platform, name: &str, service: &str, endpoints: &[(&str, &str, Option<bool>)]) {
    let endpoints: Vec<Value> = endpoints
        .iter()
        .map(|(address, pod, ready)| {
            json!({"addresses": [address], "conditions": {"ready": ready}, "zone": "z",
            "targetRef": {"kind": "Pod", "name": pod, "namespace": "shop"}})
        })
        .collect();
    let slice = json!({"metadata": {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4", "ports": [{"name": "http", "port": 9080}], "endpoints": endpoints});
    let slice: EndpointSlice = serde_json::from_value(slice).unwrap();
    platform.set_slice(named(name), Slice::of(&slice).unwrap());
}

/// Address, workload, version and locality of what serves reviews.
fn endpoints(inventory: &Inventory) -> Vec<[&str; 4]> {
    let all = inventory.services[0].endpoints.get("http").into_iter().flatten();
    all.map(|it| [it.address.as_str(), it.workload.as_str(), it.version(), it.locality.as_str()]).collect()
}

#[test]
fn endpoints_are_those_that_are_ready_with_what_their_pods_say() {
    let mut platform = Platform::default();
    service(&mut platform, "reviews");
    pod(&mut platform, "reviews-v1-5d-a", "Running", "n1");
    pod(&mut platform, "reviews-v2-6e-b", "Running", "n2");
    platform.set_node("n1", &BTreeMap::from([("topology.kubernetes.io/region".to_owned(), "eu".to_owned())]));
    slice(
        &mut platform,
        "s1",
        "reviews",
        &[("10.0.0.1", "reviews-v1-5d-a", Some(true)), ("10.0.0.3", "gone-v1-1-a", None)],
    );
    slice(&mut platform, "s2", "reviews", &[("10.0.0.2", "reviews-v2-6e-b", Some(false))]);
    let first = platform.changed().unwrap();
    let v1 = ["10.0.0.1", "reviews-v1", "v1", "eu"];
    let unknown = ["10.0.0.3", "gone-v1-1-a", "", "/z"];
    assert_eq!(endpoints(&first), [v1, unknown]);
    let names: Vec<_> = first.workloads.iter().map(|it| (it.name.as_str(), it.locality.as_str())).collect();
    assert_eq!(names, [("reviews-v1", "eu"), ("reviews-v2", "")]);
    assert!(!first.workloads[0].labels.contains_key("pod-template-hash"));
    assert_eq!(platform.changed(), None);

    // Becomes ready; and a pod's labels become known after its slice.
    slice(&mut platform, "s2", "reviews", &[("10.0.0.2", "reviews-v2-6e-b", Some(true))]);
    assert_eq!(
        endpoints(&platform.changed().unwrap()),
        [v1, ["10.0.0.2", "reviews-v2", "v2", "/z"], unknown]
    );
    pod(&mut platform, "gone-v1-1-a", "Running", "n2");
    assert_eq!(endpoints(&platform.changed().unwrap())[2], ["10.0.0.3", "gone-v1", "v1", "/z"]);
    // Goes.
    platform.remove_slice(&named("s1"));
    assert_eq!(endpoints(&platform.changed().unwrap()).len(), 1);
    platform.remove_service(&named("reviews"));
    assert_eq!(platform.changed().unwrap().services.len(), 0);
}

#[test]
fn a_workload_is_there_as_long_as_one_of_its_pods() {
    let mut platform = Platform::default();
    for name in ["reviews-v1-5d-a", "reviews-v1-5d-b"] {
        pod(&mut platform, name, "Running", "n");
    }
    assert_eq!(platform.changed().unwrap().workloads.len(), 1);
    // The same again is no news, and neither is one pod of two that goes.
    pod(&mut platform, "reviews-v1-5d-a", "Running", "n");
    assert_eq!(platform.changed(), None);
    platform.remove_pod(&named("reviews-v1-5d-a"));
    assert_eq!(platform.changed(), None);
    pod(&mut platform, "reviews-v1-5d-b", "Succeeded", "n");
    assert_eq!(platform.changed().unwrap().workloads.len(), 0);
}

#[test]
fn workloads_are_named_as_istio_names_them() {
    let name = |owner: Value, labels: Value| {
        let pod = json!({"metadata": {"name": "p", "namespace": "shop", "labels": labels, "ownerReferences": owner},
            "spec": {"containers": []}});
        Pod::of(&serde_json::from_value(pod).unwrap()).workload
    };
    let owner = |kind: &str, name: &str| json!([{"apiVersion": "v1", "kind": kind, "name": name, "uid": "u", "controller": true}]);
    let hash = json!({"pod-template-hash": "5d8f"});
    assert_eq!(name(owner("ReplicaSet", "reviews-v1-5d8f"), hash.clone()), "reviews-v1");
    assert_eq!(name(owner("ReplicaSet", "bare"), hash), "bare");
    assert_eq!(name(owner("ReplicaSet", "reviews-v1-5d8f"), json!({})), "reviews-v1-5d8f");
    assert_eq!(name(owner("StatefulSet", "db"), json!({})), "db");
    assert_eq!(name(owner("Job", "report-28471180"), json!({})), "report");
    assert_eq!(name(owner("Job", "report-once"), json!({})), "report-once");
    assert_eq!(name(Value::Null, json!({})), "p");
    assert_eq!(name(Value::Null, json!({"service.istio.io/workload-name": "mine"})), "mine");
}
