//! The sample mesh on real Envoys: the same journey, and what the page says when one of them refuses an edit.

use std::time::Duration;

use anyhow::{Result, ensure};
use api::Snapshot;
use api::state::{Target, TargetState};
use e2e::designer::SOON;
use e2e::{Browser, Server, http, wait};
use serde_json::json;

/// For as long as Envoys may take to start on a busy machine.
const LATER: Duration = Duration::from_secs(60);

/// A gateway whose certificate is on no disk: the mesh cannot know it, an Envoy does.
const BROKEN: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: secure}
spec:
  servers:
  - port: {number: 28443, name: https, protocol: HTTPS}
    hosts: ['*']
    tls: {mode: SIMPLE, serverCertificate: /nowhere/certificate.pem, privateKey: /nowhere/key.pem}
";

#[tokio::test]
async fn the_mesh_runs_on_envoys() -> Result<()> {
    let Some(envoy) = testkit::envoy() else { return Ok(()) };
    let envoy = envoy.to_string_lossy().into_owned();
    let server = Server::start(&["--rate", "100", "--data-plane", "envoy", "--envoy", &envoy]).await?;
    Browser::with(1600, 1000, async |browser| steer(&server, browser).await).await
}

async fn steer(server: &Server, browser: &Browser) -> Result<()> {
    browser.designer(&server.url()).await?;
    let chip = ".targets summary.chip";
    let all = browser.text_with(chip, "8/8\nrev 1", LATER).await?;
    ensure!(all.starts_with("Each Envoy\nEnvoy\n"), "all of them, and no other target: {all}");

    // Drag reviews to 50/25/25: all Envoys take it, and the traffic follows.
    browser.select("reviews").await?;
    browser.tab("split").await?;
    browser.drag("Share of v1", 50).await?;
    browser.find("button[aria-label=\"Lock v1\"]").await?.click().await?;
    browser.drag("Share of v2", 25).await?;
    browser.apply().await?;
    browser.text_with(chip, "8/8\nrev 2", SOON).await?;
    browser.text_with(".share-row .observed[data-since=\"2\"]", "converged", LATER).await?;
    browser.find(chip).await?.click().await?;
    let rows = browser.text_with(".nodes", "reviews-v3", SOON).await?;
    ensure!(rows.contains("ingress") && rows.contains("envoy 1."), "each with its version: {rows}");
    browser.shot("15-envoys").await?;

    // On a smaller screen the targets still have their names.
    browser.resize(1280, 800).await?;
    browser.text_with(chip, "Envoy\n8/8\nrev 2", SOON).await?;
    browser.shots("15-envoys-small").await?;
    browser.resize(1600, 1000).await?;

    // What an Envoy refuses is said in its words, beside the way back.
    let broken = json!({"base": 2, "resources": BROKEN});
    let _: serde_json::Value = http::post_json(&server.address, "/api/v1/revisions", &broken).await?;
    let words = browser.text_with(".banner", "rejected revision 3", LATER).await?;
    ensure!(words.contains("/nowhere/key.pem"), "Envoy's own words: {words}");
    browser.shots("16-refused").await?;
    browser.press("Revert revision 3…").await?;
    // Another made it, so a person is asked first.
    browser.find("dialog[open] .question input").await?.click().await?;
    browser.press("Revert revision 3").await?;
    browser.text_with(chip, "8/8\nrev 4", LATER).await?;
    wait::until("no banner", SOON, async || {
        let snapshot: Snapshot = http::get_json(&server.address, "/api/v1/mesh").await?;
        let envoys = snapshot.targets.iter().find(|it| it.target == Target::Envoy);
        let well = envoys.is_some_and(|it| matches!(it.state, TargetState::Applied { revision: 4, .. }));
        let banners = browser.driver.find_all(thirtyfour::By::Css(".banner")).await?.len();
        Ok((well && banners == 0).then_some(()))
    })
    .await
}
