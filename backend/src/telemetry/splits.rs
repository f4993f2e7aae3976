//! Desired shares, read from the plans, beside what was observed since the revision that set them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use api::observed::{Split, SplitKey, Verdict};
use mesh::plan::{Action, Cluster, ClusterId, Forward};
use mesh::{Mesh, Plan, RouteKey};
use proxy::ObservationKey;

use super::interval;

/// Which part of a split a request belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The route names this subset of this host.
    Subset(String, String),
    /// The route names one host alone: its versions, by their endpoints.
    Version(String, String),
    /// The route names several hosts.
    Host(String),
}

impl Part {
    fn label(&self) -> &str {
        match self {
            Self::Subset(_, label) | Self::Version(_, label) | Self::Host(label) => label,
        }
    }

    fn holds(&self, key: &ObservationKey) -> bool {
        match self {
            Self::Subset(host, subset) => key.subset.as_ref() == Some(subset) && *key.host == **host,
            Self::Version(host, version) => key.version == *version && *key.host == **host,
            Self::Host(host) => *key.host == **host,
        }
    }
}

/// The desired shares of one route.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The route; `None` for a service's default route.
    pub route: Option<RouteKey>,
    /// The (first) destination's host.
    pub host: String,
    /// Each part with its share, 0 to 1.
    pub shares: Vec<(Part, f64)>,
}

/// The desired shares of all routes that forward.
pub fn desired<'p>(plans: impl IntoIterator<Item = &'p Plan>) -> Vec<Desired> {
    let mut found: BTreeMap<Place<'p>, Desired> = BTreeMap::new();
    for plan in plans {
        let routes =
            plan.listeners.iter().flat_map(|listener| &listener.hosts.list).flat_map(|host| &host.routes);
        for route in routes {
            let Action::Forward(forward) = &route.action else { continue };
            let Some(host) = host(plan, forward) else { continue };
            if let Entry::Vacant(vacant) = found.entry(place(route.key.as_ref(), host))
                && let Some(shares) = shares(plan, forward)
            {
                vacant.insert(Desired { route: route.key.clone(), host: host.to_owned(), shares });
            }
        }
    }
    found.into_values().collect()
}

fn cluster(plan: &Plan, id: ClusterId) -> Option<&Cluster> {
    plan.clusters.get(usize::try_from(id.0).ok()?).map(AsRef::as_ref)
}

fn host<'p>(plan: &'p Plan, forward: &Forward) -> Option<&'p str> {
    Some(&cluster(plan, forward.destinations.first()?.cluster)?.key.host)
}

fn shares(plan: &Plan, forward: &Forward) -> Option<Vec<(Part, f64)>> {
    if let [only] = forward.destinations.as_slice() {
        let cluster = cluster(plan, only.cluster)?;
        let shares = match &cluster.key.subset {
            Some(subset) => vec![(Part::Subset(cluster.key.host.clone(), subset.clone()), 1.0)],
            None => versions(cluster),
        };
        return (!shares.is_empty()).then_some(shares);
    }
    let mut shares = Vec::new();
    for destination in &forward.destinations {
        let key = &cluster(plan, destination.cluster)?.key;
        let part = match &key.subset {
            Some(subset) => Part::Subset(key.host.clone(), subset.clone()),
            None => Part::Host(key.host.clone()),
        };
        #[expect(clippy::cast_precision_loss, reason = "the sum of weights is at most 2^32")]
        shares.push((part, f64::from(destination.weight) / forward.total_weight.max(1) as f64));
    }
    Some(shares)
}

/// How a balancer that treats endpoints alike parts the traffic between versions. Empty where a hash decides.
fn versions(cluster: &Cluster) -> Vec<(Part, f64)> {
    if cluster.policy.raw.pointer("/loadBalancer/consistentHash").is_some() {
        return Vec::new();
    }
    let mut weights: BTreeMap<&str, u32> = BTreeMap::new();
    for endpoint in &cluster.endpoints {
        *weights.entry(endpoint.version()).or_default() += endpoint.weight;
    }
    weights.remove("");
    let sum = f64::from(weights.values().sum::<u32>().max(1));
    weights
        .into_iter()
        .map(|(version, weight)| {
            (Part::Version(cluster.key.host.clone(), version.to_owned()), f64::from(weight) / sum)
        })
        .collect()
}

/// Puts in the destinations that a route gives no share: a plan leaves them out, and people want to see that nothing reaches them.
pub fn with_idle(desired: Vec<Desired>, mesh: &Mesh, domain: &str) -> Vec<Desired> {
    let whole = |mut desired: Desired| {
        let Some((_, route)) = desired.route.as_ref().and_then(|key| mesh.route(key)) else { return desired };
        let namespace = desired.route.as_ref().map_or("", |key| &key.namespace);
        let mut shares = Vec::new();
        for destination in route.route.iter().filter_map(|weighted| weighted.destination.as_ref()) {
            let Some(subset) = &destination.subset else { return desired };
            let host =
                mesh::host::qualify(destination.host.as_deref().unwrap_or_default(), namespace, domain);
            let part = Part::Subset(host.into_owned(), subset.clone());
            let known = desired.shares.iter().position(|(other, _)| *other == part);
            let share = known.map_or(0.0, |at| desired.shares.swap_remove(at).1);
            if !shares.iter().any(|(other, _)| *other == part) {
                shares.push((part, share));
            }
        }
        shares.append(&mut desired.shares);
        desired.shares = shares;
        desired
    };
    desired.into_iter().map(whole).collect()
}

