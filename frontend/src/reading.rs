//! A mesh as text and as all that was understood of it. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use mesh::edit::{self, EditError};
use mesh::{Analysis, Diagnostic, Edit, Inventory, Mesh, Settings, Severity, Sources, host};

use crate::catalog::Catalog;
use crate::topology::{LinkKey, NodeId};

/// One state of a mesh.
#[derive(Debug, Default)]
pub struct Reading {
    /// The text, as the server understands it too.
    pub analysis: Analysis,
    /// Its services and gateways, as the page shows them.
    pub catalog: Catalog,
    /// What is to be said about it, the worst first.
    pub diagnostics: Vec<Diagnostic>,
    /// Links that gateways' routes ask for.
    pub desired: BTreeSet<LinkKey>,
    /// Edits that could not be made.
    pub unmade: usize,
}

impl Reading {
    /// Reads sources; documents that did not change are taken over from `previous`.
    pub fn of(sources: Arc<Sources>, settings: &Settings, previous: Option<&Self>) -> Self {
        let inventory = previous.map(|previous| Arc::clone(previous.analysis.inventory()));
        Self::beside(sources, inventory.unwrap_or_default(), settings, previous)
    }

    /// Reads sources beside what a platform reports.
    pub fn beside(
        sources: Arc<Sources>,
        inventory: Arc<Inventory>,
        settings: &Settings,
        previous: Option<&Self>,
    ) -> Self {
        let analysis = match previous.map(|previous| &previous.analysis) {
            Some(previous) if previous.settings() == settings => {
                let same = Arc::ptr_eq(previous.inventory(), &inventory);
                match (same, Arc::ptr_eq(&previous.sources, &sources)) {
                    (true, _) => previous.after(sources),
                    (false, true) => previous.observed(inventory),
                    (false, false) => previous.observed(inventory).after(sources),
                }
            }
            _ => Analysis::with(sources, inventory, settings),
        };
        Self::complete(analysis, settings)
    }

    /// This with edits. One that cannot be made is left out and reported as an error.
    #[must_use]
    pub fn edited(&self, edits: &[Edit], settings: &Settings) -> Self {
        let Analysis { mesh, sources, .. } = &self.analysis;
        if let Ok(applied) = edit::apply_to(mesh, sources, edits) {
            return Self::complete(self.analysis.read_already(applied.sources, applied.parsed), settings);
        }
        let (mut sources, mut mesh) = (Arc::clone(sources), mesh.clone());
        let mut failures = Vec::new();
        for one in edits {
            match edit::apply_to(&mesh, &sources, std::slice::from_ref(one)) {
                Ok(applied) => (sources, mesh) = (Arc::new(applied.sources), applied.parsed.mesh),
                Err(why) => failures.push(failure(&mesh, one, &why)),
            }
        }
        let mut reading = Self::of(sources, settings, Some(self));
        reading.unmade = failures.len();
        reading.diagnostics.splice(..0, failures);
        reading
    }

    fn complete(analysis: Analysis, settings: &Settings) -> Self {
        let Analysis { mesh, registry, .. } = &analysis;
        let mut diagnostics = analysis.diagnostics.clone();
        diagnostics.sort_by(|a, b| (a.severity, &a.place).cmp(&(b.severity, &b.place)));
        let catalog = Catalog::of(mesh, registry, settings);
        let desired = desired(mesh, &catalog, settings);
        Self { analysis, catalog, diagnostics, desired, unmade: 0 }
    }

    /// Problems that this has and `base` has not. Places move with edits, so they do not count.
    pub fn beyond(&self, base: &Self) -> Vec<Diagnostic> {
        let same = |a: &Diagnostic, b: &Diagnostic| {
            a.code == b.code && a.resource == b.resource && a.path == b.path && a.message == b.message
        };
        let new =
            self.diagnostics.iter().filter(|one| !base.diagnostics.iter().any(|other| same(one, other)));
        new.cloned().collect()
    }
}

fn failure(mesh: &Mesh, edit: &Edit, why: &EditError) -> Diagnostic {
    Diagnostic {
        code: "MW0000".into(),
        severity: Severity::Error,
        resource: None,
        path: String::new(),
        place: None,
        message: format!("«{}» cannot be applied: {why}. Remove it in Review.", edit::summary(mesh, edit)),
        corresponds_to: Vec::new(),
        fix: None,
    }
}

fn desired(mesh: &Mesh, catalog: &Catalog, settings: &Settings) -> BTreeSet<LinkKey> {
    let places = catalog.places();
    let mut links = BTreeSet::new();
    for (resource, spec) in mesh.virtual_services() {
        let own = &resource.key.namespace;
        let through: Vec<NodeId> = catalog
            .gateways
            .values()
            .filter(|gateway| spec.gateways.iter().any(|name| gateway.is_named(name, own)))
            .map(crate::catalog::Gateway::id)
            .collect();
        if through.is_empty() {
            continue;
        }
        let http = spec.http.iter().flat_map(|route| &route.route).map(|one| &one.destination);
        let tls = spec.tls.iter().flat_map(|route| &route.route);
        let connections =
            tls.chain(spec.tcp.iter().flat_map(|route| &route.route)).map(|one| &one.destination);
        for to in http.chain(connections) {
            let Some(name) = to.as_ref().and_then(|to| to.host.as_deref()) else { continue };
            let to = places.of_host(&host::qualify(name, own, &settings.domain));
            links.extend(through.iter().map(|from| LinkKey { from: from.clone(), to: to.clone() }));
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use mesh::edit::RouteTarget;
    use mesh::{Kind, ResourceKey, RouteKey};

    use super::*;
    use crate::fixture::bookinfo;

    fn timeout(name: &str, millis: u64) -> Edit {
        let key = RouteKey { namespace: "default".into(), name: name.into(), index: 0 };
        Edit::SetTimeout { target: RouteTarget::Route(key), millis: Some(millis) }
    }

    #[test]
    fn the_gateway_asks_for_a_link() {
        let desired: Vec<LinkKey> = bookinfo("").desired.into_iter().collect();
        assert_eq!(desired.len(), 1);
        assert_eq!(desired[0].to, crate::fixture::service("productpage"));
    }

    #[test]
    fn an_edit_that_cannot_be_made_is_left_out_and_told() {
        let base = bookinfo("");
        let next = base.edited(&[timeout("nobody", 1), timeout("reviews", 2000)], &Settings::default());
        assert!(next.analysis.sources.0["reviews.yaml"].contains("timeout: 2s"));
        let new = next.beyond(&base);
        assert_eq!(new.len(), 1, "{new:?}");
        assert!(new[0].message.contains("cannot be applied"));
    }

    #[test]
    fn only_new_problems_count() {
        let base = bookinfo("");
        let key = ResourceKey::new(Kind::DestinationRule, "default", "reviews");
        let next = base.edited(&[Edit::RemoveResource { key }], &Settings::default());
        assert!(!next.beyond(&base).is_empty());
        assert!(next.beyond(&next).is_empty());
    }
}
