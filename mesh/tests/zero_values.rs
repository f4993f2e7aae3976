//! Zero values of scalars: what each field of the resources means by them. The table is `zero_values.txt`; its judge is
//! Istio's API (proto3, wrapped numbers, `oneof`s), its validation, and the constraints of Envoy's API.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that reads its data")]

use std::collections::BTreeSet;

use mesh::resource::Spec;
use mesh::{Diagnostic, Mesh, Registry, Settings, Severity, Sources, validate};
use serde_json::{Map, Value, json};

const TABLE: &str = include_str!("zero_values.txt");

struct Row<'t> {
    kind: &'t str,
    path: &'t str,
    zero: Value,
    meaning: &'t str,
}

fn rows() -> impl Iterator<Item = Row<'static>> {
    TABLE.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let [kind, path, zero, meaning] = line.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
        Row { kind, path, zero: serde_json::from_str(zero).unwrap(), meaning }
    })
}

/// What stands around the field.
fn base(kind: &str) -> Value {
    match kind {
        "VirtualService" => json!({ "hosts": ["a.com"] }),
        "DestinationRule" => json!({ "host": "a.com" }),
        "ServiceEntry" => json!({ "hosts": ["a.com"], "resolution": "STATIC" }),
        _ => json!({}),
    }
}

/// Puts a value at a path, making what is on the way there; without a value only that.
fn put(at: &mut Value, path: &str, value: Option<Value>) {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let (name, list) = first.strip_suffix("[]").map_or((first, false), |name| (name, true));
    let name = if name == "*" { "any" } else { name };
    let map = at.as_object_mut().unwrap();
    match rest {
        None => {
            if let Some(value) = value {
                map.insert(name.to_owned(), value);
            }
        }
        Some(rest) => {
            let empty = || Value::Object(Map::new());
            let inner = map.entry(name).or_insert_with(|| if list { json!([{}]) } else { empty() });
            put(if list { &mut inner[0] } else { inner }, rest, value);
        }
    }
}

fn read(kind: &str, spec: &Value) -> (Spec, Vec<Diagnostic>) {
    let document = json!({
        "apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {"name": "a"}, "spec": spec,
    });
    let settings = Settings::default();
    let parsed = Mesh::parse(&Sources::single("a.json", document.to_string()));
    let mut found = parsed.diagnostics;
    found.extend(validate(
        &parsed.mesh,
        &Registry::of(&parsed.mesh, &mesh::Inventory::default(), &settings),
        &settings,
    ));
    let spec = parsed.mesh.resources().next().unwrap().spec.clone();
    (spec, found)
}

/// Whether an error is about the field, or about the message that it is in.
fn refused(found: &[Diagnostic], path: &str) -> bool {
    let path = format!("spec.{}", path.replace("[]", "[0]").replace('*', "any"));
    let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
    found.iter().any(|it| it.severity == Severity::Error && (it.path == path || it.path == parent))
}

#[test]
fn every_zero_value_means_what_istio_takes_it_for() {
    let mut wrong = Vec::new();
    for Row { kind, path, zero, meaning } in rows() {
        let (mut with, mut without) = (base(kind), base(kind));
        put(&mut without, path, None);
        put(&mut with, path, Some(zero.clone()));
        if path == "host" {
            without = json!({});
        }
        let ((with, found), (without, _)) = (read(kind, &with), read(kind, &without));
        let holds = match meaning {
            "absent" => with == without,
            "value" => with != without,
            "refused" => refused(&found, path),
            other => panic!("{other} is no meaning"),
        };
        if !holds {
            let found: Vec<String> = found.iter().map(|it| format!("{} {}", it.code, it.path)).collect();
            wrong.push(format!("{kind} {path}: {zero} is not {meaning}; {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} fields\n{}", wrong.len(), wrong.join("\n"));
}

/// The scalars of a schema, as the table writes their paths.
fn scalars(schema: &Value, path: &str, out: &mut BTreeSet<String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match schema["type"].as_str().unwrap() {
        "object" => {
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                scalars(field, &below(name), out);
            }
            if schema["additionalProperties"].is_object() {
                scalars(&schema["additionalProperties"], &below("*"), out);
            }
        }
        "array" => scalars(&schema["items"], &format!("{path}[]"), out),
        // A list's entries are no fields, and words of a list have no zero of their own.
        _ if path.ends_with("[]") || schema["enum"].is_array() => {}
        _ => drop(out.insert(path.to_owned())),
    }
}

#[test]
fn the_table_has_every_scalar_field_of_the_definitions() {
    let Some(path) = testkit::shared("istio/crds/crd-all.gen.yaml") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let parsed = Mesh::parse(&Sources::single("crds.yaml", text)).mesh;
    let mut kinds = 0;
    for document in parsed.documents() {
        let kind = document.value("spec.names.kind").and_then(Value::as_str).unwrap_or_default();
        let rows: BTreeSet<&str> = rows().filter(|row| row.kind == kind).map(|row| row.path).collect();
        if rows.is_empty() {
            continue;
        }
        kinds += 1;
        let versions = document.value("spec.versions").and_then(Value::as_array).unwrap();
        let version = versions.iter().find(|version| version["name"] == "v1").unwrap();
        let mut fields = BTreeSet::new();
        scalars(&version["schema"]["openAPIV3Schema"]["properties"]["spec"], "", &mut fields);
        // Ports and subsets have policies of the same fields.
        let again = |path: &str| {
            path.starts_with("subsets[].trafficPolicy.")
                || (path.contains(".portLevelSettings[].") && !path.ends_with("[].port.number"))
        };
        let missing: Vec<&String> =
            fields.iter().filter(|path| !again(path) && !rows.contains(path.as_str())).collect();
        assert!(missing.is_empty(), "{kind} has fields that are not in the table: {missing:?}");
    }
    assert_eq!(kinds, 5);
}
