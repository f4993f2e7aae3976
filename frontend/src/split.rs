//! A split as sliders see it: one row per version, with desired share and lock. Pure.

use mesh::edit::{RouteTarget, Share};
use mesh::resource::Spec;
use mesh::resource::destination_rule::Subset;
use mesh::{Edit, Mesh, Settings, host, split};

use crate::catalog::Catalog;
use crate::reading::Reading;
use crate::subject::{RouteView, Subject};
use crate::topology::{NodeId, Version, short_host};

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

/// The splits of all nodes that have one, on their main routes; sorted by node.
pub fn all(reading: &Reading, settings: &Settings) -> Vec<(NodeId, SplitView)> {
    let nodes = reading.catalog.nodes().into_iter().map(|node| node.id);
    nodes.filter_map(|id| Some((id.clone(), SplitView::of_node(reading, settings, &id, None)?))).collect()
}

impl SplitView {
    /// The split of a node's route: of the chosen one, or of its main route.
    pub fn of_node(
        reading: &Reading,
        settings: &Settings,
        node: &NodeId,
        chosen: Option<usize>,
    ) -> Option<Self> {
        let subject = Subject::of(&reading.mesh, &reading.catalog, settings, node);
        let chosen = chosen.filter(|at| *at < subject.routes.len());
        let route = &subject.routes[chosen.or_else(|| subject.main_route())?];
        // An external host without rules has nothing to split.
        if matches!((node, &route.target), (NodeId::External(_), RouteTarget::Service(_))) {
            return None;
        }
        let first = route.hosts.first().map(String::as_str);
        let service = node.host().or(first).unwrap_or_default();
        let versions = match node.host() {
            Some(_) => subject.versions.clone(),
            None => reading.catalog.services.get(service).map(|known| known.versions()).unwrap_or_default(),
        };
        Self::of(&reading.mesh, &reading.catalog, settings, route, service, &versions)
    }

