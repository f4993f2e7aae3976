//! The journey of a newcomer, in a real browser with real pointer events: drag a split, see it converge; switch on a
//! fault, see the errors; take it back; take the YAML away and start another instance from it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::Snapshot;
use e2e::designer::SOON;
use e2e::{Browser, Server, http, server, wait};
use serde_json::Value;
use thirtyfour::prelude::*;

/// Enough traffic for a narrow interval within seconds.
const RATE: &[&str] = &["--rate", "100"];

#[tokio::test]
async fn a_newcomer_steers_the_traffic() -> Result<()> {
    let server = Server::start(RATE).await?;
    Browser::with(1600, 1000, async |browser| steer(&server, browser).await).await?;
    exported_yaml_is_the_mesh(&server).await
}

async fn steer(server: &Server, browser: &Browser) -> Result<()> {
    browser.designer(&server.url()).await?;
    browser.select("reviews").await?;
    browser.tab("split").await?;
    browser.shots("1-started").await?;

    // Drag reviews to 50/25/25.
    browser.drag("Share of v1", 50).await?;
    browser.find("button[aria-label=\"Lock v1\"]").await?.click().await?;
    browser.drag("Share of v2", 25).await?;
    let third = browser.find("input[type=range][aria-label=\"Share of v3\"]").await?;
    ensure!(third.prop("value").await?.as_deref() == Some("25"), "the sum stays 100");
    browser.shots("2-draft").await?;
    browser.apply().await?;
    let observed = browser
        .text_with(".share-row .observed[data-since=\"2\"]", "converged", Duration::from_secs(60))
        .await?;
    ensure!(observed.contains("n ") && observed.contains("CI "), "with n and an interval: {observed}");
    let shares = shares(server).await?;
    ensure!(shares.len() == 3, "three versions: {shares:?}");
    for (version, (observed, low, high, n)) in &shares {
        let desired = if version == "v1" { 0.5 } else { 0.25 };
        ensure!(*n >= 100, "n of {version} is {n}");
        ensure!((observed - desired).abs() < 0.1 && low < high, "{version}: {observed} in {low}–{high}");
    }
    browser.shots("3-converged").await?;

    // All requests to ratings fail.
    browser.select("ratings").await?;
    browser.tab("faults").await?;
    let abort = browser.find("fieldset:nth-of-type(2) input[role=switch]").await?;
    abort.click().await?;
    set(browser, "Percent of requests to abort", "100").await?;
    set(browser, "HTTP status of aborted requests", "500").await?;
    browser.shots("4-fault-draft").await?;
    browser.apply().await?;
    let pill = "g.edge-label .press[aria-label*=\"ratings\"]";
    wait::until("errors on the edge to ratings", Duration::from_secs(30), async || {
        let bad = browser.driver.find_all(By::Css("g.edge-label.bad")).await?;
        for edge in bad {
            let label = edge.find(By::Css(".press")).await?.attr("aria-label").await?.unwrap_or_default();
            if label.contains("ratings") {
                return Ok(Some(()));
            }
        }
        Ok(None)
    })
    .await?;
    browser.tab("split").await?;
    browser
        .text_with("table.figures tbody td.bad", "%", SOON)
        .await
        .context("the table shows the failures")?;
    browser.shots("5-fault").await?;

    // What was applied is taken back, after a look at what that does.
    browser.press("Revert revision 3…").await?;
    browser.find("dialog[open] .diff").await?;
    browser.press("Revert revision 3").await?;
    wait::until("no fault, and no failures on the edge", Duration::from_secs(30), async || {
        let snapshot: Snapshot = http::get_json(&server.address, "/api/v1/mesh").await?;
        let faults = snapshot.sources.0.values().any(|text| text.contains("fault:"));
        let bad = browser.driver.find_all(By::Css("g.edge-label.bad")).await?.len();
        Ok((!faults && bad == 0).then_some(()))
    })
    .await?;
    ensure!(browser.driver.find(By::Css(pill)).await.is_ok(), "the edge is still there");
    browser.shots("6-taken-back").await?;

    // A program that ends in a panic cannot say so; the page does.
    let trap =
        "dispatchEvent(new ErrorEvent('error', { error: new WebAssembly.RuntimeError('unreachable') }))";
    browser.eval(trap).await?;
    browser.text_with(".failed[role=alert]", "This page has failed", SOON).await?;
    browser.find(".failed button").await?.click().await?;
    wait::until("the page anew", SOON, async || {
        let there = async |css| browser.driver.find(By::Css(css)).await.is_ok();
        Ok((!there(".failed").await && there(".item-row").await).then_some(()))
    })
    .await
}

