//! The program's commands as a shell sees them: exit codes, and what goes to standard output.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn meshwright(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshwright"));
    command.args(arguments).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The program may end before it has read everything: that is for it to say.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// The sample mesh in a folder, by `export`.
fn sample(folder: &Path) {
    let output = meshwright(&["export", "--format", "dir", "-o", folder.to_str().unwrap()], "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn validate_says_by_its_exit_code_what_there_is() {
    let route = |weight: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a}}\nspec:\n  hosts: [a]\n  http:\n  - route:\n    - {{destination: {{host: a}}, weight: {weight}}}\n    - {{destination: {{host: b}}, weight: 5}}\n"
        )
    };
    for (input, code, found) in
        [(route("95"), 0, 0), (route("5"), 0, 1), (route("-5"), 1, 2), ("a: [".to_owned(), 1, 1)]
    {
        let output = meshwright(&["validate", "-", "--format", "json"], &input);
        assert_eq!(output.status.code(), Some(code), "{input}");
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["diagnostics"].as_array().unwrap().len(), found, "{json:#}");
    }
    assert_eq!(meshwright(&["validate", "/does/not/exist"], "").status.code(), Some(2));
    assert_eq!(meshwright(&["validate"], "").status.code(), Some(2));
}

#[test]
fn what_is_exported_is_valid_and_routes_the_same() {
    let folder = tempfile::tempdir().unwrap();
    sample(folder.path());
    let path = folder.path().to_str().unwrap();
    let checked = meshwright(&["validate", path], "");
    assert!(checked.status.success(), "{}", text(&checked));

    let whole = meshwright(&["export", "--mesh", path], "");
    assert!(whole.status.success());
    let again = meshwright(&["validate", "-", "--format", "json"], text(&whole));
    assert!(again.status.success(), "{}", text(&again));

    let file = folder.path().join("whole.yaml");
    std::fs::write(&file, text(&whole)).unwrap();
    let ask = |mesh: &str| {
        let request =
            ["--from", "productpage-v1", "--method", "GET", "--host", "reviews:9080", "--path", "/reviews/0"];
        let arguments = [&["explain", "--format", "json", "--mesh", mesh][..], &request[..]].concat();
        let output = meshwright(&arguments, "");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let explained = ask(file.to_str().unwrap());
    assert_eq!(explained["status"], "routed");
    // In order by name: whether the map keeps the order of the text is up to the features that others turn on.
    let fields: BTreeSet<&str> = explained.as_object().unwrap().keys().map(String::as_str).collect();
    let contract = [
        "destinations",
        "fault",
        "mirror",
        "retries",
        "route",
        "status",
        "steps",
        "timeout",
        "virtual_service",
    ];
    assert_eq!(fields, BTreeSet::from(contract));
    std::fs::remove_file(file).unwrap();
    assert_eq!(ask(path), explained);
}

#[test]
fn the_definitions_are_of_five_kinds_and_three_versions() {
    let output = meshwright(&["crds"], "");
    assert!(output.status.success());
    assert_eq!(text(&output).matches("kind: CustomResourceDefinition").count(), 5);
    assert_eq!(text(&output).matches("served: true").count(), 15);
    assert_eq!(text(&output).matches("storage: true").count(), 5);
}

#[test]
fn the_proxy_says_what_it_lacks() {
    let output =
        meshwright(&["proxy", "--mesh", "/does/not/exist", "--workload", "a", "--listen", "127.0.0.1:0"], "");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("/does/not/exist"));
    assert_eq!(meshwright(&["proxy", "--mesh", ".", "--listen", "127.0.0.1:0"], "").status.code(), Some(2));
}
