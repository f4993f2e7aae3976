use serde_json::json;

use super::*;
use crate::edit::{EditError, FieldEdit, HeaderEquals, RouteTarget, Share, apply};
use crate::explain::{self, ExplainRequest};
use crate::yaml;
use crate::{Edit, Kind, Mesh, Registry, ResourceKey, RouteKey, Settings, Source, Sources};

const ENTRY: &str = "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: shop}
spec: {hosts: [shop.test], ports: [{number: 80, name: http}]}
";

fn shop() -> Sources {
    Sources::single("shop.yaml", ENTRY)
}

fn shop_key() -> ResourceKey {
    ResourceKey::new(Kind::ServiceEntry, "default", "shop")
}

fn set(path: String, value: Value) -> Edit {
    Edit::SetFields { key: shop_key(), fields: vec![FieldEdit { path, value: Some(value) }] }
}

/// `spec.a.a.a`, so many steps.
fn steps(count: usize) -> String {
    format!("spec{}", ".a".repeat(count - 1))
}

/// `[[[0]]]`, so many levels with the number. (A value of serde_json's is dropped by recursion, so it is not made too deep.)
fn nested(levels: usize) -> Value {
    (1..levels).fold(json!(0), |inner, _| json!([inner]))
}

fn refused(edits: &[Edit]) -> Option<String> {
    match apply(&shop(), edits) {
        Ok(_) => None,
        Err(EditError::Limit(exceeded)) => Some(exceeded.to_string()),
        Err(other) => panic!("refused for another reason: {other}"),
    }
}

#[test]
fn a_path_in_an_edit_has_a_depth() {
    assert_eq!(refused(&[set(steps(DEPTH - 1), json!(0))]), None);
    assert_eq!(refused(&[set(steps(DEPTH - 10), nested(10))]), None);
    for (path, value, said) in [
        (steps(DEPTH), json!(0), "the path of a field and its value may have 100 levels at most"),
        (steps(DEPTH - 10), nested(11), "the path of a field and its value may have 100 levels at most"),
        (steps(3000), json!(0), "the path of a field may have 100 steps at most, and 3000 were given"),
        (steps(100_000), json!(0), "the path of a field may have 8192 bytes at most"),
    ] {
        let got = refused(&[set(path, value)]).unwrap();
        assert!(got.contains(said), "{got}");
    }
}

#[test]
fn edits_have_bounds_in_count_and_size() {
    let remove = |name: &str| Edit::RemoveResource { key: ResourceKey::new(Kind::Gateway, "default", name) };
    let file = |text: String| Edit::SetFiles { files: vec![("a.yaml".to_owned(), Some(text))] };
    let long = "x".repeat(NAME_BYTES + 1);
    let key = || RouteKey { namespace: "default".to_owned(), name: "a".to_owned(), index: 0 };
    let share = |host: &str| Share { host: host.to_owned(), subset: None, port: None, weight: 1 };
    let fields = |count| {
        let one = FieldEdit { path: "spec.x".to_owned(), value: Some(json!(1)) };
        Edit::SetFields { key: shop_key(), fields: vec![one; count] }
    };
    let weights = |shares: Vec<Share>| Edit::SetWeights { target: RouteTarget::Route(key()), shares };
    let fault = |value: usize| Edit::InjectFault {
        target: RouteTarget::Route(key()),
        only: Some(HeaderEquals { name: "a".to_owned(), value: "v".repeat(value) }),
        fault: None,
        expires_at: None,
    };
    let mut files: Vec<_> = (0..=FILES).map(|at| (format!("{at}.yaml"), Some(String::new()))).collect();
    for (edits, said) in [
        (vec![fields(1); EDITS + 1], "a request may have 1000 edits"),
        (vec![fields(FIELDS + 1)], "an edit may have 1000 fields"),
        (vec![remove(&long)], "a name may have 1024 bytes"),
        (vec![weights(vec![share(&long)])], "a name may have 1024 bytes"),
        (vec![weights(vec![share("a"); FIELDS + 1])], "a split may have 1000 destinations"),
        (vec![fault(TEXT_BYTES + 1)], "the value of a header may have 8192 bytes"),
        (vec![file("#".repeat(FILE_BYTES + 1))], "a file may have 8388608 bytes"),
        (vec![Edit::SetFiles { files: files.clone() }], "an edit may have 10000 files"),
        (
            vec![Edit::AddResource { file: "f".repeat(FILE_NAME_BYTES + 1), yaml: String::new() }],
            "the name of a file may have 200 bytes",
        ),
    ] {
        let got = refused(&edits).unwrap_or_else(|| panic!("not refused: {said}"));
        assert!(got.contains(said), "{got}");
    }
    // At the bound it is taken.
    files.truncate(FILES - 1);
    assert_eq!(refused(&[Edit::SetFiles { files }]), None);
    assert_eq!(refused(&[fields(FIELDS)]), None);
    assert_eq!(refused(&[file("#".repeat(FILE_BYTES))]), None);
}

