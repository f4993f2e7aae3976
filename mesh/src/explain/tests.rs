//! Explanations of small meshes.

use super::*;
use crate::Sources;

const SERVICES: &str = "
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {ports: [{name: http, port: 9080}]}
---
apiVersion: v1
kind: Service
metadata: {name: ratings}
spec: {ports: [{name: http, port: 9080}]}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: caller}
spec: {address: 127.0.0.1, labels: {app: caller, version: v1}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
";

fn explained(yaml: &str, request: &ExplainRequest) -> Explanation {
    let mesh = Mesh::parse(&Sources::single("mesh.yaml", format!("{SERVICES}{yaml}"))).mesh;
    let settings = Settings::sample();
    let source = Source::Workload { namespace: "default".into(), name: "caller".into() };
    explain(
        &mesh,
        &Registry::of(&mesh, &crate::Inventory::default(), &settings),
        &settings,
        &source,
        1,
        request,
    )
}

fn get(host: &str, path: &str, headers: &[(&str, &str)]) -> ExplainRequest {
    ExplainRequest {
        host: host.to_owned(),
        path: path.to_owned(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..ExplainRequest::default()
    }
}

const REVIEWS: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - name: other-source
    match: [{sourceLabels: {app: productpage}}, {port: 80}]
    route: [{destination: {host: ratings}}]
  - name: jason
    match:
    - headers: {end-user: {exact: jason}}
    - uri: {prefix: /beta}
    route: [{destination: {host: reviews, subset: v2}}]
  - name: split
    route:
    - {destination: {host: reviews, subset: v1}, weight: 3}
    - {destination: {host: reviews, subset: v3}, weight: 1}
    timeout: 0.5s
    retries: {attempts: 3, perTryTimeout: 100ms, retryOn: '5xx,503'}
    fault:
      delay: {percentage: {value: 10}, fixedDelay: 5s}
      abort: {percentage: {value: 0.1}, httpStatus: 418}
    mirror: {host: ratings}
    mirrorPercentage: {value: 20}
  - name: never
    route: [{destination: {host: ratings}}]
";

#[test]
fn every_rule_says_why() {
    let explanation = explained(REVIEWS, &get("reviews", "/x", &[("End-User", "tom")]));
    let steps: Vec<(usize, bool, &str)> = explanation
        .steps
        .iter()
        .map(|step| (step.route.as_ref().unwrap().index, step.matched, step.reason.as_str()))
        .collect();
    assert_eq!(
        steps,
        [
            (
                0,
                false,
                "label app of the source is \"caller\", the rule wants \"productpage\"; \
                 the rule is for port 80, the request comes in on 9080"
            ),
            (
                1,
                false,
                "header end-user is \"tom\", the rule wants exactly \"jason\"; \
                 path is \"/x\", the rule wants something that begins with \"/beta\""
            ),
            (
                2,
                true,
                "the rule has no conditions; there is no subset v3 of reviews.default.svc.cluster.local:9080: 503"
            ),
            (3, false, "it is never reached: a rule before it takes every request"),
        ]
    );
}

#[test]
fn the_contract() {
    let explanation = explained(REVIEWS, &get("reviews:9080", "", &[]));
    let json = serde_json::to_value(&explanation).unwrap();
    let expected = serde_json::json!({
        "status": "routed",
        "virtual_service": "default/reviews",
        "route": {"index": 2, "name": "split"},
        "destinations": [
            {"host": "reviews.default.svc.cluster.local", "subset": "v1", "port": 9080, "weight": 0.75},
            {"host": "reviews.default.svc.cluster.local", "subset": "v3", "port": 9080, "weight": 0.25},
        ],
        "timeout": "500ms",
        "retries": {"attempts": 3, "per_try_timeout": "100ms", "retry_on": "5xx,503"},
        "fault": {
            "delay": {"percentage": 10.0, "fixed_delay": "5s"},
            "abort": {"percentage": 0.1, "http_status": 418},
        },
        "mirror": [
            {"host": "ratings.default.svc.cluster.local", "subset": null, "port": 9080, "percentage": 20.0},
        ],
        "steps": json["steps"],
    });
    assert_eq!(json, expected);
    assert_eq!(json["steps"][2]["route"], serde_json::json!({"index": 2, "name": "split"}));
}

#[test]
fn what_the_request_overrides_is_told() {
    let request =
        get("reviews", "/", &[("x-envoy-upstream-rq-timeout-ms", "2000"), ("x-envoy-max-retries", "1")]);
    let explanation = explained(REVIEWS, &request);
    assert_eq!(explanation.timeout.as_deref(), Some("2s"));
    assert_eq!(explanation.timeout_from, Some(TimeoutFrom::Request));
    assert_eq!(explanation.retries.unwrap().attempts, 1);
}

#[test]
fn clients_of_a_gateway_neither_steer_nor_claim() {
    let yaml = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gate}
spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [shop.com]
  gateways: [gate]
  http:
  - name: within
    match: [{headers: {x-envoy-internal: {exact: 'true'}}}, {headers: {x-forwarded-proto: {exact: https}}}]
    route: [{destination: {host: ratings}}]
  - name: all
    timeout: 3s
    route: [{destination: {host: reviews}}]
";
    let mesh = Mesh::parse(&Sources::single("mesh.yaml", format!("{SERVICES}{yaml}"))).mesh;
    let settings = Settings::default();
    let source = Source::Gateway { namespace: "default".into(), name: "gate".into() };
    let claims = [
        ("X-Envoy-Internal", "true"),
        ("x-forwarded-proto", "https"),
        ("x-envoy-upstream-rq-timeout-ms", "0"),
        ("x-envoy-max-retries", "9"),
    ];
    let registry = Registry::of(&mesh, &crate::Inventory::default(), &settings);
    let of = |headers| explain(&mesh, &registry, &settings, &source, 1, &get("shop.com", "/", headers));
    let explanation = of(&claims);
    assert_eq!(explanation, of(&[]));
    assert_eq!(explanation.route.unwrap().name.as_deref(), Some("all"));
    assert_eq!(explanation.timeout.as_deref(), Some("3s"));
}

#[test]
fn defaults_and_ends() {
    let by_default = explained(REVIEWS, &get("ratings", "/", &[]));
    assert_eq!((by_default.status, by_default.virtual_service), (Status::Routed, None));
    assert_eq!(
        (by_default.timeout.as_deref(), by_default.timeout_from),
        (Some("15s"), Some(TimeoutFrom::Mesh))
    );
    assert_eq!(by_default.retries.unwrap().retry_on, "connect-failure,refused-stream,unavailable,cancelled");
    assert_eq!(by_default.steps.len(), 1);

    let unknown = explained(REVIEWS, &get("nowhere.example.com", "/", &[]));
    assert_eq!(unknown.status, Status::NoHost);
    assert!(unknown.steps[0].reason.contains("forwarded to the address"), "{}", unknown.steps[0].reason);

    let beyond = explained(REVIEWS, &get("ratings:1", "/", &[]));
    assert_eq!((beyond.status, beyond.steps.len()), (Status::NoHost, 1));
}

#[test]
fn rules_of_which_none_is_left_come_before_the_default() {
    let yaml = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ratings}
spec:
  hosts: [ratings]
  http:
  - match: [{sourceLabels: {app: reviews}}]
    route: [{destination: {host: reviews}}]
";
    let explanation = explained(yaml, &get("ratings", "/", &[]));
    assert_eq!(explanation.destinations[0].host, "ratings.default.svc.cluster.local");
    let matched: Vec<bool> = explanation.steps.iter().map(|step| step.matched).collect();
    assert_eq!(matched, [false, true]);
}

