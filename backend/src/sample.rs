//! The sample mesh: Bookinfo, as people know it from Istio's documentation, written anew.
//!
//! [`mesh()`] is its YAML, and [`start`] runs its services: each instance is a real HTTP server on loopback that calls
//! others through its own workload's outbound listener, so that every hop crosses the proxy and is observed. What the
//! proxy does is not decided here.
//!
//! The well-known mismatch is kept: productpage waits 3 s for reviews and tries twice, while reviews v2 waits 10 s for
//! ratings. A delay of 7 s in front of ratings therefore harms the page although reviews itself would bear it.

mod answer;
mod client;
mod details;
mod instance;
mod pace;
mod page;
mod productpage;
mod ratings;
mod reviews;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use mesh::Sources;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use self::client::Client;
use self::instance::App;

/// Files of the sample mesh, by name.
const FILES: [(&str, &str); 6] = [
    ("books.yaml", include_str!("../../assets/bookinfo/books.yaml")),
    ("details.yaml", include_str!("../../assets/bookinfo/details.yaml")),
    ("gateway.yaml", include_str!("../../assets/bookinfo/gateway.yaml")),
    ("productpage.yaml", include_str!("../../assets/bookinfo/productpage.yaml")),
    ("ratings.yaml", include_str!("../../assets/bookinfo/ratings.yaml")),
    ("reviews.yaml", include_str!("../../assets/bookinfo/reviews.yaml")),
];

/// Instances with the ports that the files give them.
const INSTANCES: [(&str, u16, App); 8] = [
    ("details-v1", 29081, App::Details),
    ("ratings-v1", 29082, App::Ratings),
    ("reviews-v1", 29083, App::Reviews(None)),
    ("reviews-v2", 29084, App::Reviews(Some(reviews::Color::Black))),
    ("reviews-v3", 29085, App::Reviews(Some(reviews::Color::Red))),
    ("productpage-v1", 29086, App::ProductPage),
    ("productpage-v1-b", 29087, App::ProductPage),
    ("books", 29088, App::Books),
];

/// Why the sample could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No port could be had, not even a free one.
    #[error("{instance}: no port on loopback")]
    Bind {
        /// The instance.
        instance: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// The sample mesh's text.
pub fn mesh() -> Sources {
    FILES.into_iter().collect()
}

/// The instances and the ports that [`mesh()`] gives them: what to pass to [`start`].
pub fn ports() -> BTreeMap<String, u16> {
    INSTANCES.into_iter().map(|(name, port, _)| (name.to_owned(), port)).collect()
}

/// Starts the instances that `wanted` names, each on its port, or on a free one where that is taken. Names that the sample
/// does not know are ignored.
///
/// `outbound` gives the address of a workload's outbound listener; it is asked at each call, so the proxy may start later.
/// While it knows none, the instance answers as if nobody were there.
///
/// # Errors
/// When an instance gets no port at all.
pub async fn start(
    outbound: impl Fn(&str) -> Option<SocketAddr> + Send + Sync + 'static,
    wanted: &BTreeMap<String, u16>,
) -> Result<Running, Error> {
    let outbound: Arc<client::Outbound> = Arc::new(outbound);
    let mut running = Running { ports: BTreeMap::new(), moved: BTreeMap::new(), tasks: JoinSet::new() };
    for (name, _, app) in INSTANCES {
        let Some(&port) = wanted.get(name) else { continue };
        let listener = bind(port).await.map_err(|source| Error::Bind { instance: name, source })?;
        let actual = listener.local_addr().map_err(|source| Error::Bind { instance: name, source })?.port();
        running.ports.insert(name.to_owned(), actual);
        if actual != port {
            running.moved.insert(port, actual);
        }
        let client = Client::new(name, outbound.clone());
        running.tasks.spawn(instance::serve(listener, app, name, client));
    }
    Ok(running)
}

/// The running sample. Dropping it stops all instances.
#[derive(Debug)]
pub struct Running {
    /// The port that each instance really has.
    pub ports: BTreeMap<String, u16>,
    /// Ports of the files that others had taken, with their replacements.
    moved: BTreeMap<u16, u16>,
    tasks: JoinSet<()>,
}

impl Running {
    /// The port where the instance that the files put on `port` of 127.0.0.1 really listens. The registry's endpoints are
    /// led there; the files stay as they are, for a port that happens to be taken today is no revision.
    pub fn actual_port(&self, port: u16) -> u16 {
        self.moved.get(&port).copied().unwrap_or(port)
    }

    /// Stops all instances and waits until they are gone.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// A listener on a loopback port, or on a free one.
async fn bind(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
        Err(_) if port != 0 => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await,
        bound => bound,
    }
}

#[cfg(test)]
mod tests;
