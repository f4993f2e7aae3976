//! The stream of events, and what is observed.

use std::time::Duration;

use api::observed::Verdict;
use api::revision::Stage;
use api::{Delta, Snapshot};
use http::{Method, StatusCode};
use mesh::edit::{AbortSpec, FaultSpec, HeaderEquals, RouteTarget, Share};
use mesh::{Edit, RouteKey};
use meshwright::server::Config;
use serde_json::json;

use super::support::{Running, SHOP};

#[tokio::test]
async fn a_stream_starts_with_a_snapshot_resumes_and_survives_a_gap() {
    let running = Running::sample().await;
    let mut events = running.events(None).await;
    let first = events.next().await.unwrap();
    assert!(matches!(first.delta, Delta::Snapshot(_)));
    running.set(1, "shop.yaml", SHOP).await;
    let second = events.next().await.unwrap();
    assert_eq!(second.seq, first.seq + 1);
    drop(events);
    let is_revision = |event: &api::Event| matches!(event.delta, Delta::Revision { .. });

    let mut resumed = running.events(Some(first.seq)).await;
    assert_eq!(resumed.next().await.unwrap(), second, "nothing was missed");
    let mut seq = second.seq;
    if !is_revision(&second) {
        resumed
            .find(|event| {
                seq += 1;
                assert_eq!(event.seq, seq, "without gaps");
                is_revision(&event).then_some(())
            })
            .await;
    }

    for unknown in [first.seq - 1_000_000, 1, seq + 1_000_000] {
        let event = running.events(Some(unknown)).await.next().await.unwrap();
        let Delta::Snapshot(snapshot) = event.delta else { panic!("no snapshot after {unknown}") };
        assert_eq!(snapshot.revision.number, 2);
    }
    running.stop().await;
}

#[tokio::test]
async fn open_streams_do_not_hold_up_the_end() {
    let running = Running::sample().await;
    let mut events = running.events(None).await;
    assert!(events.next().await.is_some());
    tokio::time::timeout(Duration::from_secs(3), running.stop()).await.expect("it hangs");
    while events.next().await.is_some() {}
}

#[tokio::test]
async fn load_is_observed_and_the_shares_converge() {
    let running = Running::start(Config { rate: Some(100.0), ..Config::default() }).await;
    let mut events = running.events(None).await;
    let stats = events
        .find(|event| match event.delta {
            Delta::Tick(tick) => {
                let judged = tick.splits.iter().any(|split| split.shares.iter().any(|share| share.n > 0));
                let mut edges = tick.edges.into_iter();
                let (_, stats) = edges.find(|(key, _)| key.host.starts_with("productpage."))?;
                (judged && stats.minute.requests > 0).then_some(stats)
            }
            _ => None,
        })
        .await;
    assert!(stats.rps > 0.0 && stats.p50.is_some(), "{stats:?}");
    assert!(stats.minute.codes.iter().any(|&(code, _)| code == 200), "{stats:?}");
    assert_eq!((stats.health, stats.recent.success > 0.0), (api::Health::Healthy, true), "{stats:?}");
    let instances = events
        .find(|event| match event.delta {
            Delta::Instances(all) => Some(all).filter(|all| all.len() > 3),
            _ => None,
        })
        .await;
    assert!(instances.iter().all(|one| one.health == api::Health::Healthy), "{instances:?}");
    assert!(instances.iter().any(|one| one.instance == "127.0.0.1:29082"), "as the files say: {instances:?}");

    // A change of one file brings a new revision, whose first request is seen.
    running.set(1, "shop.yaml", SHOP).await;
    let timeline = events
        .find(|event| match event.delta {
            Delta::Timeline(timeline) if timeline.revision == 2 => {
                timeline.milestones.iter().any(|it| it.stage == Stage::FirstRequest).then_some(timeline)
            }
            _ => None,
        })
        .await;
    let stages: Vec<_> = timeline.milestones.iter().map(|milestone| milestone.stage).collect();
    assert_eq!(
        stages[..5],
        [Stage::Received, Stage::Validated, Stage::Stored, Stage::Swapped, Stage::FirstRequest]
    );

    let metrics = running.get("/metrics").await;
    assert!(metrics.text().contains("meshwright_requests_total{source=\"gateway/"), "{}", metrics.text());
    assert!(metrics.text().ends_with("# EOF\n"));

    let answer = running.json(Method::PUT, "/api/v1/load", &json!({"rate": 0})).await;
    assert_eq!(answer.status, StatusCode::OK);
    let load = events
        .find(|event| match event.delta {
            Delta::Load(load) if load.rate == 0.0 => Some(load),
            _ => None,
        })
        .await;
    assert!(load.url.ends_with("/productpage"));
    let snapshot: Snapshot = running.get("/api/v1/mesh").await.json();
    assert_eq!(snapshot.load, Some(load));
    assert!(snapshot.series.iter().any(|series| series.requests.iter().sum::<u32>() > 0));
    running.stop().await;
}

