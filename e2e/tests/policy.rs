//! Policies that are typed in the page govern, and the graph shows it: a card says that an instance is ejected, an edge that a
//! limit refuses requests.

use std::sync::atomic::Ordering;

use anyhow::{Result, ensure};
use api::Snapshot;
use e2e::designer::SOON;
use e2e::{Browser, Server, http, wait};
use testkit::{Instance, service};
use thirtyfour::prelude::*;

const FRONT: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ingress}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 28099, name: http, protocol: HTTP}, hosts: ['*']}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: ['*']
  gateways: [ingress]
  http: [{route: [{destination: {host: shop}}], retries: {attempts: 0}}]
";

#[tokio::test]
async fn typed_policies_govern_and_the_graph_shows_it() -> Result<()> {
    let (well, ill) = (Instance::start().await, Instance::start().await);
    let folder = tempfile::tempdir()?;
    let mesh = service("shop", &[well.port, ill.port]) + FRONT;
    std::fs::write(folder.path().join("mesh.yaml"), mesh)?;
    let server = Server::start(&["--mesh", &folder.path().to_string_lossy(), "--rate", "50"]).await?;
    Browser::with(1600, 1000, async |browser| {
        browser.designer(&server.url()).await?;
        browser.select("shop").await?;
        browser.tab("resilience").await?;
        for (field, value) in [
            ("consecutive5xxErrors", "3"),
            ("interval", "0.2"),
            ("baseEjectionTime", "2"),
            ("maxEjectionPercent", "100"),
        ] {
            set(browser, &format!("outlierDetection.{field}"), value).await?;
        }
        let row = ".policy-row[title=\"outlierDetection.consecutive5xxErrors\"] small";
        browser.text_with(row, "3 · DestinationRule shop", SOON).await?;
        browser.shots("11-policy-draft").await?;
        browser.apply().await?;
        let snapshot: Snapshot = http::get_json(&server.address, "/api/v1/mesh").await?;
        let text: String = snapshot.sources.0.values().cloned().collect();
        ensure!(text.contains("kind: DestinationRule") && text.contains("baseEjectionTime: 2s"), "{text}");

        browser.tab("split").await?;
        ill.mood.store(500, Ordering::SeqCst);
        browser.text_with(".node .sub.warn", "1 of 2 instances", SOON).await?;
        browser.shots("12-card").await?;
        ill.mood.store(200, Ordering::SeqCst);
        gone(browser, ".node .sub.warn").await?;
        let states = browser.find(".instances").await?.text().await?;
        ensure!(states.matches("ejected").count() == 0, "both serve again: {states}");

        browser.tab("resilience").await?;
        set(browser, "connectionPool.http.http2MaxRequests", "1").await?;
        browser.apply().await?;
        for instance in [&well, &ill] {
            instance.millis.store(100, Ordering::SeqCst);
        }
        browser.text_with(".sign.limit", "overflow", SOON).await?;
        browser.shots("13-overflow").await
    })
    .await
}

#[tokio::test]
async fn a_typed_health_check_is_made() -> Result<()> {
    let (well, ill) = (Instance::start().await, Instance::start().await);
    let folder = tempfile::tempdir()?;
    let mesh = service("shop", &[well.port, ill.port]) + FRONT.replace("28099", "28098").as_str();
    std::fs::write(folder.path().join("mesh.yaml"), mesh)?;
    let server = Server::start(&["--mesh", &folder.path().to_string_lossy(), "--rate", "20"]).await?;
    Browser::with(1600, 1000, async |browser| {
        browser.designer(&server.url()).await?;
        browser.select("shop").await?;
        browser.tab("resilience").await?;
        // Everything by the keyboard.
        let kind = browser.find(".policy-row[title=\"healthCheck\"] select").await?;
        kind.scroll_into_view().await?;
        kind.send_keys("HTTP").await?;
        let row = ".policy-row[title=\"healthCheck\"] small";
        browser.text_with(row, "HTTP · DestinationRule shop", SOON).await?;

        // What cannot be is said, and nothing is taken.
        set(browser, "healthCheck.http.path", "healthz").await?;
        browser.text_with(".toasts", "Path: `path` begins with `/`", SOON).await?;
        browser.find(".policy-row[title=\"healthCheck.http.path\"] input:invalid").await?;
        browser.shots("17-health-refused").await?;
        browser.find(".policy-row[title=\"healthCheck.http.path\"] input").await?.clear().await?;
        for (field, value) in [("http.path", "/healthz"), ("interval", "0.2"), ("healthyThreshold", "1")] {
            set(browser, &format!("healthCheck.{field}"), value).await?;
        }
        set(browser, "loadBalancer.warmup.duration", "1").await?;
        set(browser, "loadBalancer.localityLbSetting.failover", "us -> eu").await?;
        browser.shots("18-health-draft").await?;
        browser.apply().await?;
        let snapshot: Snapshot = http::get_json(&server.address, "/api/v1/mesh").await?;
        let text: String = snapshot.sources.0.values().cloned().collect();
        let check = "{healthyThreshold: 1, http: {path: /healthz}, interval: 200ms}";
        ensure!(text.contains(check) && text.contains("duration: 1s") && text.contains("from: us"), "{text}");

        ill.health.store(503, Ordering::SeqCst);
        browser.text_with(".node .sub.warn", "1 of 2 instances", SOON).await?;
        browser.shots("19-unhealthy").await?;
        ill.health.store(200, Ordering::SeqCst);
        gone(browser, ".node .sub.warn").await
    })
    .await
}

/// Types into the row of a field, and leaves it.
async fn set(browser: &Browser, field: &str, value: &str) -> Result<()> {
    let input = browser.find(&format!(".policy-row[title=\"{field}\"] input")).await?;
    input.scroll_into_view().await?;
    input.click().await?;
    input.send_keys(value).await?;
    browser.driver.action_chain().send_keys(thirtyfour::Key::Tab).perform().await?;
    Ok(())
}

async fn gone(browser: &Browser, css: &str) -> Result<()> {
    wait::until(&format!("nothing at {css}"), SOON, async || {
        Ok(browser.driver.find_all(By::Css(css)).await?.is_empty().then_some(()))
    })
    .await
}
