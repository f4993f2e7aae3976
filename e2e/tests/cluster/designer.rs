//! The designer on a cluster with Istio: what is moved in it is what the requests of Istio's Envoy obey, and what Istio refuses is not
//! stored.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use e2e::cluster::Loopback;
use e2e::cluster::split::{self, Designer, FILE, PATH, applied};
use hyper::StatusCode;
use testkit::Server;

use super::LONG;

/// Requests from which a split is told: 50 of 100 and 90 of 100 are ten standard deviations apart.
const REQUESTS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_obeys_the_designer() -> Result<()> {
    let Some((backends, mut cluster)) = super::start(90).await? else { return Ok(()) };
    let designer = Designer::start(&cluster).await?;
    follow(&cluster, &backends, 160..=199).await?;

    designer.split(50).await?;
    follow(&cluster, &backends, 60..=140).await?;
    designer.shows(50).await?;
    designer.split(0).await?;
    follow(&cluster, &backends, 0..=0).await?;
    designer.shows(0).await?;

    refused(&cluster, &designer).await?;

    cluster.kill_istiod();
    unasked(&cluster, &designer).await?;
    cluster.start_istiod()?;
    let began = Instant::now();
    // The API server asks it again once it listens; it answers once it has read its mesh.
    while let Err(refusal) = designer.split(100).await {
        ensure!(began.elapsed() < LONG, "istiod is back: {refusal}");
    }
    follow(&cluster, &backends, REQUESTS..=REQUESTS).await?;
    designer.shows(100).await?;
    Ok(())
}

/// Waits until so many of a number of requests reach v1, and all others v2; counted where they arrive.
async fn follow(
    cluster: &Loopback,
    backends: &[Server; 2],
    wanted: std::ops::RangeInclusive<usize>,
) -> Result<()> {
    let host = format!("reviews:{}", cluster.port);
    let counts = || backends.each_ref().map(Server::requests);
    let began = Instant::now();
    loop {
        let before = counts();
        for _ in 0..REQUESTS {
            let answer = testkit::get(cluster.address(), "/", &[("host", &host)]).await;
            ensure!(answer.status == StatusCode::OK, "{answer:?}");
        }
        let after = counts();
        let [first, second] = [after[0] - before[0], after[1] - before[1]];
        ensure!(first + second == REQUESTS, "{first} and {second} of {REQUESTS} requests arrived");
        if wanted.contains(&first) {
            return Ok(());
        }
        ensure!(began.elapsed() < LONG, "{first} of {REQUESTS} requests, not {wanted:?}, reach v1");
    }
}

/// What istiod's webhook alone refuses is refused in its words, and nothing is stored anywhere.
async fn refused(cluster: &Loopback, designer: &Designer) -> Result<()> {
    let (before, object) = (designer.state().await?, cluster.kubernetes.get(PATH).await);
    let text = &before.sources.0[FILE];
    let v1 = "{host: reviews, subset: v1}";
    let mirrors = format!("name: split\n    mirror: {v1}\n    mirrors: [{{destination: {v1}}}]\n");
    let bad = text.replacen("name: split\n", &mirrors, 1);
    ensure!(bad != *text, "{text}");
    let (status, problem) = designer.edit(before.revision.number, split::replaced(bad)).await?;
    let problem = problem.with_context(|| format!("taken: {status}"))?;
    ensure!(
        (status, &*problem.kind) == (StatusCode::UNPROCESSABLE_ENTITY, "/problems/refused"),
        "{problem:?}"
    );
    let found = problem.diagnostics.first().context("no diagnostic")?;
    ensure!(found.code == "MW0026", "{found:?}");
    let words = [
        "\"rev.validation.istio.io\" denied the request",
        "HTTP route cannot contain both mirror and mirrors",
    ];
    ensure!(words.iter().all(|it| found.message.contains(it)), "{}", found.message);
    unchanged(cluster, designer, &before, &object).await
}

/// Without istiod the API server takes nothing: that is said, and the page goes on to say what the cluster has.
async fn unasked(cluster: &Loopback, designer: &Designer) -> Result<()> {
    let (before, object) = (designer.state().await?, cluster.kubernetes.get(PATH).await);
    let (status, problem) = designer.edit(before.revision.number, split::edit(100)).await?;
    let detail = problem.and_then(|it| it.detail).with_context(|| format!("taken: {status}"))?;
    println!("without istiod, {status}: {detail}");
    ensure!(status == StatusCode::SERVICE_UNAVAILABLE, "{status}");
    let words =
        ["cannot be asked, so nothing was changed", "failed calling webhook \"rev.validation.istio.io\""];
    ensure!(words.iter().all(|it| detail.contains(it)), "{detail}");
    unchanged(cluster, designer, &before, &object).await
}

/// Neither the designer nor the cluster has anything new, and the page says that the cluster has all.
async fn unchanged(
    cluster: &Loopback,
    designer: &Designer,
    before: &api::Snapshot,
    object: &serde_json::Value,
) -> Result<()> {
    let (state, now) = (designer.state().await?, cluster.kubernetes.get(PATH).await);
    ensure!(state.revision.number == before.revision.number, "{:?}", state.revision);
    ensure!(state.sources == before.sources, "the text has changed");
    ensure!(applied(&state) == Some(state.revision.number), "{:?}", state.targets);
    ensure!(now["metadata"]["generation"] == object["metadata"]["generation"], "{now}");
    Ok(())
}
