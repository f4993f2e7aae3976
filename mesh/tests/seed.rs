//! The examples of the text that Meshwright was born from: each does what the text around it says.

#![allow(clippy::unwrap_used)]

#[path = "support/data.rs"]
#[allow(dead_code)]
mod data;

use data::{World, gateway, shared, workload};
use mesh::Source;
use mesh::explain::{ExplainRequest, Explanation, Status, explain};
use mesh::plan::{Balancer, Cluster, Protocol};

/// All YAML examples of the text, in order.
fn examples() -> Option<Vec<String>> {
    let text = shared("seed/traffic-management.txt")?;
    Some(testkit::examples(&text))
}

/// Bookinfo's services, the workloads of which are named by their versions.
fn services() -> String {
    let service = |name: &str, versions: &[&str]| {
        let endpoint = |(at, version): (usize, &&str)| {
            format!("  - {{address: 127.0.0.{at}, labels: {{app: {name}, version: {version}}}}}\n")
        };
        let endpoints: String = versions.iter().enumerate().map(endpoint).collect();
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}}}\nspec:\n  \
             hosts: [{name}.default.svc.cluster.local]\n  location: MESH_INTERNAL\n  resolution: STATIC\n  \
             ports: [{{number: 9080, name: http, protocol: HTTP}}]\n  endpoints:\n{endpoints}"
        )
    };
    let subsets = |name: &str| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}-versions}}\nspec:\n  \
             host: {name}\n  subsets:\n  - {{name: v1, labels: {{version: v1}}}}\n  - {{name: v2, labels: {{version: v2}}}}\n"
        )
    };
    [
        service("productpage", &["v1"]),
        service("reviews", &["v1", "v2", "v3"]),
        service("ratings", &["v1", "v2"]),
        subsets("reviews"),
        subsets("ratings"),
        subsets("productpage"),
    ]
    .concat()
}

/// Bookinfo with an example. What the example leaves out as `...` is a route to v2 of the host.
fn with(example: &str) -> World {
    let host = example
        .split("hosts:")
        .nth(1)
        .and_then(|rest| rest.split("- ").nth(1))
        .map_or("", |rest| rest.lines().next().unwrap_or("").trim());
    let route = format!("    route: [{{destination: {{host: {host}, subset: v2}}}}]");
    let text = format!("{}---\n{}", services(), example.replace("    ...", &route));
    World::with(text, mesh::Settings::sample())
}

impl World {
    fn ask(&self, from: &str, host: &str, path: &str, headers: &[(&str, &str)]) -> Explanation {
        self.ask_as(&workload("default", from), host, path, headers)
    }

