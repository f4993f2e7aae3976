//! Fixtures of the rules: meshes whose lines say what is found there.
//!
//! A fixture is cut by lines of `# === title` into meshes. A comment `# CODE: part of the message` expects a finding on its
//! line; a rule must find in its fixture what is expected of it and nothing else. What other rules find there is theirs.

use std::collections::BTreeMap;

use super::{RULES, validate};
use crate::{Diagnostic, Mesh, Registry, Settings, Sources};

/// The meshes of a fixture, with their titles.
pub(crate) fn meshes(fixture: &str) -> Vec<(String, String)> {
    let mut meshes: Vec<(String, String)> = Vec::new();
    for line in fixture.lines() {
        if let Some(title) = line.strip_prefix("# === ") {
            meshes.push((title.to_owned(), String::new()));
        } else if let Some((_, text)) = meshes.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    meshes
}

/// What is expected of a rule: the line, and a part of the message.
fn expected(text: &str, code: &str) -> Vec<(usize, String)> {
    let mut expected = Vec::new();
    for (line, text) in text.lines().enumerate() {
        for part in text.split("# MW").skip(1) {
            if let Some(message) =
                format!("MW{part}").strip_prefix(code).and_then(|rest| rest.strip_prefix(": "))
            {
                expected.push((line + 1, message.trim().to_owned()));
            }
        }
    }
    expected
}

fn findings(text: &str, code: &str) -> Vec<Diagnostic> {
    let parsed = Mesh::parse(&Sources::single("fixture.yaml", text));
    let settings = Settings::sample();
    let all = validate(
        &parsed.mesh,
        &Registry::of(&parsed.mesh, &crate::Inventory::default(), &settings),
        &settings,
    );
    all.into_iter().filter(|found| found.code == code).collect()
}

#[test]
fn every_rule_finds_what_its_fixture_says() {
    let mut wrong = String::new();
    for rule in RULES {
        let meshes = meshes(rule.fixture);
        assert!(!meshes.is_empty(), "{}: the fixture has no mesh", rule.code);
        let mut any = false;
        for (title, text) in meshes {
            let mut expected = expected(&text, rule.code);
            any |= !expected.is_empty();
            for found in findings(&text, rule.code) {
                let line = found.place.as_ref().map_or(0, |place| place.line);
                match expected
                    .iter()
                    .position(|(at, part)| *at == line && found.message.contains(part.as_str()))
                {
                    Some(at) => drop(expected.remove(at)),
                    None => {
                        wrong += &format!(
                            "{} {title}: line {line}, {}: {}\n",
                            rule.code, found.path, found.message
                        )
                    }
                }
            }
            for (line, part) in expected {
                wrong += &format!("{} {title}: not found on line {line}: {part}\n", rule.code);
            }
        }
        assert!(any, "{}: the fixture expects nothing", rule.code);
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn codes_are_unique_and_in_order() {
    let codes: Vec<&str> = RULES.iter().map(|rule| rule.code).collect();
    let mut sorted = codes.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(codes, sorted);
}

#[test]
fn messages_are_sentences() {
    let mut wrong = BTreeMap::new();
    for rule in RULES {
        for (_, text) in meshes(rule.fixture) {
            for found in findings(&text, rule.code) {
                if !found.message.ends_with(['.', '?']) {
                    wrong.insert(found.message, rule.code);
                }
            }
        }
        assert!(rule.explanation.ends_with('.'), "{}", rule.code);
        assert!(!rule.title.ends_with('.'), "{}", rule.code);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_fix_mends_what_it_is_offered_for() {
    let mut fixes = 0;
    for rule in RULES {
        for (title, text) in meshes(rule.fixture) {
            let sources = Sources::single("fixture.yaml", &text);
            let before = findings(&text, rule.code);
            for found in before.iter().filter(|found| found.fix.is_some()) {
                fixes += 1;
                let edit = found.fix.as_ref().unwrap().edit.clone();
                let applied = crate::edit::apply(&sources, &[edit]).unwrap();
                let after = findings(&applied.sources.0["fixture.yaml"], rule.code);
                let still =
                    after.iter().any(|after| after.path == found.path && after.message == found.message);
                assert!(!still, "{} {title}: {} is still there", rule.code, found.message);
            }
        }
    }
    assert!(fixes > 0);
}