#[test]
fn redirects_answers_and_nothing() {
    let yaml = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ratings, creationTimestamp: '2020-01-01T00:00:00Z'}
spec:
  hosts: [ratings]
  http:
  - match: [{uri: {exact: /old}}]
    redirect: {uri: /new, redirectCode: 302}
  - match: [{uri: {exact: /tea}}]
    directResponse: {status: 418, body: {string: short}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: younger, creationTimestamp: '2021-01-01T00:00:00Z'}
spec:
  hosts: [ratings]
  http: [{route: [{destination: {host: reviews}}]}]
";
    let redirected = explained(yaml, &get("ratings", "/old?q", &[]));
    assert_eq!(redirected.status, Status::Redirect);
    assert!(redirected.steps[0].reason.ends_with("the client is sent to http://ratings/new?q with 302"));
    assert_eq!(redirected.steps[1].reason, "it is not looked at: a rule before it took the request");

    let answered = explained(yaml, &get("ratings", "/tea", &[]));
    assert_eq!(answered.status, Status::Direct);
    assert_eq!(answered.timeout, None);

    let lost = explained(yaml, &get("ratings", "/", &[]));
    assert_eq!(lost.status, Status::NoRoute);
    let last = lost.steps.last().unwrap();
    assert_eq!(last.virtual_service.as_deref(), Some("default/younger"));
    assert_eq!(last.reason, "another VirtualService has this host already, and only the first is used");
}

