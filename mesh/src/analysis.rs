//! All that is understood of a mesh: its documents, the registry, what there is to say about it. An edit costs what it touches:
//! of an earlier analysis all is kept that its changes cannot have changed.
//!
//! What depends on what is known here alone. The registry is made of services, entries, gateways and the inventory. Findings about
//! a VirtualService or a DestinationRule depend on the registry, and on those that name the same hosts or delegates
//! (`model::related`); all others are looked at with the whole mesh.

use std::collections::HashSet;
use std::sync::Arc;

use crate::limits::Exceeded;
use crate::model::{Changes, Names, Parsed, Related};
use crate::plan::Plans;
use crate::registry::Inventory;
use crate::{Diagnostic, Document, Kind, Mesh, Registry, ResourceKey, Settings, Sources, plan, validate};

/// A mesh as it was understood.
///
/// ```
/// use mesh::{Analysis, Settings, Sources};
///
/// let text = "\
/// apiVersion: networking.istio.io/v1
/// kind: VirtualService
/// metadata: {name: reviews}
/// spec:
///   hosts: [reviews]
///   http:
///   - route: [{destination: {host: reviews}, weight: -1}]
/// ";
/// let before = Analysis::read(Sources::single("reviews.yaml", text), &Settings::default());
/// assert!(before.diagnostics.iter().any(|it| it.path == "spec.http[0].route[0].weight"));
///
/// let analysis = before.after(Sources::single("reviews.yaml", text.replace("-1", "1")));
/// assert_eq!(analysis.new_problems(&before).count(), 0);
/// let plans = analysis.plans(1)?;
/// # Ok::<(), mesh::limits::Exceeded>(())
/// ```
#[derive(Debug, Clone)]
pub struct Analysis {
    /// Its text.
    pub sources: Arc<Sources>,
    /// Its documents.
    pub mesh: Mesh,
    /// The services, workloads and gateways that they and the inventory make.
    pub registry: Arc<Registry>,
    /// All that there is to say about it: what reading it said, then what the rules of [`mod@crate::validate`] found.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether it can be compiled.
    pub fits: Result<(), Exceeded>,
    /// How many of the diagnostics are of reading.
    of_reading: usize,
    inventory: Arc<Inventory>,
    settings: Settings,
}

impl Default for Analysis {
    fn default() -> Self {
        Self::read(Sources::default(), &Settings::default())
    }
}

impl Analysis {
    /// Reads and validates a text.
    pub fn read(sources: impl Into<Arc<Sources>>, settings: &Settings) -> Self {
        Self::with(sources, Arc::default(), settings)
    }

    /// Reads and validates a text, beside what a platform reports.
    pub fn with(sources: impl Into<Arc<Sources>>, inventory: Arc<Inventory>, settings: &Settings) -> Self {
        let sources = sources.into();
        let parsed = Mesh::parse(&sources);
        let basis = Basis { registry: None, inventory, settings: settings.clone() };
        basis.all(sources, parsed)
    }

    /// Reads and validates a text that comes after this one, with the same inventory and settings.
    #[must_use]
    pub fn after(&self, sources: impl Into<Arc<Sources>>) -> Self {
        let sources = sources.into();
        let parsed = Mesh::parse_after(&sources, &self.mesh);
        self.read_already(sources, parsed)
    }

