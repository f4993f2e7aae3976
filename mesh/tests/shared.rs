//! Every YAML example of the seed and every sample of Istio loads. The data is not part of the repository; where it is
//! missing the tests say so and pass.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that reads its data")]

use std::fs;

use mesh::edit::{FieldEdit, apply_to};
use mesh::{Edit, Mesh, Severity, Sources, export};
use testkit::{shared, yaml_files};

#[test]
fn samples_load() {
    let Some(folder) = shared("istio/samples") else { return };
    let files = yaml_files(&folder);
    assert!(files.len() > 20);
    let sources: Sources =
        files.iter().map(|path| (path.to_string_lossy(), fs::read_to_string(path).unwrap())).collect();
    let parsed = Mesh::parse(&sources);
    let bad: Vec<_> = parsed.diagnostics.iter().filter(|d| d.severity != Severity::Info).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(parsed.mesh.documents().iter().all(|document| document.resource().is_some()));
    for document in parsed.mesh.documents() {
        let resource = document.resource().unwrap();
        let name = document.place("metadata.name").unwrap();
        let line = sources.0[document.file()].lines().nth(name.line - 1).unwrap();
        assert!(line.contains(&resource.key.name), "{name:?} {line:?}");
    }
}

#[test]
fn seed_loads() {
    let Some(path) = shared("seed/traffic-management.txt") else { return };
    let examples = testkit::examples(&fs::read_to_string(path).unwrap());
    assert!(examples.len() >= 20, "{}", examples.len());
    let mut codes = std::collections::BTreeMap::new();
    for example in &examples {
        let parsed = Mesh::parse(&Sources::single("seed.yaml", example.as_str()));
        assert_eq!(parsed.mesh.resources().count(), 1, "{example}\n{:#?}", parsed.diagnostics);
        for diagnostic in parsed.diagnostics {
            assert_ne!(diagnostic.severity, Severity::Error, "{example}\n{diagnostic:#?}");
            assert!(diagnostic.place.is_some() && diagnostic.fix.is_some(), "{diagnostic:#?}");
            *codes.entry(diagnostic.code.into_owned()).or_insert(0) += 1;
        }
    }
    assert_eq!(codes["MW0020"], examples.len());
    for code in ["MW0010", "MW0011", "MW0013", "MW0021", "MW0023", "MW0024", "MW0025"] {
        assert!(codes.contains_key(code), "{code} {codes:?}");
    }
}

/// Each resource is edited once: the other documents stay byte for byte, every other field of its own stays, and the way
/// back is exact.
fn edits_change_one_thing(sources: &Sources) {
    let mesh = Mesh::parse(sources).mesh;
    for document in mesh.documents() {
        let Some(resource) = document.resource() else { continue };
        // Of resources that are there twice the edit means the last.
        if mesh.document(&resource.key).map(|d| (d.file(), d.index()))
            != Some((document.file(), document.index()))
        {
            continue;
        }
        let field = FieldEdit { path: "metadata.annotations[\"x.y/z\"]".into(), value: Some("on".into()) };
        let edit = Edit::SetFields { key: resource.key.clone(), fields: vec![field] };
        let applied = apply_to(&mesh, sources, &[edit]).unwrap();
        let after = &applied.parsed.mesh;
        assert_eq!(after.documents().len(), mesh.documents().len());
        for (old, new) in mesh.documents().iter().zip(after.documents()) {
            if (old.file(), old.index()) != (document.file(), document.index()) {
                assert_eq!(old.text(), new.text());
            }
        }
        let mut value = after.document(&resource.key).unwrap().value("").unwrap().clone();
        let annotations = value["metadata"]["annotations"].as_object_mut().unwrap();
        assert_eq!(annotations.remove("x.y/z"), Some("on".into()));
        if annotations.is_empty() && document.value("metadata.annotations").is_none() {
            value["metadata"].as_object_mut().unwrap().remove("annotations");
        }
        assert_eq!(Some(&value), document.value(""));
        let back = apply_to(after, &applied.sources, &applied.inverse).unwrap();
        assert_eq!(back.sources, *sources);
    }
}

#[test]
fn samples_are_edited_in_place() {
    let Some(folder) = shared("istio/samples") else { return };
    for path in yaml_files(&folder) {
        let text = fs::read_to_string(&path).unwrap();
        edits_change_one_thing(&Sources::single("sample.yaml", text));
    }
}

#[test]
fn seed_is_edited_in_place() {
    let Some(path) = shared("seed/traffic-management.txt") else { return };
    for example in testkit::examples(&fs::read_to_string(path).unwrap()) {
        edits_change_one_thing(&Sources::single("seed.yaml", example));
    }
}

#[test]
fn samples_are_exported_byte_for_byte() {
    let Some(folder) = shared("istio/samples") else { return };
    let files = yaml_files(&folder);
    let sources: Sources =
        files.iter().map(|path| (path.to_string_lossy(), fs::read_to_string(path).unwrap())).collect();
    let single = export::to_single(&sources);
    for text in sources.0.values() {
        assert!(single.contains(text.as_str()));
    }
    let (before, after) =
        (Mesh::parse(&sources).mesh, Mesh::parse(&Sources::single("all.yaml", single)).mesh);
    let specs = |mesh: &Mesh| {
        mesh.resources().map(|resource| resource.key.clone()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(specs(&before), specs(&after));
}
