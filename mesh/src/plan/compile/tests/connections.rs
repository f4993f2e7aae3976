//! Routes of connections, TLS at gateways and towards services, secrets.

use super::*;
use crate::plan::{AbortWith, Protocol, Subnet};
use crate::resource::gateway::ServerTlsMode;
use crate::route::{Connection, connection, tls_server};

/// A service in `default` with one endpoint, and ports as they are written.
fn entry(name: &str, rest: &str, ports: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}}}\nspec:\n  hosts: [{name}.com]\n  resolution: STATIC\n  ports: [{ports}]\n  endpoints: [{{address: 10.9.9.9, labels: {{version: v1}}}}]\n{rest}\n"
    )
}

fn gate(servers: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: gate}}\nspec: {{selector: {{istio: gate}}, servers: [{servers}]}}\n"
    )
}

const TCP: &str = "{number: 3306, name: db, protocol: TCP}";
const TLS: &str = "{number: 443, name: tls, protocol: TLS}";

/// Where a connection goes: `subset@host`, or nothing.
fn goes(plan: &Plan, port: u16, asked: Connection<'_>) -> Option<String> {
    let passage = connection(plan.listener(port)?, &asked, Draws::default())?;
    let key = &plan.clusters[passage.destination.cluster.0 as usize].key;
    Some(key.subset.iter().map(|it| format!("{it}@")).collect::<String>() + &key.host)
}

fn sni(name: &str) -> Connection<'_> {
    Connection { sni: Some(name), ..Connection::default() }
}

fn toward(address: &str) -> Connection<'static> {
    Connection { destination: address.parse().ok(), ..Connection::default() }
}

#[test]
fn services_have_routes_by_default() {
    let yaml = entry("one", "  addresses: [10.0.0.1]", TCP)
        + &entry("two", "  addresses: [10.0.1.0/24]", TCP)
        + &entry("any", "", TCP)
        + &entry("a", "", TLS)
        + &entry("b", "", TLS);
    let plan = World::of(&yaml).from("default");
    assert_eq!(plan.listener(3306).map(|it| it.protocol), Some(Protocol::Tcp));
    assert_eq!(plan.listener(443).map(|it| it.protocol), Some(Protocol::Tls));
    for (asked, host) in
        [(toward("10.0.0.1"), "one.com"), (toward("10.0.1.7"), "two.com"), (toward("10.2.0.0"), "any.com")]
    {
        assert_eq!(goes(&plan, 3306, asked).as_deref(), Some(host));
    }
    let named = Connection { host: Some("two.com"), ..Connection::default() };
    assert_eq!(goes(&plan, 3306, named).as_deref(), Some("two.com"));
    assert_eq!(goes(&plan, 443, sni("b.com")).as_deref(), Some("b.com"));
    assert_eq!(goes(&plan, 443, sni("c.com")), None);
    assert_eq!(goes(&plan, 443, Connection::default()), None);
}

#[test]
fn rules_take_connections_by_source_name_and_address() {
    let vs = rules(
        "name: r",
        "db.com",
        "  tcp:
  - {match: [{sourceLabels: {app: x}}], route: [{destination: {host: never.com}}]}
  - {match: [{port: 1}, {gateways: [gate]}], route: [{destination: {host: never.com}}]}
  - {match: [{sourceSubnet: 10.1.0.0/16, port: 3306}], route: [{destination: {host: near.com}}]}
  - {match: [{destinationSubnets: [10.2.0.0/16]}], route: [{destination: {host: range.com}}]}
  - {route: [{destination: {host: db.com, subset: v1}, weight: 1}, {destination: {host: db.com}, weight: 0}]}
  - {route: [{destination: {host: never.com}}]}",
    );
    let tls = rules(
        "name: t",
        "'*.x.com'",
        "  tls:
  - {match: [{sniHosts: [A.x.com]}], route: [{destination: {host: a.com}}]}
  - {match: [{sniHosts: ['*.x.com'], port: 443}], route: [{destination: {host: wild.com}}]}",
    );
    let wild = entry("wild", "", TLS).replace("[wild.com]", "['*.x.com']");
    let plan = World::of(&(entry("db", "", TCP) + &wild + &vs + &tls)).from("default");
    let from = |address: &str| Connection { source: address.parse().ok(), ..Connection::default() };
    assert_eq!(goes(&plan, 3306, from("10.1.2.3")).as_deref(), Some("near.com"));
    assert_eq!(goes(&plan, 3306, toward("10.2.0.1")).as_deref(), Some("range.com"));
    assert_eq!(goes(&plan, 3306, from("10.3.0.1")).as_deref(), Some("v1@db.com"));
    for (name, host) in [("a.x.com", Some("a.com")), ("b.x.com", Some("wild.com")), ("x.com", None)] {
        assert_eq!(goes(&plan, 443, sni(name)).as_deref(), host, "{name}");
    }
}

