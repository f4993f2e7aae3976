//! A draft of 1,000 resources is validated after each edit: 10 ms are the bar, in the browser.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test that takes the time")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use mesh::{Mesh, Registry, Settings, Sources, validate};

/// A mesh of 1,000 resources: 250 services with their instance, their subsets and their rules, a file for each.
fn mesh(changed: u32) -> Sources {
    let mut sources = Sources::default();
    for n in 0..250 {
        let weight = if n == changed { 40 } else { 50 };
        let mut text = String::new();
        write!(
            text,
            "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: s{n}, namespace: shop}}
spec:
  hosts: [s{n}.shop.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 9080, name: http, protocol: HTTP}}]
  workloadSelector: {{labels: {{app: s{n}}}}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: s{n}-v1, namespace: shop}}
spec: {{address: 10.0.0.1, labels: {{app: s{n}, version: v1}}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: s{n}, namespace: shop}}
spec:
  host: s{n}
  trafficPolicy: {{outlierDetection: {{consecutive5xxErrors: 5, interval: 10s, maxEjectionPercent: 100}}}}
  subsets:
  - name: v1
    labels: {{version: v1}}
    trafficPolicy: {{loadBalancer: {{simple: RANDOM}}}}
  - {{name: v2, labels: {{version: v2}}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: s{n}, namespace: shop}}
spec:
  hosts: [s{n}]
  http:
  - match:
    - headers: {{end-user: {{exact: jason}}}}
      sourceLabels: {{app: s{}}}
    - uri: {{regex: \"/api/v[12]/.*\"}}
    fault: {{delay: {{fixedDelay: 7s, percentage: {{value: 10}}}}}}
    timeout: 6s
    retries: {{attempts: 3, perTryTimeout: 2s, retryOn: \"5xx,connect-failure\"}}
    route: [{{destination: {{host: s{n}, subset: v1}}}}]
  - route:
    - {{destination: {{host: s{n}, subset: v1}}, weight: {weight}}}
    - {{destination: {{host: s{n}, subset: v2}}, weight: {}}}
",
            (n + 1) % 250,
            100 - weight
        )
        .unwrap();
        sources.0.insert(format!("s{n}.yaml"), text);
    }
    sources
}

/// What this thread has had of the processor; the time of day where the system does not say. Others may keep the machine busy.
fn spent(start: Instant) -> Duration {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = counted.and_then(|text| text.split_whitespace().next()?.parse().ok());
    nanos.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

#[test]
fn a_thousand_resources_are_validated_at_once() {
    let settings = Settings::default();
    let mut before = Mesh::parse(&mesh(250)).mesh;
    assert_eq!(before.resources().count(), 1000);
    let start = Instant::now();
    let mut times: Vec<[Duration; 3]> = Vec::new();
    for round in 0..20 {
        let sources = mesh(round);
        let begun = spent(start);
        let parsed = Mesh::parse_after(&sources, &before);
        let read = spent(start);
        let registry = Registry::of(&parsed.mesh, &mesh::Inventory::default(), &settings);
        let known = spent(start);
        let found = validate(&parsed.mesh, &registry, &settings);
        times.push([read - begun, known - read, spent(start) - known]);
        // Version v2 runs nowhere, and every delay is longer than the timeout of the service that waits for it.
        assert!(found.len() >= 500, "{}", found.len());
        before = parsed.mesh;
    }
    times.sort_by_key(|times| times.iter().sum::<Duration>());
    // The fastest says what it costs; the others say how busy the machine is.
    let [read, registry, validated] = times[0];
    eprintln!("best of 20: read {read:?}, registry {registry:?}, validate {validated:?}");
    // Unoptimized code is some twenty times slower, and the machine may be busy.
    let bar = if cfg!(debug_assertions) { 1_000 } else { 10 };
    assert!(read + registry + validated < Duration::from_millis(bar), "slower than {bar} ms");
}
