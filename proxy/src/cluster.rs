//! Clusters as one thread knows them for one source: whose turn it is, and the endpoints with their connections.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mesh::plan::{Balancer, Cluster, Endpoint};

use crate::config::Config;
use crate::connect::Target;
use crate::pool::{Limits, Upstream};

/// How often a balancer is asked again for a host that was not tried yet. Istio's `previous_hosts` says 5.
const PICKS: usize = 5;

/// What outlives plans.
#[derive(Default)]
pub(crate) struct State {
    turn: Cell<usize>,
    upstreams: RefCell<HashMap<(String, u16), Rc<Upstream>>>,
    /// Endpoints that clients chose, where the cluster has none of its own.
    chosen: RefCell<HashMap<(String, u16), Rc<Upstream>>>,
}

/// A cluster of one plan.
pub(crate) struct View {
    state: Rc<State>,
    /// The plan names a cluster that does not exist.
    pub(crate) missing: bool,
    pub(crate) hosts: Vec<Host>,
    /// Distinct versions of the hosts.
    pub(crate) versions: Vec<String>,
    pub(crate) limits: Limits,
    /// The service's port.
    pub(crate) port: u16,
    balancer: Balancer,
    weighted: bool,
}

/// An endpoint of a cluster.
pub(crate) struct Host {
    pub(crate) upstream: Rc<Upstream>,
    /// Position in [`View::versions`].
    pub(crate) version: usize,
    weight: u32,
}

impl State {
    fn upstream(&self, endpoint: &Endpoint) -> Rc<Upstream> {
        let mut upstreams = self.upstreams.borrow_mut();
        let upstream = upstreams
            .entry((endpoint.address.clone(), endpoint.port))
            .or_insert_with(|| Rc::new(Upstream::new(Target::new(&endpoint.address, endpoint.port))));
        upstream.set_gone(false);
        Rc::clone(upstream)
    }

    /// Lets go of the endpoints that are no longer there; `None`: the whole cluster is gone.
    pub(crate) fn retain(&self, cluster: Option<&Cluster>) {
        let endpoints = cluster.map_or(&[][..], |cluster| &cluster.endpoints);
        self.upstreams.borrow_mut().retain(|(address, port), upstream| {
            let stays =
                endpoints.iter().any(|endpoint| endpoint.port == *port && endpoint.address == *address);
            if !stays {
                upstream.set_gone(true);
            }
            stays
        });
    }

    /// An endpoint that a client chose, kept as long as it is used.
    fn chosen(&self, host: &str, port: u16) -> Rc<Upstream> {
        let mut chosen = self.chosen.borrow_mut();
        let upstream = chosen
            .entry((host.to_owned(), port))
            .or_insert_with(|| Rc::new(Upstream::new(Target::new(host, port))));
        Rc::clone(upstream)
    }

    /// Closes connections that have been idle for too long.
    pub(crate) fn sweep(&self, now: Instant, idle_timeout: Duration) {
        self.upstreams.borrow().values().for_each(|upstream| upstream.sweep(now, idle_timeout));
        self.chosen.borrow_mut().retain(|_, upstream| {
            upstream.sweep(now, idle_timeout);
            !upstream.is_unused()
        });
    }
}

impl View {
    /// A plan's cluster, with the state that it has had.
    pub(crate) fn new(state: Rc<State>, cluster: &Cluster, config: &Config) -> Self {
        let mut versions: Vec<String> = Vec::new();
        let hosts: Vec<Host> = cluster
            .endpoints
            .iter()
            .map(|endpoint| {
                let label = endpoint.version();
                let version = versions.iter().position(|version| version == label).unwrap_or_else(|| {
                    versions.push(label.to_owned());
                    versions.len() - 1
                });
                Host { upstream: state.upstream(endpoint), version, weight: endpoint.weight }
            })
            .collect();
        Self {
            missing: !cluster.known,
            weighted: hosts.windows(2).any(|pair| pair[0].weight != pair[1].weight),
            hosts,
            versions,
            limits: Limits {
                connect: cluster.policy.connect_timeout.unwrap_or(config.connect_timeout),
                max_idle: config.max_idle_per_endpoint,
                http2: cluster.policy.http2,
            },
            port: cluster.key.port,
            balancer: cluster.policy.balancer,
            state,
        }
    }

    /// The cluster of one address outside the mesh.
    pub(crate) fn stranger(upstream: Rc<Upstream>, config: &Config) -> Self {
        Self {
            state: Rc::default(),
            missing: false,
            hosts: vec![Host { upstream, version: 0, weight: 1 }],
            versions: vec![String::new()],
            limits: Limits {
                connect: config.connect_timeout,
                max_idle: config.max_idle_per_endpoint,
                http2: false,
            },
            port: 0,
            balancer: Balancer::Passthrough,
            weighted: false,
        }
    }

