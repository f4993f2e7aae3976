//! Tokens in files, and programs that log in.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn ok() -> (u16, String) {
    (200, r#"{"major": "1", "minor": "36", "gitVersion": "v1.36.3"}"#.to_owned())
}

fn unauthorized() -> (u16, String) {
    (401, json!({ "kind": "Status", "code": 401, "reason": "Unauthorized" }).to_string())
}

fn exec(command: &str) -> Value {
    json!({ "exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": command,
        "args": ["--first", ""],
        "env": [{ "name": "PROFILE", "value": "dev" }],
        "interactiveMode": "IfAvailable",
        "provideClusterInfo": true,
        "installHint": "get it with\n  brew install login",
    }})
}

/// A program that is a script.
fn script(folder: &Path, text: &str) -> String {
    let file = folder.join("login");
    fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file.to_string_lossy().into_owned()
}

fn credential(status: &str) -> String {
    format!(
        r#"echo '{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{status}}}'"#
    )
}

/// Logs in with a script, and what the server was shown.
async fn log_in(text: &str) -> Result<Vec<String>, Error> {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::plain(|_| ok()).await;
    let cluster = json!({ "server": format!("http://{}", server.address) });
    version(&cluster, &exec(&script(folder.path(), text))).await?;
    Ok(server.header("authorization"))
}

