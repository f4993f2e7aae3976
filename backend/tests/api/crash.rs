//! `kill -9` at random moments of a stream of edits loses no acknowledged revision.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use api::request::{NewRevision, PostRevision, RevisionDetail};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::support::set_file;

const ROUNDS: u64 = 200;
/// Longest that a round edits before it is killed.
const LONGEST: Duration = Duration::from_millis(60);

struct Process {
    child: Child,
    sender: SendRequest<Full<Bytes>>,
}

/// The real program on a data folder.
async fn start(data: &Path, mesh: &Path) -> Process {
    let mut child = Command::new(env!("CARGO_BIN_EXE_meshwright"))
        .args(["--listen", "127.0.0.1:0", "--threads", "1", "--rate", "0", "--log", "error", "--data"])
        .arg(data)
        .arg("--mesh")
        .arg(mesh)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("it says where it listens");
    let (_, address) = line.split_once("http://").unwrap();
    let stream = tokio::net::TcpStream::connect(address.trim_end_matches('/')).await.unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    Process { child, sender }
}

/// Status and body; `None` when the server died meanwhile.
async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Option<(StatusCode, Bytes)> {
    sender.ready().await.ok()?;
    let (parts, body) = sender.send_request(request).await.ok()?.into_parts();
    Some((parts.status, body.collect().await.ok()?.to_bytes()))
}

async fn get(process: &mut Process, number: u64) -> Option<RevisionDetail> {
    let request = Request::get(format!("/api/v1/revisions/{number}"));
    let request = request.header(header::HOST, "localhost").body(Full::default()).unwrap();
    let (status, body) = send(&mut process.sender, request).await.expect("the server answers");
    (status == StatusCode::OK).then(|| serde_json::from_slice(&body).unwrap())
}

/// Edits until the server dies. `acknowledged` gets each revision that was answered for, with its text.
async fn edit(mut sender: SendRequest<Full<Bytes>>, mut base: u64, acknowledged: &mut BTreeMap<u64, String>) {
    loop {
        let text = format!("# after {base}\n");
        let request =
            PostRevision { base, author: None, edits: vec![set_file("a.yaml", &text)], resources: None };
        let request = Request::post("/api/v1/revisions")
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(serde_json::to_vec(&request).unwrap()))
            .unwrap();
        let Some((status, body)) = send(&mut sender, request).await else { return };
        assert_eq!(status, StatusCode::CREATED, "{body:?}");
        base = serde_json::from_slice::<NewRevision>(&body).unwrap().revision.number;
        acknowledged.insert(base, text);
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost() {
    let (data, mesh) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let random = RandomState::new();
    let mut acknowledged = BTreeMap::new();
    let mut head = 1;
    let mut lost = Vec::new();
    for round in 0..=ROUNDS {
        let mut process = start(data.path(), mesh.path()).await;
        // At most the one edit that was under way is there without having been acknowledged.
        let newest = acknowledged.keys().next_back().copied().unwrap_or(1).max(head);
        // What this life was answered for, and at the end all of it.
        let from = if round == ROUNDS { 0 } else { head };
        for (number, text) in acknowledged.range(from..) {
            let kept = get(&mut process, *number).await;
            if kept.is_none_or(|detail| detail.sources.0.get("a.yaml") != Some(text)) {
                lost.push(*number);
            }
        }
        if round == ROUNDS {
            break;
        }
        head = if get(&mut process, newest + 1).await.is_some() { newest + 1 } else { newest };
        assert!(get(&mut process, head + 1).await.is_none(), "an edit that nobody made");
        let longest = u64::try_from(LONGEST.as_micros()).unwrap();
        let life = Duration::from_micros(random.hash_one(round) % longest);
        let Process { mut child, sender } = process;
        let editing = edit(sender, head, &mut acknowledged);
        let killing = async {
            tokio::time::sleep(life).await;
            child.kill().await.unwrap();
        };
        tokio::join!(editing, killing);
    }
    println!("{} revisions acknowledged in {ROUNDS} lives, {} lost", acknowledged.len(), lost.len());
    assert!(acknowledged.len() > ROUNDS as usize, "too few edits to mean something");
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}
