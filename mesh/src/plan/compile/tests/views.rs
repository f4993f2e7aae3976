//! Who sees what: namespaces, precedence, ports, domains, and what plans share.

use std::sync::Arc;

use super::*;
use crate::plan::UnknownHost;

const TO_B: &str = "  http: [{route: [{destination: {host: b.one.svc.cluster.local}}]}]";

fn services() -> String {
    [service("a", "one"), service("b", "one"), service("a", "two")].concat()
}

#[test]
fn domains_depend_on_the_namespace() {
    let headless = "---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: one}
spec: {clusterIP: None, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: one}
spec: {clusterIP: 10.0.0.7, clusterIPs: [10.0.0.7, 'fd00::7'], ports: [{name: http, port: 80}]}
";
    let world = World::of(&(services() + headless));
    let domains = |namespace: &str, host: &str| {
        let plan = world.from(namespace);
        let listener = plan.listener(80).unwrap();
        listener.hosts.list.iter().find(|it| it.name.starts_with(host)).unwrap().domains.join(" ")
    };
    assert_eq!(domains("one", "a.one"), "a.one.svc.cluster.local a.one.svc.cluster.local. a a.one a.one.svc");
    assert_eq!(domains("two", "a.one"), "a.one.svc.cluster.local a.one.svc.cluster.local. a.one a.one.svc");
    assert!(domains("one", "db.").ends_with(" *.db.one.svc"));
    assert!(domains("one", "web.").ends_with("10.0.0.7 [fd00::7]"));
    // A short name means the client's own.
    for namespace in ["one", "two"] {
        let plan = world.from(namespace);
        assert_eq!(host(&plan, "a").name, format!("a.{namespace}.svc.cluster.local"));
    }
}

#[test]
fn the_oldest_virtual_service_of_a_host_wins_and_exact_beats_wildcard() {
    let to = |name: &str| format!("  http: [{{route: [{{destination: {{host: {name}.example.com}}}}]}}]");
    let aged = |name: &str, year: u32, hosts: &str| {
        rules(
            &format!("name: {name}, namespace: one, creationTimestamp: '{year}-01-01T00:00:00Z'"),
            hosts,
            &to(name),
        )
    };
    let all = [
        aged("new", 2022, "a"),
        aged("old", 2021, "a"),
        aged("wild", 2019, "'*.cluster.local'"),
        aged("wilder", 2018, "'*.local'"),
        aged("nobody", 2017, "'*.nobody'"),
    ];
    let plan = World::of(&(services() + &all.concat())).from("one");
    assert_eq!(reached(&plan, "a"), ["old.example.com"]);
    assert_eq!(reached(&plan, "b"), ["wild.example.com"]);
    assert_eq!(reached(&plan, "x.nobody"), ["nobody.example.com"]);
    // Wildcards that services stand for are no hosts of their own.
    assert!(find_virtual_host(plan.listener(80).unwrap(), "x.cluster.local").is_none());
}

#[test]
fn export_to() {
    let bound = |export: &str| {
        rules(
            "name: a, namespace: two",
            "a.one.svc.cluster.local",
            &format!("  exportTo: [{export}]\n{TO_B}"),
        )
    };
    for (export, in_one, in_two) in [
        ("'*'", "b.one", "b.one"),
        (".", "a.one", "b.one"),
        ("one", "b.one", "a.one"),
        ("'~'", "a.one", "a.one"),
        ("one, .", "b.one", "b.one"),
    ] {
        let world = World::of(&(services() + &bound(export)));
        assert_eq!(reached(&world.from("one"), "a.one"), [in_one], "{export}");
        assert_eq!(reached(&world.from("two"), "a.one"), [in_two], "{export}");
    }
    let hidden = services()
        + "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ext, namespace: one}
spec: {hosts: [ext.com], exportTo: [.], ports: [{number: 80, name: http, protocol: HTTP}]}
";
    let world = World::of(&hidden);
    assert!(find_virtual_host(world.from("one").listener(80).unwrap(), "ext.com").is_some());
    assert!(find_virtual_host(world.from("two").listener(80).unwrap(), "ext.com").is_none());
}

#[test]
fn ones_own_virtual_service_comes_before_an_older_public_one() {
    let own = rules(
        "name: own, namespace: one, creationTimestamp: '2022-01-01T00:00:00Z'",
        "a",
        &format!("  exportTo: [.]\n{TO_B}"),
    );
    let public = rules(
        "name: public, namespace: two, creationTimestamp: '2020-01-01T00:00:00Z'",
        "a.one.svc.cluster.local",
        "  http: [{route: [{destination: {host: c.com}}]}]",
    );
    let world = World::of(&(services() + &own + &public));
    assert_eq!(reached(&world.from("one"), "a"), ["b.one"]);
    assert_eq!(reached(&world.from("two"), "a.one"), ["c.com"]);
}

