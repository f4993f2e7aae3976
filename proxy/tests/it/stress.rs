//! Plans that change, and a proxy that ends, at full load over every protocol: nothing fails.
//!
//! Each load lasts 2 s, or as many as `MESHWRIGHT_STRESS_SECONDS` says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh::Plan;
use mesh::plan::Action;
use proxy::{Config, Entry};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::plans::{Draft, cluster, route, to};
use crate::support::tls::{Authority, Client, Pair};
use crate::support::{ANY, AnyBody, Connection, Rig, Server, request};
use crate::tls::{gateway, simple};

/// Connections for each protocol; those of HTTP/2 carry as many requests at once.
const WIDTH: usize = 4;

fn length() -> Duration {
    let seconds = std::env::var("MESHWRIGHT_STRESS_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(2))
}

/// Two versions behind port 80 and, within TLS, port 443. Weights and endpoints depend on the revision.
fn plan(revision: u64, servers: &[Server; 3], pair: &Pair) -> Arc<Plan> {
    let share = u32::try_from(revision * 7 % 101).unwrap();
    let forward = route(Action::Forward(Box::new(to(&[(0, share.max(1)), (1, 100 - share.min(99))]))));
    let first = if revision.is_multiple_of(2) { vec![&servers[0]] } else { vec![&servers[0], &servers[1]] };
    let clusters = vec![cluster("v1", &first), cluster("v2", &[&servers[2]])];
    let draft = Draft { source: gateway(), revision, ..Draft::new(clusters, vec![forward]) };
    let mut plan = Arc::unwrap_or_clone(draft.clone().plan());
    let within = crate::tls::with_tls(draft, vec![simple(&["*"], pair)]);
    plan.listeners = [plan.listeners[0].clone(), within.listeners[0].clone()].into();
    plan.into()
}

/// What all clients share.
#[derive(Default)]
struct Tally {
    done: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    fn count(&self, answer: hyper::Result<u16>) {
        match answer {
            Ok(200) => self.answered.fetch_add(1, Ordering::SeqCst),
            other => {
                eprintln!("{other:?}");
                self.failed.fetch_add(1, Ordering::SeqCst)
            }
        };
    }

    fn goes_on(&self) -> bool {
        !self.done.load(Ordering::SeqCst)
    }
}

/// Asks on one connection, again and again; ends when the proxy has said that no more is wanted.
fn http1(mut connection: Connection, tally: &Arc<Tally>) -> JoinHandle<()> {
    let tally = Arc::clone(tally);
    tokio::spawn(async move {
        let mut sent = 0;
        while tally.goes_on() {
            let (method, body) = [("GET", ""), ("POST", "hello")][sent % 2];
            match connection.fetch(request(method, "/", &[], body)).await {
                // The connection was closed in order, and this was never sent.
                Err(error) if error.is_canceled() || error.is_closed() => return,
                answer => tally.count(answer.map(|answer| answer.status.as_u16())),
            }
            sent += 1;
        }
    })
}

fn http2(sender: &http2::SendRequest<AnyBody>, tally: &Arc<Tally>) -> Vec<JoinHandle<()>> {
    let stream = || {
        let (tally, mut sender) = (Arc::clone(tally), sender.clone());
        tokio::spawn(async move {
            while tally.goes_on() && sender.ready().await.is_ok() {
                let answer = async {
                    let response = sender.send_request(request("GET", "http://reviews/", &[], "")).await?;
                    let status = response.status().as_u16();
                    response.into_body().collect().await.map(|_| status)
                };
                match answer.await {
                    // Refused unread, as GOAWAY says: it would go to the next connection.
                    Err(error) if error.is_canceled() || error.is_closed() || refused(&error) => return,
                    answer => tally.count(answer),
                }
            }
        })
    };
    (0..WIDTH).map(|_| stream()).collect()
}

fn refused(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|it| it.downcast_ref::<h2::Error>());
    cause.is_some_and(|it| {
        it.reason() == Some(h2::Reason::REFUSED_STREAM)
            || it.is_go_away() && it.reason() == Some(h2::Reason::NO_ERROR)
    })
}

struct Load {
    rig: Rig,
    servers: [Server; 3],
    pair: Pair,
    tally: Arc<Tally>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    async fn start() -> Self {
        let servers = [Server::named("a").await, Server::named("b").await, Server::named("c").await];
        let authority = Authority::new();
        let pair = authority.issue(&["reviews"]);
        let config = Config { threads: 2, ..Config::default() };
        let rig = Rig::at(config, plan(1, &servers, &pair), Some(80)).await;
        let secure = rig.proxy.bind(Entry { source: gateway(), port: Some(443) }, &ANY).await.unwrap();
        let (tally, mut clients) = (Arc::<Tally>::default(), Vec::new());
        for _ in 0..WIDTH {
            let tls = |alpn| within(&authority, secure, alpn);
            clients.push(http1(Connection::open(rig.address).await, &tally));
            clients.push(http1(Connection::on(tls(&["http/1.1"]).await).await, &tally));
            let plain = TcpStream::connect(rig.address).await.unwrap();
            let (sender, connection) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(plain)).await.unwrap();
            tokio::spawn(connection);
            clients.extend(http2(&sender, &tally));
            let (sender, connection) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(tls(&["h2"]).await)).await.unwrap();
            tokio::spawn(connection);
            clients.extend(http2(&sender, &tally));
        }
        Self { rig, servers, pair, tally, clients }
    }

    /// What failed of how many.
    async fn end(self) -> (u64, u64) {
        self.tally.done.store(true, Ordering::SeqCst);
        // One that hangs is as bad as one that fails.
        for client in self.clients {
            tokio::time::timeout(Duration::from_secs(10), client).await.unwrap().unwrap();
        }
        (self.tally.failed.load(Ordering::SeqCst), self.tally.answered.load(Ordering::SeqCst))
    }
}

async fn within(
    authority: &Authority,
    address: SocketAddr,
    alpn: &[&str],
) -> tokio_rustls::client::TlsStream<TcpStream> {
    Client { alpn, ..authority.client() }.connect(address, "reviews").await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_swapped_ten_times_a_second_fail_no_request() {
    let load = Load::start().await;
    let (began, mut revision) = (Instant::now(), 1);
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    while began.elapsed() < length() {
        tick.tick().await;
        revision += 1;
        load.rig.proxy.swap(vec![plan(revision, &load.servers, &load.pair)]).await;
    }
    let (failed, answered) = load.end().await;
    println!("{revision} plans, {answered} requests answered, {failed} failed");
    assert_eq!(failed, 0);
    assert!(answered > revision, "that was no load");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_at_full_load_fails_no_request() {
    let began = Instant::now();
    let (mut rounds, mut all) = (0, 0);
    while began.elapsed() < length() {
        let load = Load::start().await;
        while load.tally.answered.load(Ordering::SeqCst) < 200 {
            tokio::task::yield_now().await;
        }
        let proxy = load.rig.proxy.clone();
        let grace = Duration::from_secs(10);
        tokio::time::timeout(grace, proxy.shutdown(grace)).await.expect("something does not end");
        let (failed, answered) = load.end().await;
        assert_eq!(failed, 0, "round {rounds}, {answered} answered");
        (rounds, all) = (rounds + 1, all + answered);
    }
    println!("{rounds} shutdowns, {all} requests answered, none failed");
}