    /// As [`Analysis::after`], for a text that was read already: `parsed` is what it says.
    #[must_use]
    pub fn read_already(&self, sources: impl Into<Arc<Sources>>, parsed: Parsed) -> Self {
        let sources = sources.into();
        let (inventory, settings) = (Arc::clone(&self.inventory), self.settings.clone());
        let changes = parsed.mesh.changes(&self.mesh).filter(Changes::keep_registry);
        let registry = changes.is_some().then(|| Arc::clone(&self.registry));
        let basis = Basis { registry, inventory, settings };
        let (Some(changes), Some(registry)) = (changes, &basis.registry) else {
            return basis.all(sources, parsed);
        };
        let fits = plan::fits(&parsed.mesh, registry).map_err(|(exceeded, _)| exceeded);
        let known = self.fits.is_ok() && fits.is_ok();
        let Some(among) = Among::of(&parsed.mesh, &changes).filter(|_| known) else {
            drop(changes);
            return basis.all(sources, parsed);
        };
        let mesh = (&parsed.mesh, &**registry);
        let mut found = validate::validate_among(Some(&among.seen), mesh, &self.settings, true);
        found.retain(|it| it.resource.as_ref().is_some_and(|key| among.touched.contains(key)));
        let gone: HashSet<&ResourceKey> = changes.gone.iter().filter_map(|it| key(it)).collect();
        let stays = |it: &&Diagnostic| {
            it.resource.as_ref().is_some_and(|key| !among.touched.contains(key) && !gone.contains(key))
        };
        let kept = self.diagnostics[self.of_reading..].iter().filter(stays);
        found.extend(kept.map(|it| moved(it, &self.mesh, &parsed.mesh)));
        validate::sort(&mut found);
        basis.with(sources, parsed, found, fits)
    }

    /// The mesh's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What a platform reports beside the text.
    pub fn inventory(&self) -> &Arc<Inventory> {
        &self.inventory
    }

    /// What there is to say here that was not there to be said before. Places do not count: a problem that moved down a line is not
    /// new.
    pub fn new_problems(&self, before: &Self) -> impl Iterator<Item = &Diagnostic> {
        let known: HashSet<_> = before.diagnostics.iter().map(identity).collect();
        let known: HashSet<_> =
            self.diagnostics.iter().map(identity).filter(|it| known.contains(it)).collect();
        self.diagnostics.iter().filter(move |it| !known.contains(&identity(it)))
    }

    /// The same text beside what a platform reports now.
    #[must_use]
    pub fn observed(&self, inventory: Arc<Inventory>) -> Self {
        let diagnostics = self.diagnostics[..self.of_reading].to_vec();
        let parsed = Parsed { mesh: self.mesh.clone(), diagnostics };
        let basis = Basis { registry: None, inventory, settings: self.settings.clone() };
        basis.all(Arc::clone(&self.sources), parsed)
    }

    /// One plan for each source.
    ///
    /// # Errors
    ///
    /// The plans would be too large.
    pub fn plans(&self, revision: u64) -> Result<Plans, Exceeded> {
        self.fits.clone()?;
        let plans = plan::compile_all(&self.mesh, &self.registry, &self.settings, revision);
        Ok(plans.into_iter().map(|plan| (plan.source.clone(), Arc::new(plan))).collect())
    }

    /// As [`Analysis::plans`], sharing with the plans of an earlier analysis all that has not changed.
    ///
    /// # Errors
    ///
    /// The plans would be too large.
    pub fn plans_after(&self, revision: u64, before: &Self, plans: &Plans) -> Result<Plans, Exceeded> {
        self.fits.clone()?;
        let same = Arc::ptr_eq(&self.registry, &before.registry) && self.settings == before.settings;
        let mesh = (&self.mesh, &*self.registry, &self.settings);
        let patched = same.then(|| plan::compile_after(mesh, revision, &before.mesh, plans)).flatten();
        patched.map_or_else(|| self.plans(revision), Ok)
    }
}

fn identity(diagnostic: &Diagnostic) -> (&str, Option<&ResourceKey>, &str, &str) {
    (&diagnostic.code, diagnostic.resource.as_ref(), &diagnostic.path, &diagnostic.message)
}

/// What an analysis stands on beside its text.
struct Basis {
    /// Made of the documents and the inventory where there is none.
    registry: Option<Arc<Registry>>,
    inventory: Arc<Inventory>,
    settings: Settings,
}