#[test]
fn hosts_that_no_service_has_are_on_port_80() {
    let yaml = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec: {hosts: [reviews.default.svc.cluster.local], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 9080, name: http, protocol: HTTP}, {number: 9443, name: tls, protocol: TLS}]}
";
    let bound =
        rules("name: r", "reviews, bookinfo.com", "  http: [{route: [{destination: {host: reviews}}]}]");
    let plan = World::of(&(yaml.to_owned() + &bound)).from("default");
    let ports: Vec<u16> = plan.listeners.iter().map(|listener| listener.port).collect();
    assert_eq!(ports, [80, 9080, 9443]);
    let known = |port: u16, host: &str| find_virtual_host(plan.listener(port).unwrap(), host).is_some();
    assert_eq!([known(80, "bookinfo.com"), known(9080, "bookinfo.com")], [true, true]);
    assert_eq!([known(80, "reviews"), known(9080, "reviews")], [false, true]);
}

#[test]
fn rules_that_leave_nothing_leave_the_default() {
    let rule = rules(
        "name: a, namespace: one",
        "a",
        "  http: [{match: [{sourceLabels: {app: x}}], route: [{destination: {host: b}}]}]",
    );
    let plan = World::of(&(services() + &rule)).from("one");
    assert_eq!(reached(&plan, "a"), ["a.one"]);
    assert_eq!(host(&plan, "a").routes[0].key, None);
}

#[test]
fn unknown_hosts() {
    for (outbound_policy, expected) in [
        (OutboundPolicy::AllowAny, UnknownHost::Passthrough),
        (OutboundPolicy::RegistryOnly, UnknownHost::BadGateway),
    ] {
        let world = World::with(&services(), Settings { outbound_policy, ..Settings::default() });
        assert_eq!(world.from("one").listeners[0].unknown_host, expected);
    }
}

#[test]
fn plans_are_shared_by_those_who_see_the_same() {
    let entry = |name: &str, labels: &str| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: {name}, namespace: one}}\nspec: {{address: 1.1.1.1, labels: {{{labels}}}}}\n"
        )
    };
    let entries =
        [entry("x", "app: a, version: v1"), entry("y", "app: a, version: v2"), entry("z", "app: b")].concat();
    let rule = rules(
        "name: a, namespace: one",
        "a",
        "  http: [{match: [{sourceLabels: {app: a}}], route: [{destination: {host: b}}]}]",
    );
    let world = World::of(&(services() + &entries + &rule));
    let plans = compile_all(&world.mesh, &world.registry, &world.settings, 3);
    let [x, y, z] = plans.as_slice() else { panic!("{}", plans.len()) };
    assert!(Arc::ptr_eq(&x.listeners, &y.listeners) && Arc::ptr_eq(&x.clusters, &y.clusters));
    assert!(!Arc::ptr_eq(&x.listeners, &z.listeners));
    assert_eq!((reached(x, "a"), reached(z, "a")), (vec!["b.one".to_owned()], vec!["a.one".to_owned()]));
}

#[test]
fn the_order_of_files_makes_no_difference() {
    let documents = [
        service("a", "one"),
        service("b", "one"),
        rules("name: x, namespace: one", "a", TO_B),
        rules("name: y, namespace: one", "a, c.com", TO_B),
        policy("name: a, namespace: one", "host: a, subsets: [{name: v1, labels: {version: v1}}]"),
        policy("name: b, namespace: one", "host: a, subsets: [{name: v1, labels: {version: v2}}]"),
    ];
    let forth = World::of(&documents.concat()).from("one");
    let back = World::of(&documents.iter().rev().cloned().collect::<String>()).from("one");
    assert_eq!(forth, back);
}

#[test]
fn a_thousand_services_are_cheap() {
    let yaml: String = (0..1000)
        .map(|at| {
            let name = format!("s{at}");
            let to = format!("  http: [{{route: [{{destination: {{host: {name}, subset: v1}}, weight: 90}}, {{destination: {{host: {name}}}, weight: 10}}]}}]");
            service(&name, "one")
                + &rules(&format!("name: {name}, namespace: one"), &name, &to)
                + &policy(&format!("name: {name}, namespace: one"), &format!("host: {name}, subsets: [{{name: v1, labels: {{version: v1}}}}]"))
                + &format!("---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: {name}-v1, namespace: one}}\nspec: {{address: 1.1.1.1, labels: {{app: {name}, version: v1}}}}\n")
        })
        .collect();
    let world = World::of(&yaml);
    let plans = compile_all(&world.mesh, &world.registry, &world.settings, 1);
    assert_eq!(
        (plans.len(), plans[0].listeners[0].hosts.list.len(), plans[0].clusters.len()),
        (1000, 1000, 2000)
    );
    assert!(plans.iter().all(|plan| Arc::ptr_eq(&plan.listeners, &plans[0].listeners)));
}