impl Desired {
    /// What orders splits, and tells them apart: a VirtualService's route is one split, whoever calls; default routes are told apart by
    /// their host.
    fn place(&self) -> Place<'_> {
        place(self.route.as_ref(), &self.host)
    }

    fn key(&self) -> SplitKey {
        match &self.route {
            Some(route) => SplitKey::Route(route.clone()),
            None => SplitKey::Service(self.host.clone()),
        }
    }
}

type Place<'k> = (Option<&'k RouteKey>, &'k str);

fn place<'k>(route: Option<&'k RouteKey>, host: &'k str) -> Place<'k> {
    (route, if route.is_some() { "" } else { host })
}

#[derive(Debug)]
struct State {
    desired: Desired,
    since: u64,
    counts: Vec<u64>,
    verdict: Verdict,
    /// All of it was told.
    told: bool,
}

/// Counts for the splits of the head revision.
#[derive(Debug, Default)]
pub struct SplitLog {
    /// In the order of their places.
    splits: Vec<State>,
    /// Splits that may have been told of, and may be there no more.
    gone: Vec<SplitKey>,
}

impl SplitLog {
    /// Routes are elsewhere now; those that are gone have no split any more. [`SplitLog::set`] follows.
    pub(super) fn renumber(&mut self, now: impl Fn(&RouteKey) -> Option<RouteKey>) {
        let gone = &mut self.gone;
        self.splits.retain_mut(|state| {
            let Some(route) = &mut state.desired.route else { return true };
            let here = now(route);
            if here.as_ref() == Some(&*route) {
                return true;
            }
            gone.push(SplitKey::Route(route.clone()));
            here.is_some_and(|here| {
                *route = here;
                state.told = false;
                true
            })
        });
    }

    /// A new head revision. Splits whose shares are as before go on counting; the others start at zero.
    pub fn set(&mut self, revision: u64, mut desired: Vec<Desired>) {
        desired.sort_by(|one, other| one.place().cmp(&other.place()));
        let mut before = std::mem::take(&mut self.splits);
        // Routes may have moved.
        before.sort_by(|one, other| one.desired.place().cmp(&other.desired.place()));
        let mut before = before.into_iter().peekable();
        for desired in desired {
            while let Some(state) = before.next_if(|it| it.desired.place() < desired.place()) {
                self.gone.push(state.desired.key());
            }
            let same = before.next_if(|it| it.desired.place() == desired.place());
            self.splits.push(same.filter(|it| it.desired == desired).unwrap_or_else(|| State {
                counts: vec![0; desired.shares.len()],
                since: revision,
                verdict: Verdict::Converging,
                told: false,
                desired,
            }));
        }
        self.gone.extend(before.map(|state| state.desired.key()));
    }

    fn find(&self, place: Place<'_>) -> Option<usize> {
        self.splits.binary_search_by(|state| state.desired.place().cmp(&place)).ok()
    }

    /// Counts requests. Those that were routed by a revision from before the shares were set do not count.
    pub fn add(&mut self, key: &ObservationKey, requests: u64) {
        let at = self.find(place(key.route.as_ref(), &key.host));
        let Some(state) = at.and_then(|at| self.splits.get_mut(at)) else { return };
        if key.revision < state.since {
            return;
        }
        if let Some(part) = state.desired.shares.iter().position(|(part, _)| part.holds(key)) {
            state.counts[part] += requests;
            state.told &= requests == 0;
        }
    }

    /// What is not as it was told before: splits that came or counted, desired beside observed, with the verdicts as of now; and the
    /// keys of those that are gone.
    pub fn judge(&mut self) -> (Vec<Split>, Vec<SplitKey>) {
        let mut gone = std::mem::take(&mut self.gone);
        gone.retain(|key| {
            let place = match key {
                SplitKey::Route(route) => place(Some(route), ""),
                SplitKey::Service(host) => place(None, host),
            };
            self.find(place).is_none()
        });
        let splits = self
            .splits
            .iter_mut()
            .filter(|state| !state.told)
            .map(|state| {
                state.told = true;
                let n = state.counts.iter().sum();
                let parts = state.desired.shares.iter().zip(&state.counts);
                let shares: Vec<_> = parts
                    .map(|((part, desired), &count)| {
                        interval::observed(part.label().to_owned(), *desired, count, n)
                    })
                    .collect();
                state.verdict = interval::verdict(&shares, state.verdict);
                Split {
                    route: state.desired.route.clone(),
                    host: state.desired.host.clone(),
                    since: state.since,
                    shares,
                    verdict: state.verdict,
                }
            })
            .collect();
        (splits, gone)
    }

    /// The smallest sample of the splits that a revision set, once all of them that carry traffic have converged; `None` before, and
    /// for a revision that set none.
    pub fn converged(&self, revision: u64) -> Option<u64> {
        let mut smallest = None;
        for state in self.splits.iter().filter(|state| state.since == revision) {
            let n: u64 = state.counts.iter().sum();
            if n == 0 {
                continue;
            }
            if state.verdict != Verdict::Converged {
                return None;
            }
            smallest = Some(smallest.map_or(n, |least: u64| least.min(n)));
        }
        smallest
    }
}

#[cfg(test)]
mod tests;
