//! Whose turn it is.

use std::time::Instant;

use mesh::plan::{Balancer, HashTable};

use super::{Host, LocalCluster};
use crate::upstream::balance::{Candidate, Group, Groups, WeightedHost, warmup};
use crate::upstream::health::Health;

/// How often a balancer is asked again for a host that was not tried yet. Istio's `previous_hosts` says 5.
const PICKS: usize = 5;

impl Host {
    /// Since when it may get requests: it is known, and its health checks pass.
    fn since(&self) -> Instant {
        let well = self.check.as_ref().and_then(|check| check.well_since());
        well.map_or(self.instance.since, |well| well.max(self.instance.since))
    }
}

impl LocalCluster {
    /// A host for a try, if possible one that is not among those tried. Where requests are hashed, `hash` decides: the
    /// same client keeps to its host.
    pub(crate) fn pick(
        &self,
        random: &mut fastrand::Rng,
        tried: &[usize],
        hash: Option<u64>,
    ) -> Option<usize> {
        self.refresh();
        let groups = self.groups.borrow();
        if self.hash.is_some() {
            return groups.by_hash(hash.unwrap_or_else(|| random.u64(..)));
        }
        let mut picked = self.pick_any(&groups, random)?;
        for _ in 0..PICKS {
            if !tried.contains(&picked) {
                break;
            }
            picked = self.pick_any(&groups, random)?;
        }
        Some(picked)
    }

    /// A host of a priority that was not tried, where two tries failed in each that was (Istio's `previous_priorities`);
    /// `None` where there is no such host.
    pub(crate) fn pick_elsewhere(&self, random: &mut fastrand::Rng, tried: &[usize]) -> Option<usize> {
        let twos = &tried[..tried.len() / 2 * 2];
        if twos.is_empty() {
            return None;
        }
        let level = |host: usize| self.places.level(host);
        let groups = self.grouped(None, |host| twos.iter().all(|tried| level(*tried) != level(host)));
        let picked = self.pick_any(&groups, random)?;
        // A panic makes hosts of all priorities good enough.
        twos.iter().all(|tried| level(*tried) != level(picked)).then_some(picked)
    }

    fn pick_any(&self, groups: &Groups, random: &mut fastrand::Rng) -> Option<usize> {
        let group = groups.draw(|| random.u64(..))?;
        let members = &group.members;
        let count = members.len();
        let at = match self.balancer {
            _ if count < 2 => 0,
            Balancer::RoundRobin | Balancer::LeastRequest if group.weighted => return self.by_credit(group),
            // A cluster of endpoints has no address of the request's own.
            Balancer::RoundRobin | Balancer::Passthrough => {
                let turn = self.state.turn.get();
                self.state.turn.set(turn.wrapping_add(1));
                turn % count
            }
            Balancer::Random => random.usize(..count),
            Balancer::LeastRequest => {
                let (one, two) = (random.usize(..count), random.usize(..count));
                if self.active(members[two]) < self.active(members[one]) { two } else { one }
            }
        };
        Some(members[at].host)
    }

    /// Active requests on a host.
    fn active(&self, member: WeightedHost) -> usize {
        self.hosts[member.host].upstream.active()
    }

    /// Smooth turns by weight: each host earns its weight, and the richest pays for all. Where the least busy is wanted, a
    /// host earns the less the more requests it has.
    fn by_credit(&self, group: &Group) -> Option<usize> {
        let least = self.balancer == Balancer::LeastRequest;
        let mut total = 0;
        let mut richest: Option<(i64, &Host, usize)> = None;
        for member in &group.members {
            let host = &self.hosts[member.host];
            let weight = i64::from(member.weight);
            let earned = if least {
                weight * 1024 / (i64::try_from(self.active(*member)).unwrap_or(i64::MAX - 1) + 1)
            } else {
                weight
            };
            let credit = host.upstream.credit.get() + earned;
            host.upstream.credit.set(credit);
            total += earned;
            if richest.is_none_or(|(most, ..)| credit >= most) {
                richest = Some((credit, host, member.host));
            }
        }
        let (credit, host, at) = richest?;
        host.upstream.credit.set(credit - total);
        Some(at)
    }

    /// Makes the groups anew where an endpoint was taken out or returned, or where weights grow.
    fn refresh(&self) {
        let version = self.state.shared.version();
        let stale = || self.stale.get().is_some_and(|at| Instant::now() >= at);
        if self.seen.get() != Some(version) || stale() {
            self.seen.set(Some(version));
            self.group();
        }
    }

    fn group(&self) {
        let groups = self.grouped(self.hash.as_ref().map(|hash| hash.table), |_| true);
        *self.groups.borrow_mut() = groups;
    }

    /// Groups of the hosts that are there, among those that are wanted.
    fn grouped(&self, table: Option<HashTable>, wanted: impl Fn(usize) -> bool) -> Groups {
        let now = Instant::now();
        let warms = self.warmup.filter(|_| {
            matches!(self.balancer, Balancer::RoundRobin | Balancer::LeastRequest) && self.hash.is_none()
        });
        let shares: Vec<Option<u32>> =
            self.hosts.iter().map(|host| warmup::share(warms.as_ref()?, host.since(), now)).collect();
        let warming = shares.iter().any(Option::is_some);
        let next = warms.filter(|_| warming).and_then(|policy| now.checked_add(warmup::step(&policy)));
        self.stale.set(next);
        // Until its first check has an answer an endpoint is used, unless another has passed.
        let health = |host: &Host| host.check.as_ref().map_or(Health::Passing, |check| check.health());
        let passed = self.hosts.iter().any(|host| health(host).is_well());
        let there = |host: &Host| match health(host) {
            _ if host.instance.is_ejected() => false,
            Health::Passing | Health::Degraded => true,
            Health::Unknown => !passed,
            Health::Failing => false,
        };
        let candidates: Vec<Candidate<'_>> = self
            .hosts
            .iter()
            .zip(&shares)
            .enumerate()
            .map(|(at, (host, share))| Candidate {
                name: &host.instance.name,
                weight: match share {
                    _ if !warming => host.weight,
                    Some(share) => host.weight.saturating_mul(*share),
                    None => host.weight.saturating_mul(warmup::WHOLE),
                },
                there: there(host) && wanted(at),
                degraded: health(host) == Health::Degraded,
            })
            .collect();
        let min_healthy = self.outlier.as_ref().map_or(0, |outlier| outlier.min_healthy);
        let hash = table.map(|table| (table, &self.state.shared.tables));
        Groups::new(&candidates, &self.places, min_healthy, hash)
    }
}
