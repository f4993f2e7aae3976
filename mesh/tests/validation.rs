//! Istio's own cases: what its validation refuses must be an error here, what it accepts must not be; and what its analyzers
//! find must be found. The data is not part of the repository; where it is missing the tests say so and pass.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that reads its data")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mesh::{Diagnostic, Mesh, Registry, Settings, Severity, Sources, validate};
use serde_json::Value;
use testkit::shared;

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Everything that is said about these files.
fn diagnostics(sources: &Sources) -> Vec<Diagnostic> {
    let settings = Settings::default();
    let parsed = Mesh::parse(sources);
    let mut found = parsed.diagnostics;
    found.extend(validate(
        &parsed.mesh,
        &Registry::of(&parsed.mesh, &mesh::Inventory::default(), &settings),
        &settings,
    ));
    found
}

/// Cases in which Istio is meant to be disagreed with, and why.
const INTENDED: &[(&str, &str)] = &[];

#[test]
fn validation_agrees_with_istio() {
    let Some(path) = shared("istio/validation.json") else { return };
    let cases = json(&path);
    let (mut agreed, mut wrong) = (0, Vec::new());
    for case in cases.as_array().unwrap() {
        let name = format!("{} / {}", case["group"].as_str().unwrap(), case["name"].as_str().unwrap());
        let found = diagnostics(&Sources::single("case.yaml", case["yaml"].as_str().unwrap()));
        let errors: Vec<_> = found.iter().filter(|found| found.severity == Severity::Error).collect();
        let warned = !found.is_empty();
        let valid = case["valid"].as_bool().unwrap();
        let as_istio = valid == errors.is_empty() && (case["warning"] != true || warned || !valid);
        let intended = INTENDED.iter().any(|(intended, _)| name == *intended);
        match (as_istio, intended) {
            (true, false) => agreed += 1,
            (false, true) => {}
            (true, true) => wrong.push(format!("{name}: agrees, although it is listed as a difference")),
            (false, false) => wrong.push(format!(
                "{name}: valid is {valid}, found {found:#?}\n{}",
                case["yaml"].as_str().unwrap()
            )),
        }
    }
    eprintln!(
        "{agreed} of {} cases agree, {} differ on purpose",
        cases.as_array().unwrap().len(),
        INTENDED.len()
    );
    assert!(wrong.is_empty(), "{} cases\n{}", wrong.len(), wrong.join("\n"));
}

/// Findings of istioctl that Meshwright does not have on purpose, by case and code, and why.
const NOT_OURS: &[(&str, &str, &str)] = &[
    ("gatewayNoWorkload", "IST0101", NO_PODS),
    ("gatewayCustomIngressGatewayBadPortWithoutTarget", "IST0162", NO_PODS),
    ("gatewayServiceMatchPod", "IST0162", NO_PODS),
    ("gatewaySecretValidations", "IST0161", "Secrets are not read, let alone their certificates"),
    (
        "virtualServiceGateways",
        "IST0132",
        "of a gateway that does not exist (IST0101) the hosts are not told of as well",
    ),
];
const NO_PODS: &str = "which workloads run a gateway is known from Pods, which a mesh folder does not have";

/// As [`NOT_OURS`], for single resources.
const NOT_OURS_OF: &[(&str, &str, &str)] =
    &[("IST0002", "default/no-selector", "a Sidecar is kept, and not understood")];

/// Findings that istioctl does not have in a case, and why.
const OURS_ALONE: &[(&str, &str, &str)] = &[
    (
        "virtualServiceDestinationHosts",
        "IST0101",
        "subsets without a DestinationRule; another analyzer finds them",
    ),
    ("dupmatches", "IST0130", "a rule whose only match is taken by a wider one is told of as a rule, too"),
];

#[test]
fn analyzers_agree_with_istio() {
    let Some(path) = shared("istio/analyzers/expected.json") else { return };
    let (mut agreed, mut wrong) = (0, Vec::new());
    for case in json(&path)["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let listed =
            |list: &[(&str, &str, &str)], code: &str| list.iter().any(|it| it.0 == name && it.1 == code);
        let ours = ours(&path, case);
        let theirs = theirs(case);
        for (code, resource) in &theirs {
            if ours.contains(&(code.clone(), resource.clone())) {
                agreed += 1;
            } else if !listed(NOT_OURS, code)
                && !NOT_OURS_OF.iter().any(|it| it.0 == code && it.1 == resource)
            {
                wrong.push(format!("{name}: {code} of {resource} is not found"));
            }
        }
        // What the case is not about is not among what it expects.
        let about: BTreeSet<&String> = theirs.iter().map(|(code, _)| code).collect();
        for (code, resource) in ours.difference(&theirs) {
            if about.contains(code) && !listed(OURS_ALONE, code) {
                wrong.push(format!("{name}: {code} of {resource} is found, and istioctl has none"));
            }
        }
    }
    eprintln!("{agreed} findings agree");
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

/// Codes of istioctl with the resources that Meshwright has them for.
fn ours(path: &Path, case: &Value) -> BTreeSet<(String, String)> {
    let names = case["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap());
    let files: Sources =
        names.map(|file| (file, fs::read_to_string(path.with_file_name(file)).unwrap())).collect();
    let mut ours = BTreeSet::new();
    for found in diagnostics(&files) {
        if let Some(key) = &found.resource {
            let resource = format!("{}/{}", key.namespace, key.name);
            ours.extend(found.corresponds_to.iter().map(|code| (code.to_string(), resource.clone())));
        }
    }
    ours
}

/// Codes and resources that a case expects. The namespace is left out where the file does.
fn theirs(case: &Value) -> BTreeSet<(String, String)> {
    let expected = case["expected"].as_array().unwrap().iter().map(|expected| {
        let resource = expected[1].as_str().unwrap().split_once(' ').unwrap().1;
        let resource =
            if resource.contains('/') { resource.to_owned() } else { format!("default/{resource}") };
        (expected[0].as_str().unwrap().to_owned(), resource)
    });
    expected.collect()
}
