//! Measures how soon a cluster's requests obey the designer: the slider's weight sent → the first request of Istio's Envoy under it.
//! Beside it, in turn, the same weight by a bare JSON patch to the API server: what is left is what the designer adds.
//!
//! The cluster is Kubernetes' API server with istiod and one Envoy on loopback; istiod collects changes for 1 ms, not for its default of
//! 100 ms, which would cover what is measured. `MESHWRIGHT_BIN` is ours.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use api::Snapshot;
use api::revision::Stage;
use e2e::cluster::Loopback;
use e2e::cluster::split::{self, Designer};
use hdrhistogram::Histogram;
use testkit::kubernetes::Kubernetes;
use testkit::{Connection, Server, request};

/// Edits of each that are measured, unless the first argument says another number.
const EDITS: usize = 20;
/// Edits of each before, which warm up.
const WARM_UP: usize = 3;
/// After an edit, for what is done behind it.
const SETTLE: Duration = Duration::from_millis(300);
/// What the designer says of its own part, from when it received the edit.
const STAGES: [(Stage, &str); 3] = [
    (Stage::Validated, "  checked by the cluster"),
    (Stage::Stored, "  stored"),
    (Stage::Patched, "  patched"),
];
/// Longer than any edit takes.
const LONG: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<()> {
    let edits = std::env::args().nth(1).map_or(Ok(EDITS), |text| text.parse()).context("how many edits")?;
    let parts = Kubernetes::available().context("no Kubernetes")?;
    let envoy = testkit::envoy().context("no Envoy")?;
    let backends = [Server::named("v1").await, Server::named("v2").await];
    let mut cluster = Loopback::start(&parts).await?;
    cluster.serve("reviews", &backends.each_ref().map(|backend| backend.address().port())).await;
    cluster.kubernetes.apply(&split::yaml(100)).await;
    cluster.start_envoy(&envoy, "reviews")?;
    let designer = Designer::start(&cluster).await?;
    designer.shows(100).await?;
    let mut api = cluster.kubernetes.connect("admin").await;
    let mut envoy = Connection::open(cluster.address()).await;
    let host = format!("reviews:{}", cluster.port);

    let mut times = [Histogram::<u64>::new(3)?, Histogram::new(3)?];
    let mut stages = [Histogram::<u64>::new(3)?, Histogram::new(3)?, Histogram::new(3)?];
    let mut first = 100;
    for round in 0..WARM_UP + edits {
        // Each of them moves all of the weight there, and back in the next round.
        for contender in [round % 2, 1 - round % 2] {
            first = 100 - first;
            let base = designer.state().await?.revision.number;
            let began = Instant::now();
            if contender == 0 {
                let (status, problem) = designer.edit(base, split::edit(first)).await?;
                ensure!(status.is_success(), "{status}: {problem:?}");
            } else {
                patch(&mut api, first).await?;
            }
            obeyed(&mut envoy, &host, first, began).await?;
            let time = began.elapsed();
            let state = designer.shows(first).await?;
            tokio::time::sleep(SETTLE).await;
            if round >= WARM_UP {
                times[contender].record(time.as_micros().try_into()?)?;
            }
            if round >= WARM_UP && contender == 0 {
                for (histogram, (stage, _)) in stages.iter_mut().zip(STAGES) {
                    histogram.record(reached(&state, stage)?)?;
                }
            }
        }
    }
    print(&times, &stages, edits);
    Ok(())
}

/// Writes the weights, and nothing else.
async fn patch((connection, token): &mut (Connection, String), first: u32) -> Result<()> {
    let weight = |route: u8, weight: u32| serde_json::json!({"op": "replace", "path": format!("/spec/http/0/route/{route}/weight"), "value": weight});
    let body = serde_json::json!([weight(0, first), weight(1, 100 - first)]).to_string();
    let headers = [("authorization", &**token), ("content-type", "application/json-patch+json")];
    let answer = connection.fetch(request("PATCH", split::PATH, &headers, &body)).await?;
    ensure!(answer.status.is_success(), "{answer:?}");
    Ok(())
}

/// Asks, one request after the other, until the version that has all of the weight answers.
async fn obeyed(envoy: &mut Connection, host: &str, first: u32, began: Instant) -> Result<()> {
    let wanted = if first == 0 { "v2" } else { "v1" };
    while envoy.fetch(request("GET", "/", &[("host", host)], "")).await?.body != wanted {
        ensure!(began.elapsed() < LONG, "no request has followed the weight");
    }
    Ok(())
}

/// How long after it received the edit the designer reached a stage, in microseconds.
fn reached(state: &Snapshot, stage: Stage) -> Result<u64> {
    let milestones = state.timeline.iter().flat_map(|it| &it.milestones);
    let found = milestones.into_iter().find(|it| it.stage == stage);
    let millis = found.with_context(|| format!("no {stage:?}"))?.millis;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive time")]
    Ok((millis * 1000.0) as u64)
}

fn print(times: &[Histogram<u64>; 2], stages: &[Histogram<u64>; 3], edits: usize) {
    println!(
        "a weight sent, then the first request of Istio's Envoy under it after … ms ({edits} edits each)"
    );
    println!("{:<28} {:>8} {:>8}", "", "p50", "p90");
    let [ours, bare] = times.each_ref().map(figures);
    let rows = STAGES.into_iter().zip(stages).map(|((_, name), it)| (name, figures(it)));
    let rows = [("the designer", ours)].into_iter().chain(rows);
    let added = [ours[0] - bare[0], ours[1] - bare[1]];
    for (name, [p50, p90]) in rows.chain([("a bare JSON patch", bare), ("the designer adds", added)]) {
        println!("{name:<28} {p50:>8.1} {p90:>8.1}");
    }
}

/// Median and 90th percentile, in milliseconds.
fn figures(times: &Histogram<u64>) -> [f64; 2] {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a measurement")]
    [0.5, 0.9].map(|part| times.value_at_quantile(part) as f64 / 1000.0)
}