#[test]
fn what_edits_make_together_has_bounds() {
    // Each is within its own bounds.
    let text = format!("# {}", "x".repeat(FILE_BYTES - 2));
    let file = |name: usize| Edit::SetFiles { files: vec![(format!("{name}.yaml"), Some(text.clone()))] };
    let got = refused(&(0..5).map(file).collect::<Vec<_>>()).unwrap();
    assert!(got.starts_with("a mesh may have 33554432 bytes"), "{got}");
    let add = Edit::AddResource { file: "a.yaml".to_owned(), yaml: text.clone() };
    assert!(refused(&[add.clone(), add]).unwrap().starts_with("a file may have"));
    // What is small in bytes and takes long is bounded by the texts that are read for it.
    let large = format!("{ENTRY}  # {}\n", "x".repeat(1 << 20));
    let one = |at| {
        let value = json!(format!("{at}.test"));
        Edit::SetFields {
            key: shop_key(),
            fields: vec![FieldEdit { path: "spec.hosts[0]".into(), value: Some(value) }],
        }
    };
    let error =
        apply(&Sources::single("a.yaml", large), &(0..EDITS).map(one).collect::<Vec<_>>()).unwrap_err();
    assert!(error.to_string().contains("the texts that a request's edits read"), "{error}");
}

#[test]
fn a_summary_is_one_line_however_much_was_done() {
    let files = (0..1000).map(|at| (format!("ä{at}.yaml"), Some(String::new()))).collect();
    let summary = apply(&shop(), &[Edit::SetFiles { files }]).unwrap().summary;
    assert!(summary.len() <= 1004 && summary.ends_with('…'), "{summary}");
}

/// The codes that a text of one file is told.
fn codes(text: &str) -> Vec<String> {
    let parsed = Mesh::parse(&Sources::single("a.yaml", text));
    let mut codes: Vec<_> = parsed.diagnostics.into_iter().map(|found| found.code.into_owned()).collect();
    codes.dedup();
    codes
}

#[test]
fn a_document_has_a_depth() {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", "")] {
        let text = |levels: usize| {
            let text = format!("{}0{}", open.repeat(levels - 1), close.repeat(levels - 1));
            yaml::read(&text)
        };
        assert_eq!(depth(&text(DEPTH).value), DEPTH, "{open}");
        for deep in [DEPTH + 1, 5000, 200_000] {
            let read = text(deep);
            assert_eq!(read.problems[0].code, "MW0006", "{open} {deep}: {:?}", read.problems);
            assert!(read.value.is_null());
        }
    }
    // Blocks and brackets together, and keys below keys.
    let mixed = format!("{}{}0{}", "- ".repeat(60), "[".repeat(60), "]".repeat(60));
    assert_eq!(yaml::read(&mixed).problems[0].code, "MW0006");
    let keys: String = (0..1000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    assert_eq!(yaml::read(&keys).problems[0].code, "MW0006");
    // Aliases of aliases.
    let chain: String = (1..200).map(|at| format!("a{at}: &a{at} [*a{}]\n", at - 1)).collect();
    assert_eq!(yaml::read(&format!("a0: &a0 [0]\n{chain}")).problems[0].code, "MW0006");
    assert_eq!(yaml::read("a: &a [*a, *a]").problems[0].code, "MW0006");
}

#[test]
fn a_document_has_a_size() {
    assert_eq!(codes(&format!("a: [{}]", "0,".repeat(NODES - 4))), ["MW0002"]);
    assert_eq!(codes(&format!("a: [{}]", "0,".repeat(NODES + 1))), ["MW0007"]);
    let key = |bytes: usize| yaml::read(&format!("? {}\n: 1\n", "k".repeat(bytes)));
    assert!(key(KEY_BYTES).problems.is_empty());
    let long = key(KEY_BYTES + 1);
    assert_eq!((long.problems[0].code, &long.value), ("MW0004", &json!({})));
}

#[test]
fn aliases_have_a_size() {
    // 20,000 aliases of 20 KB.
    let text = |aliases: usize| format!("a: &a {}\nb: [{}]\n", "x".repeat(20 << 10), "*a,".repeat(aliases));
    assert_eq!(codes(&text(100)), ["MW0002"]);
    assert_eq!(codes(&text(20_000)), ["MW0005"]);
    let keys = format!("a: &a {}\n{}", "x".repeat(1000), "*a : 1\n".repeat(3000));
    assert_eq!(yaml::read(&keys).problems.last().map(|it| it.code), Some("MW0005"));
    let nodes = format!("a: &a [{}]\nb: [{}]\n", "0,".repeat(1000), "*a,".repeat(1000));
    assert_eq!(codes(&nodes), ["MW0005"]);
    // Many documents, each within its bounds, share the mesh's.
    let many: String = (0..20).map(|_| format!("---\n{}", text(95))).collect();
    assert_eq!(codes(&many), ["MW0002", "MW0007"]);
}

