//! What is kept of an earlier analysis must be what a new one would find.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::Plan;
use crate::registry::{Endpoint, Reported, Workload};
use crate::validate::fixtures;

fn analysis(files: &Sources, settings: &Settings) -> Analysis {
    Analysis::read(files.clone(), settings)
}

/// The documents of meshes, a file for each. Of those of one name the first: where one is there twice, all is looked at anew.
fn files(meshes: &[String]) -> Vec<(String, String)> {
    let mut known = HashSet::new();
    let documents = meshes.iter().flat_map(|text| {
        let chunks = crate::yaml::chunks(text).into_iter().filter(|chunk| !chunk.empty);
        chunks.map(|chunk| text[chunk.span].to_owned())
    });
    let mut new = |text: &String| {
        let mesh = Mesh::parse(&Sources::single("a.yaml", text)).mesh;
        mesh.resources().all(|resource| known.insert(resource.key.clone()))
    };
    let documents: Vec<String> = documents.filter(|text| new(text)).collect();
    documents.into_iter().enumerate().map(|(at, text)| (format!("{:03}.yaml", at * 7 % 100), text)).collect()
}

/// An analysis with its plans, and how many times they were made of earlier ones.
struct Kept {
    analysis: Analysis,
    plans: Plans,
}

/// Plans as they can be compared: the order of clusters does not count, so they are sorted, and meant by their keys.
fn readable(plans: &Plans) -> BTreeMap<String, Value> {
    let plan = |plan: &Plan| {
        let mut value = serde_json::to_value(plan).unwrap();
        let keys: Vec<Value> =
            plan.clusters.iter().map(|it| serde_json::to_value(&it.key).unwrap()).collect();
        name_clusters(&mut value["listeners"], &keys);
        value["clusters"].as_array_mut().unwrap().sort_by_key(|cluster| cluster["key"].to_string());
        value
    };
    plans.iter().map(|(source, it)| (source.parts().join("/"), plan(it))).collect()
}

fn name_clusters(value: &mut Value, keys: &[Value]) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match value.as_u64().filter(|_| name == "cluster") {
                    Some(id) => *value = keys[usize::try_from(id).unwrap()].clone(),
                    None => name_clusters(value, keys),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| name_clusters(value, keys)),
        _ => {}
    }
}

fn kept(analysis: Analysis) -> Kept {
    let plans = analysis.plans(1).unwrap_or_default();
    Kept { analysis, plans }
}

/// Holds what comes after `before` against what is found from nothing.
fn same(before: &Kept, files: &Sources, settings: &Settings, what: &str) -> Kept {
    let Kept { analysis: before, plans } = before;
    let after = before.after(files.clone());
    let anew = analysis(files, settings);
    assert_eq!(after.diagnostics, anew.diagnostics, "{what}");
    assert_eq!(after.of_reading, anew.of_reading, "{what}");
    assert_eq!(after.registry.services(), anew.registry.services(), "{what}");
    let plans = after.plans_after(1, before, plans).unwrap_or_default();
    let expected = anew.plans(1).unwrap_or_default();
    for (source, plan) in readable(&expected) {
        assert_eq!(readable(&plans)[&source], plan, "{source}: {what}");
    }
    assert_eq!(plans.len(), expected.len());
    Kept { analysis: after, plans }
}

/// Changes that people make, as texts to be replaced.
const CHANGES: &[(&str, &str)] = &[
    ("weight: 1", "weight: 2"),
    ("host: reviews", "host: ratings"),
    ("host: ", "host: no-"),
    ("subset: v1", "subset: v2"),
    ("name: v1", "name: v9"),
    ("version: v1", "version: v2"),
    ("prefix: /", "prefix: /other"),
    ("s,", "0s,"),
    ("spec:", "metadata: {name: renamed}\nspec:"),
    ("hosts: [", "hosts: [other, "),
    ("  - ", "  - # more\n    "),
];

