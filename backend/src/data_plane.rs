//! The built-in proxy as a target: which listeners it has, and how a revision's plans get to it.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::state::ListenerInfo;
use arc_swap::ArcSwap;
use mesh::plan::Protocol;
use mesh::{Plan, Source};
use proxy::{Entry, Proxy};

/// For how long a swap may take before the proxy counts as unreachable. It takes well under a millisecond.
const PATIENCE: Duration = Duration::from_secs(5);
/// Ports above a gateway's own that are tried when it is taken.
const NEXT_PORTS: u16 = 20;
/// Added to a gateway's port that only root may open: 80 becomes 8080.
const UNPRIVILEGED: u16 = 8000;

/// Where each source's traffic enters.
pub type Entries = BTreeMap<(Source, Option<u16>), SocketAddr>;

/// The proxy with its listeners.
#[derive(Debug)]
pub struct DataPlane {
    proxy: Proxy,
    entries: Arc<ArcSwap<Entries>>,
}

/// The proxy did not take the plans.
#[derive(Debug, thiserror::Error)]
#[error("the proxy's threads did not take the plans within {} s", PATIENCE.as_secs())]
pub struct Unreachable;

impl DataPlane {
    /// A proxy without listeners.
    pub fn new(proxy: Proxy) -> Self {
        Self { proxy, entries: Arc::default() }
    }

    /// Where traffic enters, for those who look at each call.
    pub fn entries(&self) -> Arc<ArcSwap<Entries>> {
        Arc::clone(&self.entries)
    }

    /// Runs these plans: opens what they need, swaps, and closes what they need no more. Returns when the last thread had them, and
    /// whether the listeners changed.
    pub async fn run(&self, plans: &HashMap<Source, Arc<Plan>>) -> Result<(Instant, bool), Unreachable> {
        let before = self.entries.load_full();
        let mut entries = Entries::clone(&before);
        let wanted = wanted(plans.values().map(AsRef::as_ref));
        for entry in &wanted {
            let key = (entry.source.clone(), entry.port);
            if entries.contains_key(&key) {
                continue;
            }
            match self.proxy.bind(entry.clone(), &addresses(entry.port)).await {
                Ok(address) => {
                    entries.insert(key, address);
                }
                // The others still work; the browser sees that this one has no address.
                Err(error) => tracing::warn!(?entry, %error, "no listener"),
            }
        }
        let swap = self.proxy.swap(plans.values().cloned().collect());
        let swapped = tokio::time::timeout(PATIENCE, swap).await.map_err(|_elapsed| Unreachable)?;
        let gone: Vec<_> = entries
            .keys()
            .filter(|(source, port)| {
                !wanted.iter().any(|entry| entry.source == *source && entry.port == *port)
            })
            .cloned()
            .collect();
        for key in gone {
            if let Some(address) = entries.remove(&key) {
                self.proxy.unbind(address).await;
            }
        }
        let changed = entries != *before;
        if changed {
            self.entries.store(Arc::new(entries));
        }
        Ok((swapped.at, changed))
    }

    /// The listeners, as browsers see them.
    pub fn listeners(&self) -> Vec<ListenerInfo> {
        self.entries
            .load()
            .iter()
            .map(|((source, port), address)| ListenerInfo {
                source: source.clone(),
                port: *port,
                address: address.to_string(),
            })
            .collect()
    }

    /// Lets requests end, then the proxy.
    pub async fn shutdown(self, grace: Duration) {
        self.proxy.shutdown(grace).await;
    }
}

/// The listeners that plans need: one for each workload, and one for each plain HTTP port of a gateway.
fn wanted<'p>(plans: impl Iterator<Item = &'p Plan>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for plan in plans {
        match plan.source {
            Source::Workload { .. } => entries.push(Entry { source: plan.source.clone(), port: None }),
            Source::Gateway { .. } => entries.extend(
                plan.listeners
                    .iter()
                    .filter(|listener| listener.protocol == Protocol::Http)
                    .map(|listener| Entry { source: plan.source.clone(), port: Some(listener.port) }),
            ),
        }
    }
    entries
}

/// Where to listen, the preferred address first. A workload's listener has any free port.
fn addresses(port: Option<u16>) -> Vec<SocketAddr> {
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Some(port) = port else { return vec![local(0)] };
    let first = if port < 1024 { port.saturating_add(UNPRIVILEGED) } else { port };
    let own = (first != port).then_some(port);
    own.into_iter().chain(first..=first.saturating_add(NEXT_PORTS)).chain([0]).map(local).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_listens_on_its_port_or_near_it() {
        let ports = |port| addresses(port).iter().map(SocketAddr::port).collect::<Vec<_>>();
        assert_eq!(ports(None), [0]);
        assert_eq!(ports(Some(8081))[..3], [8081, 8082, 8083]);
        assert_eq!(ports(Some(80))[..3], [80, 8080, 8081]);
        assert_eq!(ports(Some(65530)).last(), Some(&0));
        assert!(addresses(Some(80)).iter().all(|address| address.ip().is_loopback()));
    }
}
