//! Plans change, listeners come and go, and no request is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use mesh::plan::Action;
use proxy::{Config, Entry, Notice};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::plans::{Draft, cluster, direct, route, to, to_first, workload};
use crate::support::{ANY, Connection, Raw, Rig, Server, get, reply, request, streamed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_swaps_lose_no_request() {
    let (one, two) = (Server::named("v1").await, Server::named("v2").await);
    let draft = |revision: u32| {
        let share = revision % 101;
        let shift = route(Action::Forward(Box::new(to(&[(0, 100 - share), (1, share)]))));
        let clusters = vec![cluster("v1", &[&one]), cluster("v2", &[&two])];
        Draft { revision: u64::from(revision), ..Draft::new(clusters, vec![shift]) }.plan()
    };
    let config = Config { threads: 2, ..Config::default() };
    let mut rig = Rig::with(config, draft(1)).await;
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (done, address) = (Arc::clone(&done), rig.address);
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await;
                let mut sent = 0;
                while !done.load(Ordering::Relaxed) {
                    let method = ["GET", "POST"][sent % 2];
                    let answer = connection.fetch(request(method, "/", &[], "")).await.unwrap();
                    assert_eq!(answer.status, 200, "{}", answer.body);
                    sent += 1;
                }
                sent as u64
            })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    for revision in 2..=1001 {
        let began = std::time::Instant::now();
        rig.proxy.swap(vec![draft(revision)]).await;
        slowest = slowest.max(began.elapsed());
        tokio::task::yield_now().await;
    }
    done.store(true, Ordering::Relaxed);
    let mut sent = 0;
    for client in clients {
        sent += client.await.unwrap();
    }
    let observed = rig.observed(sent).await;
    assert_eq!(observed.sum(|stats| stats.codes[&200]), sent);
    assert!(observed.keys().all(|key| (1..=1001).contains(&key.revision)));
    println!(
        "{sent} requests, slowest swap {slowest:?}, {} connections",
        one.connections() + two.connections()
    );
    assert!(one.connections() + two.connections() <= 40, "connections outlive plans");
}

#[tokio::test]
async fn requests_end_under_the_plan_they_began_with() {
    let (came, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (seen, release) = (Arc::clone(&came), Arc::clone(&go));
    let server = Server::start(move |_| {
        let (seen, release) = (Arc::clone(&seen), Arc::clone(&release));
        async move {
            seen.notify_one();
            release.notified().await;
            reply(200, "old")
        }
    })
    .await;
    let draft = Draft::new(vec![cluster("v1", &[&server])], vec![to_first(|_| {})]);
    let mut rig = Rig::start(draft.plan()).await;
    let address = rig.address;
    let old = tokio::spawn(async move { get(address, "/", &[]).await });
    came.notified().await;
    let next = Draft { revision: 2, ..Draft::new(vec![], vec![direct(200, "new")]) };
    rig.proxy.swap(vec![next.plan()]).await;
    assert_eq!(get(rig.address, "/", &[]).await.body, "new");
    go.notify_one();
    assert_eq!(old.await.unwrap().body, "old");
    let revisions: Vec<_> = rig.observed(2).await.keys().map(|key| key.revision).collect();
    assert_eq!(revisions.len(), 2);
    for expected in [1, 2] {
        let Notice::FirstRequest { revision, .. } = rig.notice().await else { panic!("another notice") };
        assert_eq!(revision, expected);
        assert!(revisions.contains(&revision));
    }
}

#[tokio::test]
async fn connections_to_endpoints_that_vanish_are_closed() {
    let closed = Arc::new(Notify::new());
    let told = Arc::clone(&closed);
    let server = Raw::start(move |mut stream: TcpStream| {
        let told = Arc::clone(&told);
        async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).await.unwrap() > 0 {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
            told.notify_one();
        }
    })
    .await;
    let draft = Draft::new(vec![crate::plans::cluster_at("v1", &[server.port])], vec![to_first(|_| {})]);
    let rig = Rig::start(draft.clone().plan()).await;
    assert_eq!(get(rig.address, "/", &[]).await.status, 200);
    rig.proxy.swap(vec![draft.plan()]).await;
    assert!(tokio::time::timeout(Duration::from_millis(100), closed.notified()).await.is_err(), "it stays");
    rig.proxy.swap(vec![Draft::new(vec![crate::plans::cluster_at("v1", &[])], vec![]).plan()]).await;
    tokio::time::timeout(Duration::from_secs(5), closed.notified()).await.unwrap();
}

