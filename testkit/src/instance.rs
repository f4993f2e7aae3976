//! An instance of a service, as well or as ill as a test wants it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use super::{Gate, Server, reply};

/// Answers `/healthz` with its health and anything else with its mood; paths that begin with `/held` when it is let.
pub struct Instance {
    /// Where it listens, on loopback.
    pub port: u16,
    /// A status.
    pub health: Arc<AtomicU16>,
    /// A status.
    pub mood: Arc<AtomicU16>,
    /// How long it takes.
    pub millis: Arc<AtomicU64>,
    /// Holds requests.
    pub gate: Arc<Gate>,
    _server: Server,
}

impl Instance {
    /// Starts one that is well and fast.
    pub async fn start() -> Self {
        let [health, mood] = [200, 200].map(|status| Arc::new(AtomicU16::new(status)));
        let millis = Arc::<AtomicU64>::default();
        let (ill, moody, slow) = (Arc::clone(&health), Arc::clone(&mood), Arc::clone(&millis));
        let (server, gate) = Server::gate(move |request| {
            let status = if request.uri().path() == "/healthz" { &ill } else { &moody }.clone();
            let length = Duration::from_millis(slow.load(Ordering::SeqCst));
            async move {
                tokio::time::sleep(length).await;
                reply(status.load(Ordering::SeqCst), "")
            }
        })
        .await;
        Self { port: server.address().port(), health, mood, millis, gate, _server: server }
    }
}
