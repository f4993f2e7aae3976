//! Asks the server again and again whether it is there and ready: a connection can be dead without a word for as long as nobody writes to it.

use std::time::Duration;

use http::Request;
use kube::Client;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often.
const EVERY: Duration = Duration::from_secs(2);
/// How long an answer may take.
const LONGEST: Duration = Duration::from_secs(3);

/// Tells `None` as long as it is, else why not; only when that changes.
pub(super) async fn run(client: Client, tell: mpsc::Sender<Option<String>>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told: Option<String> = None;
    loop {
        ticks.tick().await;
        let answer = ask(&client).await;
        if answer.is_some() == told.is_some() {
            continue;
        }
        told.clone_from(&answer);
        if tell.send(answer).await.is_err() {
            return;
        }
    }
}

/// Why it is of no use now: it does not answer, or says itself that it is not ready, as without etcd. What it refuses is told by those
/// who asked for it.
async fn ask(client: &Client) -> Option<String> {
    let request = Request::get("/readyz").body(Vec::new()).ok()?;
    match timeout(LONGEST, client.request_text(request)).await {
        Ok(Err(kube::Error::Api(status))) if status.code >= 500 => Some("it is not ready".to_owned()),
        Ok(Ok(_) | Err(kube::Error::Api(_))) => None,
        Ok(Err(error)) => Some(crate::words::of(&error)),
        Err(_elapsed) => Some(format!("it has not answered for {} s", LONGEST.as_secs())),
    }
}
