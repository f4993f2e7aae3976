//! Istio's own cases: what its validation refuses must be an error here, what it accepts must not be; and what its analyzers
//! find must be found. The data is not part of the repository; where it is missing the tests say so and pass.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that reads its data")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use mesh::{Diagnostic, Mesh, Registry, Settings, Severity, Sources, validate};
use serde_json::Value;

fn shared(path: &str) -> Option<PathBuf> {
    let found = ["../..", "../../.."]
        .into_iter()
        .map(|up| Path::new(env!("CARGO_MANIFEST_DIR")).join(up).join("shared/istio").join(path))
        .find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED: ../shared/istio/{path} is missing");
    }
    found
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Everything that is said about these files.
fn diagnostics(sources: &Sources) -> Vec<Diagnostic> {
    let settings = Settings::default();
    let parsed = Mesh::parse(sources);
    let mut found = parsed.diagnostics;
    found.extend(validate(&parsed.mesh, &Registry::of(&parsed.mesh, &settings), &settings));
    found
}

/// Cases in which Istio is meant to be disagreed with, and why.
const INTENDED: &[(&str, &str)] = &[];

#[test]
fn validation_agrees_with_istio() {
    let Some(path) = shared("validation.json") else { return };
    let cases = json(&path);
    let (mut agreed, mut wrong) = (0, Vec::new());
    for case in cases.as_array().unwrap() {
        let name = format!("{} / {}", case["group"].as_str().unwrap(), case["name"].as_str().unwrap());
        let found = diagnostics(&Sources::single("case.yaml", case["yaml"].as_str().unwrap()));
        let errors: Vec<_> = found.iter().filter(|found| found.severity == Severity::Error).collect();
        let warned = found.iter().any(|found| found.severity == Severity::Warning);
        let valid = case["valid"].as_bool().unwrap();
        let as_istio = valid == errors.is_empty() && (case["warning"] != true || warned || !valid);
        let intended = INTENDED.iter().any(|(intended, _)| name == *intended);
        match (as_istio, intended) {
            (true, false) => agreed += 1,
            (false, true) => {}
            (true, true) => wrong.push(format!("{name}: agrees, although it is listed as a difference")),
            (false, false) => wrong.push(format!("{name}: valid is {valid}, found {found:#?}\n{}", case["yaml"].as_str().unwrap())),
        }
    }
    eprintln!("{agreed} of {} cases agree, {} differ on purpose", cases.as_array().unwrap().len(), INTENDED.len());
    assert!(wrong.is_empty(), "{} cases\n{}", wrong.len(), wrong.join("\n"));
}

/// Findings of istioctl that Meshwright does not have on purpose, by code, and why.
const NOT_OURS: &[(&str, &str)] = &[];

#[test]
fn analyzers_agree_with_istio() {
    let Some(path) = shared("analyzers/expected.json") else { return };
    let (mut agreed, mut wrong) = (0, Vec::new());
    for case in json(&path)["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let text: Sources = case["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| file.as_str().unwrap())
            .map(|file| (file, fs::read_to_string(path.with_file_name(file)).unwrap()))
            .collect();
        let codes: BTreeSet<String> = case["expected"]
            .as_array()
            .unwrap()
            .iter()
            .map(|expected| expected[0].as_str().unwrap().to_owned())
            .collect();
        let mut ours: BTreeMap<(String, String), usize> = BTreeMap::new();
        for found in diagnostics(&text) {
            let Some(key) = &found.resource else { continue };
            for code in &found.corresponds_to {
                *ours.entry((code.to_string(), format!("{}/{}", key.namespace, key.name))).or_default() += 1;
            }
        }
        for expected in case["expected"].as_array().unwrap() {
            let code = expected[0].as_str().unwrap();
            if NOT_OURS.iter().any(|(theirs, _)| *theirs == code) {
                continue;
            }
            // Kind and name; the namespace is left out where the file does.
            let resource = expected[1].as_str().unwrap().split_once(' ').unwrap().1;
            let resource = if resource.contains('/') { resource.to_owned() } else { format!("default/{resource}") };
            match ours.get(&(code.to_owned(), resource.clone())) {
                Some(_) => agreed += 1,
                None => wrong.push(format!("{name}: {code} of {resource} is not found")),
            }
        }
        for ((code, resource), _) in &ours {
            let expected = case["expected"].as_array().unwrap().iter().any(|expected| {
                expected[0] == code.as_str() && expected[1].as_str().unwrap().ends_with(resource.trim_start_matches("default/"))
            });
            if codes.contains(code) && !expected {
                wrong.push(format!("{name}: {code} of {resource} is found, and istioctl has none"));
            }
        }
    }
    eprintln!("{agreed} findings agree");
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}
