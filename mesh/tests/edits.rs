//! Edits on text: what they change, that they change nothing else, and that they lead back.
#![expect(clippy::unwrap_used, reason = "a test")]

use mesh::edit::{
    AbortSpec, Applied, DelaySpec, EditError, FaultSpec, FieldEdit, HeaderEquals, RetrySpec, RouteTarget,
    Share, apply, fault_expiries,
};
use mesh::{Edit, Kind, Mesh, ResourceKey, RouteKey, Severity, Sources};
use serde_json::json;

const REVIEWS: &str = "\
# Who owns this: team stars
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
  annotations: {owner: 'stars'} # kept
spec:
  hosts:
    - reviews # short
  http:
    - name: jason
      match:
        - headers:
            end-user:
              exact: \"jason\"
      route:
        - destination: {host: reviews, subset: v2}
    # everyone else
    - route:
        - destination:
            host: reviews
            subset: v1
          weight: 90 # stable
        - destination:
            host: reviews
            subset: v3
          weight: 10 # canary
      timeout: 3s
      unknownField: {a: [1, 2]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets:
    - {name: v1, labels: {version: v1}}
    - {name: v3, labels: {version: v3}} # black
";

const RATINGS: &str = "\
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata:
  name: ratings
spec:
  hosts:
  - ratings
  http:
  - fault:
      delay:
        percent: 10
        fixedDelay: 5s
    route:
    - destination:
        host: ratings
        subset: v1
";

fn sources() -> Sources {
    Sources::from_iter([("reviews.yaml", REVIEWS), ("ratings.yaml", RATINGS)])
}

fn key(name: &str, index: usize) -> RouteKey {
    RouteKey { namespace: "default".into(), name: name.into(), index }
}

fn route(name: &str, index: usize) -> RouteTarget {
    RouteTarget::Route(key(name, index))
}

fn share(subset: &str, weight: u32) -> Share {
    Share { host: "reviews".into(), subset: Some(subset.into()), port: None, weight }
}

fn jason() -> Option<HeaderEquals> {
    Some(HeaderEquals { name: "end-user".into(), value: "jason".into() })
}

fn abort(status: u16, percent: f64) -> Option<FaultSpec> {
    Some(FaultSpec { delay: None, abort: Some(AbortSpec { percent, status }) })
}

/// Applies, and checks what holds for every edit: the way back, and that no error comes up.
fn applied(sources: &Sources, edits: &[Edit]) -> Applied {
    let applied = apply(sources, edits).unwrap();
    let back = apply(&applied.sources, &applied.inverse).unwrap();
    assert_eq!(back.sources, *sources);
    let again = Mesh::parse(&applied.sources);
    assert_eq!(again.diagnostics, applied.parsed.diagnostics);
    assert!(again.diagnostics.iter().all(|d| d.severity != Severity::Error), "{:#?}", again.diagnostics);
    applied
}

/// Lines that an edit removes (`-`) and adds (`+`), over all files.
fn changes(before: &Sources, after: &Sources) -> Vec<String> {
    let mut lines = Vec::new();
    let files: std::collections::BTreeSet<_> = before.0.keys().chain(after.0.keys()).collect();
    for file in files {
        let text = |sources: &Sources| sources.0.get(file).cloned().unwrap_or_default();
        let (old, new) = (text(before), text(after));
        for change in similar::TextDiff::from_lines(&old, &new).iter_all_changes() {
            let sign = match change.tag() {
                similar::ChangeTag::Equal => continue,
                similar::ChangeTag::Delete => '-',
                similar::ChangeTag::Insert => '+',
            };
            lines.push(format!("{sign}{}", change.value().trim_end()));
        }
    }
    lines
}

fn check(edit: Edit, summary: &str, expected: &[&str]) {
    let before = sources();
    let after = applied(&before, &[edit]);
    assert_eq!(after.summary, summary);
    assert_eq!(changes(&before, &after.sources), expected, "{summary}");
}

const DB: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: db
spec:
  hosts: [db]
  tls:
  - match: [{sniHosts: [db.example.com]}]
    route:
    - destination: {host: db, subset: v1} # alone
  tcp:
  - match: [{port: 5432}]
    route:
    - {destination: {host: db, subset: v1}, weight: 90}
    - {destination: {host: db, subset: v2}, weight: 10} # new
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: db}
spec:
  host: db
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
";