#[test]
fn what_comes_after_a_change_is_what_is_found_from_nothing() {
    let settings = Settings::sample();
    let meshes: Vec<String> = validate::RULES
        .iter()
        .flat_map(|rule| fixtures::meshes(rule.fixture()))
        .map(|(_, text)| text)
        .collect();
    let (mut near, mut untouched, mut patched) = (0, 0, 0);
    // What rules find in one fixture must not depend on the documents of others, and what is kept is theirs.
    for together in meshes.windows(3).step_by(2) {
        let files = files(together);
        let all: Sources = files.iter().cloned().collect();
        let whole = kept(analysis(&all, &settings));
        for (name, text) in &files {
            let mut without = all.clone();
            without.0.remove(name);
            let less = same(&whole, &without, &settings, text);
            same(&less, &all, &settings, text);
            for (from, to) in CHANGES.iter().filter(|(from, _)| text.contains(from)) {
                let changed = text.replace(from, to);
                let mut other = all.clone();
                other.0.insert(name.clone(), changed.clone());
                let (was, is) = (&whole, same(&whole, &other, &settings, &changed).analysis);
                let Some(changes) = is.mesh.changes(&was.analysis.mesh).filter(Changes::keep_registry) else {
                    continue;
                };
                let Some(among) = Among::of(&is.mesh, &changes) else { continue };
                near += 1;
                untouched += is.mesh.resources().count() - among.touched.len();
                let mesh = (&is.mesh, &*is.registry, &settings);
                patched +=
                    usize::from(plan::compile_after(mesh, 1, &was.analysis.mesh, &was.plans).is_some());
            }
        }
    }
    // The test says nothing where all is made anew.
    println!("{near} near changes, {untouched} documents kept, {patched} times plans were kept");
    assert!(near > 200 && untouched > 200 && patched > 100);
}

#[test]
fn a_change_of_rules_keeps_the_registry() {
    let text = |weight| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: a}}\nspec: {{hosts: [a.com], ports: [{{number: 80, name: http, protocol: HTTP}}]}}\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a}}\nspec: {{hosts: [a.com], http: [{{route: [{{destination: {{host: a.com}}, weight: {weight}}}]}}]}}\n"
        )
    };
    let settings = Settings::default();
    let first = analysis(&Sources::single("a.yaml", text(1)), &settings);
    let next = Sources::single("a.yaml", text(2));
    let after = first.after(next);
    assert!(Arc::ptr_eq(&first.registry, &after.registry));
    let moved = Sources::single("a.yaml", text(2).replace("a.com]", "b.com]"));
    assert!(!Arc::ptr_eq(&first.registry, &after.after(moved).registry));
}

/// A service with an endpoint that is ready, as a platform reports it.
fn reported(address: &str) -> Arc<Inventory> {
    let spec = serde_json::json!({"clusterIP": "10.96.0.9", "ports": [{"name": "http", "port": 9080, "targetPort": 8080}]});
    let labels = BTreeMap::from([("version".to_owned(), "v1".to_owned())]);
    let endpoint = Endpoint {
        port: 8080,
        labels: labels.clone(),
        workload: "a-v1".to_owned(),
        ..Endpoint::named(address, 8080)
    };
    let service = Reported {
        namespace: "shop".to_owned(),
        name: "a".to_owned(),
        spec: serde_json::from_value(spec).unwrap(),
        endpoints: BTreeMap::from([("http".to_owned(), vec![endpoint])]),
        ..Reported::default()
    };
    let workload =
        Workload { namespace: "shop".to_owned(), name: "a-v1".to_owned(), labels, locality: String::new() };
    Arc::new(Inventory { services: vec![Arc::new(service)], workloads: vec![workload] })
}

#[test]
fn an_instance_that_moves_is_no_other_text() {
    let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, namespace: shop}\nspec: {hosts: [a], http: [{route: [{destination: {host: a}}]}]}\n";
    let settings = Settings::default();
    let before = Analysis::with(Sources::single("a.yaml", text), reported("10.0.0.1"), &settings);
    assert_eq!(before.diagnostics, []);
    let after = before.observed(reported("10.0.0.2"));
    assert!(Arc::ptr_eq(&before.sources, &after.sources));
    let gone = after.observed(Arc::default());
    assert!(gone.registry.services().is_empty() && gone.plans(1).unwrap().is_empty());
    for (analysis, address) in [(before, "10.0.0.1"), (after, "10.0.0.2")] {
        let plans = analysis.plans(1).unwrap();
        let plan = &plans[&crate::Source::named("workload", "shop/a-v1")];
        let found: Vec<_> = plan.clusters.iter().flat_map(|it| &it.endpoints).collect();
        assert_eq!(
            found.iter().map(|it| (it.address.as_str(), it.port)).collect::<Vec<_>>(),
            [(address, 8080)]
        );
        assert_eq!(plan.listeners[0].port, 9080);
    }
}
