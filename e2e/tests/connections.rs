//! Connections are split and disturbed in the page as requests are, and do as it says.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use api::Snapshot;
use e2e::designer::SOON;
use e2e::{Browser, Server, http, wait};
use testkit::{Raw, service};
use thirtyfour::Key;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const FRONT: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ingress}
spec:
  servers: [{port: {number: 28097, name: tcp, protocol: TCP}, hosts: ['*']}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: db}
spec:
  host: db
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: db}
spec:
  hosts: [db]
  gateways: [ingress, mesh]
  tcp: # by port
  - match: [{port: 28097}]
    route:
    - {destination: {host: db, subset: v1}, weight: 100}
    - {destination: {host: db, subset: v2}, weight: 0}
";

async fn instance(name: &'static str) -> Raw {
    Raw::start(async move |mut stream| {
        // Whoever has gone does not hear it.
        let _ = stream.write_all(name.as_bytes()).await;
    })
    .await
}

#[tokio::test]
async fn connections_follow_their_sliders() -> Result<()> {
    let (one, two) = (instance("v1").await, instance("v2").await);
    let folder = tempfile::tempdir()?;
    let mesh = service("db", &[one.port, two.port]).replace("protocol: HTTP", "protocol: TCP") + FRONT;
    std::fs::write(folder.path().join("mesh.yaml"), mesh)?;
    let server = Server::start(&["--mesh", &folder.path().to_string_lossy()]).await?;
    let snapshot: Snapshot = http::get_json(&server.address, "/api/v1/mesh").await?;
    let listener = snapshot.listeners.iter().find(|it| it.address.ends_with(":28097"));
    let address: SocketAddr = listener.context("the gateway listens")?.address.parse()?;
    ensure!(answers(address).await?.keys().eq(["v1"]), "all to v1, as the text says");

    Browser::with(1600, 1000, async |browser| {
        browser.designer(&server.url()).await?;
        browser.select("db").await?;
        browser.tab("rules").await?;
        browser.text_with(".card", "port 28097", SOON).await?;
        browser.shots("20-tcp-rules").await?;
        browser.tab("split").await?;
        browser.drag("Share of v2", 100).await?;
        browser.shots("21-tcp-split").await?;
        browser.apply().await?;
        until(address, "all to v2", |seen| seen.keys().eq(["v2"])).await?;

        // The same by the keyboard.
        let percent = browser.find("input[type=number][aria-label=\"Percent of v1\"]").await?;
        percent.click().await?;
        percent.send_keys(Key::Control + "a").await?;
        percent.send_keys("50").await?;
        percent.send_keys(Key::Tab + "").await?;
        browser.apply().await?;
        until(address, "to both", |seen| seen.keys().eq(["v1", "v2"])).await?;
        browser.text_with(".node.service .rate", "rps", SOON).await?;
        browser.shots("23-tcp-traffic").await?;
        let snapshot: Snapshot = http::get_json(&server.address, "/api/v1/mesh").await?;
        let text: String = snapshot.sources.0.values().cloned().collect();
        ensure!(text.contains("tcp: # by port") && text.matches("weight: 50").count() == 2, "{text}");

        browser.tab("faults").await?;
        browser.find("fieldset:nth-of-type(2) input[role=switch]").await?.click().await?;
        let share = browser.find("input[aria-label=\"Percent of connections to reset\"]").await?;
        share.send_keys(Key::Control + "a").await?;
        share.send_keys("100").await?;
        share.send_keys(Key::Tab + "").await?;
        browser.apply().await?;
        until(address, "none is served", |seen| seen.keys().eq([""])).await?;
        browser.text_with(".sidebar", "reset · 100%", SOON).await?;
        browser.shots("22-tcp-fault").await?;
        browser.press("Remove fault").await?;
        browser.apply().await?;
        until(address, "to both again", |seen| seen.keys().eq(["v1", "v2"])).await
    })
    .await
}

async fn until(
    address: SocketAddr,
    what: &str,
    holds: impl Fn(&BTreeMap<String, u32>) -> bool,
) -> Result<()> {
    wait::until(what, SOON, async || Ok(holds(&answers(address).await?).then_some(()))).await
}

/// What some connections hear, and how many: nothing where they are reset.
async fn answers(address: SocketAddr) -> Result<BTreeMap<String, u32>> {
    let mut seen = BTreeMap::new();
    for _ in 0..30 {
        let mut words = String::new();
        // A reset is what is looked for; it may come before the connection stands.
        if let Ok(mut stream) = TcpStream::connect(address).await {
            let _ = stream.read_to_string(&mut words).await;
        }
        *seen.entry(words).or_default() += 1;
    }
    Ok(seen)
}