#[test]
fn routes_of_connections() {
    let before = Sources::single("db.yaml", DB);
    let to = |subset: &str, weight| Share { host: "db".into(), ..share(subset, weight) };
    let weights = |target, shares: [(&str, u32); 2]| Edit::SetWeights {
        target,
        shares: shares.map(|(subset, weight)| to(subset, weight)).to_vec(),
    };
    let fault = |target, fault| Edit::InjectFault { target, only: None, fault, expires_at: None };
    let delay = Some(DelaySpec { percent: 2.5, millis: 1500 });
    let (tcp, tls) = (|| RouteTarget::Tcp(key("db", 0)), || RouteTarget::Tls(key("db", 0)));
    let shifted = [
        "-    - {destination: {host: db, subset: v1}, weight: 90}",
        "-    - {destination: {host: db, subset: v2}, weight: 10} # new",
        "+    - {destination: {host: db, subset: v1}, weight: 50}",
        "+    - {destination: {host: db, subset: v2}, weight: 50} # new",
    ];
    for (edit, summary, expected) in [
        (weights(tcp(), [("v1", 50), ("v2", 50)]), "db tcp #1: split 90/10 → 50/50", &shifted[..]),
        (
            weights(tls(), [("v1", 70), ("v2", 30)]),
            "db tls #1: split 100/0 → 70/30",
            &[
                "+      weight: 70",
                "+    - destination:",
                "+        host: db",
                "+        subset: v2",
                "+      weight: 30",
            ],
        ),
        (
            fault(tcp(), Some(FaultSpec { delay, abort: abort(0, 10.0).unwrap().abort })),
            "db tcp #1: delay 1.5s on 2.5 %, reset of 10 %",
            &[
                "+  annotations:",
                "+    meshwright.io/connection-faults: \"tcp[0] delay 1.5s 2.5%; tcp[0] reset 10%\"",
            ],
        ),
    ] {
        let after = applied(&before, &[edit]);
        assert_eq!(after.summary, summary);
        assert_eq!(changes(&before, &after.sources), expected, "{summary}");
    }
    // A fault takes the place of the one before, and leaves those of other rules; without any nothing remains.
    let edits = [
        fault(tcp(), abort(0, 10.0)),
        fault(tls(), abort(0, 5.0)),
        fault(tcp(), None),
        fault(tls(), abort(0, 1.0)),
    ];
    let after = applied(&before, &edits);
    assert_eq!(
        changes(&before, &after.sources),
        ["+  annotations:", "+    meshwright.io/connection-faults: \"tls[0] reset 1%\""]
    );
    assert_eq!(applied(&after.sources, &[fault(tls(), None)]).sources, before);
    for edit in [
        weights(RouteTarget::Tcp(key("db", 1)), [("v1", 1), ("v2", 99)]),
        Edit::SetTimeout { target: tcp(), millis: Some(1) },
    ] {
        assert!(matches!(apply(&before, &[edit]), Err(EditError::NoRoute(_))));
    }
}

#[test]
fn weights() {
    check(
        Edit::SetWeights { target: route("reviews", 1), shares: vec![share("v1", 50), share("v3", 50)] },
        "reviews #2: split 90/10 → 50/50",
        &[
            "-          weight: 90 # stable",
            "+          weight: 50 # stable",
            "-          weight: 10 # canary",
            "+          weight: 50 # canary",
        ],
    );
    check(
        Edit::SetWeights {
            target: route("reviews", 1),
            shares: vec![share("v1", 50), share("v2", 25), share("v3", 25)],
        },
        "reviews #2: split 90/0/10 → 50/25/25",
        &[
            "-          weight: 90 # stable",
            "+          weight: 50 # stable",
            "+        - destination:",
            "+            host: reviews",
            "+            subset: v2",
            "+          weight: 25",
            "-          weight: 10 # canary",
            "+          weight: 25 # canary",
            // The new destination needs its subset.
            "+    - name: v2",
            "+      labels:",
            "+        version: v2",
        ],
    );
    check(
        Edit::SetWeights { target: route("reviews", 1), shares: vec![share("v3", 100)] },
        "reviews #2: split 10/90 → 100",
        &[
            "-            subset: v1",
            "-          weight: 90 # stable",
            "-        - destination:",
            "-            host: reviews",
            "-          weight: 10 # canary",
            "+          weight: 100 # canary",
        ],
    );
    check(
        Edit::SetWeights { target: route("reviews", 0), shares: vec![share("v2", 100)] },
        "reviews (jason): split 100",
        &[],
    );
}

