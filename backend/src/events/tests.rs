use api::{RevisionInfo, Tick};
use futures::FutureExt;
use mesh::{Settings, Sources};

use super::*;

fn info(number: u64) -> RevisionInfo {
    RevisionInfo {
        number,
        author: "ada".to_owned(),
        at: 0,
        summary: String::new(),
        edits: api::revision::Edits::default(),
        reverts: None,
    }
}

fn hub(first: u64) -> Arc<Hub> {
    let snapshot = Snapshot {
        name: "test".to_owned(),
        version: "0".to_owned(),
        revision: info(1),
        sources: Sources::single("a.yaml", "a: 1"),
        settings: Settings::default(),
        targets: vec![],
        listeners: vec![],
        load: None,
        history: vec![info(1)],
        timeline: None,
        tick: None,
        series: vec![],
        proposal: None,
        alerts: vec![],
        set_aside: None,
        inventory: std::sync::Arc::default(),
        cluster: None,
        unread: vec![],
        instances: vec![],
    };
    Arc::new(Hub::new(snapshot, first))
}

fn tick(hub: &Hub, at: i64) {
    hub.publish(Delta::Tick(Box::new(Tick { at, ..Tick::default() })));
}

/// All that a subscription has at once: numbers, with `s` for snapshots.
fn drain(subscription: &mut Subscription) -> Vec<String> {
    let mut got = Vec::new();
    while let Some(Some(message)) = subscription.next().now_or_never() {
        let event: Event = serde_json::from_str(&message.json).unwrap();
        assert_eq!(event.seq, message.seq);
        let mark = if matches!(event.delta, Delta::Snapshot(_)) { "s" } else { "" };
        got.push(format!("{mark}{}", event.seq));
    }
    got
}

#[test]
fn a_stream_starts_with_a_snapshot_and_goes_on_with_deltas() {
    let hub = hub(100);
    let mut subscription = hub.subscribe(None);
    assert_eq!(drain(&mut subscription), ["s100"]);
    tick(&hub, 1);
    tick(&hub, 2);
    assert_eq!(drain(&mut subscription), ["101", "102"]);
}

#[test]
fn last_event_id_resumes_and_a_gap_brings_a_snapshot() {
    let hub = hub(100);
    // Somebody else listens all the time.
    let _other = hub.subscribe(None);
    let cases: [(u64, Option<u64>, &[&str]); 7] = [
        (3, Some(103), &[]),
        (0, Some(101), &["102", "103"]),
        (0, Some(100), &["101", "102", "103"]),
        (0, Some(99), &["s103"]),
        (0, Some(7000), &["s103"]),
        // The ring has rolled over: 101 and 102 are gone.
        (RING as u64 - 1, Some(101), &["s422"]),
        (0, Some(420), &["421", "422"]),
    ];
    for (ticks, last, expected) in cases {
        for at in 0..ticks {
            tick(&hub, i64::try_from(at).unwrap());
        }
        assert_eq!(drain(&mut hub.subscribe(last)), expected, "after {last:?}");
    }
}

#[test]
fn a_slow_reader_gets_a_snapshot_instead_of_a_queue() {
    let hub = hub(0);
    let mut slow = hub.subscribe(None);
    assert_eq!(drain(&mut slow), ["s0"]);
    for at in 0..1000 {
        tick(&hub, at);
    }
    assert_eq!(drain(&mut slow), ["s1000"]);
}

#[test]
fn the_snapshot_is_the_sum_of_the_deltas() {
    let hub = hub(0);
    let files = vec![("a.yaml".to_owned(), None), ("b.yaml".to_owned(), Some("b: 1".to_owned()))];
    hub.publish(Delta::Revision { info: info(2), files });
    let snapshot = hub.snapshot();
    assert_eq!(snapshot.sources, Sources::single("b.yaml", "b: 1"));
    assert_eq!(snapshot.revision.number, 2);
    assert_eq!(snapshot.history.iter().map(|info| info.number).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn what_nobody_hears_is_not_written_down() {
    let hub = hub(0);
    let kept = |hub: &Hub| {
        let inner = hub.lock();
        (inner.ring.len(), inner.ring_bytes > 0)
    };
    tick(&hub, 0);
    assert_eq!(kept(&hub), (0, false), "nobody has ever subscribed");
    let mut first = hub.subscribe(None);
    assert_eq!(drain(&mut first), ["s1"]);
    tick(&hub, 1);
    assert_eq!(drain(&mut first), ["2"]);
    drop(first);
    // The browser may come back for as long as the ring reaches.
    for at in 2..RING {
        tick(&hub, i64::try_from(at).unwrap());
    }
    assert_eq!(kept(&hub), (RING - 1, true));
    assert_eq!(drain(&mut hub.subscribe(Some(2))).len(), RING - 2);
    for at in 0..RING {
        tick(&hub, i64::try_from(at).unwrap());
    }
    assert_eq!(kept(&hub), (0, false));
    assert_eq!(drain(&mut hub.subscribe(Some(RING as u64))), [format!("s{}", 2 * RING)]);
    // From here on it is heard again.
    let mut next = hub.subscribe(None);
    drain(&mut next);
    tick(&hub, 0);
    assert_eq!(drain(&mut next), [format!("{}", 2 * RING + 1)]);
}