    /// The split of a route: its destinations, and with weight 0 the versions of the service that it leaves out.
    fn of(
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
            RouteTarget::Service(host) => default_shares(host, versions),
            target => {
                let all = target.destinations(mesh);
                let found = all.iter().filter_map(|(to, weight)| {
                    let weight = if all.len() == 1 { 100 } else { weight.unwrap_or(0) };
                    Some(Share {
                        host: to.host.clone()?,
                        subset: to.subset.clone(),
                        port: to.port.as_ref().and_then(|port| u16::try_from(port.number?).ok()),
                        weight: u32::try_from(weight).unwrap_or(0),
                    })
                });
                found.collect::<Vec<_>>()
            }
        };
        let key = route.key().or_else(|| Some(route.target.connections()?.1));
        let namespace = key.map_or("default", |key| key.namespace.as_str());
        let own = |share: &Share| host::qualify(&share.host, namespace, &settings.domain) == service;
        // A route that leads elsewhere has no versions of this service to offer.
        if let Some(first) = shares.iter().find(|share| own(share)).cloned() {
            let taken: Vec<Option<String>> =
                shares.iter().filter(|share| own(share)).map(|share| share.subset.clone()).collect();
            let offered = subsets.iter().filter_map(|subset| subset.name.clone());
            let missing = offered.filter(|name| !taken.contains(&Some(name.clone())));
            shares.extend(missing.map(|name| Share { subset: Some(name), weight: 0, ..first.clone() }));
        }
        let percents = split::normalize(&shares.iter().map(|share| share.weight).collect::<Vec<_>>());
        shares.iter_mut().zip(percents).for_each(|(share, percent)| share.weight = percent);
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
        self.weighted(&split::move_share(&self.weights(), &locked, position, percent))
    }

    fn weights(&self) -> Vec<u32> {
        self.shares.iter().map(|view| view.share.weight).collect()
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

    /// The same to all.
    pub fn even(&self) -> Edit {
        self.weighted(&split::even(self.shares.len()))
    }

    /// Everything to one.
    pub fn promote(&self, position: usize) -> Edit {
        self.weighted(&split::promote(self.shares.len(), position))
    }

    /// Five percent to the newest version; the others share the rest as they did.
    pub fn canary(&self) -> Option<Edit> {
        let newest = self.shares.len().checked_sub(1).filter(|newest| *newest > 0)?;
        let mut weights = self.weights();
        // Where the newest had everything, the one before is the stable one.
        if weights[..newest].iter().all(|weight| *weight == 0) {
            weights[newest - 1] = 100;
        }
        Some(self.weighted(&split::canary(&weights, newest, 5)))
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
    subsets: &[&Subset],
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

/// Of a service that no VirtualService names: all instances share its requests, so a version has the share of its instances.
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
fn subsets<'m>(mesh: &'m Mesh, catalog: &Catalog, service: &str) -> Vec<&'m Subset> {
    let rules =
        catalog.policies.find(service).into_iter().filter_map(|key| match &mesh.resource(key)?.spec {
            Spec::DestinationRule(spec) => Some(spec),
            _ => None,
        });
    rules.flat_map(|spec| &spec.subsets).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{bookinfo, service};

    fn split_of(extra: &str, node: &NodeId) -> SplitView {
        SplitView::of_node(&bookinfo(extra), &Settings::default(), node, None).unwrap()
    }

    fn rows(split: &SplitView) -> Vec<(&str, u32, usize)> {
        split.shares.iter().map(|view| (view.version.as_str(), view.share.weight, view.color)).collect()
    }

    fn weights(edit: &Edit) -> Vec<u32> {
        let Edit::SetWeights { shares, .. } = edit else { panic!("{edit:?}") };
        shares.iter().map(|share| share.weight).collect()
    }

    #[test]
    fn sliders_of_the_sample() {
        assert_eq!(rows(&split_of("", &service("reviews"))), [("v1", 90, 0), ("v2", 10, 1), ("v3", 0, 2)]);
        assert_eq!(rows(&split_of("", &service("details"))), [("v1", 100, 0)]);
    }

    #[test]
    fn all_nodes_with_something_to_split_are_read_at_once() {
        let (reading, settings) = (bookinfo(""), Settings::default());
        let all = all(&reading, &settings);
        assert!(all.is_sorted_by(|a, b| a.0 < b.0));
        for node in reading.catalog.nodes() {
            let found = all.iter().find(|(id, _)| *id == node.id).map(|(_, split)| split.clone());
            assert_eq!(found, SplitView::of_node(&reading, &settings, &node.id, None), "{}", node.name);
        }
        // The gateway and four services; the external host has nothing to split.
        assert_eq!(all.len(), 5);
    }

    #[test]
    fn versions_that_a_route_leaves_out_are_offered() {
        let extra = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [reviews]\n  http:\n  - route: [{destination: {host: reviews, subset: v2}}]\n";
        let reading = bookinfo(extra);
        let subject = Subject::of(&reading.mesh, &reading.catalog, &Settings::default(), &service("reviews"));
        let at =
            subject.routes.iter().position(|route| route.key().is_some_and(|key| key.name == "a")).unwrap();
        let split = SplitView::of_node(&reading, &Settings::default(), &service("reviews"), Some(at));
        assert_eq!(rows(&split.unwrap()), [("v2", 100, 1), ("v1", 0, 0), ("v3", 0, 2)]);
    }

    #[test]
    fn a_service_without_rules_shares_by_instances() {
        let extra = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a}\nspec:\n  hosts: [a.default.svc.cluster.local]\n  location: MESH_INTERNAL\n  resolution: STATIC\n  ports: [{number: 80, name: http, protocol: HTTP}]\n  endpoints:\n  - {address: 10.0.0.1, labels: {version: v1}}\n  - {address: 10.0.0.2, labels: {version: v1}}\n  - {address: 10.0.0.3, labels: {version: v2}}\n";
        let split = split_of(extra, &service("a"));
        assert_eq!(split.target, RouteTarget::Service("a.default.svc.cluster.local".into()));
        assert_eq!(rows(&split), [("v1", 67, 0), ("v2", 33, 1)]);
    }

    #[test]
    fn moves_and_presets() {
        let mut split = split_of("", &service("reviews"));
        assert_eq!(weights(&split.moved(0, 50)), [50, 50, 0]);
        split.shares[1].locked = true;
        assert_eq!(weights(&split.moved(0, 50)), [50, 10, 40]);
        assert_eq!(weights(&split.even()), [34, 33, 33]);
        assert_eq!(weights(&split.promote(2)), [0, 0, 100]);
        let canary = weights(&split.canary().unwrap());
        assert_eq!((canary[2], canary.iter().sum::<u32>()), (5, 100));
        split.shares.iter_mut().zip([0, 0, 100]).for_each(|(view, weight)| view.share.weight = weight);
        assert_eq!(weights(&split.canary().unwrap()), [0, 95, 5]);
    }
}
