//! `meshwright sidecar` with a real Envoy and a real server, as separate programs: from nothing to traffic, through whatever
//! happens to each of the three.

#![allow(clippy::disallowed_methods, reason = "a test may wait and read as it likes")]
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Connection, Server, request, service};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// For whatever a busy machine takes long to do.
const LATER: Duration = Duration::from_secs(60);

/// A program that is ended with its handle.
struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meshwright"));
        let mut child = command.args(arguments).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// What follows a phrase in the first line that has it.
    async fn says(&mut self, phrase: &str) -> String {
        let said = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if let Some((_, rest)) = line.split_once(phrase) {
                    return rest.to_owned();
                }
            }
            panic!("it ended and did not say «{phrase}»")
        };
        tokio::time::timeout(LATER, said).await.unwrap_or_else(|_| panic!("it does not say «{phrase}»"))
    }

    async fn signal(&self, name: &str) {
        signal(name, self.child.id().unwrap()).await;
    }

    async fn ends(&mut self) -> ExitStatus {
        tokio::time::timeout(LATER, self.child.wait()).await.unwrap().unwrap()
    }
}

async fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().await.unwrap().success());
}

/// The process that a sidecar says that it runs.
async fn envoy_of(sidecar: &mut Program) -> u32 {
    let said = sidecar.says("Envoy runs (process ").await;
    said.split_once(',').unwrap().0.parse().unwrap()
}

/// Status and text, if there is an answer.
async fn get(address: SocketAddr) -> Option<(u16, String)> {
    let answer = testkit::ask(address, "/", &[("host", "shop.example")]).await?;
    Some((answer.status.as_u16(), answer.body))
}

/// Asks until the answer is this; returns how long it took.
async fn until(address: SocketAddr, expected: (u16, &str)) -> Duration {
    let began = Instant::now();
    let wanted = Some((expected.0, expected.1.to_owned()));
    let asked = async {
        while get(address).await != wanted {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LATER, asked).await.unwrap_or_else(|_| panic!("never {expected:?}"));
    began.elapsed()
}

fn write(folder: &Path, shop: &Server, more: &str) {
    let front = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front}
spec:
  servers:
  - port: {number: 8099, name: http, protocol: HTTP}
    hosts: ['*']
---
";
    let mesh = service("shop", &[shop.address().port()]) + front + ROUTE + more;
    std::fs::write(folder.join("mesh.yaml"), mesh).unwrap();
}

const ROUTE: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: ['*']
  gateways: [front]
  http:
  - route: [{destination: {host: shop}}]
";

/// What aborts all requests of the route.
const FAULT: &str = "    fault: {abort: {percentage: {value: 100}, httpStatus: 418}}\n";

/// A server of the mesh in a folder.
fn serve(mesh: &Path, data: &Path, xds: &str) -> Program {
    let (mesh, data) = (mesh.to_str().unwrap(), data.to_str().unwrap());
    Program::start(&["serve", "--mesh", mesh, "--data", data, "--listen", "127.0.0.1:0", "--xds", xds])
}

/// An Envoy for the gateway, and where it will listen.
fn sidecar(envoy: &Path, server: &str) -> (Program, SocketAddr) {
    let [port] = testkit::free_ports();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let (port, envoy) = (format!("8099={address}"), envoy.to_str().unwrap());
    let gateway = ["sidecar", "--gateway", "front", "--server", server, "--port", &port, "--envoy", envoy];
    (Program::start(&[&gateway[..], &["--grace", "1"]].concat()), address)
}