#[tokio::test]
async fn a_source_without_a_plan_has_no_routes() {
    let rig = Rig::start(Draft::new(vec![], vec![direct(200, "here")]).plan()).await;
    assert_eq!(get(rig.address, "/", &[]).await.body, "here");
    rig.proxy.swap(vec![]).await;
    assert_eq!(get(rig.address, "/", &[]).await.status, 404);
}

#[tokio::test]
async fn a_listener_may_be_one_port_of_the_plan() {
    let rig = Rig::start(Draft::new(vec![], vec![direct(200, "here")]).plan()).await;
    for (port, status) in [(Some(80), 200), (Some(81), 404), (None, 200)] {
        let entry = Entry { source: workload(), port };
        let address = rig.proxy.bind(entry, &ANY).await.unwrap();
        assert_eq!(get(address, "/", &[]).await.status, status);
        assert!(rig.proxy.unbind(address).await);
        assert!(!rig.proxy.unbind(address).await);
        assert!(TcpStream::connect(address).await.is_err());
    }
}

#[tokio::test]
async fn the_next_address_is_taken_when_one_is_not_free() {
    let rig = Rig::start(Draft::new(vec![], vec![direct(200, "here")]).plan()).await;
    let entry = Entry { source: workload(), port: None };
    let address = rig.proxy.bind(entry.clone(), &[rig.address, ANY[0]]).await.unwrap();
    assert_ne!(address, rig.address);
    let error = rig.proxy.bind(entry, &[rig.address]).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on {}", rig.address));
}

#[tokio::test]
async fn a_shutdown_waits_for_what_is_under_way() {
    let (pieces, response) = streamed(200);
    let response = std::sync::Mutex::new(Some(response));
    let server = Server::start(move |_| {
        let response = response.lock().unwrap().take().unwrap();
        async move { response }
    })
    .await;
    let draft = Draft::new(vec![cluster("v1", &[&server])], vec![to_first(|_| {})]);
    let mut rig = Rig::start(draft.plan()).await;
    let address = rig.address;
    let _idle = Connection::open(address).await;
    let mut connection = Connection::open(address).await;
    let response = connection.send(request("GET", "/", &[], "")).await.unwrap();
    let ending = tokio::spawn(rig.proxy.clone().shutdown(Duration::from_secs(30)));
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let mut pieces = pieces;
    pieces.send("the ").await;
    assert!(!ending.is_finished());
    pieces.send("end").await;
    drop(pieces);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "the end");
    tokio::time::timeout(Duration::from_secs(5), ending).await.unwrap().unwrap();
    assert_eq!(rig.observed(1).await.outcome(), "200");
}

#[tokio::test]
async fn a_shutdown_cuts_what_outlasts_its_grace() {
    let server = Server::start(|_| std::future::pending()).await;
    let draft = Draft::new(vec![cluster("v1", &[&server])], vec![to_first(|_| {})]);
    let rig = Rig::start(draft.plan()).await;
    let mut connection = Connection::open(rig.address).await;
    let waiting = tokio::spawn(async move { connection.fetch(request("GET", "/", &[], "")).await });
    while server.requests() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(Duration::from_secs(5), rig.proxy.shutdown(Duration::from_millis(50)))
        .await
        .unwrap();
    assert!(waiting.await.unwrap().is_err());
}
