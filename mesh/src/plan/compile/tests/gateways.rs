//! Gateways: servers, the VirtualServices bound to them, and what stands last.

use super::*;
use crate::plan::Protocol;
use crate::route::Decision;

fn gate(name: &str, servers: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: {name}}}\nspec: {{selector: {{istio: gate}}, servers: [{servers}]}}\n"
    )
}

const HTTP: &str = "{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}";

#[test]
fn rules_of_one_host_are_merged_with_catch_alls_last() {
    let aged = |name: &str, year: u32, rest: &str| {
        rules(
            &format!("name: {name}, creationTimestamp: '{year}-01-01T00:00:00Z'"),
            "a.com",
            &format!("  gateways: [gate]\n{rest}"),
        )
    };
    let all = [
        gate("gate", HTTP),
        aged(
            "young",
            2022,
            "  http: [{match: [{uri: {prefix: /young}}], route: [{destination: {host: young.com}}]}]",
        ),
        aged(
            "old",
            2020,
            "  http: [{match: [{uri: {prefix: /old}}, {uri: {prefix: /}}], route: [{destination: {host: old.com}}]}, {route: [{destination: {host: never.com}}]}]",
        ),
    ];
    let plan = World::of(&all.concat()).gateway("gate");
    assert_eq!(reached(&plan, "a.com"), ["old.com", "young.com", "old.com"]);
    assert_eq!(host(&plan, "a.com").routes.last().unwrap().matches.len(), 1);
}

#[test]
fn servers_choose_hosts_and_namespaces() {
    let server = "{port: {number: 80, name: http, protocol: HTTP}, hosts: ['one/*.a.com', './b.com', '*/c.com', d.a.com]}";
    let bind = |namespace: &str, hosts: &str| {
        rules(
            &format!("name: {namespace}, namespace: {namespace}"),
            hosts,
            &format!(
                "  gateways: [default/gate]\n  http: [{{route: [{{destination: {{host: {namespace}.com}}}}]}}]"
            ),
        )
    };
    let all = [gate("gate", server), bind("one", "x.a.com, b.com, c.com"), bind("default", "'*'")];
    let plan = World::of(&all.concat()).gateway("gate");
    let list = plan.listeners[0].hosts.list.iter().map(|it| it.name.as_str());
    assert_eq!(list.collect::<Vec<_>>(), ["b.com", "c.com", "d.a.com", "x.a.com"]);
    assert_eq!(reached(&plan, "x.a.com"), ["one.com"]);
    assert_eq!(reached(&plan, "b.com"), ["default.com"]);
    assert_eq!(reached(&plan, "c.com"), ["default.com", "one.com"]);
}

#[test]
fn what_a_virtual_service_is_bound_to() {
    for (gateways, in_gate, in_mesh) in [
        ("", false, true),
        ("  gateways: [gate]\n", true, false),
        ("  gateways: [./gate, mesh]\n", true, true),
        ("  gateways: [gate.default.svc.cluster.local]\n", true, false),
        ("  gateways: [other/gate]\n", false, false),
    ] {
        let rest = format!("{gateways}  http: [{{route: [{{destination: {{host: b.com}}}}]}}]");
        let world = World::of(&(gate("gate", HTTP) + &rules("name: a", "a.com", &rest)));
        let known = |plan: &Plan| {
            plan.listener(80)
                .and_then(|it| find_virtual_host(it, "a.com"))
                .is_some_and(|it| it.name == "a.com")
        };
        assert_eq!(
            (known(&world.gateway("gate")), known(&world.from("default"))),
            (in_gate, in_mesh),
            "{gateways}"
        );
    }
    // A match for gateways does not look at the source, and one for sources does not hold at a gateway without its labels.
    let rest = "  gateways: [gate, mesh]\n  http:
  - {match: [{gateways: [gate], sourceLabels: {app: x}}], route: [{destination: {host: gate.com}}]}
  - {match: [{sourceLabels: {app: x}}], route: [{destination: {host: x.com}}]}
  - {match: [{gateways: [mesh]}], route: [{destination: {host: mesh.com}}]}";
    let world = World::of(&(gate("gate", HTTP) + &rules("name: a", "a.com", rest)));
    assert_eq!(reached(&world.gateway("gate"), "a.com"), ["gate.com"]);
    assert_eq!(reached(&world.from("default"), "a.com"), ["mesh.com"]);
}

struct Get(&'static str);

impl Request for Get {
    fn method(&self) -> &'static str {
        "GET"
    }
    fn scheme(&self) -> &'static str {
        "http"
    }
    fn authority(&self) -> &str {
        self.0
    }
    fn path(&self) -> &'static str {
        "/x?q"
    }
    fn header<'r>(&'r self, _: &'r str) -> impl Iterator<Item = std::borrow::Cow<'r, str>> {
        std::iter::empty()
    }
}

#[test]
fn protocols_and_redirects_to_tls() {
    let servers = "{port: {number: 80, name: http, protocol: HTTP}, hosts: [a.com, ns/b.com], tls: {httpsRedirect: true}},
      {port: {number: 443, name: https, protocol: HTTPS}, hosts: [a.com], tls: {mode: SIMPLE, credentialName: a}},
      {port: {number: 8443, name: tls, protocol: TLS}, hosts: [a.com], tls: {mode: PASSTHROUGH}},
      {port: {number: 9000, name: tcp, protocol: TCP}, hosts: ['*']}";
    let bound =
        rules("name: a", "a.com", "  gateways: [gate]\n  http: [{route: [{destination: {host: x.com}}]}]");
    let plan = World::of(&(gate("gate", servers) + &bound)).gateway("gate");
    let spoken: Vec<(u16, Protocol)> = plan.listeners.iter().map(|it| (it.port, it.protocol)).collect();
    let expected =
        [(80, Protocol::Http), (443, Protocol::Https), (8443, Protocol::Tls), (9000, Protocol::Tcp)];
    assert_eq!(spoken, expected);
    for authority in ["a.com", "b.com"] {
        let request = Get(authority);
        let decision = route(&plan.listeners[0], &request, Draws::default());
        let location = crate::route::location(&decision, &request);
        assert_eq!(location, Some(format!("https://{authority}/x?q")));
    }
    assert!(matches!(route(&plan.listeners[1], &Get("a.com"), Draws::default()), Decision::Forward(..)));
}

#[test]
fn a_gateway_without_rules_knows_no_route() {
    let plan = World::of(&gate("gate", HTTP)).gateway("gate");
    assert!(matches!(route(&plan.listeners[0], &Get("a.com"), Draws::default()), Decision::NoRoute(_)));
    assert!(World::of("").gateway("gate").listeners.is_empty());
}