#[test]
fn faults() {
    let fault = |fault, only, expires_at, name, index| Edit::InjectFault {
        target: route(name, index),
        only,
        fault,
        expires_at,
    };
    check(
        fault(abort(500, 100.0), None, None, "reviews", 1),
        "reviews #2: abort 500 on 100 %",
        &[
            "+      fault:",
            "+        abort:",
            "+          httpStatus: 500",
            "+          percentage:",
            "+            value: 100",
        ],
    );
    let delay = Some(FaultSpec { delay: Some(DelaySpec { percent: 10.0, millis: 2500 }), abort: None });
    check(
        fault(delay, None, None, "ratings", 0),
        "ratings: delay 2.5s on 10 %",
        &["-        fixedDelay: 5s", "+        fixedDelay: 2.5s"],
    );
    let delay = Some(FaultSpec { delay: Some(DelaySpec { percent: 0.5, millis: 5000 }), abort: None });
    check(
        fault(delay, None, None, "ratings", 0),
        "ratings: delay 5s on 0.5 %",
        &["-        percent: 10", "+        percentage:", "+          value: 0.5"],
    );
    check(
        fault(None, None, None, "ratings", 0),
        "ratings: fault removed",
        &[
            "-  - fault:",
            "-      delay:",
            "-        percent: 10",
            "-        fixedDelay: 5s",
            "-    route:",
            "+  - route:",
        ],
    );
    // The route is for jason alone already.
    check(
        fault(abort(500, 100.0), jason(), Some(1_764_000_000), "reviews", 0),
        "reviews (jason): abort 500 on 100 % for end-user: jason",
        &[
            "-  annotations: {owner: 'stars'} # kept",
            "+  annotations: {owner: 'stars', meshwright.io/fault-expires: jason=1764000000} # kept",
            "+      fault:",
            "+        abort:",
            "+          httpStatus: 500",
            "+          percentage:",
            "+            value: 100",
        ],
    );
}

#[test]
fn a_fault_for_some_requests_is_a_copy_in_front() {
    let before = sources();
    let edit = |fault, only, expires_at, index| Edit::InjectFault {
        target: route("ratings", index),
        only,
        fault,
        expires_at,
    };
    let first = applied(&before, &[edit(abort(500, 100.0), jason(), Some(1_764_000_000), 0)]);
    assert_eq!(
        changes(&before, &first.sources),
        [
            "+  annotations:",
            "+    meshwright.io/fault-expires: meshwright-fault-end-user-jason=1764000000",
            "+  - name: meshwright-fault-end-user-jason",
            "+    fault:",
            "+      abort:",
            "+        httpStatus: 500",
            "+        percentage:",
            "+          value: 100",
            "+    match:",
            "+    - headers:",
            "+        end-user:",
            "+          exact: jason",
            "+    route:",
            "+    - destination:",
            "+        host: ratings",
            "+        subset: v1",
        ]
    );
    assert_eq!(fault_expiries(&first.parsed.mesh), [(key("ratings", 0), 1_764_000_000)]);
    // Again on the same route, which is the second now: the copy's fault changes, and no other copy is made.
    let second = applied(&first.sources, &[edit(abort(503, 100.0), jason(), Some(1_764_000_300), 1)]);
    assert_eq!(
        changes(&first.sources, &second.sources),
        [
            "-    meshwright.io/fault-expires: meshwright-fault-end-user-jason=1764000000",
            "+    meshwright.io/fault-expires: meshwright-fault-end-user-jason=1764000300",
            "-        httpStatus: 500",
            "+        httpStatus: 503",
        ]
    );
    // Its other expiry moves with it.
    let third = applied(&second.sources, &[edit(abort(500, 5.0), None, Some(1_764_000_600), 1)]);
    assert_eq!(
        fault_expiries(&third.parsed.mesh),
        [(key("ratings", 0), 1_764_000_300), (key("ratings", 1), 1_764_000_600)]
    );
    // A split is made on the copy, too.
    let split = Edit::SetTimeout { target: route("ratings", 1), millis: Some(1000) };
    let split = applied(&third.sources, &[split]);
    assert_eq!(changes(&third.sources, &split.sources), ["+    timeout: 1s", "+    timeout: 1s"]);
    // Removing takes the copy away; by the route's key or by the copy's own.
    for removal in [edit(None, jason(), None, 1), edit(None, None, None, 0)] {
        let gone = applied(&third.sources, &[removal]);
        assert_eq!(fault_expiries(&gone.parsed.mesh), [(key("ratings", 0), 1_764_000_600)]);
        assert!(!gone.sources.0["ratings.yaml"].contains("end-user"));
    }
    let none = applied(&second.sources, &[edit(None, jason(), None, 1)]);
    assert_eq!(none.sources, before);
}

