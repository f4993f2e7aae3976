//! Files that say all that an Envoy does: Envoy takes them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use mesh::Sources;
use xds::bootstrap;
use xds::node::Bind;
use xds::resource::Kind;
use xds::translate::{Delivery, translate};

use crate::{envoy, worlds};

/// What Envoy says against the plans of all sources of a mesh, each different file once; and how many files that were.
fn refused(binary: &PathBuf, sources: &Sources, seen: &mut BTreeSet<String>) -> Vec<String> {
    let mut refused = Vec::new();
    for plan in worlds::plans(sources) {
        let config = bootstrap::fixed(&plan, &Bind::default(), None).unwrap();
        if seen.insert(config.to_string())
            && let Some(why) = envoy::refuses(binary, &config)
            // Certificates in files that are not on this machine.
            && !(why.contains("from path: /") || why.contains("Invalid path"))
        {
            refused.push(format!("{:?}: {why}", plan.source));
        }
    }
    refused
}

#[test]
fn envoy_takes_the_sample() {
    let Some(binary) = testkit::envoy() else { return };
    let mut seen = BTreeSet::new();
    assert_eq!(refused(&binary, &worlds::sample(), &mut seen), Vec::<String>::new());
    assert!(seen.len() > 1, "the workloads' and the gateway's");
}

/// PROXY headers in plain text and within TLS, tunnels, and HTTP beside other bytes on one port.
#[test]
fn envoy_takes_what_goes_before_requests() {
    let text = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: out}
spec:
  hosts: [out.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 9000, name: tcp, protocol: TCP}, {number: 80, name: http, protocol: HTTP}, {number: 81, name: any, protocol: ''}]
  endpoints: [{address: 127.0.0.1, labels: {version: v1}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: out}
spec:
  host: out.com
  trafficPolicy: {POLICY}
";
    let mut seen = BTreeSet::new();
    for (policy, message) in [
        ("proxyProtocol: {version: V1}", "upstream_proxy_protocol"),
        ("proxyProtocol: {version: V2}, tls: {mode: SIMPLE}", "upstream_proxy_protocol"),
        ("tunnel: {targetHost: db.internal, targetPort: 1}", "db.internal:1"),
        ("loadBalancer: {simple: RANDOM}", "http_inspector"),
    ] {
        let sources = Sources::single("mesh.yaml", text.replace("POLICY", policy));
        let plan = worlds::plans(&sources).into_iter().next().unwrap();
        let at = |port: u16| (port, std::net::SocketAddr::from(([127, 0, 0, 1], port)));
        let bind = Bind { ports: [at(80), at(81)].into(), ..Bind::default() };
        let config = bootstrap::fixed(&plan, &bind, None).unwrap();
        assert!(config.to_string().contains(message), "{policy}");
        if let Some(binary) = testkit::envoy() {
            assert_eq!(envoy::refuses(&binary, &config), None, "{policy}");
        }
        assert!(seen.insert(config.to_string()), "{policy}");
    }
}

/// The seed's examples, each on the sample's services; Istio's samples, each folder for itself; and the cases of its own tests.
#[test]
fn envoy_takes_what_others_wrote() {
    let Some(binary) = testkit::envoy() else { return };
    let Some(shared) = testkit::shared("") else { return };
    let (mut seen, mut all, mut meshes) = (BTreeSet::new(), Vec::new(), Vec::new());
    let seed = std::fs::read_to_string(shared.join("seed/traffic-management.txt")).unwrap_or_default();
    let services: Vec<(String, String)> =
        worlds::sample().0.into_iter().filter(|(_, text)| text.contains("ServiceEntry")).collect();
    for example in testkit::examples(&seed) {
        let mut sources = Sources::single("example.yaml", example);
        sources.0.extend(services.clone());
        meshes.push(sources);
    }
    for folder in std::fs::read_dir(shared.join("istio/samples")).into_iter().flatten().flatten() {
        let files = worlds::folder(&folder.path()).0;
        let (services, rules): (Vec<_>, Vec<_>) = files
            .into_iter()
            .partition(|(_, text)| text.contains("kind: Service\n") || text.contains("kind: Deployment"));
        for rule in rules {
            let mut sources = Sources::default();
            sources.0.extend(services.clone());
            sources.0.extend([rule]);
            meshes.push(sources);
        }
    }
    let cases =
        std::fs::read_to_string(shared.join("istio/traffic.json")).unwrap_or_else(|_| "[]".to_owned());
    let cases: serde_json::Value = serde_json::from_str(&cases).unwrap();
    for case in cases.as_array().into_iter().flatten() {
        meshes.push(Sources::single("case.yaml", case["config"].as_str().unwrap_or_default()));
    }
    for sources in &meshes {
        all.extend(refused(&binary, sources, &mut seen));
    }
    println!("{} meshes, {} files, {} refused", meshes.len(), seen.len(), all.len());
    assert!(meshes.len() > 20, "{}", meshes.len());
    assert_eq!(all, Vec::<String>::new());
}

/// Maps of the standard library have another order each time that one is made, so that what is made twice would differ.
#[test]
fn the_same_plan_has_the_same_bytes() {
    let bytes = |delivery| {
        let mut all = Vec::new();
        for plan in worlds::plans(&worlds::sample()) {
            let made = translate(&plan, &Bind::default(), delivery);
            for kind in Kind::ALL {
                all.extend(made.of(kind).values().map(|it| (it.name.to_string(), it.body.value.clone())));
            }
        }
        all
    };
    for delivery in [Delivery::Whole, Delivery::Delta, Delivery::Static] {
        let first = bytes(delivery);
        assert!(first.len() > 20, "{}", first.len());
        for _ in 0..8 {
            assert!(bytes(delivery) == first, "{delivery:?}");
        }
    }
}