/// Sets a field as a person does: select all, type, leave.
async fn set(browser: &Browser, label: &str, value: &str) -> Result<()> {
    let field = browser.find(&format!("input[aria-label=\"{label}\"]")).await?;
    field.click().await?;
    browser
        .driver
        .action_chain()
        .key_down(thirtyfour::Key::Control)
        .send_keys("a")
        .key_up(thirtyfour::Key::Control)
        .send_keys(value)
        .send_keys(thirtyfour::Key::Tab)
        .perform()
        .await?;
    Ok(())
}

/// Observed share, interval and n of each version of reviews.
async fn shares(server: &Server) -> Result<BTreeMap<String, (f64, f64, f64, u64)>> {
    let snapshot: Snapshot = http::get_json(&server.address, "/api/v1/mesh").await?;
    let splits = snapshot.tick.context("a tick")?.splits;
    let split = splits
        .into_iter()
        .find(|split| split.route.as_ref().is_some_and(|route| route.name == "reviews"))
        .context("a split of reviews")?;
    let shares = split.shares.into_iter();
    Ok(shares.map(|share| (share.subset, (share.observed, share.low, share.high, share.n))).collect())
}

/// The export holds the weights, is valid, and a new instance started from it routes the same.
async fn exported_yaml_is_the_mesh(server: &Server) -> Result<()> {
    let yaml = http::get(&server.address, "/api/v1/export?format=yaml").await?;
    let reviews = yaml
        .split("\n---\n")
        .find(|document| document.contains("kind: VirtualService") && document.contains("name: reviews"));
    let reviews = reviews.context("the export has reviews")?;
    let weights: Vec<&str> =
        reviews.lines().filter_map(|line| line.trim().strip_prefix("weight: ")).collect();
    ensure!(weights == ["50", "25", "25"], "weights {weights:?} in\n{reviews}");
    ensure!(yaml.contains("# Stars. Asked by reviews v2 and v3, never by v1."), "comments are kept");

    let folder = tempfile::tempdir()?;
    let file = folder.path().join("mesh.yaml");
    std::fs::write(&file, &yaml)?;
    let validate = command(&["validate".as_ref(), file.as_os_str()]).await?;
    ensure!(validate.status.success(), "validate: {}", String::from_utf8_lossy(&validate.stdout));

    let folder_text = folder.path().to_string_lossy().into_owned();
    // What is the sample's own and in no resource has to be said of a folder.
    let defaults = ["--request-timeout", "15s", "--load-balancer", "ROUND_ROBIN"];
    let copy = Server::start(&[&["--mesh", &*folder_text], &defaults[..]].concat()).await?;
    for (host, path, header) in [
        ("reviews:9080", "/reviews/0", None),
        ("reviews:9080", "/reviews/0", Some(("end-user", "jason"))),
        ("ratings:9080", "/ratings/0", None),
        ("nowhere:80", "/", None),
    ] {
        let question = serde_json::json!({
            "source": {"kind": "workload", "namespace": "default", "name": "productpage-v1"},
            "request": {
                "method": "GET", "host": host, "path": path,
                "headers": header.iter().collect::<Vec<_>>(),
            },
        });
        let ask = async |address: &str| http::post_json::<Value>(address, "/api/v1/explain", &question).await;
        let (here, there) = (ask(&server.address).await?, ask(&copy.address).await?);
        ensure!(here == there, "{host}{path}: {here} and {there}");
    }
    Ok(())
}

async fn command(args: &[&std::ffi::OsStr]) -> Result<std::process::Output> {
    Ok(tokio::process::Command::new(server::binary()?).args(args).output().await?)
}
