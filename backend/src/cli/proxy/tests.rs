//! The proxy alone, over real sockets.

use std::path::Path;

use super::*;

const ANY: &str = "127.0.0.1:0";

/// A mesh whose gateway and workload answer by themselves, with what they are told to say.
fn write(folder: &Path, says: &str) {
    let text = format!(
        "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: ingress}}
spec:
  servers:
  - {{port: {{number: 443, name: tls, protocol: TLS}}, hosts: ['*'], tls: {{mode: PASSTHROUGH}}}}
  - {{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ['*']}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: answer}}
spec:
  hosts: [shop.com]
  gateways: [ingress, mesh]
  http: [{{directResponse: {{status: 200, body: {{string: {says}}}}}}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: shop}}
spec:
  hosts: [shop.com]
  resolution: STATIC
  location: MESH_INTERNAL
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  workloadSelector: {{labels: {{app: shop}}}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: shop-v1}}
spec: {{address: 127.0.0.1, labels: {{app: shop, version: v1}}}}
"
    );
    std::fs::write(folder.join("mesh.yaml"), text).unwrap();
}

fn args(folder: &Path) -> Args {
    Args {
        settings: crate::settings::SettingsArgs::default(),
        mesh: folder.to_owned(),
        workload: None,
        gateway: None,
        listen: ANY.parse().unwrap(),
        intercept: false,
        threads: Some(1),
        log: super::super::access_log::AccessLogArgs {
            access_log: None,
            access_log_format: proxy::Format::Envoy,
        },
        timeouts: super::super::timeouts::TimeoutArgs { stream_idle_timeout: 300 },
        tracing: super::super::tracing::TracingArgs { otlp_endpoint: None, trace_sampling: 1.0 },
        admin: Some(ANY.parse().unwrap()),
        allow_hosts: vec!["shop.com".to_owned()],
    }
}

async fn get(address: SocketAddr, path: &str) -> String {
    let answer = testkit::get(address, path, &[("host", "shop.com")]).await;
    assert_eq!(answer.status, 200, "{path}");
    answer.body
}

#[tokio::test]
async fn a_gateway_is_served_and_follows_its_files() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "one");
    let args = Args { gateway: Some("ingress".to_owned()), ..args(folder.path()) };
    let running = Running::start(&args).await.unwrap();
    assert_eq!(get(running.address, "/").await, "one");
    let others: Vec<_> = running.others.lock().await.keys().map(|entry| entry.port).collect();
    assert_eq!(others, [Some(443)], "the port of TLS is served beside the first one");

    write(folder.path(), "two");
    assert_eq!(running.reload().await.unwrap(), 2);
    assert_eq!(get(running.address, "/").await, "two");

    std::fs::write(folder.path().join("broken.yaml"), "a: [").unwrap();
    assert!(matches!(running.reload().await, Err(Error::Invalid(1))));
    assert_eq!(get(running.address, "/").await, "two", "what is broken is not taken");
    std::fs::remove_file(folder.path().join("broken.yaml")).unwrap();
    std::fs::write(folder.path().join("mesh.yaml"), [0xff, 0xfe]).unwrap();
    let unread = running.reload().await.unwrap_err().to_string();
    assert!(unread.contains("mesh.yaml") && unread.contains("UTF-16"), "{unread}");
    assert_eq!(get(running.address, "/").await, "two", "what cannot be read is not gone");

    let admin = running.admin.unwrap();
    for path in ["/ready", "/plan", "/metrics"] {
        let answer = testkit::get(admin, path, &[("host", "evil.example")]).await;
        assert_eq!(answer.status, 421, "{path}: a name that was made to lead here (DNS rebinding)");
    }
    assert_eq!(get(admin, "/ready").await, "ready\n");
    let plan: serde_json::Value = serde_json::from_str(&get(admin, "/plan").await).unwrap();
    assert_eq!(plan["revision"], 2);
    running.proxy.clone().shutdown(GRACE).await;
    tokio::time::timeout(Duration::from_secs(5), async {
        while !get(admin, "/metrics").await.contains("meshwright_requests_total{") {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_workload_is_served_on_all_its_ports() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "hello");
    let running =
        Running::start(&Args { workload: Some("default/shop-v1".to_owned()), ..args(folder.path()) }).await;
    assert_eq!(get(running.unwrap().address, "/").await, "hello");
}

#[tokio::test]
async fn a_gateway_believes_whom_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "hello");
    for (named, expected) in [
        ("", serde_json::Value::Null),
        ("10.0.0.0/8", serde_json::json!([{"address": "10.0.0.0", "prefix": 8}])),
    ] {
        let mut args = Args { gateway: Some("ingress".to_owned()), ..args(folder.path()) };
        args.settings.internal_addresses = named.parse().unwrap();
        let running = Running::start(&args).await.unwrap();
        // And after the files were read again.
        for _ in 0..2 {
            let plan: serde_json::Value =
                serde_json::from_str(&get(running.admin.unwrap(), "/plan").await).unwrap();
            assert_eq!(plan["internal"], expected);
            running.reload().await.unwrap();
        }
    }
}

#[tokio::test]
async fn files_that_change_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "one");
    let args = Args { gateway: Some("ingress".to_owned()), ..args(folder.path()) };
    let running = Running::start(&args).await.unwrap();
    // Before the watching has begun, which is no reason to miss it.
    write(folder.path(), "second");
    let changed = async {
        while get(running.address, "/").await != "second" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        never = running.follow() => match never {},
        done = tokio::time::timeout(Duration::from_secs(20), changed) => done.unwrap(),
    }
}

#[tokio::test]
async fn who_is_not_there_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "hello");
    let error =
        Running::start(&Args { workload: Some("shop-v2".to_owned()), ..args(folder.path()) }).await.err();
    assert_eq!(error.unwrap().to_string(), "the mesh has no workload `shop-v2`; it has shop-v1");
}