    /// Its endpoints are not known: the client's choice is meant.
    pub(crate) fn chosen_by_client(&self) -> bool {
        self.balancer == Balancer::Passthrough && self.hosts.is_empty()
    }

    /// The endpoint that the client chose.
    pub(crate) fn upstream(&self, host: &str, port: u16) -> Rc<Upstream> {
        self.state.chosen(host, port)
    }

    /// A host for a try, if possible one that is not among those tried.
    pub(crate) fn pick(&self, random: &mut fastrand::Rng, tried: &[usize]) -> Option<usize> {
        let mut picked = self.pick_any(random)?;
        for _ in 0..PICKS {
            if !tried.contains(&picked) {
                break;
            }
            picked = self.pick_any(random)?;
        }
        Some(picked)
    }

    fn pick_any(&self, random: &mut fastrand::Rng) -> Option<usize> {
        let count = self.hosts.len();
        match self.balancer {
            _ if count < 2 => count.checked_sub(1),
            Balancer::RoundRobin if self.weighted => self.by_credit(),
            // A cluster of endpoints has no address of the request's own.
            Balancer::RoundRobin | Balancer::Passthrough => {
                let turn = self.state.turn.get();
                self.state.turn.set(turn.wrapping_add(1));
                Some(turn % count)
            }
            Balancer::Random => Some(random.usize(..count)),
            Balancer::LeastRequest => {
                let (one, two) = (random.usize(..count), random.usize(..count));
                Some(if self.load(two) < self.load(one) { two } else { one })
            }
        }
    }

    /// Requests under way on a host, as a share of what it may carry.
    fn load(&self, host: usize) -> u64 {
        let host = &self.hosts[host];
        (host.upstream.active() as u64 + 1) * 1_000_000 / u64::from(host.weight.max(1))
    }

    /// Smooth turns by weight: each host earns its weight, and the richest pays for all.
    fn by_credit(&self) -> Option<usize> {
        let mut total = 0;
        for host in &self.hosts {
            let credit = &host.upstream.credit;
            credit.set(credit.get() + i64::from(host.weight));
            total += i64::from(host.weight);
        }
        let (richest, host) =
            self.hosts.iter().enumerate().max_by_key(|(_, host)| host.upstream.credit.get())?;
        host.upstream.credit.set(host.upstream.credit.get() - total);
        Some(richest)
    }
}

#[cfg(test)]
mod tests {
    use mesh::plan::{ClusterKey, ClusterPolicy};

    use super::*;

    fn view(balancer: Balancer, weights: &[u32]) -> View {
        let endpoints = weights.iter().zip(1..).map(|(&weight, port)| Endpoint {
            address: "127.0.0.1".to_owned(),
            port,
            workload: String::new(),
            labels: [("version".to_owned(), format!("v{port}"))].into(),
            weight,
            locality: String::new(),
        });
        let cluster = Cluster {
            key: ClusterKey { host: "reviews".to_owned(), subset: None, port: 80 },
            known: true,
            endpoints: endpoints.collect(),
            policy: ClusterPolicy { balancer, ..ClusterPolicy::default() },
        };
        View::new(Rc::default(), &cluster, &Config::default())
    }

    fn picks(view: &View, count: usize) -> Vec<usize> {
        let mut random = fastrand::Rng::with_seed(1);
        let mut picked = vec![0; view.hosts.len()];
        for _ in 0..count {
            picked[view.pick(&mut random, &[]).unwrap()] += 1;
        }
        picked
    }

    #[test]
    fn turns_are_fair() {
        assert_eq!(picks(&view(Balancer::RoundRobin, &[1, 1, 1]), 30), [10, 10, 10]);
        assert_eq!(picks(&view(Balancer::RoundRobin, &[3, 1]), 40), [30, 10]);
        for balancer in [Balancer::Random, Balancer::LeastRequest] {
            for count in picks(&view(balancer, &[1, 1, 1]), 3000) {
                assert!((900..1100).contains(&count), "{balancer:?}: {count}");
            }
        }
        assert_eq!(view(Balancer::Random, &[]).pick(&mut fastrand::Rng::new(), &[]), None);
    }

    #[test]
    fn a_host_that_was_tried_is_avoided() {
        let two = view(Balancer::RoundRobin, &[1, 1]);
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..10 {
            assert_eq!(two.pick(&mut random, &[0]), Some(1));
        }
        assert_eq!(view(Balancer::RoundRobin, &[1]).pick(&mut random, &[0]), Some(0));
    }
}