impl Basis {
    /// With all that the rules find.
    fn all(self, sources: Arc<Sources>, parsed: Parsed) -> Analysis {
        let make = || Arc::new(Registry::of(&parsed.mesh, &self.inventory, &self.settings));
        let registry = self.registry.clone().unwrap_or_else(make);
        let fits = plan::fits(&parsed.mesh, &registry).map_err(|(exceeded, _)| exceeded);
        let mesh = (&parsed.mesh, &*registry);
        let found = validate::validate_among(None, mesh, &self.settings, fits.is_ok());
        Self { registry: Some(registry), ..self }.with(sources, parsed, found, fits)
    }

    fn with(
        self,
        sources: Arc<Sources>,
        parsed: Parsed,
        mut found: Vec<Diagnostic>,
        fits: Result<(), Exceeded>,
    ) -> Analysis {
        let Self { registry, inventory, settings } = self;
        let Parsed { mesh, mut diagnostics } = parsed;
        let of_reading = diagnostics.len();
        diagnostics.append(&mut found);
        let registry = registry.unwrap_or_default();
        Analysis { sources, mesh, registry, diagnostics, fits, of_reading, inventory, settings }
    }
}

impl Changes<'_> {
    /// All that have changed.
    fn each(&self) -> impl Iterator<Item = &Document> {
        self.gone.iter().chain(&self.come).copied()
    }

    /// Whether all that changed is what no registry is made of, and what findings can be kept beside.
    fn keep_registry(&self) -> bool {
        self.each().all(|document| {
            let kind = key(document).map(|key| &key.kind);
            matches!(kind, None | Some(Kind::VirtualService | Kind::DestinationRule))
        })
    }
}

/// The resources that rules have to look at after a change.
struct Among<'m> {
    /// Those whose findings may be others now.
    touched: HashSet<&'m ResourceKey>,
    /// Those, and all that these findings may depend on.
    seen: HashSet<&'m ResourceKey>,
}

impl<'m> Among<'m> {
    /// `None` where the change reaches too far.
    fn of(mesh: &'m Mesh, changes: &Changes<'_>) -> Option<Self> {
        let changed = || changes.each().filter_map(Document::related);
        if changed().any(|it| it.wild) {
            return None;
        }
        let names: Names = changed().flat_map(Related::names).collect();
        let calls = changed().any(|it| it.delays || it.timeouts);
        let patterns = changed().any(|it| it.patterns);
        let come: HashSet<_> = changes.come.iter().map(|it| it.identity()).collect();
        let touched = |document: &Document, related: &Related| {
            related.wild
                || (calls && related.delays)
                || (patterns && related.patterns)
                || related.has_any(&names)
                || come.contains(&document.identity())
        };
        let all = || mesh.documents().iter().filter_map(|it| Some((key(it)?, it, it.related()?)));
        let mut names = Names::new();
        let mut any = false;
        let mut keys = HashSet::new();
        for (key, _, related) in all().filter(|(_, document, related)| touched(document, related)) {
            keys.insert(key);
            names.extend(related.names());
            any |= related.patterns;
        }
        let seen = all().filter(|(key, _, related)| {
            keys.contains(key)
                || key.kind == Kind::Gateway
                || (any && related.patterns)
                || related.has_any(&names)
        });
        let seen = seen.map(|(key, ..)| key).collect();
        Some(Self { touched: keys, seen })
    }
}

fn key(document: &Document) -> Option<&ResourceKey> {
    document.resource().map(|resource| &resource.key)
}

/// A finding about a document that may stand somewhere else now.
fn moved(found: &Diagnostic, before: &Mesh, now: &Mesh) -> Diagnostic {
    let mut found = found.clone();
    let Some(key) = &found.resource else { return found };
    if let (Some(old), Some(new)) = (before.document(key), now.document(key))
        && !old.same_place(new)
    {
        found.place = new.place(&found.path);
    }
    found
}

#[cfg(test)]
mod tests;
