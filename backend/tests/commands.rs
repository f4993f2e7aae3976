//! The program's commands as a shell sees them: exit codes, and what goes to standard output.

#![allow(clippy::disallowed_methods, reason = "a test may wait and read as it likes")]
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

#[cfg(target_os = "linux")]
#[test]
fn nothing_in_a_folder_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    sample(folder.path());
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe.yaml")).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("endless.json")).unwrap();
    let path = folder.path().to_str().unwrap();
    let checked = meshwright(&["validate", path, "--format", "json"], "");
    let json: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let codes = json["diagnostics"].as_array().unwrap().iter().map(|found| found["code"].as_str().unwrap());
    assert_eq!(codes.collect::<Vec<_>>(), ["MW0016", "MW0016"]);
    assert_eq!(checked.status.code(), Some(0), "they are warnings");
    assert!(meshwright(&["export", "--mesh", path], "").status.success());

    for named in ["/dev/zero", folder.path().join("pipe.yaml").to_str().unwrap()] {
        for arguments in [
            &["validate", named][..],
            &["export", "--mesh", named],
            &["explain", "--mesh", named, "--from", "a", "--host", "a", "--path", "/"],
            &["proxy", "--mesh", named, "--workload", "a", "--listen", "127.0.0.1:0"],
            &["serve", "--token-file", named],
        ] {
            let output = meshwright(arguments, "");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                !output.status.success() && said.contains("only regular files are read"),
                "{arguments:?}: {said}"
            );
        }
    }
}

#[test]
fn a_damaged_log_says_what_can_be_saved_and_how() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample(folder.path());
    let log = data.path().join("revisions.redb");
    {
        let store = meshwright::store::Store::open(data.path()).unwrap();
        let info = api::RevisionInfo {
            number: 1,
            author: "ada".to_owned(),
            at: 0,
            summary: String::new(),
            edits: api::revision::Edits::default(),
            reverts: None,
        };
        let sources = mesh::Sources::single("a.yaml", "# kept\n");
        store
            .append(&meshwright::store::Revision { info, inverse: Vec::new(), sources: sources.into() })
            .unwrap();
    }
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[..256].fill(0);
    std::fs::write(&log, bytes).unwrap();
    let data = data.path().to_str().unwrap();
    let started = meshwright(&["serve", "--listen", "127.0.0.1:0", "--data", data], "");
    let said = String::from_utf8_lossy(&started.stderr);
    assert!(!started.status.success());
    assert!(said.contains(log.to_str().unwrap()) && said.contains("meshwright export --data"), "{said}");
    let saved = meshwright(&["export", "--data", data], "");
    assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
    assert_eq!(text(&saved), "# kept\n");
}

#[test]
fn a_secret_among_the_arguments_is_warned_of() {
    let secret = "0123456789abcdef";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{secret}\n")).unwrap();
    let sidecar = |arguments: &[&str]| {
        let all = [&["sidecar", "--workload", "a", "--print"], arguments].concat();
        let output = meshwright(&all, "");
        (text(&output).contains(secret), String::from_utf8_lossy(&output.stderr).contains("--token-file"))
    };
    assert_eq!(sidecar(&["--token", secret]), (true, true));
    assert_eq!(sidecar(&["--token-file", file.path().to_str().unwrap()]), (true, false));
}

#[test]
fn timeouts_of_the_mesh_are_said_to_be_its() {
    let folder = tempfile::tempdir().unwrap();
    sample(folder.path());
    let ask = |more: &[&str]| {
        let path = folder.path().to_str().unwrap();
        let request = ["explain", "--mesh", path, "--from", "productpage-v1", "--host", "details:9080"];
        let output = meshwright(&[&request[..], more].concat(), "");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        text(&output).to_owned()
    };
    let plain = ask(&[]);
    assert!(!plain.contains("timeout"), "Istio has none: {plain}");
    let set = ask(&["--request-timeout", "3s"]);
    assert!(set.contains("timeout 3s (mesh default)"), "{set}");
    let asked = ask(&["--request-timeout", "3s", "-H", "x-envoy-upstream-rq-timeout-ms: 500"]);
    assert!(asked.contains("timeout 500ms (request's header)"), "{asked}");
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

/// A kubeconfig whose contexts lead nowhere.
fn kubeconfig(folder: &Path) -> String {
    let file = folder.join("config");
    let text = "
current-context: production
clusters:
- {name: kind, cluster: {server: 'https://127.0.0.1:1'}}
contexts:
- {name: a, context: {cluster: kind, user: alice, namespace: shop}}
- {name: production, context: {cluster: kind}}
users:
- {name: alice, user: {token: secret}}
";
    std::fs::write(&file, text).unwrap();
    file.to_string_lossy().into_owned()
}

#[test]
fn contexts_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let config = kubeconfig(folder.path());
    let listed = meshwright(&["contexts", "--kubeconfig", &config], "");
    let expected = "   NAME        CLUSTER  SERVER               USER   NAMESPACE
   a           kind     https://127.0.0.1:1  alice  shop
*  production  kind     https://127.0.0.1:1  -      default
";
    assert_eq!((text(&listed), listed.status.code()), (expected, Some(0)));
    let json = meshwright(&["contexts", "--kubeconfig", &config, "--context", "a", "--format", "json"], "");
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["contexts"][0]["name"], &json["contexts"][0]["current"]), (&"a".into(), &true.into()));
    assert!(!json.to_string().contains("secret"));
}