#[test]
fn gateways_pass_on_or_open_by_name() {
    let servers = "{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['ns/*.x.com', b.com], tls: {mode: SIMPLE, credentialName: x}},
      {port: {number: 443, name: pass, protocol: TLS}, hosts: ['p.x.com'], tls: {mode: PASSTHROUGH}},
      {port: {number: 443, name: db, protocol: TLS}, hosts: [db.com], tls: {mode: MUTUAL, credentialName: db}},
      {port: {number: 443, name: http, protocol: HTTP}, hosts: ['*']},
      {port: {number: 15443, name: auto, protocol: TLS}, hosts: ['*.com'], tls: {mode: AUTO_PASSTHROUGH}},
      {port: {number: 9000, name: tcp, protocol: TCP}, hosts: ['*']}";
    let secrets =
        "---\napiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {tls.crt: CERT, tls.key: KEY}
---\napiVersion: v1\nkind: Secret\nmetadata: {name: db}\ndata: {cert: Q0VSVA==, key: S0VZ}
---\napiVersion: v1\nkind: Secret\nmetadata: {name: db-cacert}\ndata: {cacert: Q0E=}\n";
    let bound = |name: &str, host: &str, rest: &str| {
        rules(&format!("name: {name}"), host, &format!("  gateways: [gate]\n{rest}"))
    };
    let to = |host: &str| format!("route: [{{destination: {{host: {host}}}}}]");
    let yaml = gate(servers)
        + secrets
        + &bound(
            "p",
            "p.x.com",
            &format!("  tls: [{{match: [{{port: 443, sniHosts: [p.x.com]}}], {}}}]", to("p.com")),
        )
        + &bound("b", "b.com", &format!("  http: [{{{}}}]", to("web.com")))
        + &bound(
            "d",
            "db.com",
            &format!(
                "  tcp: [{{match: [{{port: 443}}], {}}}, {{match: [{{port: 9000}}], {}}}]",
                to("db.com"),
                to("plain.com")
            ),
        )
        + &entry("in", "  location: MESH_INTERNAL", TCP)
        + &policy("name: in", "host: in.com, subsets: [{name: v1, labels: {version: v1}}]");
    let plan = World::of(&yaml).gateway("gate");
    let spoken: Vec<_> = plan.listeners.iter().map(|it| (it.port, it.protocol)).collect();
    assert_eq!(spoken, [(443, Protocol::Https), (9000, Protocol::Tcp), (15443, Protocol::Tls)]);
    let listener = plan.listener(443).unwrap();
    for (name, mode) in [
        (Some("p.x.com"), Some(ServerTlsMode::Passthrough)),
        (Some("q.x.com"), Some(ServerTlsMode::Simple)),
        (Some("db.com"), Some(ServerTlsMode::Mutual)),
        (Some("x.com"), None),
        (None, None),
    ] {
        let found = tls_server(listener, name).and_then(|at| listener.tls[at].settings.mode.clone());
        assert_eq!(found, mode, "{name:?}");
    }
    let db = &listener.tls[2];
    assert_eq!(
        (db.secrets[0].certificate.as_slice(), db.secrets[0].key.as_slice()),
        (&b"CERT"[..], &b"KEY"[..])
    );
    assert_eq!(db.authorities.as_ref().map(|it| it.authorities.as_slice()), Some(&b"CA"[..]));
    assert_eq!(listener.tls[0].secrets[0].key, b"KEY");
    let shown = serde_json::to_string(&plan).unwrap() + &format!("{plan:?}");
    assert!(!shown.contains("KEY") && !shown.contains(&format!("{:?}", b"KEY")));
    assert_eq!(goes(&plan, 443, sni("p.x.com")).as_deref(), Some("p.com"));
    // Where TLS ends here, no name in the SNI is left to ask for.
    assert_eq!(goes(&plan, 443, Connection::default()).as_deref(), Some("db.com"));
    assert_eq!(goes(&plan, 9000, Connection::default()).as_deref(), Some("plain.com"));
    assert_eq!(goes(&plan, 15443, sni("outbound_.3306_._.in.com")).as_deref(), Some("in.com"));
    assert_eq!(goes(&plan, 15443, sni("outbound_.3306_.v1_.in.com")).as_deref(), Some("v1@in.com"));
    assert_eq!(goes(&plan, 15443, sni("in.com")), None);
}

#[test]
fn faults_of_connections_come_from_an_annotation() {
    let vs = rules(
        "name: r, annotations: {meshwright.io/connection-faults: 'tcp[0] delay 2s 50%; tcp[0] reset 10%; http[0] reset 5%, tls[0] nonsense'}",
        "db.com",
        "  http: [{route: [{destination: {host: db.com}}]}]\n  tcp: [{route: [{destination: {host: db.com}}]}]",
    );
    let yaml = entry("db", "", &format!("{TCP}, {{number: 80, name: http, protocol: HTTP}}")) + &vs;
    let plan = World::of(&yaml).from("default");
    let fault = plan.listener(3306).unwrap().connections[0].fault.clone().unwrap();
    assert_eq!((fault.delay, fault.reset), (Some((500_000, std::time::Duration::from_secs(2))), 100_000));
    let fault = host(&plan, "db.com").routes[0].fault.clone().unwrap();
    assert_eq!(fault.abort, Some((50_000, AbortWith::Reset)));
}

#[test]
fn tls_towards_services() {
    let yaml = entry("db", "  subjectAltNames: [spiffe://db]", TCP).replace("STATIC", "DNS_ROUND_ROBIN")
        + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: own}\nstringData: {tls.crt: CERT, ca.crt: CA}\n"
        + &policy(
            "name: db",
            "host: db.com, trafficPolicy: {tls: {mode: MUTUAL, credentialName: own, sni: x}, portLevelSettings: [{port: {number: 1}, tls: {mode: DISABLE}}]}",
        )
        + &rules("name: r", "db.com", "  tcp: [{route: [{destination: {host: db.com}}]}]");
    let plan = World::of(&yaml).from("default");
    let policy = &plan.clusters[0].policy;
    let tls = policy.tls.as_ref().unwrap();
    assert!(policy.first_address);
    assert_eq!(tls.names, ["spiffe://db"]);
    assert_eq!(tls.secret.as_ref().map(|it| it.authorities.as_slice()), Some(&b"CA"[..]));
    assert_eq!(Subnet::parse("1.2.3.4/33"), None);
}