#[test]
fn an_expiry_stays_with_its_route() {
    let set = Edit::InjectFault {
        target: route("reviews", 1),
        only: None,
        fault: abort(500, 100.0),
        expires_at: Some(1_764_000_000),
    };
    let made = applied(&sources(), &[set]).sources;
    let expiries = |text: String| fault_expiries(&Mesh::parse(&Sources::single("a.yaml", text)).mesh);
    let text = &made.0["reviews.yaml"];
    let first = "    - name: jason\n";
    let front = "    - match: [{uri: {prefix: /new}}]\n      fault: {abort: {httpStatus: 503, percentage: {value: 1}}}\n      \
                 route: [{destination: {host: reviews, subset: v1}}]\n";
    assert_eq!(expiries(text.clone()), [(key("reviews", 1), 1_764_000_000)]);
    // Another rule with a fault stands in front now, in its place and before it.
    let inserted = text.replace(first, &format!("{front}{first}"));
    assert_eq!(expiries(inserted), [(key("reviews", 2), 1_764_000_000)]);
    let swapped = text.replace("    # everyone else\n", front);
    assert_eq!(expiries(swapped), [(key("reviews", 2), 1_764_000_000)]);
    // It leads somewhere else now: it is known by its place, and ends all the same.
    let elsewhere = text.replace("subset: v3\n", "subset: v4\n");
    assert_ne!(elsewhere, *text);
    assert_eq!(expiries(elsewhere), [(key("reviews", 1), 1_764_000_000)]);
    // As it was written before routes had identities.
    let old = text.replace(&text[text.find("#1@").unwrap()..text.find("=1764").unwrap()], "#1");
    assert_ne!(old, *text);
    assert_eq!(expiries(old), [(key("reviews", 1), 1_764_000_000)]);
}

#[test]
fn timeouts_and_retries() {
    check(
        Edit::SetTimeout { target: route("reviews", 1), millis: Some(500) },
        "reviews #2: timeout 500ms (was 3s)",
        &["-      timeout: 3s", "+      timeout: 500ms"],
    );
    check(
        Edit::SetTimeout { target: route("reviews", 1), millis: None },
        "reviews #2: timeout by default (was 3s)",
        &["-      timeout: 3s"],
    );
    check(
        Edit::SetTimeout { target: route("reviews", 1), millis: Some(3000) },
        "reviews #2: timeout 3s (was 3s)",
        &[],
    );
    let retries =
        RetrySpec { attempts: 3, per_try_timeout_millis: Some(2000), retry_on: Some("5xx,reset".into()) };
    check(
        Edit::SetRetries { target: route("ratings", 0), retries: Some(retries) },
        "ratings: 3 retries, 2s each, on 5xx,reset",
        &["+    retries:", "+      attempts: 3", "+      perTryTimeout: 2s", "+      retryOn: 5xx,reset"],
    );
}

#[test]
fn fields() {
    let fields = vec![
        FieldEdit { path: "spec.http[0].fault.delay.percent".into(), value: None },
        FieldEdit { path: "spec.http[0].fault.delay.percentage".into(), value: Some(json!({ "value": 10 })) },
        FieldEdit { path: "metadata.labels[\"app.kubernetes.io/name\"]".into(), value: Some(json!("x")) },
    ];
    let key = ResourceKey::new(Kind::VirtualService, "default", "ratings");
    check(
        Edit::SetFields { key: key.clone(), fields },
        "VirtualService ratings: set spec.http[0].fault.delay.percent, spec.http[0].fault.delay.percentage, \
         metadata.labels[\"app.kubernetes.io/name\"]",
        &[
            "+  labels:",
            "+    app.kubernetes.io/name: x",
            "-        percent: 10",
            "+        percentage:",
            "+          value: 10",
        ],
    );
    let wrong = vec![FieldEdit { path: "metadata.name.x".into(), value: Some(json!(1)) }];
    assert_eq!(
        apply(&sources(), &[Edit::SetFields { key, fields: wrong }]).unwrap_err(),
        EditError::NoField("metadata.name.x".into())
    );
}