#[test]
fn a_cluster_that_cannot_be_used_is_said_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let config = kubeconfig(folder.path());
    let nowhere = "meshwright: the API server https://127.0.0.1:1 of the context `production` cannot be reached: nothing listens there \
                   (connection refused); check that it runs, and its port\n";
    let unknown =
        "meshwright: the kubeconfig has no context `b`: choose one with --context (a, production)\n";
    let cases: [(&[&str], &str); 5] = [
        (&["contexts", "--check", "--kubeconfig", &config], nowhere),
        (&["serve", "--cluster", "--kubeconfig", &config], nowhere),
        (&["--cluster", "--kubeconfig", &config], nowhere),
        (&["--cluster", "--kubeconfig", &config, "--context", "b", "--namespace", "x", "-n", "y"], unknown),
        (
            &["--context", "a"],
            "meshwright: --kubeconfig, --context and --namespace say which cluster is meant: give --cluster too\n",
        ),
    ];
    for (arguments, expected) in cases {
        let output = meshwright(arguments, "");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), expected, "{arguments:?}");
    }
    assert_eq!(meshwright(&["--cluster", "--mesh", "folder"], "").status.code(), Some(2));
}

#[tokio::test]
async fn a_cluster_is_checked() {
    let Some(parts) = testkit::kubernetes::Kubernetes::available() else { return };
    let kubernetes = testkit::kubernetes::Kubernetes::start(&parts).await;
    let check = |user: &str, more: &[&str]| {
        let config = kubernetes.user(user, None);
        let arguments =
            [&["contexts", "--check", "--kubeconfig", config.to_str().unwrap()][..], more].concat();
        meshwright(&arguments, "")
    };
    let none = check("admin", &[]);
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(!none.status.success() && said.contains("does not have Istio's kinds"), "{said}");
    // The definitions that this program prints are enough.
    kubernetes.apply(text(&meshwright(&["crds"], ""))).await;

    let admin = check("admin", &[]);
    assert!(text(&admin).ends_with("\nAll that Meshwright uses is permitted.\n"), "{}", text(&admin));
    let viewer = check("viewer", &[]);
    for expected in [
        "User:       viewer\n",
        "Istio:      networking.istio.io v1, v1beta1, v1alpha3\n",
        "KIND             VERSION     LIST AND WATCH  CREATE  PATCH  DELETE\nVirtualService   v1          everywhere      no      no     no\n",
        "Sidecar          not served",
        "Nothing may be written here. An administrator grants the rest with:\n\napiVersion: rbac",
        "  name: viewer\n",
    ] {
        assert!(text(&viewer).contains(expected), "{expected}\n{}", text(&viewer));
    }
    let nobody = check("nobody", &["--namespace", "shop", "--format", "json"]);
    let nobody: Value = serde_json::from_slice(&nobody.stdout).unwrap();
    assert_eq!(nobody["kinds"][0]["read"], "none", "{nobody:#}");
    kubernetes.apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}").await;
    kubernetes.apply(nobody["role"].as_str().unwrap()).await;
    let granted = check("nobody", &["--namespace", "shop", "--format", "json"]);
    let granted: Value = serde_json::from_slice(&granted.stdout).unwrap();
    assert_eq!(
        (&granted["kinds"][0]["patch"], &granted["missing"]),
        (&serde_json::json!(["shop"]), &serde_json::json!([]))
    );
}