#[test]
fn paths_and_headers_are_seen_as_the_proxy_sees_them() {
    let yaml = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ratings}
spec:
  hosts: [ratings]
  http:
  - match: [{uri: {prefix: /admin}}, {headers: {x-role: {exact: admin}}}]
    directResponse: {status: 403}
  - route: [{destination: {host: ratings}}]
";
    let spelled = explained(yaml, &get("ratings", "/public/..\\%61dmin?x", &[]));
    assert_eq!((spelled.status, spelled.route.unwrap().index), (Status::Direct, 0));
    let told = r#"the path "/public/..\\%61dmin?x" is compared and forwarded in its normal form: "/admin?x""#;
    assert_eq!(spelled.steps[0].reason, told);

    let lines: &[(&str, &str)] = &[("x-role", "x"), ("X-Role", "admin")];
    let repeated = explained(yaml, &get("ratings", "/", lines));
    assert_eq!((repeated.status, repeated.steps[0].matched), (Status::Direct, true));
    let told = r#"header x-role is "x" and "admin", as the rule wants exactly "admin""#;
    assert!(repeated.steps[0].reason.contains(told), "{}", repeated.steps[0].reason);

    for path in ["/a%00b", "/a#b"] {
        let refused = explained(yaml, &get("ratings", path, &[]));
        assert_eq!((refused.status, refused.steps.len()), (Status::Direct, 1));
        assert!(refused.steps[0].reason.ends_with("it is answered with 400"), "{}", refused.steps[0].reason);
    }
}

#[test]
fn a_certain_answer_is_told_apart() {
    let certain = |destinations: &str, rest: &str| {
        let yaml = format!(
            "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: ratings}}
spec:
  hosts: [ratings]
  http: [{{route: [{destinations}]{rest}}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: foo}}
spec: {{hosts: ['*.foo.com'], ports: [{{number: 9080, name: http, protocol: HTTP}}, {{number: 80, name: other, protocol: HTTP}}]}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: api}}
spec: {{hosts: [Api.bar.com], ports: [{{number: 80, name: http, protocol: HTTP}}]}}
"
        );
        let explanation = explained(&yaml, &get("ratings", "/", &[]));
        let certain = explanation.certain;
        certain.map_or_else(|| "nothing".to_owned(), |it| format!("{} {} {}", it.status, it.flag, it.reason))
    };
    let to = |host: &str| format!("{{destination: {{host: {host}}}, weight: 1}}");
    let here = to("ratings");
    let abort =
        |share: u32| format!(", fault: {{abort: {{httpStatus: 418, percentage: {{value: {share}}}}}}}");
    for (destinations, rest, expected) in [
        (to("ratings"), String::new(), "nothing"),
        (
            to("x.foo.com"),
            String::new(),
            "503 NC only *.foo.com covers x.foo.com, and destinations are looked up exactly",
        ),
        (
            to("api.bar.com"),
            String::new(),
            "503 NC the service is called Api.bar.com, and api.bar.com is looked up letter by letter",
        ),
        (
            to("Api.bar.com"),
            String::new(),
            "503 NC Api.bar.com has no port 9080, on which the request came in, and the rule names none of its own (80)",
        ),
        (to("nowhere"), String::new(), "503 NC there is no service nowhere.default.svc.cluster.local:9080"),
        // One that can be reached is enough.
        (format!("{here}, {}", to("nowhere")), String::new(), "nothing"),
        (here.clone(), abort(99), "nothing"),
        (here, abort(100), "418 FI the rule's fault aborts every request"),
    ] {
        assert_eq!(certain(&destinations, &rest), expected, "{destinations}{rest}");
    }
}

