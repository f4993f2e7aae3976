//! Registries from small meshes.

use super::*;
use crate::Sources;

fn registry(yaml: &str) -> Registry {
    Registry::of(
        &Mesh::parse(&Sources::single("mesh.yaml", yaml)).mesh,
        &crate::Inventory::default(),
        &Settings::default(),
    )
}

const REVIEWS: &str = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 9080, name: http, protocol: HTTP, targetPort: 8000}]
  endpoints:
  - {address: 127.0.0.1, ports: {http: 9001}, labels: {app: reviews, version: v1}}
  - {address: 127.0.0.2, labels: {app: reviews, version: v1}, weight: 3}
  - {address: 127.0.0.3, labels: {app: reviews, version: v2}, locality: a/b/c}
  - {address: 127.0.0.4, labels: {app: other}}
  - {address: 127.0.0.5, labels: {app: another}}
";

#[test]
fn inline_endpoints_share_workloads_by_their_labels() {
    let registry = registry(REVIEWS);
    let names: Vec<&str> = registry.workloads().iter().map(|workload| workload.name.as_str()).collect();
    assert_eq!(names, ["reviews", "reviews-2", "reviews-v1", "reviews-v2"]);
    let service = registry.service("reviews.default.svc.cluster.local", "elsewhere").unwrap();
    let endpoints = &service.port(9080).unwrap().endpoints;
    let seen: Vec<(&str, u16, &str, u32)> =
        endpoints.iter().map(|it| (it.address.as_str(), it.port, it.workload.as_str(), it.weight)).collect();
    assert_eq!(
        seen[..3],
        [
            ("127.0.0.1", 9001, "reviews-v1", 1),
            ("127.0.0.2", 8000, "reviews-v1", 3),
            ("127.0.0.3", 8000, "reviews-v2", 1)
        ]
    );
    assert_eq!(service.versions().into_iter().collect::<Vec<_>>(), ["v1", "v2"]);
    assert_eq!(registry.viewer(&registry.workloads()[2].source()).labels["version"], "v1");
    let located = registry.viewer(&registry.workloads()[3].source());
    assert_eq!(LOCALITY_LABELS.map(|label| located.labels[label].as_str()), ["a", "b", "c"]);
}

#[test]
fn workload_entries_serve_entries_and_services() {
    let registry = registry(
        "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ratings, namespace: prod}
spec:
  hosts: [ratings.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: ratings}}
---
apiVersion: v1
kind: Service
metadata: {name: ratings, namespace: prod}
spec:
  clusterIP: 10.0.0.1
  selector: {app: ratings}
  ports: [{name: web, port: 8080, targetPort: http}, {name: tcp-db, port: 27017}]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: ratings-vm, namespace: prod}
spec: {address: 10.1.1.1, labels: {app: ratings, version: v7}, ports: {http: 9999}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: ratings-elsewhere, namespace: test}
spec: {address: 10.1.1.2, labels: {app: ratings}}
",
    );
    for (host, port) in [("ratings.example.com", 80), ("ratings.prod.svc.cluster.local", 8080)] {
        let endpoints = &registry.service(host, "prod").unwrap().port(port).unwrap().endpoints;
        let seen: Vec<(&str, u16)> = endpoints.iter().map(|it| (it.workload.as_str(), it.port)).collect();
        assert_eq!(seen, [("ratings-vm", 9999)], "{host}");
    }
    let service = registry.service("ratings.prod.svc.cluster.local", "prod").unwrap();
    assert_eq!(service.port(8080).unwrap().protocol, PortProtocol::Auto);
    assert_eq!(service.port(27017).unwrap().protocol, PortProtocol::Tcp);
    assert_eq!(service.addresses, ["10.0.0.1"]);
}

#[test]
fn external_services_are_no_sources() {
    let registry = registry(
        "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ext}
spec:
  hosts: ['*.foo.com', api.bar.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
",
    );
    assert!(registry.workloads().is_empty());
    let covering = registry.covering("x.foo.com", "default").unwrap();
    assert_eq!((covering.host.as_str(), covering.discovery), ("*.foo.com", Discovery::Passthrough));
    assert!(covering.ports[0].endpoints.is_empty());
    assert!(registry.exact("x.foo.com", "default").is_none());
    assert!(registry.exact("API.bar.com", "default").is_none());
    assert_eq!(registry.exact("api.bar.com", "default").unwrap().written, "api.bar.com");
    assert_eq!(
        registry.service("api.bar.com", "default").unwrap().ports[0].endpoints[0].address,
        "api.bar.com"
    );
}

#[test]
fn visibility_and_precedence_of_a_host() {
    let entry = |name: &str, namespace: &str, export: &str, created: &str| {
        format!(
            "
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: {namespace}, creationTimestamp: '{created}'}}
spec: {{hosts: [a.com], exportTo: [{export}], ports: [{{number: 80, name: http, protocol: HTTP}}]}}
"
        )
    };
    let registry = registry(
        &[
            entry("old", "one", "'*'", "2020-01-01T00:00:00Z"),
            entry("new", "two", "'*'", "2021-01-01T00:00:00Z"),
            entry("own", "three", ".", "2022-01-01T00:00:00Z"),
            entry("never", "four", "'~'", "2019-01-01T00:00:00Z"),
        ]
        .concat(),
    );
    for (namespace, expected) in
        [("one", "old"), ("two", "new"), ("three", "own"), ("four", "old"), ("five", "old")]
    {
        assert_eq!(registry.service("a.com", namespace).unwrap().from.name, expected, "{namespace}");
        assert_eq!(registry.visible(namespace).count(), 1);
    }
}

#[test]
fn two_entries_of_a_host_share_their_endpoints() {
    let entry = |name: &str, year: u32, resolution: &str, port: &str, address: &str| {
        format!(
            "
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, creationTimestamp: '{year}-01-01T00:00:00Z'}}
spec: {{hosts: [a.com], resolution: {resolution}, ports: [{port}], endpoints: [{{address: {address}}}]}}
"
        )
    };
    let seen = |second: &str| {
        let first = entry("one", 2020, "STATIC", "{number: 80, name: http, protocol: HTTP}", "10.0.0.1");
        let registry = registry(&(first + second));
        let service = registry.service("a.com", "default").unwrap();
        let ports = service.ports.iter().map(|port| {
            let endpoints = port.endpoints.iter().map(|it| format!("{}:{}", it.address, it.port));
            format!("{} {}", port.number, endpoints.collect::<Vec<_>>().join(" "))
        });
        ports.collect::<Vec<_>>().join(", ")
    };
    let http = "{number: 80, name: http, protocol: HTTP}";
    for (resolution, port, expected) in [
        ("STATIC", http, "80 10.0.0.1:80 10.0.0.2:80"),
        // Endpoints belong to the name of a port.
        ("STATIC", "{number: 80, name: web, protocol: HTTP}", "80 10.0.0.1:80"),
        (
            "STATIC",
            "{number: 81, name: http, protocol: HTTP}",
            "80 10.0.0.1:80 10.0.0.2:81, 81 10.0.0.1:80 10.0.0.2:81",
        ),
        // Ports of another kind of service are not taken over.
        ("DNS", "{number: 81, name: web, protocol: HTTP}", "80 10.0.0.1:80"),
    ] {
        assert_eq!(seen(&entry("two", 2021, resolution, port, "10.0.0.2")), expected, "{resolution} {port}");
    }
}
