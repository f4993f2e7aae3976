//! The program when file descriptors are short: it takes what it may have, and when all are in use it waits without spinning and
//! recovers.

#![allow(clippy::disallowed_methods, reason = "a test may wait and read as it likes")]
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use testkit::ask;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

const MESH: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ingress}
spec:
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: answer}
spec:
  hosts: [shop.com]
  gateways: [ingress]
  http: [{directResponse: {status: 200, body: {string: here}}}]
";

/// A gateway under a limit of open files, as `ulimit` takes it; it ends with its handle.
async fn limited(folder: &Path, limit: &str) -> (Child, SocketAddr) {
    std::fs::write(folder.join("mesh.yaml"), MESH).unwrap();
    let program = env!("CARGO_BIN_EXE_meshwright");
    let folder = folder.to_str().unwrap();
    let script = format!(
        "ulimit {limit} && exec '{program}' proxy --mesh '{folder}' --gateway ingress --listen 127.0.0.1:0 --threads 1"
    );
    let mut command = Command::new("sh");
    let mut child = command.args(["-c", &script]).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    (child, line.strip_prefix("listening on ").unwrap().parse().unwrap())
}

/// The soft and the hard limit of a process.
fn limits(pid: u32) -> (u64, u64) {
    let text = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let mut numbers = line.split_whitespace().filter_map(|word| word.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Time that a process has had of the processors, in hundredths of a second.
fn worked(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test]
async fn the_soft_limit_becomes_the_hard_one() {
    let folder = tempfile::tempdir().unwrap();
    let (child, _) = limited(folder.path(), "-Sn 100").await;
    let (soft, hard) = limits(child.id().unwrap());
    assert!(soft == hard && hard > 100, "{soft} of {hard}");
}

#[tokio::test]
async fn a_program_without_descriptors_waits_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let (child, address) = limited(folder.path(), "-n 64").await;
    let pid = child.id().unwrap();
    let mut held = Vec::new();
    for _ in 0..200 {
        held.push(TcpStream::connect(address).await.unwrap());
    }
    let asked = tokio::spawn(async move { ask(address, "/", &[("host", "shop.com")]).await });
    let before = worked(pid);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let worked = worked(pid) - before;
    assert!(worked < 20, "{worked} hundredths of a second while nothing could be done");
    assert!(!asked.is_finished(), "there was room for all of them");
    drop(held);
    let answer = tokio::time::timeout(Duration::from_secs(20), asked).await.expect("an answer");
    assert_eq!(answer.unwrap().unwrap().body, "here");
}