#[test]
fn a_copy_that_is_not_sent_is_none() {
    let yaml = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ratings}
spec:
  hosts: [ratings]
  http: [{route: [{destination: {host: ratings}}], mirror: {host: nowhere}}]
";
    let explanation = explained(yaml, &get("ratings", "/", &[]));
    assert_eq!((explanation.mirror, explanation.certain), (None, None));
    let reason = &explanation.steps[0].reason;
    assert!(reason.ends_with("; no copy is sent to nowhere.default.svc.cluster.local: there is no service nowhere.default.svc.cluster.local:9080"), "{reason}");
}

const DELEGATES: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root}
spec:
  hosts: [ratings]
  http:
  - {name: first, match: [{uri: {prefix: /a}}], delegate: {name: leaf}}
  - {match: [{uri: {prefix: /b}}], delegate: {name: leaf}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: leaf}
spec:
  http:
  - {match: [{headers: {x: {exact: y}}}], route: [{destination: {host: reviews}}]}
  - {route: [{destination: {host: ratings}}]}
";

#[test]
fn delegates_name_the_root_and_its_rule() {
    let explanation = explained(DELEGATES, &get("ratings", "/b", &[]));
    let root = |index: usize, name: Option<&str>| {
        let route = RouteRef { index, name: name.map(str::to_owned) };
        Some(Root { virtual_service: "default/root".to_owned(), route })
    };
    assert_eq!(explanation.virtual_service.as_deref(), Some("default/leaf"));
    assert_eq!(explanation.delegated_by, root(1, None));
    let steps: Vec<_> = explanation
        .steps
        .iter()
        .map(|step| (step.route.as_ref().unwrap().index, step.delegated_by.clone(), step.matched))
        .collect();
    let (first, second) = (root(0, Some("first")), root(1, None));
    assert_eq!(
        steps,
        [(0, first.clone(), false), (1, first, false), (0, second.clone(), false), (1, second, true)]
    );
}

#[test]
fn no_rule_is_told_of_twice() {
    let yaml = format!(
        "{SERVICES}
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: gate}}
spec: {{servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ['*']}}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: one}}
spec:
  hosts: [a.com]
  gateways: [gate]
  http:
  - match: [{{uri: {{prefix: /a}}}}, {{uri: {{prefix: /}}}}]
    route: [{{destination: {{host: reviews}}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: two}}
spec:
  hosts: [a.com]
  gateways: [gate]
  http:
  - match: [{{uri: {{prefix: /b}}}}]
    route: [{{destination: {{host: ratings}}}}]
"
    );
    let mesh = Mesh::parse(&Sources::single("mesh.yaml", yaml)).mesh;
    let settings = Settings::default();
    let source = Source::Gateway { namespace: "default".into(), name: "gate".into() };
    for (path, expected) in [
        ("/a", [("default/one", true), ("default/two", false)]),
        ("/b", [("default/one", false), ("default/two", true)]),
        ("/c", [("default/two", false), ("default/one", true)]),
    ] {
        let registry = Registry::of(&mesh, &crate::Inventory::default(), &settings);
        let explanation = explain(&mesh, &registry, &settings, &source, 1, &get("a.com", path, &[]));
        let steps: Vec<(&str, bool)> = explanation
            .steps
            .iter()
            .map(|step| (step.virtual_service.as_deref().unwrap(), step.matched))
            .collect();
        assert_eq!(steps, expected, "{path}");
    }
}