#[test]
fn every_fix_mends_what_it_is_for() {
    let text = "\
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata:
  name: bookinfo
spec:
  hosts:
  - *.foo.com
  - bookinfo
  http:
  - match:
      sourceLabels:
        version: 1.0 # one
    fault:
      abort:
        percent: 10
        httpStatus: '400'
    route:
    - destination:
        host: ratings
    mirror: {host: b}
    mirrorPercent: 3
    ...
";
    let mut sources = Sources::from_iter([("a.yaml", RATINGS), ("b.yaml", text)]);
    let mut fixes = Vec::new();
    while let Some(diagnostic) = Mesh::parse(&sources).diagnostics.into_iter().next() {
        let fix = diagnostic.fix.clone().unwrap();
        let after = applied(&sources, &[fix.edit]);
        assert!(!after.parsed.diagnostics.contains(&diagnostic), "{diagnostic:#?}\n{:#?}", after.sources);
        fixes.push(diagnostic.code.into_owned());
        sources = after.sources;
        assert!(fixes.len() < 20, "{fixes:?} {sources:#?}");
    }
    fixes.sort();
    let expected =
        ["MW0010", "MW0011", "MW0013", "MW0014", "MW0014", "MW0020", "MW0020", "MW0021", "MW0022", "MW0025"];
    assert_eq!(fixes, expected);
    assert_eq!(
        sources.0["b.yaml"],
        "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: bookinfo
spec:
  hosts:
  - \"*.foo.com\"
  - bookinfo
  http:
  - match:
    - sourceLabels:
        version: \"1.0\" # one
    fault:
      abort:
        httpStatus: 400
        percentage:
          value: 10
    route:
    - destination:
        host: ratings
    mirror: {host: b}
    mirrorPercentage:
      value: 3
    \n"
    );
}

#[test]
fn a_service_without_a_virtual_service() {
    let service = |name: &str| RouteTarget::Service(format!("{name}.default.svc.cluster.local"));
    let before = sources();
    let details = |weight| Share { host: "details".into(), ..share("v2", weight) };
    let edit = Edit::SetWeights { target: service("details"), shares: vec![details(100)] };
    let after = applied(&before, &[edit]);
    assert_eq!(after.summary, "details: split 100");
    assert_eq!(
        after.sources.0["details.yaml"],
        "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: details
spec:
  hosts:
  - details
  http:
  - route:
    - destination:
        host: details
        subset: v2
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: details
spec:
  host: details
  subsets:
  - name: v2
    labels:
      version: v2
"
    );
    // What is there is used: the route without a match.
    let edit = Edit::SetTimeout { target: service("reviews"), millis: Some(1000) };
    assert_eq!(
        changes(&before, &applied(&before, &[edit]).sources),
        ["-      timeout: 3s", "+      timeout: 1s"]
    );
    // A mesh of one file stays one.
    let single = Sources::single("mesh.yaml", REVIEWS);
    let edit = Edit::InjectFault {
        target: service("ratings"),
        only: None,
        fault: abort(500, 1.0),
        expires_at: None,
    };
    let after = applied(&single, &[edit]);
    assert!(after.sources.0["mesh.yaml"].starts_with(REVIEWS));
    assert_eq!(after.sources.0.len(), 1);
}

