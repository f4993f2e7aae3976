//! The built-in proxy as a target: which listeners it has, and how a revision's plans get to it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::state::{Target as Kind, TargetState, TargetStatus};
use arc_swap::ArcSwap;
use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use proxy::Proxy;
use tracing::Instrument;

use super::entries::{Entries, addresses, listeners, same_entries, wanted};
use super::{News, Offer, Target};
use crate::analysis::Plans;
use crate::clock::now_millis;

/// For how long a swap may take before the proxy counts as unreachable. It takes well under a millisecond.
const SWAP_TIMEOUT: Duration = Duration::from_secs(5);

/// The proxy with its listeners.
#[derive(Debug)]
pub struct DataPlane {
    proxy: Proxy,
    entries: Arc<ArcSwap<Entries>>,
    /// What it was given last.
    running: Arc<Plans>,
    /// All of its listeners have an address.
    complete: bool,
    offer: Option<Arc<Offer>>,
    /// It did not take what it was given last.
    failed: bool,
    news: News,
}

/// The proxy did not take the plans.
#[derive(Debug, thiserror::Error)]
#[error("the proxy's threads did not take the plans within {} s", SWAP_TIMEOUT.as_secs())]
pub struct Unreachable;

impl Target for DataPlane {
    fn offer(&mut self, offer: &Arc<Offer>) {
        self.offer = Some(Arc::clone(offer));
        if !offer.again {
            self.say(TargetState::Pending { revision: offer.revision });
        }
    }

    fn apply(&mut self) -> BoxFuture<'_, ()> {
        let revision = self.offer.as_ref().map(|offer| offer.revision);
        let span = tracing::info_span!("apply", to = "proxy", revision);
        async {
            let Some(offer) = self.offer.clone() else { return };
            let revision = offer.revision;
            match self.run(&offer.plans).await {
                Ok((at, changed)) => {
                    if !offer.again || self.failed {
                        self.say(TargetState::Applied {
                            revision,
                            at: now_millis(),
                            millis: offer.millis(at),
                        });
                        self.news.swapped = Some((revision, at));
                    }
                    self.failed = false;
                    if changed {
                        self.news.listeners = Some(listeners(&self.entries.load()));
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the proxy did not take the revision");
                    self.failed = true;
                    self.say(TargetState::Unreachable { since: now_millis() });
                }
            }
        }
        .instrument(span)
        .boxed()
    }

    /// It runs what it was given, and nothing else happens.
    fn changed(&mut self) -> BoxFuture<'_, ()> {
        pending().boxed()
    }

    fn news(&mut self, _: i64) -> News {
        std::mem::take(&mut self.news)
    }

    fn shutdown(self: Box<Self>, grace: Duration) -> BoxFuture<'static, ()> {
        self.proxy.shutdown(grace).boxed()
    }
}

impl DataPlane {
    /// A proxy without listeners.
    pub fn new(proxy: Proxy) -> Self {
        Self {
            proxy,
            entries: Arc::default(),
            running: Arc::default(),
            complete: false,
            offer: None,
            failed: false,
            news: News::default(),
        }
    }

    /// Where traffic enters, for those who look at each call.
    pub fn entries(&self) -> Arc<ArcSwap<Entries>> {
        Arc::clone(&self.entries)
    }

    /// Runs these plans: opens what they need, swaps, and closes what they need no more. Returns when the last thread had them, and
    /// whether the listeners changed.
    async fn run(&mut self, plans: &Arc<Plans>) -> Result<(Instant, bool), Unreachable> {
        let running = std::mem::replace(&mut self.running, Arc::clone(plans));
        let swap = || tokio::time::timeout(SWAP_TIMEOUT, self.proxy.swap_all(Arc::clone(plans)));
        if self.complete && same_entries(&running, plans) {
            let swapped = swap().await.map_err(|_elapsed| Unreachable)?;
            return Ok((swapped.at, false));
        }
        let before = self.entries.load_full();
        let mut entries = Entries::clone(&before);
        let wanted = wanted(plans.values().map(AsRef::as_ref));
        for entry in &wanted {
            let key = (entry.source.clone(), entry.port);
            if entries.contains_key(&key) {
                continue;
            }
            match self.proxy.bind(entry.clone(), &addresses(entry)).await {
                Ok(address) => {
                    entries.insert(key, address);
                }
                // The others still work; the browser sees that this one has no address. The next revision tries again.
                Err(error) => tracing::warn!(?entry, %error, "cannot listen"),
            }
        }
        let swapped = swap().await.map_err(|_elapsed| Unreachable)?;
        self.complete = wanted.iter().all(|it| entries.contains_key(&(it.source.clone(), it.port)));
        let wanted: HashSet<_> = wanted.into_iter().map(|entry| (entry.source, entry.port)).collect();
        let gone: Vec<_> = entries.keys().filter(|key| !wanted.contains(*key)).cloned().collect();
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

    fn say(&mut self, state: TargetState) {
        self.news.status = Some(TargetStatus { target: Kind::Proxy, state, nodes: Vec::new() });
    }
}
