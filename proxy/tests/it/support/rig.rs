//! A proxy with one outbound listener, and what it observed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::envoy::{self, Envoy};
use mesh::Plan;
use proxy::{Config, Entry, Events, Notice, ObservationKey, Proxy, Stats, Tries};

pub(crate) struct Rig {
    pub(crate) proxy: Proxy,
    pub(crate) address: SocketAddr,
    events: Events,
    /// What stands in the proxy's place where the same tests are made with Envoy.
    envoy: Option<Envoy>,
}

/// Any free port of the loopback address.
pub(crate) const ANY: [SocketAddr; 1] =
    [SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0)];

impl Rig {
    /// One thread, this plan.
    pub(crate) async fn start(plan: Arc<Plan>) -> Self {
        Self::with(Config { threads: 1, ..Config::default() }, plan).await
    }

    pub(crate) async fn with(config: Config, plan: Arc<Plan>) -> Self {
        Self::at(config, plan, None).await
    }

    /// The listener of one port of the plan.
    pub(crate) async fn on(plan: Arc<Plan>, port: u16) -> Self {
        Self::at(Config { threads: 1, ..Config::default() }, plan, Some(port)).await
    }

    pub(crate) async fn at(config: Config, plan: Arc<Plan>, port: Option<u16>) -> Self {
        Self::of(config, plan, port, envoy::is_asked_for()).await
    }

    /// The listener of one port of the plan, on Envoy or on this crate's proxy.
    pub(crate) async fn of(config: Config, plan: Arc<Plan>, port: Option<u16>, on_envoy: bool) -> Self {
        let config = Config { flush_interval: Duration::from_millis(20), ..config };
        let (proxy, events) = Proxy::start(config.clone()).unwrap();
        if on_envoy {
            let (envoy, address) = Envoy::start(&config, plan, port).await;
            return Self { proxy, address, events, envoy: Some(envoy) };
        }
        let entry = Entry { source: plan.source.clone(), port };
        proxy.swap(vec![plan]).await;
        let address = proxy.bind(entry, &ANY).await.unwrap();
        Self { proxy, address, events, envoy: None }
    }

    /// Whether this is Envoy.
    pub(crate) fn is_envoy(&self) -> bool {
        self.envoy.is_some()
    }

    /// Waits for a notice that Envoy does not make.
    pub(crate) async fn told_here<T>(&mut self, wanted: impl Fn(&Notice) -> Option<T>) {
        if !self.is_envoy() {
            self.told(wanted).await;
        }
    }

    /// Puts another plan in the place of the one that is there.
    pub(crate) async fn swap(&self, plan: Arc<Plan>) {
        self.offer(plan).await.unwrap();
    }

    /// The same; what Envoy says where it does not take it.
    pub(crate) async fn offer(&self, plan: Arc<Plan>) -> Result<(), String> {
        match &self.envoy {
            Some(envoy) => envoy.swap(plan).await,
            None => {
                self.proxy.swap(vec![plan]).await;
                Ok(())
            }
        }
    }

    /// Everything observed until `connections` connections have ended, or 5 s have passed.
    pub(crate) async fn closed(&mut self, connections: u64) -> Observed {
        let seen = self.until(|seen| seen.sum(|stats| stats.connections_closed) >= connections).await;
        assert_eq!(seen.sum(|stats| stats.connections_closed), connections, "observed: {:?}", seen.0);
        assert_eq!(seen.sum(|stats| stats.connections_opened), connections, "observed: {:?}", seen.0);
        assert_eq!(seen.total(), 0, "connections are no requests");
        seen
    }

    /// Everything observed until `requests` requests have ended, or 5 s have passed.
    pub(crate) async fn observed(&mut self, requests: u64) -> Observed {
        let seen = self.until(|seen| seen.total() >= requests).await;
        assert_eq!(seen.total(), requests, "observed: {:?}", seen.0);
        seen
    }

    /// The same until it is enough, or 5 s have passed.
    pub(crate) async fn until(&mut self, enough: impl Fn(&Observed) -> bool) -> Observed {
        let mut seen = Observed::default();
        let all = async {
            while !enough(&seen) {
                if let Some(envoy) = &mut self.envoy {
                    let Some((key, stats)) = envoy.seen().await else { break };
                    seen.0.entry(format!("{key:?}")).or_insert((key, Stats::default())).1.merge(&stats);
                    continue;
                }
                let Some(batch) = self.events.batches.recv().await else { break };
                for (place, tries) in batch.tries {
                    seen.1.entry(place.port).or_default().merge(&tries);
                }
                for (key, stats) in batch.stats {
                    seen.0.entry(format!("{key:?}")).or_insert((key, Stats::default())).1.merge(&stats);
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(5), all).await;
        seen
    }

    pub(crate) async fn notice(&mut self) -> Notice {
        match &mut self.envoy {
            Some(envoy) => envoy.notice().await,
            None => self.events.notices.recv().await.unwrap(),
        }
    }

    /// What the first notice says that is asked for.
    pub(crate) async fn told<T>(&mut self, wanted: impl Fn(&Notice) -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = wanted(&self.notice().await) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), found)
            .await
            .unwrap_or_else(|_| panic!("the notice did not come"))
    }
}

#[derive(Default)]
pub(crate) struct Observed(BTreeMap<String, (ObservationKey, Stats)>, BTreeMap<u16, Tries>);

impl Observed {
    pub(crate) fn total(&self) -> u64 {
        self.0.values().map(|(_, stats)| stats.requests).sum()
    }

    /// The only key and its counts.
    pub(crate) fn only(&self) -> (&ObservationKey, &Stats) {
        assert_eq!(self.0.len(), 1, "{:?}", self.0);
        let (key, stats) = self.0.values().next().unwrap();
        (key, stats)
    }

    pub(crate) fn sum(&self, count: impl Fn(&Stats) -> u64) -> u64 {
        self.0.values().map(|(_, stats)| count(stats)).sum()
    }

    /// Tries by the port of their endpoint. Envoy does not tell of them.
    pub(crate) fn tries(&self) -> &BTreeMap<u16, Tries> {
        &self.1
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &ObservationKey> {
        self.0.values().map(|(key, _)| key)
    }

    /// Requests by version.
    pub(crate) fn versions(&self) -> BTreeMap<&str, u64> {
        let mut versions = BTreeMap::new();
        for (key, stats) in self.0.values() {
            *versions.entry(key.version.as_str()).or_default() += stats.requests + stats.connections_closed;
        }
        versions
    }

    /// Status and flags of the only request: `503 UF,URX`.
    pub(crate) fn outcome(&self) -> String {
        let (_, stats) = self.only();
        assert_eq!(stats.latency.len(), stats.requests);
        Self::told(stats)
    }

    /// The same of all, wherever they went.
    pub(crate) fn outcomes(&self) -> String {
        let mut all = Stats::default();
        self.0.values().for_each(|(_, stats)| all.merge(stats));
        Self::told(&all)
    }

    fn told(stats: &Stats) -> String {
        let codes: Vec<_> = stats.codes.keys().map(u16::to_string).collect();
        let mut flags: Vec<_> = stats.flags.keys().copied().collect();
        flags.sort_unstable();
        format!("{} {}", codes.join(","), flags.join(",")).trim().to_owned()
    }
}