#[test]
fn whole_documents() {
    let key = |name: &str| ResourceKey::new(Kind::VirtualService, "default", name);
    let before = sources();
    // With another name, and by a text that has no line feed at its end.
    let yaml = REVIEWS.split("---").next().unwrap().replace("name: reviews", "name: stars");
    let edit = Edit::ReplaceResource { key: key("reviews"), yaml: yaml.trim_end().to_owned() };
    let after = applied(&before, &[edit]);
    assert_eq!(changes(&before, &after.sources), ["-  name: reviews", "+  name: stars"]);
    assert!(after.parsed.mesh.document(&key("stars")).is_some());
    // The second of a file, with the marker that people paste.
    let rule = ResourceKey::new(Kind::DestinationRule, "default", "reviews");
    let yaml = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata:\n  name: reviews\n";
    let after = applied(&before, &[Edit::ReplaceResource { key: rule.clone(), yaml: yaml.to_owned() }]);
    assert!(after.sources.0["reviews.yaml"].ends_with(&format!("\n{yaml}")));
    let several = Edit::ReplaceResource { key: rule.clone(), yaml: format!("{yaml}{yaml}") };
    assert_eq!(apply(&before, &[several]).unwrap_err(), EditError::NotOneDocument(2));
    // Added behind the others, or in a file of its own.
    let added =
        |file: &str| Edit::AddResource { file: file.into(), yaml: yaml.replace("reviews", "x").split_off(4) };
    let after = applied(&before, &[added("ratings.yaml"), added("new/x.yaml")]);
    assert_eq!(after.summary, "add DestinationRule x to ratings.yaml; add DestinationRule x to new/x.yaml");
    assert!(after.sources.0["ratings.yaml"].starts_with(&format!("{RATINGS}---\napiVersion")));
    assert!(after.sources.0["new/x.yaml"].starts_with("apiVersion"));
    // Removed: one of two, and the last of a file with its file.
    let after = applied(&before, &[Edit::RemoveResource { key: rule }]);
    assert_eq!(after.sources.0["reviews.yaml"], REVIEWS.split("---").next().unwrap());
    let after = applied(&before, &[Edit::RemoveResource { key: key("reviews") }]);
    assert_eq!(after.sources.0["reviews.yaml"], REVIEWS.split("---\n").nth(1).unwrap());
    let after = applied(&before, &[Edit::RemoveResource { key: key("ratings") }]);
    assert_eq!(after.sources.0.keys().collect::<Vec<_>>(), ["reviews.yaml"]);
    let files = vec![("ratings.yaml".to_owned(), None), ("a.yaml".to_owned(), Some(RATINGS.to_owned()))];
    let after = applied(&before, &[Edit::SetFiles { files }]);
    assert_eq!(after.sources.0.keys().collect::<Vec<_>>(), ["a.yaml", "reviews.yaml"]);
}

#[test]
fn entries_of_a_list() {
    let indented = |text: &str| text.lines().map(|line| format!("  {line}\n")).collect::<String>();
    let text = format!(
        "apiVersion: v1\nkind: List\nitems:\n-{}- # second\n{}",
        &indented(RATINGS)[1..],
        indented(&RATINGS.replace("name: ratings", "name: other"))
    );
    let before = Sources::single("list.yaml", text);
    let edit = Edit::SetTimeout { target: route("other", 0), millis: Some(1000) };
    let after = applied(&before, &[edit]);
    assert_eq!(changes(&before, &after.sources), ["+      timeout: 1s"]);
    let key = ResourceKey::new(Kind::VirtualService, "default", "other");
    let document = after.parsed.mesh.document(&key).unwrap();
    assert_eq!(document.place("spec.http[0].timeout").unwrap().line, 37);
    let after = applied(&before, &[Edit::RemoveResource { key: key.clone() }]);
    assert_eq!(after.parsed.mesh.resources().count(), 1);
    let after = applied(&before, &[Edit::ReplaceResource { key, yaml: RATINGS.replace("ratings", "third") }]);
    assert!(
        after.parsed.mesh.document(&ResourceKey::new(Kind::VirtualService, "default", "third")).is_some()
    );
}

#[test]
fn what_is_not_there() {
    let timeout = |name, index| Edit::SetTimeout { target: route(name, index), millis: None };
    let missing = ResourceKey::new(Kind::VirtualService, "default", "nothing");
    let table = [
        (timeout("nothing", 0), EditError::NoResource(missing.clone())),
        (timeout("reviews", 2), EditError::NoRoute(key("reviews", 2))),
        (Edit::RemoveResource { key: missing.clone() }, EditError::NoResource(missing)),
        (Edit::SetWeights { target: route("reviews", 0), shares: vec![] }, EditError::NoShares),
    ];
    for (edit, expected) in table {
        // The first of the two is not made either.
        assert_eq!(apply(&sources(), &[timeout("reviews", 1), edit]).unwrap_err(), expected);
    }
    let redirect = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: r\nspec:\n  http:\n  - redirect:\n      uri: /\n";
    let edit = Edit::SetWeights { target: route("r", 0), shares: vec![share("v1", 1)] };
    assert_eq!(
        apply(&Sources::single("r.yaml", redirect), &[edit]).unwrap_err(),
        EditError::NotForwarding(key("r", 0))
    );
}
