//! A split as sliders see it: one row per version, with desired share and lock. Pure.

use std::collections::BTreeSet;

use mesh::edit::{RouteTarget, Share};
use mesh::resource::Spec;
use mesh::resource::destination_rule::Subset;
use mesh::{Edit, Mesh, Settings, host};

use crate::catalog::Catalog;
use crate::facade;
use crate::subject::RouteView;
use crate::topology::{Version, short_host};

/// One slider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareView {
    /// Destination and weight (in percent) as the edit writes it.
    pub share: Share,
    /// What to write beside the slider: the version.
    pub version: String,
    /// Position of its colour, for [`crate::topology::version_color`].
    pub color: usize,
    /// A locked share keeps its value when others move.
    pub locked: bool,
}

/// The sliders of one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitView {
    /// What an edit acts on.
    pub target: RouteTarget,
    /// The sliders.
    pub shares: Vec<ShareView>,
    /// The draft differs from the head revision here.
    pub changed: bool,
}

impl SplitView {
    /// The split of a route: its destinations, and with weight 0 the versions of the service that it leaves out.
    pub fn of(
        mesh: &Mesh,
        catalog: &Catalog,
        settings: &Settings,
        route: &RouteView,
        service: &str,
        versions: &[Version],
    ) -> Option<Self> {
        if !route.forwards {
            return None;
        }
        let subsets = subsets(mesh, catalog, service);
        let mut shares = match &route.target {
            RouteTarget::Route(key) => {
                let (_, http) = mesh.route(key)?;
                let alone = http.route.len() == 1;
                let found = http.route.iter().filter_map(|one| {
                    let to = one.destination.as_ref()?;
                    let weight = if alone { 100 } else { one.weight.unwrap_or(0) };
                    Some(Share {
                        host: to.host.clone()?,
                        subset: to.subset.clone(),
                        port: to.port.as_ref().and_then(|port| u16::try_from(port.number?).ok()),
                        weight: u32::try_from(weight).unwrap_or(0),
                    })
                });
                found.collect::<Vec<_>>()
            }
            RouteTarget::Service(host) => default_shares(host, versions),
        };
        let namespace = route.key().map_or("default", |key| key.namespace.as_str());
        let own = |share: &Share| host::qualify(&share.host, namespace, &settings.domain) == service;
        // A route that leads elsewhere has no versions of this service to offer.
        if let Some(first) = shares.iter().find(|share| own(share)).cloned() {
            let taken: BTreeSet<Option<String>> =
                shares.iter().filter(|share| own(share)).map(|share| share.subset.clone()).collect();
            let offered = subsets.iter().filter_map(|subset| subset.name.clone());
            let missing = offered.filter(|name| !taken.contains(&Some(name.clone())));
            shares.extend(missing.map(|name| Share { subset: Some(name), weight: 0, ..first.clone() }));
        }
        percents(&mut shares);
        let shares = shares
            .into_iter()
            .enumerate()
            .map(|(position, share)| view(share, position, service, own, &subsets, versions))
            .collect();
        Some(Self { target: route.target.clone(), shares, changed: false })
    }

    /// The edit that puts one share at a percentage; the unlocked others make room.
    pub fn moved(&self, position: usize, percent: u32) -> Edit {
        let locked: Vec<bool> = self.shares.iter().map(|view| view.locked).collect();
        let mut weights: Vec<u32> = self.shares.iter().map(|view| view.share.weight).collect();
        facade::move_share(&mut weights, &locked, position, percent);
        self.weighted(&weights)
    }

    /// The edit that gives every share these percentages.
    pub fn weighted(&self, weights: &[u32]) -> Edit {
        let shares = self
            .shares
            .iter()
            .zip(weights)
            .map(|(view, weight)| Share { weight: *weight, ..view.share.clone() });
        Edit::SetWeights { target: self.target.clone(), shares: shares.collect() }
    }

    /// The same to all, the rest to the first ones.
    pub fn even(&self) -> Edit {
        let count = u32::try_from(self.shares.len()).unwrap_or(1).max(1);
        let weights: Vec<u32> = (0..count).map(|at| 100 / count + u32::from(at < 100 % count)).collect();
        self.weighted(&weights)
    }

    /// Everything to one.
    pub fn promote(&self, position: usize) -> Edit {
        let weights: Vec<u32> =
            (0..self.shares.len()).map(|at| if at == position { 100 } else { 0 }).collect();
        self.weighted(&weights)
    }

    /// Five percent to the newest version, the rest to the one that has most of the others.
    pub fn canary(&self) -> Option<Edit> {
        let newest = self.shares.len().checked_sub(1).filter(|newest| *newest > 0)?;
        let stable = (0..newest).rev().max_by_key(|at| self.shares[*at].share.weight)?;
        let weights: Vec<u32> = (0..self.shares.len())
            .map(|at| match at {
                _ if at == newest => 5,
                _ if at == stable => 95,
                _ => 0,
            })
            .collect();
        Some(self.weighted(&weights))
    }

    /// What names a share in a set of locks.
    pub fn lock_key(&self, position: usize) -> Option<LockKey> {
        let view = self.shares.get(position)?;
        Some((self.target.clone(), view.share.host.clone(), view.share.subset.clone()))
    }
}

/// A share of a route, as locks are kept by.
pub type LockKey = (RouteTarget, String, Option<String>);

fn view(
    share: Share,
    position: usize,
    service: &str,
    own: impl Fn(&Share) -> bool,
    subsets: &[Subset],
    versions: &[Version],
) -> ShareView {
    let label = match &share.subset {
        Some(subset) => subset.clone(),
        None if own(&share) && !service.is_empty() => "all".to_owned(),
        None => short_host(&share.host).to_owned(),
    };
    let named = subsets.iter().find(|subset| subset.name == share.subset && own(&share));
    let version = named.and_then(|subset| subset.labels.get("version")).unwrap_or(&label);
    let color = versions.iter().position(|one| one.name == *version).unwrap_or(position);
    ShareView { version: label, color, locked: false, share }
}

/// Of a service that no VirtualService names: all instances take turns, so a version has the share of its instances.
fn default_shares(service: &str, versions: &[Version]) -> Vec<Share> {
    let share = |version: &Version| Share {
        host: service.to_owned(),
        subset: Some(version.name.clone()).filter(|name| !name.is_empty()),
        port: None,
        weight: u32::try_from(version.instances).unwrap_or(0),
    };
    versions.iter().map(share).collect()
}

/// All subsets that DestinationRules give a service.
fn subsets(mesh: &Mesh, catalog: &Catalog, service: &str) -> Vec<Subset> {
    let rules =
        catalog.policies.find(service).into_iter().filter_map(|key| match &mesh.resource(key)?.spec {
            Spec::DestinationRule(spec) => Some(spec),
            _ => None,
        });
    rules.flat_map(|spec| spec.subsets.iter().cloned()).collect()
}

/// Turns weights into whole percents that sum to 100, by the largest remainder.
fn percents(shares: &mut [Share]) {
    let total: u64 = shares.iter().map(|share| u64::from(share.weight)).sum();
    if total == 0 || total == 100 {
        return;
    }
    let exact: Vec<u64> = shares.iter().map(|share| u64::from(share.weight) * 100).collect();
    let mut left = 100 - exact.iter().map(|part| part / total).sum::<u64>();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(exact[*at] % total));
    for at in order {
        let one = u64::from(left > 0);
        left -= one;
        shares[at].weight = u32::try_from(exact[at] / total + one).unwrap_or(0);
    }
}
