//! The cluster that other tests stand on: it comes up, knows its users, and comes back.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use testkit::kubernetes::Kubernetes;

const JSON: &str = "application/json";
const SERVICES: &str = "/api/v1/namespaces/default/services";

#[tokio::test]
async fn a_cluster_comes_up_and_comes_back() {
    let Some(parts) = Kubernetes::available() else { return };
    let began = Instant::now();
    let mut kubernetes = Kubernetes::start(&parts).await;
    println!("{:>6} ms  etcd, API server", began.elapsed().as_millis());

    // Users of tokens and of certificates may do what their roles say.
    kubernetes.apply(&service("a")).await;
    for (user, status) in [("admin", 200), ("editor", 200), ("viewer", 200), ("nobody", 403)] {
        let (answer, _) = kubernetes.send_as(user, Method::GET, SERVICES, JSON, String::new()).await;
        assert_eq!(answer, status, "{user}");
        let config = std::fs::read_to_string(kubernetes.user(user, None)).unwrap();
        assert!(config.contains("token:"), "{config}");
    }
    let config = std::fs::read_to_string(kubernetes.user("ada", Some("people"))).unwrap();
    assert!(config.contains("client-certificate:"), "{config}");

    // Another manager's fields are not taken without force.
    let other = service("a").replace("port: 80", "port: 80, targetPort: 8080");
    kubernetes.apply_as("one", true, &other).await.unwrap();
    let refusal = kubernetes.apply_as("two", false, &other.replace("8080", "8081")).await.unwrap_err();
    assert_eq!(refusal.status, StatusCode::CONFLICT, "{refusal:?}");

    // Killed, it is away, and it comes back where it was with what it had.
    let address: SocketAddr = kubernetes.url.trim_start_matches("https://").parse().unwrap();
    kubernetes.kill_api_server();
    assert!(TcpStream::connect(address).is_err());
    let began = Instant::now();
    kubernetes.start_api_server().await;
    println!("{:>6} ms  API server again", began.elapsed().as_millis());
    kubernetes.get(&format!("{SERVICES}/a")).await;

    // Paused, it takes connections and says nothing.
    kubernetes.pause_api_server();
    let asked = kubernetes.send(Method::GET, SERVICES, JSON, String::new());
    assert!(tokio::time::timeout(Duration::from_millis(200), asked).await.is_err());
    kubernetes.resume_api_server();
    kubernetes.get(SERVICES).await;

    kubernetes.kill_etcd();
    let began = Instant::now();
    kubernetes.start_etcd().await;
    println!("{:>6} ms  etcd again", began.elapsed().as_millis());
    kubernetes.get(&format!("{SERVICES}/a")).await;

    let began = Instant::now();
    if kubernetes.apply_crds(&parts).await {
        println!("{:>6} ms  Istio's definitions", began.elapsed().as_millis());
        let list = "/apis/networking.istio.io/v1/namespaces/default/virtualservices";
        let (status, _) = kubernetes.send_as("editor", Method::GET, list, JSON, String::new()).await;
        assert_eq!(status, StatusCode::OK);
    }
    let ids = kubernetes.ids();
    drop(kubernetes);
    for id in ids.into_iter().flatten() {
        let runs = std::process::Command::new("sh").args(["-c", &format!("kill -0 {id}")]).output().unwrap();
        assert!(!runs.status.success(), "{id} has not ended");
    }
}

fn service(name: &str) -> String {
    format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{ports: [{{port: 80}}]}}\n")
}
