//! The server with real Envoys.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use xds::ads::{Link, Options};
use xds::als;
use xds::bootstrap::{self, Server};
use xds::node::{Bind, Node};
use xds::resource::Kind;

use crate::client::{Running, Worlds, within};
use crate::made::Made;

/// An Envoy; it ends with its handle.
struct Envoy {
    process: Child,
    admin: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Envoy {
    async fn start(binary: &Path, server: SocketAddr, delta: bool) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let source = mesh::Source::Workload { namespace: "default".to_owned(), name: "shop".to_owned() };
        let node = Node { id: "shop".to_owned(), source, bind: Bind::default() };
        let mut config = bootstrap::dynamic(&node, &Server::plain(server), any);
        if !delta {
            config["dynamic_resources"]["ads_config"]["api_type"] = "GRPC".into();
        }
        let folder = tempfile::tempdir().unwrap();
        let (path, admin) = (folder.path().join("envoy.json"), folder.path().join("admin"));
        std::fs::write(&path, config.to_string()).unwrap();
        let mut process = Command::new(binary)
            .args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warn", "--config-path"])
            .arg(&path)
            .arg("--admin-address-path")
            .arg(&admin)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("said")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // Nothing tells when the file is there; it is there before Envoy asks for anything.
        let admin = within(async {
            loop {
                if let Ok(address) = std::fs::read_to_string(&admin).unwrap_or_default().parse() {
                    return address;
                }
                assert!(process.try_wait().unwrap().is_none(), "{}", said(folder.path()));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        Self { process, admin, _folder: folder }
    }

    /// Where its listener is.
    async fn listener(&self) -> SocketAddr {
        let (_, body) = get(self.admin, "/listeners?format=json").await;
        let listeners: Value = serde_json::from_str(&body).unwrap();
        let port = &listeners["listener_statuses"][0]["local_address"]["socket_address"]["port_value"];
        let port =
            port.as_u64().unwrap_or_else(|| panic!("no listener: {body}\n{}", said(self._folder.path())));
        let at = SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap()));
        // Its threads begin to listen a little later than it says.
        within(async {
            while TcpStream::connect(at).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        at
    }
}

fn said(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("said")).unwrap_or_default()
}

/// Status and text.
async fn get(at: SocketAddr, path: &str) -> (u16, String) {
    let answer = testkit::get(at, path, &[("host", "shop.test")]).await;
    (answer.status.as_u16(), answer.body)
}

async fn takes(server: &Running, revision: u64) {
    server.node("shop", |node| node.acked == Some(revision) && matches!(node.link, Link::Up(_))).await;
}

/// Each journey has an address of its own where the system has so many: its server's port is free between end and start, and must
/// be nobody else's.
async fn journey(number: u8, delta: bool, apart: bool) {
    let Some(binary) = testkit::envoy() else { return };
    let number = if cfg!(target_os = "linux") { number } else { 1 };
    let any = SocketAddr::from(([127, 0, 0, number], 0));
    let servers = [testkit::Server::named("one").await, testkit::Server::named("two").await];
    let [one, two] = [0, 1].map(|at: usize| servers[at].address());
    let worlds = Worlds::new(&[]);
    let first = Made { revision: 1, clusters: vec![("one", one, 5000)], to: "one", bad: false, apart };
    worlds.put("shop", first.snapshot());
    let (sink, mut logs) = als::channel(64);
    let server = worlds.serve_at(any, Options { logs: Some(sink), ..Options::default() }).await;
    let address = server.address;
    let mut envoy = Envoy::start(&binary, address, delta).await;
    server.node("shop", |node| node.acked == Some(1) && node.kinds.contains_key(&Kind::Routes)).await;
    let node = server.node("shop", |_| true).await;
    assert_eq!((&*node.agent, &*node.version, node.delta), ("envoy", "1.40.0", delta));
    if apart {
        server.node("shop", |node| node.kinds.contains_key(&Kind::VirtualHost)).await;
        takes(&server, 1).await;
    }
    let at = envoy.listener().await;
    assert_eq!(get(at, "/a").await, (200, "one".to_owned()));

    // What Envoy says of it.
    let batch = within(logs.next()).await.unwrap();
    assert_eq!((&*batch.node.id, &*batch.log), ("shop", "requests"));
    let entry = &batch.entries[0];
    assert_eq!((&*entry.route, &*entry.cluster, &*entry.upstream), ("to one", "one", &*one.to_string()));
    assert_eq!((entry.received, entry.sent, entry.attempts, entry.flags.len()), (0, 3, 1, 0));
    let request = entry.http.as_ref().unwrap();
    assert_eq!((request.method, &*request.authority, &*request.path), ("GET", "shop.test", "/a"));
    assert_eq!((request.protocol, request.code, logs.dropped()), ("HTTP/1.1", 200, 0));
    assert!(entry.first_byte.is_some_and(|first| first <= entry.duration));

    // A cluster without a host.
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let clusters = vec![("one", one, 5000), ("none", nowhere, 5000)];
    worlds.put("shop", Made { revision: 2, clusters, to: "none", ..first.clone() }.snapshot());
    takes(&server, 2).await;
    assert_eq!(get(at, "/none").await.0, 503);
    let entry = within(async {
        loop {
            let entries = logs.next().await.unwrap().entries;
            if let Some(entry) = entries.into_iter().find(|it| it.http.as_ref().unwrap().path == "/none") {
                return entry;
            }
        }
    })
    .await;
    assert_eq!((entry.flags, &*entry.cluster, &*entry.upstream), (vec!["UH"], "none", ""));
    worlds.put("shop", Made { revision: 3, ..first.clone() }.snapshot());
    takes(&server, 3).await;

    // A new cluster and a route to it, in place of the old ones: no request is lost.
    worlds
        .put("shop", Made { revision: 4, clusters: vec![("two", two, 5000)], to: "two", ..first }.snapshot());
    {
        let taken = takes(&server, 4);
        tokio::pin!(taken);
        while tokio::time::timeout(Duration::ZERO, &mut taken).await.is_err() {
            let (code, body) = get(at, "/b").await;
            assert_eq!(code, 200, "{body}");
        }
    }
    assert_eq!(get(at, "/b").await, (200, "two".to_owned()));

    // A listener that it does not take: it keeps the one that it has, and routes still change.
    let second = Made {
        revision: 5,
        clusters: vec![("one", one, 5000), ("two", two, 5000)],
        to: "one",
        bad: true,
        apart,
    };
    worlds.put("shop", second.snapshot());
    let node = server.node("shop", |node| node.rejection.is_some()).await;
    let rejection = node.rejection.as_ref().unwrap();
    assert_eq!((rejection.kind, rejection.revision, rejection.stands), (Kind::Listener, 5, true));
    assert!(rejection.words.contains("no.such.Filter"), "{rejection:?}");
    assert_eq!(node.acked, Some(4));
    let changed = if apart { Kind::VirtualHost } else { Kind::Routes };
    server.node("shop", |node| node.kinds[&changed] == Some(5)).await;
    assert_eq!(get(at, "/c").await, (200, "one".to_owned()));
    let second = Made { revision: 6, bad: false, ..second };
    worlds.put("shop", second.snapshot());
    takes(&server, 6).await;
    assert!(!server.node("shop", |_| true).await.rejection.as_ref().unwrap().stands);

    // A cluster that changes is empty until its endpoints come again; Envoy would wait 15 s for them.
    let changed = vec![("one", one, 6000), ("two", two, 6000)];
    worlds.put("shop", Made { revision: 7, clusters: changed.clone(), ..second.clone() }.snapshot());
    takes(&server, 7).await;
    let took = server.node("shop", |_| true).await.took.unwrap();
    assert!(took < Duration::from_secs(10), "it took {took:?}");
    assert_eq!(get(at, "/d").await, (200, "one".to_owned()));

    // The server ends and another starts: Envoy serves on, and has all of the new revision soon.
    server.end().await;
    assert_eq!(get(at, "/e").await, (200, "one".to_owned()));
    worlds.put("shop", Made { revision: 8, clusters: changed, to: "two", ..second }.snapshot());
    let server = worlds.serve_at(address, Options::default()).await;
    takes(&server, 8).await;
    assert_eq!(get(at, "/f").await, (200, "two".to_owned()));

    // Envoy ends.
    envoy.process.kill().await.unwrap();
    server.node("shop", |node| matches!(node.link, Link::Down(_))).await;
    server.end().await;
}

#[tokio::test]
async fn an_envoy_that_asks_for_what_differs() {
    journey(2, true, false).await;
}

#[tokio::test]
async fn an_envoy_that_asks_for_everything() {
    journey(3, false, false).await;
}

#[tokio::test]
async fn an_envoy_that_asks_for_virtual_hosts() {
    journey(4, true, true).await;
}