#[tokio::test]
async fn a_sidecar_from_nothing_to_traffic_and_through_accidents() {
    let Some(envoy) = testkit::envoy() else { return };
    let (mesh, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let shop = Server::named("shop").await;
    write(mesh.path(), &shop, "");
    let mut server = serve(mesh.path(), data.path(), "127.0.0.1:0");
    let xds = server.says("xDS for Envoys: ").await;
    let (mut sidecar, address) = sidecar(&envoy, &xds);
    let first = envoy_of(&mut sidecar).await;
    until(address, (200, "shop")).await;

    // Envoy is killed: another one takes its place.
    signal("-KILL", first).await;
    let second = envoy_of(&mut sidecar).await;
    assert_ne!(second, first);
    println!("after Envoy was killed: {:?} to the first answer", until(address, (200, "shop")).await);

    // Another one takes over on the same port, and no request fails, neither before nor after the old one is gone.
    sidecar.signal("-HUP").await;
    let mut asked = 0;
    {
        let mut taking_over = std::pin::pin!(async {
            let third = envoy_of(&mut sidecar).await;
            assert_ne!(third, second);
            while Path::new(&format!("/proc/{second}")).exists() {
                tokio::task::yield_now().await;
            }
        });
        loop {
            assert_eq!(get(address).await, Some((200, "shop".to_owned())), "request {asked}");
            asked += 1;
            tokio::select! {
                biased;
                () = &mut taking_over => break,
                () = tokio::task::yield_now() => {}
            }
        }
    }
    println!("{asked} requests while another Envoy took over, none failed");

    // Without a server Envoy goes on with what it has, and hears of the next revision when there is one again.
    server.signal("-KILL").await;
    server.ends().await;
    for _ in 0..20 {
        assert_eq!(get(address).await, Some((200, "shop".to_owned())));
    }
    std::fs::remove_dir_all(data.path()).unwrap();
    write(mesh.path(), &shop, FAULT);
    let mut server = serve(mesh.path(), data.path(), &xds);
    server.says("xDS for Envoys: ").await;
    let took = until(address, (418, "fault filter abort")).await;
    println!("after the server was started again: {took:?} to its revision");

    // Told to end it does, and leaves nobody behind.
    sidecar.signal("-TERM").await;
    assert!(sidecar.ends().await.success());
    assert_eq!(get(address).await, None, "nobody listens any longer");
}

/// The designer, as its API says what the only Envoy runs.
struct Designer(SocketAddr);

impl Designer {
    /// Waits for a state of the Envoy, and returns how long that took.
    async fn until(&self, state: &str, revision: Option<u64>) -> Duration {
        let began = Instant::now();
        let seen = async {
            loop {
                let answer = testkit::get(self.0, "/api/v1/mesh", &[("host", &self.0.to_string())]).await;
                let mesh: Value = serde_json::from_str(&answer.body).unwrap();
                let targets = mesh["targets"].as_array().unwrap();
                let envoys = targets.iter().find(|target| target["target"] == "envoy");
                let node = envoys.map(|target| &target["nodes"][0]["state"]);
                let is = |node: &&Value| {
                    node["state"] == state && revision.is_none_or(|wanted| node["revision"] == wanted)
                };
                if node.filter(is).is_some() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LATER, seen).await.unwrap_or_else(|_| panic!("never {state} {revision:?}"));
        began.elapsed()
    }

    async fn edit(&self, base: u64, resources: &str) {
        let body = json!({"base": base, "resources": resources}).to_string();
        let host = self.0.to_string();
        let headers = [("host", host.as_str()), ("content-type", "application/json")];
        let mut connection = Connection::open(self.0).await;
        let answer = connection.fetch(request("POST", "/api/v1/revisions", &headers, &body)).await.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
}

#[tokio::test]
async fn the_designer_says_what_is_true_of_an_envoy_that_does_not_answer() {
    let Some(envoy) = testkit::envoy() else { return };
    let (mesh, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let shop = Server::named("shop").await;
    write(mesh.path(), &shop, "");
    let mut server = serve(mesh.path(), data.path(), "127.0.0.1:0");
    let page = server.says("Meshwright is ready: http://").await;
    let designer = Designer(page.trim_end_matches('/').parse().unwrap());
    let xds = server.says("xDS for Envoys: ").await;
    let (mut sidecar, address) = sidecar(&envoy, &xds);
    let pid = envoy_of(&mut sidecar).await;
    until(address, (200, "shop")).await;
    designer.until("applied", Some(1)).await;

    // It stands still: an edit is on its way to it, until it counts as gone.
    signal("-STOP", pid).await;
    designer.edit(1, &[ROUTE, FAULT].concat()).await;
    designer.until("pending", Some(2)).await;
    println!("an Envoy that stands still is gone after {:?}", designer.until("unreachable", None).await);

    // It goes on, comes back and takes the edit.
    signal("-CONT", pid).await;
    println!("an Envoy that is back has the edit after {:?}", designer.until("applied", Some(2)).await);
    until(address, (418, "fault filter abort")).await;
    sidecar.signal("-TERM").await;
    assert!(sidecar.ends().await.success());
    designer.until("unreachable", None).await;
}

#[test]
fn what_cannot_be_started_says_why() {
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_meshwright"));
        let output = command.args(arguments).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (well, said) = run(&["sidecar", "--workload", "a", "--envoy", "/nowhere/envoy"]);
    assert!(!well && said.contains("there is no Envoy at /nowhere/envoy"), "{said}");
    let (well, said) = run(&["sidecar"]);
    assert!(!well && said.contains("--workload"), "{said}");
    let (well, _) = run(&["sidecar", "--gateway", "shop/front", "--print"]);
    assert!(well);
}
