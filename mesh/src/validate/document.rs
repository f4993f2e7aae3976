//! `docs/diagnostics.md`, made of the tables of codes. `UPDATE_DOCS=1 cargo test -p mesh the_document_is_current` writes it.

use std::fmt::Write as _;
use std::path::Path;

use super::RULES;
use super::fixtures::meshes;
use crate::Severity;
use crate::model::{CODES, Code};

const INTRODUCTION: &str = "\
# Diagnostics

What Meshwright finds in a mesh, by code. Codes are stable, so you can search for them, and tests and scripts can rely on
them. `meshwright validate` prints the findings, the designer shows them as you type, and a revision with new errors is
rejected. The column *istioctl* has the corresponding messages of `istioctl analyze`.

- **error**: the resource, or a part of it, does not work as written.
- **warning**: it works, but probably not as intended.
- **info**: worth knowing.

Codes `MW00xx` come from parsing the YAML, `MW01xx` are about the schema, `MW02xx` about references, `MW03xx` about single
settings and their ranges, and `MW04xx` about several resources together. In the examples a comment `# CODE: …` marks the
line of the finding and quotes its message.

This file is generated from the tables in `mesh/src/model/codes.rs` and `mesh/src/validate/`; a test keeps it current.
";

fn document() -> String {
    let mut out = INTRODUCTION.to_owned();
    out.push_str("\n| Code | | What it is about | istioctl |\n| --- | --- | --- | --- |\n");
    let mut row = |code: &str, severity: Severity, title: &str, theirs: &[&str]| {
        let word = word(severity);
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "| [{code}](#{}) | {word} | {title} | {} |",
            code.to_ascii_lowercase(),
            theirs.join(", ")
        );
    };
    for code in CODES {
        row(code.code, code.severity, code.title, Code::corresponds_to(code.code));
    }
    for rule in RULES {
        row(rule.code, rule.severity, rule.title, rule.corresponds_to);
    }
    for code in CODES {
        section(&mut out, code.code, code.severity, code.title, code.explanation);
    }
    for rule in RULES {
        section(&mut out, rule.code, rule.severity, rule.title, rule.explanation);
        if let Some((title, text)) = meshes(rule.fixture).into_iter().next() {
            let _ = write!(out, "\nFor example, {title}:\n\n```yaml\n{}```\n", only(&text, rule.code));
        }
    }
    out
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

fn section(out: &mut String, code: &str, severity: Severity, title: &str, explanation: &str) {
    let _ = write!(out, "\n## {code}\n\n**{title}** ({})\n\n{explanation}\n", word(severity));
}

/// The text with the expectations of this code alone.
fn only(text: &str, code: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut parts = line.split(" # MW");
        out.push_str(parts.next().unwrap_or_default());
        for part in parts.filter(|part| format!("MW{part}").starts_with(code)) {
            let _ = write!(out, " # MW{part}");
        }
        out.push('\n');
    }
    out
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test that compares a file")]
fn the_document_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/diagnostics.md");
    let document = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &document).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == document,
        "docs/diagnostics.md is not current: UPDATE_DOCS=1 cargo test -p mesh the_document_is_current"
    );
}