#[tokio::test]
async fn a_program_logs_in() {
    let json = log_in(&credential(r#"{"token":"one"}"#)).await.unwrap();
    assert_eq!(json, ["Bearer one"]);
    let yaml = "printf 'apiVersion: client.authentication.k8s.io/v1\\nkind: ExecCredential\\nstatus:\\n  token: two\\n'";
    assert_eq!(log_in(yaml).await.unwrap(), ["Bearer two"]);
    // It gets its arguments and variables, and is told of the cluster.
    let text = credential(
        r#"{"token":"'"$1-$#-$PROFILE-$(echo "$KUBERNETES_EXEC_INFO" | grep -c '"server":"http://127')"'"}"#,
    );
    assert_eq!(log_in(&text).await.unwrap(), ["Bearer --first-2-dev-1"]);
}

#[tokio::test]
async fn a_program_that_does_not_log_in_is_said() {
    let v1 = "client.authentication.k8s.io/v1";
    let cases = [
        (
            "echo 'your session\nhas ended' >&2; exit 3".to_owned(),
            "failed (exit status 3, it says: your session has ended): run it by hand",
        ),
        ("exit 3".to_owned(), "failed (exit status 3): run it by hand"),
        ("echo hello".to_owned(), "gave no credentials: its output is no ExecCredential in JSON or YAML"),
        ("true".to_owned(), "gave no credentials: it wrote nothing to stdout"),
        ("echo '{}'".to_owned(), "and it wrote none; set apiVersion of exec"),
        (
            format!("echo '{{\"apiVersion\":\"{v1}beta1\"}}'"),
            "and it wrote client.authentication.k8s.io/v1beta1; set apiVersion",
        ),
        (format!("echo '{{\"apiVersion\":\"{v1}\"}}'"), "gave no credentials: its output has no status"),
        (credential("{}"), "gave no credentials: its output has neither a token nor a certificate"),
        (credential(r#"{"token":"a","expirationTimestamp":"soon"}"#), "its expirationTimestamp is no time"),
        (credential(r#"{"clientCertificateData":"a"}"#), "a certificate without its key"),
        ("yes".to_owned(), "it wrote more than 1 MB"),
    ];
    for (text, expected) in cases {
        let error = log_in(&text).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.len() < 1000, "{error}");
    }
    let long = log_in("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1").await.unwrap_err().to_string();
    assert!(long.len() < 1000, "{long}");
}

#[tokio::test]
async fn a_program_that_is_missing_comes_with_how_to_get_it() {
    let error = version(&json!({ "server": "http://127.0.0.1:1" }), &exec("meshwright-no-such-login"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the program `meshwright-no-such-login`, which the kubeconfig logs in with, is not installed: get it with brew install login"
    );
}

#[tokio::test]
async fn a_program_that_does_not_end_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let command = script(
        folder.path(),
        "echo 'open https://login' >&2; echo $$ > \"$(dirname \"$0\")/pid\"; exec sleep 60",
    );
    let config: kube::config::ExecConfig = serde_json::from_value(exec(&command)["exec"].clone()).unwrap();
    let limit = Duration::from_millis(700);
    let plugin = Plugin::new(&config, None, "test", limit).unwrap();
    let error = plugin.run().await.err().unwrap().to_string();
    assert!(error.contains("did not end within 0 s, it says: open https://login: run it by hand"), "{error}");
    let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
    let gone = || !Path::new(&format!("/proc/{}/cwd", pid.trim())).exists();
    for _ in 0..100 {
        if !Path::new("/proc/self").exists() || gone() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it still runs");
}

#[tokio::test]
async fn a_program_whose_browser_stays_open_is_not_waited_for() {
    let started = std::time::Instant::now();
    let text = format!("sleep 20 >/dev/null & {}", credential(r#"{"token":"one"}"#));
    assert_eq!(log_in(&text).await.unwrap(), ["Bearer one"]);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn credentials_are_renewed_before_they_end_and_after_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let count = "n=$(cat \"$(dirname \"$0\")/n\" 2>/dev/null || echo 0); n=$((n + 1)); echo $n > \"$(dirname \"$0\")/n\"";
    for (until, expected) in [
        // It ends soon, so that each request has its own.
        (Some("2001-01-01T00:00:00Z"), vec!["Bearer 2", "Bearer 3", "Bearer 4"]),
        (Some("2900-01-01T00:00:00Z"), vec!["Bearer 1", "Bearer 1", "Bearer 2"]),
        (None, vec!["Bearer 1", "Bearer 1", "Bearer 2"]),
    ] {
        drop(fs::remove_file(folder.path().join("n")));
        let server =
            Server::plain(|head| if head.contains("GET /refused") { unauthorized() } else { ok() }).await;
        let until = until.map(|until| format!(r#","expirationTimestamp":"{until}""#)).unwrap_or_default();
        let text = format!("{count}\n{}", credential(&format!(r#"{{"token":"'$n'"{until}}}"#)));
        let cluster = json!({ "server": format!("http://{}", server.address) });
        let options = kubeconfig(folder.path(), &cluster, &exec(&script(folder.path(), &text)));
        let connection = connect_in(&options, &Environment::default()).await.unwrap();
        connection.client.apiserver_version().await.unwrap();
        let refused = http::Request::get("/refused").body(Vec::new()).unwrap();
        connection.client.request_text(refused).await.unwrap_err();
        connection.client.apiserver_version().await.unwrap();
        assert_eq!(server.header("authorization"), expected);
    }
}

#[tokio::test]
async fn a_program_that_fails_later_fails_the_request_with_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::plain(|_| ok()).await;
    let once = credential(r#"{"token":"one","expirationTimestamp":"2001-01-01T00:00:00Z"}"#);
    let text = format!(
        "d=$(dirname \"$0\"); [ -e $d/done ] && {{ echo 'log in again' >&2; exit 1; }}; touch $d/done\n{once}"
    );
    let cluster = json!({ "server": format!("http://{}", server.address) });
    let options = kubeconfig(folder.path(), &cluster, &exec(&script(folder.path(), &text)));
    let connection = connect_in(&options, &Environment::default()).await.unwrap();
    let error = connection.client.apiserver_version().await.unwrap_err();
    let error = connection.explain(error);
    assert!(matches!(&error, Error::PluginFailed { said, .. } if said == "log in again"), "{error:?}");
}

#[tokio::test]
async fn a_program_may_get_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new("ours");
    let server = Server::tls(ours.server(&["127.0.0.1"], Some(&ours), |_| {})).await;
    let (certificate, key) = ours.sign(&["alice"], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let status = json!({
        "clientCertificateData": certificate,
        "clientKeyData": key,
        "expirationTimestamp": "2900-01-01T00:00:00Z",
    });
    fs::write(
        folder.path().join("status"),
        json!({ "apiVersion": "client.authentication.k8s.io/v1", "status": status }).to_string(),
    )
    .unwrap();
    let command = script(folder.path(), "cat \"$(dirname \"$0\")/status\"");
    let cluster = json!({ "server": format!("https://{}", server.address), "certificate-authority-data": encoded(&ours.pem) });
    let options = kubeconfig(folder.path(), &cluster, &exec(&command));
    let connection = connect_in(&options, &Environment::default()).await.unwrap();
    connection.client.apiserver_version().await.unwrap();
    assert_eq!(connection.valid_until.unwrap().to_string(), "2900-01-01T00:00:00Z");
    assert!(server.header("authorization").is_empty());
}

#[tokio::test]
async fn the_token_of_a_file_is_read_again_after_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::plain(|head| if head.contains("Bearer new") { ok() } else { unauthorized() }).await;
    let cluster = json!({ "server": format!("http://{}", server.address) });
    let options = kubeconfig(folder.path(), &cluster, &json!({ "token": "older", "tokenFile": "token" }));
    let error = connect_in(&options, &Environment::default()).await.unwrap_err().to_string();
    assert!(error.starts_with("the token of the context `test` cannot be used: "), "{error}");
    let token = folder.path().join("token");
    fs::write(&token, "old\n").unwrap();
    let connection = connect_in(&options, &Environment::default()).await.unwrap();
    connection.client.apiserver_version().await.unwrap_err();
    fs::write(&token, "new\n").unwrap();
    connection.client.apiserver_version().await.unwrap();
    // One that has gone is still known.
    fs::remove_file(&token).unwrap();
    connection.client.apiserver_version().await.unwrap();
    assert_eq!(server.header("authorization"), ["Bearer old", "Bearer new", "Bearer new"]);
}
