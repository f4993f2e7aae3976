//! Files of other forms than usual: JSON, lines that end in CR alone, byte order marks. They are read, and edits keep their form.

use mesh::edit::{FieldEdit, apply};
use mesh::{Edit, Kind, Mesh, ResourceKey, Sources, export};
use serde_json::{Value, json};

fn key(kind: Kind, name: &str) -> ResourceKey {
    ResourceKey::new(kind, "default", name)
}

fn set(key: ResourceKey, path: &str, value: Option<Value>) -> Edit {
    Edit::SetFields { key, fields: vec![FieldEdit { path: path.to_owned(), value }] }
}

/// As kubectl writes it; its escapes are JSON's.
const JSON: &str = r#"{
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {
        "name": "shop",
        "annotations": {"note": "a\/b \ud83d\ude00 \u00fc"}
    },
    "spec": {
        "hosts": ["shop"],
        "http": [
            {"route": [{"destination": {"host": "shop", "subset": "v1"}}], "timeout": "1s"}
        ]
    }
}
"#;

fn files(text: &str) -> Sources {
    Sources::single("shop.json", text)
}

#[test]
fn json_is_read_as_it_is_meant() {
    let tabs = JSON.replace("    ", "\t");
    for text in [JSON, &tabs, &JSON.replace('\n', "\r\n")] {
        let parsed = Mesh::parse(&files(text));
        assert_eq!(parsed.diagnostics, [], "{text}");
        let document = parsed.mesh.document(&key(Kind::VirtualService, "shop")).unwrap();
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(document.root_value(), &expected);
    }
}

#[test]
fn what_is_json_stays_json() {
    let shop = || key(Kind::VirtualService, "shop");
    let yaml = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: shop}\nspec: {hosts: [shop]}\n";
    let edits = [
        set(shop(), "spec.http[0].timeout", Some(json!("2s"))),
        set(shop(), "spec.http[0].retries", Some(json!({"attempts": 3, "retryOn": "5xx"}))),
        set(shop(), "spec.hosts", Some(json!(["shop", "*.example"]))),
        set(shop(), "spec.http", None),
        set(shop(), "metadata.annotations", None),
        Edit::ReplaceResource { key: shop(), yaml: yaml.to_owned() },
    ];
    for edit in edits {
        let applied = apply(&files(JSON), std::slice::from_ref(&edit)).unwrap();
        let text = &applied.sources.0["shop.json"];
        let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(applied.parsed.mesh.document(&shop()).unwrap().root_value(), &value);
        assert!(
            text.contains("\n    \"kind\": \"VirtualService\",\n") || !matches!(edit, Edit::SetFields { .. })
        );
        let back = apply(&applied.sources, &applied.inverse).unwrap();
        assert_eq!(back.sources, files(JSON), "{edit:?}");
    }
}

#[test]
fn json_takes_no_second_document_and_no_yaml() {
    let yaml = "apiVersion: v1\nkind: Service\nmetadata: {name: b}\n".to_owned();
    let json = r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "b"}}"#.to_owned();
    let add = |file: &str, yaml: &String| {
        apply(&files(JSON), &[Edit::AddResource { file: file.to_owned(), yaml: yaml.clone() }])
    };
    for (file, text) in [("shop.json", &yaml), ("shop.json", &json), ("new.json", &yaml)] {
        let refused = add(file, text).unwrap_err().to_string();
        assert!(refused.contains(file) && refused.contains(".yaml"), "{refused}");
    }
    assert!(add("new.json", &json).is_ok());
    assert!(add("new.yaml", &yaml).is_ok());
}

const TWO: &str = "# first\napiVersion: v1\nkind: Service\nmetadata:\n  name: a # its name\nspec:\n  ports: []\n---\n\
                   apiVersion: v1\nkind: Service\nmetadata:\n  name: b\n";

#[test]
fn lines_may_end_in_cr_alone() {
    let (a, b) = (key(Kind::Service, "a"), key(Kind::Service, "b"));
    let text = TWO.replace('\n', "\r");
    let sources = Sources::single("two.yaml", &text);
    let parsed = Mesh::parse(&sources);
    assert_eq!(parsed.mesh.documents().len(), 2, "{:?}", parsed.diagnostics);
    let place = parsed.mesh.document(&b).unwrap().place("metadata.name").unwrap();
    assert_eq!((place.line, place.column), (12, 3));
    let applied = apply(
        &sources,
        &[set(a, "spec.type", Some(json!("NodePort"))), set(b, "spec", Some(json!({"x": 1})))],
    )
    .unwrap();
    let expected = TWO.replace("ports: []\n", "ports: []\n  type: NodePort\n") + "spec:\n  x: 1\n";
    assert_eq!(applied.sources.0["two.yaml"], expected.replace('\n', "\r"));
    assert_eq!(apply(&applied.sources, &applied.inverse).unwrap().sources, sources);
}

#[test]
fn a_byte_order_mark_stays() {
    let (a, b) = (key(Kind::Service, "a"), key(Kind::Service, "b"));
    let marked = format!("\u{feff}{TWO}");
    let sources =
        Sources::from_iter([("a.yaml", marked.as_str()), ("b.yaml", &marked.replace("name: ", "name: x"))]);
    assert_eq!(export::to_single(&sources), format!("{marked}---\n{}", TWO.replace("name: ", "name: x")));
    let yaml = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n".to_owned();
    for edit in [
        set(a.clone(), "spec.type", Some(json!("NodePort"))),
        set(b, "spec", Some(json!({}))),
        Edit::ReplaceResource { key: a.clone(), yaml },
        Edit::RemoveResource { key: a },
    ] {
        let applied = apply(&sources, std::slice::from_ref(&edit)).unwrap();
        let text = &applied.sources.0["a.yaml"];
        assert_eq!(text.matches('\u{feff}').count(), 1, "{edit:?}: {text:?}");
        assert!(text.starts_with('\u{feff}'), "{edit:?}: {text:?}");
        assert_eq!(apply(&applied.sources, &applied.inverse).unwrap().sources, sources);
    }
}
