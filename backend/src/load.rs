//! The load generator: keeps a mesh alive with requests through a gateway's real listener.
//!
//! Open loop: requests start by the clock, not by the answers, so a slow mesh is not asked less. Active requests are bounded; above the
//! bound requests are skipped, as the clients of a real service would be turned away.

mod pace;

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::Delta;
use api::state::LoadSettings;
use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::events::Hub;
use pace::Pace;

/// Requests a second at most.
pub const MOST: f64 = 5000.0;
/// Most active requests at a time.
const UNDER_WAY: usize = 1024;
/// For how long an answer is waited for.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Shortest sleep between two looks at the clock.
const BEAT: Duration = Duration::from_millis(2);
/// One request of so many is one of jason's.
const JASON: u64 = 10;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Goal {
    /// `http://127.0.0.1:8081/productpage`.
    pub url: Uri,
    /// The `Host` to name, where it is not the address.
    pub host: Option<HeaderValue>,
}

/// Turns the generator.
#[derive(Debug, Clone)]
pub struct Load {
    rate: watch::Sender<f64>,
    goal: watch::Sender<Option<Goal>>,
    hub: Arc<Hub>,
}

/// The rate cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum LoadError {
    /// Out of range.
    #[error("the rate must be between 0 and {MOST} requests per second")]
    Rate,
    /// Nothing to ask.
    #[error("this mesh has no gateway with plain HTTP, so there is nothing to send requests to")]
    NoGateway,
}

impl Load {
    /// A generator that starts with this rate as soon as it has a goal, and runs until it is told to stop.
    pub fn start(rate: f64, hub: Arc<Hub>, stop: CancellationToken) -> Self {
        let load =
            Self { rate: watch::Sender::new(rate.clamp(0.0, MOST)), goal: watch::Sender::default(), hub };
        let (rate, goal) = (load.rate.subscribe(), load.goal.subscribe());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = run(rate, goal) => {}
            }
        });
        load
    }

    /// Sets the rate.
    pub fn set_rate(&self, rate: f64) -> Result<LoadSettings, LoadError> {
        if !(0.0..=MOST).contains(&rate) {
            return Err(LoadError::Rate);
        }
        if self.goal.borrow().is_none() {
            return Err(LoadError::NoGateway);
        }
        self.rate.send_replace(rate);
        self.tell().ok_or(LoadError::NoGateway)
    }

    /// Sets where the requests go.
    pub fn set_goal(&self, goal: Option<Goal>) {
        let changed = self.goal.send_if_modified(|now| {
            let changed = *now != goal;
            *now = goal;
            changed
        });
        if changed {
            self.tell();
        }
    }

    fn tell(&self) -> Option<LoadSettings> {
        let url = self.goal.borrow().as_ref()?.url.to_string();
        let settings = LoadSettings { rate: *self.rate.borrow(), url };
        self.hub.publish(Delta::Load(settings.clone()));
        Some(settings)
    }
}

async fn run(mut rate: watch::Receiver<f64>, mut goal: watch::Receiver<Option<Goal>>) {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new())
        .pool_timer(hyper_util::rt::TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(30))
        .build(connector);
    let room = Arc::new(Semaphore::new(UNDER_WAY));
    let mut pace = Pace::new(Instant::now());
    let mut count: u64 = 0;
    loop {
        let now = *rate.borrow_and_update();
        let target = goal.borrow_and_update().clone().filter(|_| now > 0.0);
        let Some(target) = target else {
            pace = Pace::new(Instant::now());
            tokio::select! {
                Ok(()) = rate.changed() => continue,
                Ok(()) = goal.changed() => continue,
                else => return,
            }
        };
        for _ in 0..pace.due(Instant::now(), now) {
            count += 1;
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
            let (client, target) = (client.clone(), target.clone());
            let jason = count.is_multiple_of(JASON);
            tokio::spawn(async move {
                let _permit = permit;
                // What became of the request is observed where it counts: in the proxy.
                let _observed = tokio::time::timeout(TIMEOUT, ask(&client, &target, jason)).await;
            });
        }
        tokio::time::sleep(pace.pause(Instant::now(), now).max(BEAT)).await;
    }
}

async fn ask(client: &Client<HttpConnector, Empty<Bytes>>, goal: &Goal, jason: bool) -> Option<()> {
    let mut request = Request::get(goal.url.clone()).header(header::USER_AGENT, "meshwright-load");
    if let Some(host) = &goal.host {
        request = request.header(header::HOST, host);
    }
    if jason {
        request = request.header("end-user", "jason");
    }
    let request = request.body(Empty::new()).ok()?;
    let mut body = client.request(request).await.ok()?.into_body();
    // Read to the end, so that the connection serves again.
    while let Some(frame) = body.frame().await {
        frame.ok()?;
    }
    Some(())
}