#[tokio::test]
async fn a_split_is_applied_and_its_shares_converge() {
    let running = Running::start(Config { rate: Some(150.0), ..Config::default() }).await;
    let mut events = running.events(None).await;
    let target = RouteTarget::Route(RouteKey {
        namespace: "default".to_owned(),
        name: "reviews".to_owned(),
        index: 0,
    });
    let share = |(subset, weight): (&str, u32)| Share {
        host: "reviews".to_owned(),
        subset: Some(subset.to_owned()),
        port: None,
        weight,
    };
    let shares = [("v1", 50), ("v2", 25), ("v3", 25)].map(share).to_vec();
    let made = running.edit(1, vec![Edit::SetWeights { target, shares }]).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let mut split = None;
    let note = events
        .find(|event| match event.delta {
            Delta::Tick(tick) => {
                let mut changed = tick.splits.into_iter();
                split = changed.find(|split| split.host.starts_with("reviews.")).or(split.take());
                None
            }
            Delta::Timeline(timeline) if timeline.revision == 2 => {
                let last = timeline.milestones.last().cloned();
                last.filter(|reached| reached.stage == Stage::Converged).and_then(|reached| reached.note)
            }
            _ => None,
        })
        .await;
    let split = split.unwrap();
    assert_eq!((split.since, split.verdict), (2, Verdict::Converged), "{split:?}");
    let (n, desired) =
        (split.shares[0].n, split.shares.iter().map(|share| share.desired).collect::<Vec<_>>());
    assert_eq!(desired, [0.5, 0.25, 0.25]);
    assert!(n >= 381, "±5 points need 381 requests, these are {n}");
    assert!(note.starts_with("n="), "{note}");
    running.stop().await;
}

/// In so many seconds, in seconds since 1970.
fn in_seconds(seconds: i64) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap() + seconds
}

/// Makes a fault of the route to ratings that expires in so many seconds: revision 2.
async fn inject_fault(running: &Running, only: Option<HeaderEquals>, seconds: i64) {
    let target = RouteTarget::Route(RouteKey {
        namespace: "default".to_owned(),
        name: "ratings".to_owned(),
        index: 0,
    });
    let fault = Some(FaultSpec { delay: None, abort: Some(AbortSpec { percent: 100.0, status: 500 }) });
    let expires_at = Some(in_seconds(seconds));
    let made = running.edit(1, vec![Edit::InjectFault { target, only, fault, expires_at }]).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
}

#[tokio::test]
async fn a_fault_that_expires_is_that_of_its_route() {
    let running = Running::sample().await;
    let mut events = running.events(None).await;
    let files = async || running.get("/api/v1/mesh").await.json::<Snapshot>().sources;
    inject_fault(&running, None, 3).await;
    // A rule with a fault that nobody gave an end is put in front.
    let front = "  http:\n  - match: [{uri: {prefix: /new}}]\n    fault: {abort: {httpStatus: 503, percentage: {value: 100}}}\n    \
                 route: [{destination: {host: ratings}}]\n";
    let text = files().await.0["ratings.yaml"].replacen("  http:\n", front, 1);
    let edit = Edit::SetFiles { files: vec![("ratings.yaml".to_owned(), Some(text))] };
    let made = running.edit(2, vec![edit]).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    events
        .find(|event| matches!(event.delta, Delta::Revision { info, .. } if info.number == 4).then_some(()))
        .await;
    let after = files().await.0["ratings.yaml"].clone();
    assert!(after.contains("httpStatus: 503") && !after.contains("httpStatus: 500"), "{after}");
    running.stop().await;
}

#[tokio::test]
async fn a_fault_expires_by_a_revision_of_the_program() {
    let running = Running::sample().await;
    let mut events = running.events(None).await;
    let before = running.get("/api/v1/mesh").await.json::<Snapshot>().sources;
    let only = Some(HeaderEquals { name: "end-user".to_owned(), value: "jason".to_owned() });
    inject_fault(&running, only, 1).await;
    let info = events
        .find(|event| match event.delta {
            Delta::Revision { info, .. } if info.number == 3 => Some(info),
            _ => None,
        })
        .await;
    assert_eq!((info.author.as_str(), info.summary.as_str()), ("meshwright", "fault expired"));
    let after = running.get("/api/v1/mesh").await.json::<Snapshot>().sources;
    assert_eq!(after, before);
    running.stop().await;
}