#[test]
fn a_mesh_has_a_size() {
    let many = format!("{}x", "x\n---\n".repeat(DOCUMENTS));
    assert_eq!(codes(&many), ["MW0002", "MW0007"]);
    let documents = format!("a: [{}]\n---\n", "0,".repeat(NODES - 10)).repeat(5);
    assert_eq!(codes(&documents), ["MW0002", "MW0007"]);
    let files = Sources((0..=FILES).map(|at| (format!("{at}.yaml"), String::new())).collect());
    let told = Mesh::parse(&files).diagnostics;
    assert_eq!(told.iter().map(|it| it.code.as_ref()).collect::<Vec<_>>(), ["MW0009"]);
    let large = Sources::from_iter([("a.yaml", "#".repeat(FILE_BYTES + 1)), ("b.yaml", ENTRY.to_owned())]);
    let parsed = Mesh::parse(&large);
    assert!(parsed.mesh.resource(&shop_key()).is_some(), "the others are read");
    assert!(parsed.diagnostics[0].message.contains("8388608 bytes at most"), "{:?}", parsed.diagnostics);
}

#[test]
fn findings_about_a_document_are_told_up_to_a_number() {
    let doubled = format!("{ENTRY}x:\n{}", "  a: 1\n".repeat(100_000));
    let told = Mesh::parse(&Sources::single("a.yaml", doubled)).diagnostics;
    assert_eq!(told.len(), PROBLEMS + 1);
    let last = told.iter().find(|it| it.code == "MW0008").unwrap();
    assert!(last.message.starts_with("99799 more"), "{}", last.message);
    assert_eq!(last.severity, crate::Severity::Error);
    // What mends a text has all of it, so not every finding of a long one can be offered that.
    let stars = format!("{ENTRY}x:\n{}# {}", "- *a\n".repeat(150), "x".repeat(1 << 20));
    let told = Mesh::parse(&Sources::single("a.yaml", stars)).diagnostics;
    let offered = told.iter().filter(|it| it.fix.is_some()).count();
    assert!((1..17).contains(&offered), "{offered}");
    let warned = format!("{ENTRY}x:\n{}", "- *a\n".repeat(300));
    let told = Mesh::parse(&Sources::single("a.yaml", warned)).diagnostics;
    assert!(
        told.iter().all(|it| it.severity == crate::Severity::Warning),
        "what is hidden is no worse than it was"
    );
}

#[test]
fn repairs_end() {
    let stars = "- *\n".repeat(20_000);
    assert_eq!(yaml::read(&stars).problems[0].code, "MW0001");
    let few = "- *\n".repeat(20);
    assert_eq!(yaml::read(&few).value, json!(vec!["*"; 20]));
}

#[test]
fn questions_have_bounds() {
    let source = Source::named("workload", "a");
    let header = |value: usize| ("x".to_owned(), "v".repeat(value));
    let ask = |request: ExplainRequest| explain::fits(&source, &request).err().map(|error| error.to_string());
    assert_eq!(ask(ExplainRequest { headers: vec![header(1); HEADERS], ..Default::default() }), None);
    for (request, said) in [
        (ExplainRequest { headers: vec![header(1); HEADERS + 1], ..Default::default() }, "200 headers"),
        (
            ExplainRequest { headers: vec![header(QUESTION_BYTES)], ..Default::default() },
            "the headers of a request",
        ),
        (
            ExplainRequest { path: "/".repeat(QUESTION_BYTES + 1), ..Default::default() },
            "the path of a request",
        ),
        (ExplainRequest { host: "h".repeat(NAME_BYTES + 1), ..Default::default() }, "a name may have"),
        (ExplainRequest { method: "M".repeat(NAME_BYTES + 1), ..Default::default() }, "a name may have"),
    ] {
        let got = ask(request).unwrap_or_default();
        assert!(got.contains(said), "{got}");
    }
}

#[test]
fn delegates_that_lead_to_themselves_or_in_circles_end() {
    let service = |name: &str, hosts: &str, to: &str| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\nspec:\n  {hosts}\n  \
             http:\n  - delegate: {{name: {to}}}\n"
        )
    };
    let text = [
        ENTRY.to_owned(),
        service("root", "hosts: [shop.test]", "one"),
        service("own", "hosts: [own.test]", "own"),
        service("one", "", "two"),
        service("two", "", "one"),
    ];
    let mesh = Mesh::parse(&Sources::single("a.yaml", text.concat())).mesh;
    let settings = Settings::default();
    let registry = Registry::of(&mesh, &crate::Inventory::default(), &settings);
    assert!(!crate::validate(&mesh, &registry, &settings).is_empty());
    let source = Source::named("workload", "a");
    let request = ExplainRequest { host: "shop.test".to_owned(), ..Default::default() };
    let explained = crate::explain::explain(&mesh, &registry, &settings, &source, 1, &request);
    assert!(!explained.steps.is_empty());
}