    fn ask_as(&self, source: &Source, host: &str, path: &str, headers: &[(&str, &str)]) -> Explanation {
        let request = ExplainRequest {
            host: host.to_owned(),
            path: path.to_owned(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..ExplainRequest::default()
        };
        explain(&self.mesh, &self.registry, &self.settings, source, 1, &request)
    }

    fn cluster(&self, host: &str, subset: Option<&str>) -> Option<Cluster> {
        let plan = self.plan(&workload("default", "productpage-v1"));
        let found = plan
            .clusters
            .iter()
            .find(|it| it.key.host.starts_with(&format!("{host}.")) && it.key.subset.as_deref() == subset);
        found.map(|it| (**it).clone())
    }
}

/// Subsets with their shares; `*` is the whole service.
fn shares(explanation: &Explanation) -> Vec<(String, f64)> {
    let subset =
        |it: &mesh::explain::Target| (it.subset.clone().unwrap_or_else(|| "*".to_owned()), it.weight);
    explanation.destinations.iter().map(subset).collect()
}

fn only(subset: &str) -> Vec<(String, f64)> {
    vec![(subset.to_owned(), 1.0)]
}

#[test]
fn all_traffic_to_v1() {
    let Some(examples) = examples() else { return };
    for host in ["reviews", "reviews.default", "reviews.default.svc.cluster.local:9080"] {
        assert_eq!(shares(&with(&examples[0]).ask("productpage-v1", host, "/", &[])), only("v1"), "{host}");
    }
}

#[test]
fn load_balancing_of_a_service_and_of_a_subset() {
    let Some(examples) = examples() else { return };
    let rule = |example: &str| World::of(format!("{}---\n{example}---\n{}", services(), examples[0]));
    assert_eq!(rule(&examples[1]).cluster("reviews", Some("v1")).unwrap().policy.balancer, Balancer::Random);
    // The second has a policy of its own for v2.
    let both = World::of(format!(
        "{}---\n{}---\n{}",
        services().replace("reviews-versions", "zzz"),
        examples[15],
        examples[2]
    ));
    assert_eq!(both.cluster("reviews", Some("v1")).unwrap().policy.balancer, Balancer::Random);
    assert_eq!(both.cluster("reviews", Some("v2")).unwrap().policy.balancer, Balancer::RoundRobin);
}

#[test]
fn a_quarter_to_v2() {
    let Some(examples) = examples() else { return };
    let explanation = with(&examples[2]).ask("productpage-v1", "reviews", "/", &[]);
    assert_eq!(shares(&explanation), [("v1".to_owned(), 0.75), ("v2".to_owned(), 0.25)]);
}

#[test]
fn timeouts_and_retries() {
    let Some(examples) = examples() else { return };
    let timeout = with(&examples[3]).ask("reviews-v1", "ratings", "/", &[]);
    assert_eq!(timeout.timeout.as_deref(), Some("10s"));
    let by_default = with(&examples[3]).ask("productpage-v1", "reviews", "/", &[]);
    assert_eq!(by_default.timeout.as_deref(), Some("15s"));
    let retried = with(&examples[4]).ask("reviews-v1", "ratings", "/", &[]);
    assert_eq!(retried.timeout.as_deref(), Some("15s"));
    let retries = retried.retries.unwrap();
    assert_eq!((retries.attempts, retries.per_try_timeout.as_deref()), (3, Some("2s")));
    // Both can be overridden by a request.
    let headers = [("x-envoy-upstream-rq-timeout-ms", "4000"), ("x-envoy-max-retries", "1")];
    let overridden = with(&examples[4]).ask("reviews-v1", "ratings", "/", &headers);
    assert_eq!((overridden.timeout.as_deref(), overridden.retries.unwrap().attempts), (Some("4s"), 1));
}

#[test]
fn faults() {
    let Some(examples) = examples() else { return };
    let fault = |example: &str, from: &str| {
        let explanation = with(example).ask(from, "ratings", "/", &[]);
        let fault = explanation.fault;
        let delay = fault.as_ref().and_then(|it| it.delay.clone()).map(|it| (it.percentage, it.fixed_delay));
        (delay, fault.and_then(|it| it.abort).map(|it| (it.percentage, it.http_status)))
    };
    let five_seconds = |percent| Some((percent, "5s".to_owned()));
    assert_eq!(fault(&examples[5], "reviews-v1"), (five_seconds(10.0), None));
    assert_eq!(fault(&examples[6], "reviews-v1"), (None, Some((10.0, 400))));
    // All requests from v2 of reviews are delayed, and a tenth of them aborted; others meet nothing.
    assert_eq!(fault(&examples[7], "reviews-v2"), (five_seconds(100.0), Some((10.0, 400))));
    assert_eq!(fault(&examples[7], "reviews-v1"), (None, None));
}

#[test]
fn conditions() {
    let Some(examples) = examples() else { return };
    let jason: &[(&str, &str)] = &[("end-user", "jason")];
    let tom: &[(&str, &str)] = &[("end-user", "tom")];
    for (example, from, host, path, headers, expected) in [
        // Only from reviews, whichever its version.
        (8, "reviews-v1", "ratings", "/", tom, true),
        (8, "reviews-v2", "ratings", "/", tom, true),
        (8, "productpage-v1", "ratings", "/", tom, false),
        // Only from v2 of it.
        (9, "reviews-v2", "ratings", "/", tom, true),
        (9, "reviews-v1", "ratings", "/", tom, false),
        // Only with the header.
        (10, "productpage-v1", "reviews", "/", jason, true),
        (10, "productpage-v1", "reviews", "/", tom, false),
        (10, "productpage-v1", "reviews", "/", &[], false),
        // Only below the path.
        (11, "reviews-v1", "productpage", "/api/v1/products", tom, true),
        (11, "reviews-v1", "productpage", "/api/v2", tom, false),
        // Both.
        (12, "reviews-v2", "ratings", "/", jason, true),
        (12, "reviews-v2", "ratings", "/", tom, false),
        (12, "reviews-v1", "ratings", "/", jason, false),
        // Either.
        (13, "reviews-v2", "ratings", "/", tom, true),
        (13, "reviews-v1", "ratings", "/", jason, true),
        (13, "reviews-v1", "ratings", "/", tom, false),
    ] {
        let explanation = with(&examples[example]).ask(from, host, path, headers);
        let name = explanation.route.is_some();
        assert_eq!(name, expected, "{example} {from} {path} {headers:?}: {:#?}", explanation.steps);
        if expected {
            assert_eq!(shares(&explanation), only("v2"));
        }
    }
}

#[test]
fn the_first_rule_wins() {
    let Some(examples) = examples() else { return };
    let world = with(&examples[14]);
    assert_eq!(shares(&world.ask("productpage-v1", "reviews", "/", &[("foo", "bar")])), only("v2"));
    assert_eq!(shares(&world.ask("productpage-v1", "reviews", "/", &[])), only("v1"));
}

#[test]
fn a_subsets_policy_applies_only_to_what_is_routed_to_it() {
    let Some(examples) = examples() else { return };
    let connections =
        |cluster: &Cluster| cluster.policy.raw["connectionPool"]["tcp"]["maxConnections"].clone();
    let bare = services()
        .split("---\napiVersion: networking.istio.io/v1\nkind: DestinationRule")
        .next()
        .unwrap()
        .to_owned();
    for example in [16, 17] {
        // Nobody routes to v1: the policy is never invoked.
        let alone = World::of(format!("{bare}---\n{}", examples[example]));
        assert!(alone.cluster("reviews", Some("v1")).is_none());
        assert!(connections(&alone.cluster("reviews", None).unwrap()).is_null());
        // The one way to mend it.
        let routed = World::of(format!("{bare}---\n{}---\n{}", examples[example], examples[19]));
        let cluster = routed.cluster("reviews", Some("v1")).unwrap();
        assert_eq!(connections(&cluster), 100);
        assert!(cluster.endpoints.iter().all(|endpoint| endpoint.version() == "v1"));
        assert_eq!(cluster.endpoints.len(), 1);
    }
    // The other way: a level up.
    let above = World::of(format!("{bare}---\n{}", examples[18]));
    assert_eq!(connections(&above.cluster("reviews", None).unwrap()), 100);
}

#[test]
fn external_services() {
    let Some(examples) = examples() else { return };
    let text = format!("{}---\n{}---\n{}", services(), examples[20], examples[21]);
    let world = World::with(text, mesh::Settings::sample());
    let bar = world.ask("productpage-v1", "bar.foo.com", "/", &[]);
    assert_eq!((bar.status, bar.timeout.as_deref()), (Status::Routed, Some("10s")));
    assert_eq!(bar.destinations[0].host, "bar.foo.com");
    // Istio looks destinations up exactly, and the entry is for `*.foo.com`: the rule's timeout holds for an answer of 503.
    let certain = bar.certain.unwrap();
    assert_eq!((certain.status, certain.flag.as_str()), (503, "NC"));
    assert!(certain.reason.contains("only *.foo.com covers bar.foo.com"), "{}", certain.reason);
    let other = world.ask("productpage-v1", "other.foo.com", "/", &[]);
    assert_eq!((other.status, other.timeout.as_deref()), (Status::Routed, Some("15s")));
    assert_eq!(other.certain, None);
    // With an entry of its own it is reached.
    let own =
        examples[20].replace("*.foo.com", "bar.foo.com").replace("name: foo-ext-svc", "name: bar-ext-svc");
    let world = World::of(format!("{}---\n{}---\n{own}---\n{}", services(), examples[20], examples[21]));
    assert_eq!(world.ask("productpage-v1", "bar.foo.com", "/", &[]).certain, None);
    let plan = world.plan(&workload("default", "productpage-v1"));
    let bar = plan.clusters.iter().find(|it| it.key.host == "bar.foo.com").unwrap();
    assert!(bar.known);
    assert_eq!((bar.endpoints[0].address.as_str(), bar.endpoints[0].port), ("bar.foo.com", 80));
}

#[test]
fn gateways() {
    let Some(examples) = examples() else { return };
    let bound = examples[23].replace("    ...", "    - destination: {host: reviews}");
    let world = World::of(format!("{}---\n{}---\n{bound}", services(), examples[22]));
    let source = gateway("default", "bookinfo-gateway");
    let plan = world.plan(&source);
    assert_eq!((plan.listeners[0].port, plan.listeners[0].protocol), (443, Protocol::Https));
    let reviews = world.ask_as(&source, "bookinfo.com", "/reviews/1", &[]);
    assert_eq!(reviews.destinations[0].host, "reviews.default.svc.cluster.local");
    assert_eq!(world.ask_as(&source, "bookinfo.com", "/ratings", &[]).status, Status::NoRoute);
    assert_eq!(world.ask_as(&source, "example.com", "/reviews", &[]).status, Status::NoHost);
    // Bound to the gateway alone, so the mesh knows nothing of it.
    assert_eq!(world.ask("productpage-v1", "bookinfo.com", "/reviews", &[]).status, Status::NoHost);
}

#[test]
fn hosts_that_are_no_service() {
    let yaml = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews, bookinfo.com]
  http: [{route: [{destination: {host: reviews, subset: v1}}]}]
";
    let world = World::of(format!("{}---\n{yaml}", services()));
    for host in ["reviews", "bookinfo.com", "bookinfo.com:9080"] {
        assert_eq!(shares(&world.ask("productpage-v1", host, "/", &[])), only("v1"), "{host}");
    }
}
