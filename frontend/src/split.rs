//! A split as sliders see it: one row per version, with desired share and lock. Pure.

use mesh::edit::{RouteTarget, Share};
use mesh::resource::Spec;
use mesh::resource::destination_rule::Subset;
use mesh::{Edit, Mesh, Settings, host, split};

use crate::catalog::Catalog;
use crate::reading::Reading;
use crate::subject::{ChosenRoute, RouteView, Subject};
use crate::topology::{NodeId, Version, short_host};
use crate::version_order::{self, By};

/// One slider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareView {
    /// Destination and weight (in percent) as the edit writes it.
    pub share: Share,
    /// What to write beside the slider: the version.
    pub version: String,
    /// When the version was created, where the platform says it.
    pub created: Option<String>,
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

/// A version as a menu offers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its position among the shares.
    pub position: usize,
    /// Its name.
    pub version: String,
    /// Its share, in percent.
    pub percent: u32,
    /// When it was created, as the platform says.
    pub created: Option<String>,
}

/// The share of a canary, in percent.
pub const CANARY: u32 = 5;

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
        chosen: Option<&ChosenRoute>,
    ) -> Option<Self> {
        let subject = Subject::of(&reading.analysis.mesh, &reading.catalog, settings, node);
        let chosen = chosen.and_then(|chosen| subject.find(chosen));
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
        Self::of(&reading.analysis.mesh, &reading.catalog, settings, route, service, &versions)
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
            .map(|view| ShareView { created: created(catalog, service, &subsets, &view), ..view })
            .collect();
        Some(Self { target: route.target.clone(), shares, changed: false })
    }

    /// The edit that puts one share at a percentage; the unlocked others make room.
    pub fn moved(&self, position: usize, percent: u32) -> Edit {
        self.weighted(&split::move_share(&self.weights(), &self.locked(), position, percent))
    }

    fn locked(&self) -> Vec<bool> {
        self.shares.iter().map(|view| view.locked).collect()
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

    /// [`CANARY`] percent to one version; the others share the rest as they did, locked ones stay. `None` where that cannot be:
    /// it has everything and nobody says who should have the rest, or locks leave no room.
    pub fn canary(&self, position: usize) -> Option<Edit> {
        let (weights, mut locked) = (self.weights(), self.locked());
        let others = || (0..weights.len()).filter(|at| *at != position);
        if others().count() > 1 && others().all(|at| weights[at] == 0) {
            return None;
        }
        // Named by the person, it is what is to move.
        *locked.get_mut(position)? = false;
        let moved = split::move_share(&weights, &locked, position, CANARY);
        (moved[position] == CANARY).then(|| self.weighted(&moved))
    }

    /// The versions as a menu offers them, and why in this order.
    pub fn choices(&self) -> (By, Vec<Choice>) {
        let known: Vec<_> =
            self.shares.iter().map(|view| (view.version.as_str(), view.created.as_deref())).collect();
        let (by, positions) = version_order::order(&known);
        let choice = |position: usize| {
            let ShareView { share, version, created, .. } = &self.shares[position];
            Choice { position, version: version.clone(), percent: share.weight, created: created.clone() }
        };
        (by, positions.into_iter().map(choice).collect())
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
    ShareView { version: label, created: None, color, locked: false, share }
}

/// When the version behind a slider was created: that of its subset's label, or of its name where no subset gives one.
fn created(catalog: &Catalog, service: &str, subsets: &[&Subset], view: &ShareView) -> Option<String> {
    let subset = subsets.iter().find(|subset| subset.name == view.share.subset);
    let version = subset.and_then(|subset| subset.labels.get("version")).unwrap_or(&view.version);
    catalog.services.get(service)?.created(version).map(str::to_owned)
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
        let subject =
            Subject::of(&reading.analysis.mesh, &reading.catalog, &Settings::default(), &service("reviews"));
        let at =
            subject.routes.iter().position(|route| route.key().is_some_and(|key| key.name == "a")).unwrap();
        let split = SplitView::of_node(
            &reading,
            &Settings::default(),
            &service("reviews"),
            subject.choice(at).as_ref(),
        );
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
    }

    #[test]
    fn a_canary_is_the_version_that_was_named() {
        let reviews = split_of("", &service("reviews"));
        // (weights, locked, who) → weights
        for (before, locked, position, after) in [
            ([90, 10, 0], [false; 3], 2, Some([86, 9, 5])),
            ([5, 95, 0], [false; 3], 0, Some([5, 95, 0])),
            ([95, 5, 0], [false; 3], 0, Some([5, 95, 0])),
            ([90, 10, 0], [false, true, false], 2, Some([85, 10, 5])),
            ([90, 10, 0], [false, false, true], 2, Some([86, 9, 5])),
            // Everything is locked: there is no room.
            ([90, 10, 0], [true, true, false], 2, None),
            // The rest would go somewhere that nobody named.
            ([0, 100, 0], [false; 3], 1, None),
        ] {
            let mut split = reviews.clone();
            for (at, view) in split.shares.iter_mut().enumerate() {
                (view.share.weight, view.locked) = (before[at], locked[at]);
            }
            let got = split.canary(position).map(|edit| weights(&edit));
            assert_eq!(got, after.map(|after| after.to_vec()), "{before:?} {locked:?} {position}");
        }
        assert_eq!(reviews.canary(7), None);
        // The fault that was: in the file v2 stands before v1, and v1 became the canary.
        let mut two = reviews;
        two.shares.truncate(2);
        two.shares.swap(0, 1);
        for (view, weight) in two.shares.iter_mut().zip([5, 95]) {
            view.share.weight = weight;
        }
        let (by, choices) = two.choices();
        assert_eq!((by, choices[0].version.as_str(), choices[0].position), (By::Name, "v2", 0));
        assert_eq!(weights(&two.canary(choices[0].position).unwrap()), [5, 95]);
    }

    #[test]
    fn workloads_say_when_a_version_was_created() {
        let entry = |name: &str, version: &str, created: &str| {
            format!(
                "---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\n\
                 metadata: {{name: {name}, creationTimestamp: '{created}'}}\n\
                 spec: {{address: 10.0.0.1, labels: {{app: shop, version: {version}}}}}\n"
            )
        };
        let shop = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: shop}\nspec:\n  hosts: [shop.default.svc.cluster.local]\n  location: MESH_INTERNAL\n  resolution: STATIC\n  ports: [{number: 80, name: http, protocol: HTTP}]\n  workloadSelector: {labels: {app: shop}}\n";
        let all = [
            shop.to_owned(),
            entry("shop-a", "blue", "2026-11-03T14:02:07Z"),
            entry("shop-b", "green", "2026-10-01T00:00:00Z"),
            entry("shop-c", "green", "2026-11-20T00:00:00Z"),
        ];
        let (by, choices) = split_of(&all.concat(), &service("shop")).choices();
        let names: Vec<_> =
            choices.iter().map(|one| (one.version.as_str(), one.created.as_deref())).collect();
        let (blue, green) = (Some("2026-11-03T14:02:07Z"), Some("2026-10-01T00:00:00Z"));
        assert_eq!((by, names), (By::Created, vec![("blue", blue), ("green", green)]));
    }
}
