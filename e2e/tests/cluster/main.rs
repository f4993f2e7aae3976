//! A real cluster: Kubernetes' API server, istiod with its webhook, and Istio's configuration on an Envoy. What is written through
//! the API is what requests obey, what is refused is refused with words, and what was killed comes back where it was.
//!
//! `cargo xtask test` builds the programs, or says why it does not; `cargo xtask setup parts` does only that.

mod designer;

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use e2e::cluster::{Loopback, split};
use hyper::{Method, StatusCode};
use testkit::kubernetes::Kubernetes;
use testkit::{Server, skipped};

/// For a change to reach requests: far longer than it takes.
const LONG: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_obeys_its_api() -> Result<()> {
    let Some((_backends, mut cluster)) = start(100).await? else { return Ok(()) };

    obeyed(&cluster, 0, "one weight").await?;
    refused(&cluster).await?;
    permitted(&cluster).await;
    let definitions = Command::new(e2e::binary()?).arg("crds").output()?;
    let ours = cluster.kubernetes.dry_run(&String::from_utf8(definitions.stdout)?).await;
    ensure!(ours.as_ref().is_ok_and(|all| !all.is_empty()), "the definitions of `meshwright crds`: {ours:?}");

    let killed = Instant::now();
    cluster.kubernetes.kill_api_server();
    let url = cluster.kubernetes.url.clone();
    let address: SocketAddr = url.trim_start_matches("https://").parse()?;
    ensure!(std::net::TcpStream::connect(address).is_err(), "a killed API server takes connections");
    cluster.kubernetes.start_api_server().await;
    cluster.steps.push(("API server back", killed.elapsed()));
    obeyed(&cluster, 100, "one weight after that").await?;

    let killed = Instant::now();
    cluster.kubernetes.kill_etcd();
    cluster.kubernetes.start_etcd().await;
    cluster.steps.push(("etcd back", killed.elapsed()));
    obeyed(&cluster, 0, "one weight after that").await?;

    let killed = Instant::now();
    cluster.kill_istiod();
    cluster.start_istiod()?;
    cluster.steps.push(("istiod back", killed.elapsed()));
    obeyed(&cluster, 100, "one weight after that").await?;

    for (step, time) in &cluster.steps {
        println!("{:>6} ms  {step}", time.as_millis());
    }
    Ok(())
}

/// A cluster with two versions of `reviews`, so much of the weight on v1, and an Envoy; none where its programs are missing.
async fn start(first: u32) -> Result<Option<([Server; 2], Loopback)>> {
    let Some(parts) = Kubernetes::available() else { return Ok(None) };
    if parts.istiod.is_none() || parts.crds.is_none() {
        skipped("no istiod, or not its definitions; `cargo xtask test` says why");
        return Ok(None);
    }
    let Some(envoy) = testkit::envoy() else { return Ok(None) };
    let backends = [Server::named("v1").await, Server::named("v2").await];
    let mut cluster = Loopback::start(&parts).await?;
    cluster.serve("reviews", &backends.each_ref().map(|backend| backend.address().port())).await;
    cluster.kubernetes.apply(&split::yaml(first)).await;
    cluster.start_envoy(&envoy, "reviews")?;
    Ok(Some((backends, cluster)))
}

/// Moves all of the weight, and waits for the first request that goes there.
async fn obeyed(cluster: &Loopback, first: u32, what: &'static str) -> Result<()> {
    let wanted = if first == 0 { "v2" } else { "v1" };
    let began = Instant::now();
    // Its webhook asks istiod, which may have to connect to the API server again before it answers.
    while let Err(refusal) = cluster.kubernetes.apply_as("testkit", true, &split::yaml(first)).await {
        ensure!(began.elapsed() < LONG, "{refusal:?}");
    }
    let host = format!("reviews:{}", cluster.port);
    while testkit::get(cluster.address(), "/", &[("host", &host)]).await.body != wanted {
        ensure!(began.elapsed() < LONG, "no request has followed the weight");
    }
    println!("{:>6} ms  {what}: written, and obeyed", began.elapsed().as_millis());
    Ok(())
}

/// The definition's rules and istiod's refuse in their own words, and nothing is changed.
async fn refused(cluster: &Loopback) -> Result<()> {
    let of_definition = "networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: bad}\n\
        spec: {hosts: [reviews], http: [{timeout: 1ns, route: [{destination: {host: reviews}}]}]}\n";
    let of_istiod = "networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: bad}\n\
        spec: {hosts: [reviews], http: [{match: [{uri: {regex: \"([\"}}], route: [{destination: {host: reviews}}]}]}\n";
    let cases = [
        (of_definition, StatusCode::UNPROCESSABLE_ENTITY, "must be a valid duration greater than 1ms"),
        (
            of_istiod,
            StatusCode::BAD_REQUEST,
            "admission webhook \"rev.validation.istio.io\" denied the request",
        ),
    ];
    for (object, status, words) in cases {
        let yaml = format!("apiVersion: {object}");
        let applied = cluster.kubernetes.apply_as("testkit", false, &yaml).await;
        let Err(refusal) = applied else { bail!("taken: {yaml}") };
        println!("refused, {}: {}", refusal.status, refusal.message);
        ensure!(refusal.status == status && refusal.message.contains(words), "{refusal:?}");
    }
    let path = "/apis/networking.istio.io/v1/namespaces/default/virtualservices";
    let list = cluster.kubernetes.get(path).await;
    let items = list["items"].as_array().context("a list without items")?;
    ensure!(items.len() == 1, "{list}");
    Ok(())
}

/// Users may do what their roles say.
async fn permitted(cluster: &Loopback) {
    let path = split::PATH;
    let [json, patch] = ["application/json", "application/merge-patch+json"];
    let body = r#"{"metadata": {"annotations": {"touched": "yes"}}}"#;
    let kubernetes = &cluster.kubernetes;
    for (user, read, written) in [("viewer", 200, 403), ("editor", 200, 200), ("nobody", 403, 403)] {
        let (status, _) = kubernetes.send_as(user, Method::GET, path, json, String::new()).await;
        assert_eq!(status, read, "{user} reads");
        let (status, _) = kubernetes.send_as(user, Method::PATCH, path, patch, body.to_owned()).await;
        assert_eq!(status, written, "{user} writes");
    }
}
