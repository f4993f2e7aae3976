//! Forms of documents, one a file in `fixtures/forms`: what is read from them, and what is said.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that reads its data")]

use std::fs;

use mesh::edit::{FieldEdit, apply};
use mesh::model::{CODES, Parsed};
use mesh::resource::Spec;
use mesh::yaml;
use mesh::{Edit, Kind, Mesh, ResourceKey, Severity, Sources};
use serde_json::json;

fn fixture(name: &str) -> String {
    fs::read_to_string(format!("{}/tests/fixtures/forms/{name}.yaml", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn parsed(name: &str) -> Parsed {
    Mesh::parse(&Sources::single("form.yaml", fixture(name)))
}

fn virtual_service(parsed: &Parsed) -> &mesh::resource::VirtualService {
    parsed.mesh.virtual_services().next().unwrap().1
}

#[test]
fn what_is_said() {
    // The name, each diagnostic with its line, and the resources that are read.
    let table: &[(&str, &[(&str, usize)], &[&str])] = &[
        ("one-route", &[("MW0020", 1)], &["VirtualService default/cart"]),
        ("policy-and-subsets", &[("MW0020", 1)], &["DestinationRule default/cart"]),
        ("weights", &[("MW0020", 1)], &["VirtualService default/cart"]),
        ("timeout-and-retries", &[], &["VirtualService default/stock"]),
        ("delay-percent", &[("MW0020", 1), ("MW0021", 11)], &["VirtualService default/stock"]),
        ("abort-percent", &[("MW0020", 1), ("MW0025", 11)], &["VirtualService default/stock"]),
        (
            "delay-without-percent",
            &[("MW0020", 1), ("MW0024", 14), ("MW0025", 17)],
            &["VirtualService default/stock"],
        ),
        (
            "match-as-a-map",
            &[("MW0020", 1), ("MW0013", 9), ("MW0011", 12)],
            &["VirtualService default/stock"],
        ),
        ("and-with-placeholder", &[("MW0020", 1), ("MW0011", 15)], &["VirtualService default/stock"]),
        ("or-with-placeholder", &[("MW0020", 1), ("MW0011", 15)], &["VirtualService default/stock"]),
        ("two-rules", &[], &["VirtualService default/cart"]),
        ("wildcard-host", &[("MW0020", 1), ("MW0010", 7)], &["ServiceEntry default/partners"]),
        ("gateway-certificate", &[("MW0020", 1), ("MW0023", 15)], &["Gateway default/shop-gateway"]),
        ("bound-to-gateway", &[("MW0020", 1), ("MW0011", 15)], &["VirtualService default/shop"]),
        ("bare-star", &[("MW0010", 6), ("MW0010", 12)], &["VirtualService default/all"]),
        ("tabs", &[("MW0012", 4)], &["VirtualService default/tabs"]),
        (
            "scalars-of-other-types",
            &[("MW0014", 6), ("MW0014", 12), ("MW0014", 16), ("MW0004", 19)],
            &["DestinationRule default/cart"],
        ),
        ("doubled-key", &[("MW0003", 9)], &["VirtualService default/cart"]),
        ("anchors", &[], &["VirtualService default/cart"]),
        ("no-kind", &[("MW0002", 1)], &[]),
        ("no-name", &[("MW0002", 1)], &["VirtualService default/"]),
        (
            "broken-between-good",
            &[("MW0001", 11)],
            &["VirtualService default/first", "VirtualService default/third"],
        ),
        ("list", &[("MW0020", 15)], &["Service shop/cart", "WorkloadEntry shop/cart-1"]),
        (
            "unknown",
            &[],
            &[
                "Gateway.gateway.networking.k8s.io default/shop",
                "EnvoyFilter default/shop",
                "VirtualService default/shop",
            ],
        ),
        ("carriage-returns", &[], &["VirtualService default/crlf", "ConfigMap default/other"]),
    ];
    let mut wrong = Vec::new();
    for (name, codes, keys) in table {
        let parsed = parsed(name);
        let said: Vec<_> =
            parsed.diagnostics.iter().map(|d| (d.code.as_ref(), d.place.as_ref().unwrap().line)).collect();
        let read: Vec<_> = parsed.mesh.resources().map(|resource| resource.key.to_string()).collect();
        if said != *codes || read != *keys {
            wrong.push((name, said.iter().map(|(c, l)| format!("{c}@{l}")).collect::<Vec<_>>(), read));
        }
        for diagnostic in parsed.diagnostics {
            let code = CODES.iter().find(|code| code.code == diagnostic.code).unwrap();
            assert_eq!(code.severity, diagnostic.severity, "{diagnostic:#?}");
            assert!(diagnostic.message.ends_with('.'), "{}", diagnostic.message);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let files = fs::read_dir(format!("{}/tests/fixtures/forms", env!("CARGO_MANIFEST_DIR"))).unwrap().count();
    assert_eq!(files, table.len());
}

#[test]
fn fixes_leave_nothing_to_say() {
    for entry in fs::read_dir(format!("{}/tests/fixtures/forms", env!("CARGO_MANIFEST_DIR"))).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let mut sources = Sources::single("form.yaml", fixture(name.strip_suffix(".yaml").unwrap()));
        let mut fixed = 0;
        while let Some(fix) =
            Mesh::parse(&sources).diagnostics.into_iter().find_map(|diagnostic| diagnostic.fix)
        {
            let before = Mesh::parse(&sources).diagnostics.len();
            let applied = apply(&sources, &[fix.edit]).unwrap();
            assert!(
                applied.parsed.diagnostics.len() < before,
                "{name}: {}\n{:#?}",
                fix.title,
                applied.parsed.diagnostics
            );
            assert_eq!(apply(&applied.sources, &applied.inverse).unwrap().sources, sources, "{name}");
            sources = applied.sources;
            fixed += 1;
        }
        assert!(fixed < 10);
    }
}

#[test]
fn old_forms_mean_what_they_meant() {
    let delay = parsed("delay-without-percent");
    let fault = virtual_service(&delay).http[0].fault.clone().unwrap();
    assert_eq!(fault.delay.unwrap().percentage.unwrap().value, Some(100.0));
    assert_eq!(fault.abort.unwrap().percent, Some(5));
    let map = parsed("match-as-a-map");
    assert_eq!(virtual_service(&map).http[0].r#match[0].source_labels["app"], "web");
    let bound = parsed("bound-to-gateway");
    assert!(virtual_service(&bound).http[0].route.is_empty());
    assert_eq!(virtual_service(&parsed("bare-star")).hosts, ["*"]);
    let anchors = parsed("anchors");
    let second = &virtual_service(&anchors).http[1];
    let retries = second.retries.as_ref().unwrap();
    assert_eq!((retries.attempts, retries.per_try_timeout.as_ref().unwrap().0.as_str()), (Some(1), "2s"));
    assert_eq!(second.route.len(), 1);
    let scalars = parsed("scalars-of-other-types");
    let rule = scalars.mesh.destination_rules().next().unwrap().1;
    assert_eq!(rule.subsets[0].labels["version"], "1.0");
    let pool = rule.traffic_policy.as_ref().unwrap().connection_pool.as_ref().unwrap();
    assert_eq!(pool.tcp.as_ref().unwrap().max_connections, Some(100));
    assert_eq!(pool.http.as_ref().unwrap().http1_max_pending_requests, Some(10));
    assert_eq!(pool.http.as_ref().unwrap().max_retries, None);
}

#[test]
fn what_is_not_understood_is_kept() {
    let unknown = parsed("unknown");
    let service = virtual_service(&unknown);
    assert_eq!(service.extra["futureField"], json!({ "nested": [1, { "a": "b" }] }));
    assert_eq!(service.http[0].route[0].destination.as_ref().unwrap().extra["zone"], json!("a"));
    let resource = unknown.mesh.virtual_services().next().unwrap().0;
    assert_eq!(resource.metadata.extra["finalizers"], json!(["x"]));
    let filter = ResourceKey::new(Kind::Other("EnvoyFilter".into()), "default", "shop");
    assert!(
        matches!(&unknown.mesh.resource(&filter).unwrap().spec, Spec::Unknown(value) if value["spec"].is_object())
    );
    // An edit of one document leaves the other two, and all that is unknown in its own.
    let text = fixture("unknown");
    let edit = Edit::SetFields {
        key: resource.key.clone(),
        fields: vec![FieldEdit { path: "spec.http[0].timeout".into(), value: Some(json!("1s")) }],
    };
    let applied = apply(&Sources::single("form.yaml", text.as_str()), &[edit]).unwrap();
    let expected = text.replace("{host: shop, zone: a}\n", "{host: shop, zone: a}\n    timeout: 1s\n");
    assert_eq!(applied.sources.0["form.yaml"], expected);
}

#[test]
fn places() {
    let list = parsed("list");
    let key = ResourceKey::new(Kind::WorkloadEntry, "shop", "cart-1");
    let document = list.mesh.document(&key).unwrap();
    let at = |path: &str| document.place(path).map(|place| (place.line, place.column));
    assert_eq!(at("spec.address"), Some((19, 5)));
    assert_eq!(at("spec.labels.app"), Some((20, 14)));
    // The nearest that is there.
    assert_eq!(at("spec.labels.version.x[3]"), Some((20, 5)));
    assert_eq!(at("spec.http[0]"), Some((18, 3)));
    assert_eq!(at(""), Some((15, 3)));
    assert_eq!(at("spec..x"), None);
    let broken = parsed("broken-between-good");
    let third = broken.mesh.documents().last().unwrap();
    assert_eq!((third.index(), third.place("spec.hosts").unwrap().line), (5, 21));
    assert_eq!(broken.mesh.documents().len(), 3);
    assert!(broken.mesh.documents()[1].resource().is_none());
    assert!(broken.mesh.documents()[1].text().contains("\"broken"));
}

#[test]
fn an_unchanged_document_is_taken_over() {
    let sources = Sources::from_iter(
        ["one-route", "weights", "list"].map(|name| (format!("{name}.yaml"), fixture(name))),
    );
    let first = Mesh::parse(&sources);
    let again = Mesh::parse_after(&sources, &first.mesh);
    assert_eq!(first.diagnostics, again.diagnostics);
    let mut changed = sources;
    changed.0.insert("weights.yaml".into(), format!("# new\n{}", fixture("weights")));
    let fresh = Mesh::parse(&changed);
    let after = Mesh::parse_after(&changed, &first.mesh);
    assert_eq!(after.diagnostics, fresh.diagnostics);
    assert!(after.mesh.resources().eq(fresh.mesh.resources()));
}

#[test]
fn alias_bombs_are_stopped() {
    let mut text = String::from("apiVersion: v1\nkind: Bomb\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let parsed = Mesh::parse(&Sources::single("bomb.yaml", text));
    let codes: Vec<_> = parsed.diagnostics.iter().map(|d| (d.code.as_ref(), d.severity)).collect();
    assert_eq!(codes, [("MW0005", Severity::Error)]);
    let nested = "[".repeat(5000);
    assert!(yaml::read(&nested).value.is_null());
    assert!(yaml::read(&"- ".repeat(5000)).value.is_null());
    assert!(yaml::read("a: &a [*a]").tree.root().is_some());
}
