//! What the server asks the model: reading a revision's text, changing it, and compiling it into plans.

mod paths;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mesh::edit::{Applied, RouteTarget};
use mesh::model::Parsed;
use mesh::plan::compile_all;
use mesh::{Diagnostic, Edit, Mesh, Plan, Registry, Settings, Severity, Source, Sources, limits};

/// Ports of the files that are somewhere else today, with where: the sample's services move when their ports are taken.
pub type Ports = HashMap<u16, u16>;

/// A revision's text as it was understood.
#[derive(Debug, Clone, Default)]
pub struct Analysis {
    /// The text.
    pub sources: Sources,
    /// Its documents.
    pub mesh: Mesh,
    /// The services, workloads and gateways that they make.
    pub registry: Registry,
    /// All that is to be said about it.
    pub diagnostics: Vec<Diagnostic>,
}

/// The text after edits.
#[derive(Debug, Clone)]
pub struct Changed {
    /// All files.
    pub sources: Sources,
    /// As they were read.
    pub parsed: Parsed,
    /// Edits that take it back.
    pub inverse: Vec<Edit>,
    /// What was done, in a line.
    pub summary: String,
}

/// One plan for each source.
pub type Plans = HashMap<Source, Arc<Plan>>;

/// An edit that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It does not fit this text; in words.
    #[error("{0}")]
    Unfit(String),
    /// It is more than it may be.
    #[error(transparent)]
    Limit(#[from] limits::Exceeded),
}

impl Analysis {
    /// Reads and validates, taking over from an earlier reading what did not change.
    pub fn read(sources: Sources, previous: &Mesh, settings: &Settings) -> Self {
        let parsed = Mesh::parse_after(&sources, previous);
        Self::understand(sources, parsed, settings)
    }

    /// Validates what was read.
    pub fn understand(sources: Sources, parsed: Parsed, settings: &Settings) -> Self {
        let registry = Registry::of(&parsed.mesh, settings);
        let mut diagnostics = parsed.diagnostics;
        diagnostics.extend(mesh::validate(&parsed.mesh, &registry, settings));
        Self { sources, mesh: parsed.mesh, registry, diagnostics }
    }

    /// The errors that this text has and another has not. Places do not count: an error that moved down a line is not new.
    pub fn new_errors(&self, before: &Self) -> Vec<Diagnostic> {
        let known: HashSet<_> = before.diagnostics.iter().filter(error).map(identity).collect();
        self.diagnostics
            .iter()
            .filter(error)
            .filter(|diagnostic| !known.contains(&identity(diagnostic)))
            .cloned()
            .collect()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that Iterator::filter asks for")]
fn error(diagnostic: &&Diagnostic) -> bool {
    diagnostic.severity == Severity::Error
}

fn identity(diagnostic: &Diagnostic) -> (&str, Option<&mesh::ResourceKey>, &str, &str) {
    (&diagnostic.code, diagnostic.resource.as_ref(), &diagnostic.path, &diagnostic.message)
}

/// Applies edits in order, all or none.
pub fn apply(analysis: &Analysis, edits: &[Edit]) -> Result<Changed, EditError> {
    paths::check(edits)?;
    let applied = mesh::edit::apply_to(&analysis.mesh, &analysis.sources, edits);
    let Applied { sources, parsed, inverse, summary } = applied.map_err(|error| match error {
        mesh::edit::EditError::Limit(exceeded) => EditError::Limit(exceeded),
        error => EditError::Unfit(error.to_string()),
    })?;
    Ok(Changed { sources, parsed, inverse, summary })
}

/// Edits that replace each resource of some YAML where it exists, and add it where not.
pub fn replace_resources(mesh: &Mesh, yaml: &str) -> Result<Vec<Edit>, EditError> {
    limits::within("`resources`", "bytes", limits::FILE_BYTES, yaml.len())?;
    let parsed = Mesh::parse(&Sources::single("resources.yaml", yaml));
    let mut edits = Vec::new();
    limits::within("`resources`", "resources", limits::EDITS, parsed.mesh.documents().len())?;
    for document in parsed.mesh.documents() {
        let resource = document.resource().ok_or_else(|| {
            EditError::Unfit(format!("document {} of `resources` is no resource", document.index() + 1))
        })?;
        let key = resource.key.clone();
        let yaml = mesh::export::document(&parsed.mesh, &key).unwrap_or_default();
        edits.push(match mesh.document(&key) {
            Some(_) => Edit::ReplaceResource { key, yaml },
            None => Edit::AddResource { file: file_for(&key), yaml },
        });
    }
    Ok(edits)
}

/// The file of a resource that is new.
fn file_for(key: &mesh::ResourceKey) -> String {
    format!("{}-{}.yaml", key.name, key.kind.as_str().to_lowercase())
}

/// File names for a summary, few of them.
pub fn list_files(files: &[(String, Option<String>)]) -> String {
    let names: Vec<_> = files.iter().map(|(path, _)| path.as_str()).collect();
    match names.as_slice() {
        [first, second, third, _, ..] => format!("{first}, {second}, {third} and {} more", names.len() - 3),
        names => names.join(", "),
    }
}

/// One plan for each source; refused where they would be too large to be made.
pub fn compile(analysis: &Analysis, settings: &Settings, revision: u64) -> Result<Plans, limits::Exceeded> {
    fits(analysis)?;
    let plans = compile_all(&analysis.mesh, &analysis.registry, settings, revision);
    Ok(plans.into_iter().map(|plan| (plan.source.clone(), Arc::new(plan))).collect())
}

/// Refuses what is too large to be compiled.
pub fn fits(analysis: &Analysis) -> Result<(), limits::Exceeded> {
    mesh::plan::fits(&analysis.mesh, &analysis.registry).map_err(|(exceeded, _)| exceeded)
}

/// Leads to where the endpoints really are.
pub fn moved(plans: Plans, ports: &Ports) -> Plans {
    if ports.is_empty() {
        return plans;
    }
    let moved = |plan| Arc::new(redirect(Arc::unwrap_or_clone(plan), ports));
    plans.into_iter().map(|(source, plan)| (source, moved(plan))).collect()
}

/// Leads endpoints on loopback to the ports where they really are.
fn redirect(mut plan: Plan, ports: &Ports) -> Plan {
    let mut clusters = plan.clusters.to_vec();
    for endpoint in clusters.iter_mut().flat_map(|cluster| &mut cluster.endpoints) {
        if endpoint.address == "127.0.0.1" {
            endpoint.port = ports.get(&endpoint.port).copied().unwrap_or(endpoint.port);
        }
    }
    plan.clusters = clusters.into();
    plan
}

/// Faults that expire: when, in seconds since 1970, and the edit that takes each out. In an order in which the edits can be
/// applied one after the other: taking out one fault may take out its route, and move those behind it.
pub fn expiries(mesh: &Mesh) -> Vec<(i64, Edit)> {
    let mut all = mesh::edit::fault_expiries(mesh);
    all.sort_by(|(one, _), (other, _)| other.cmp(one));
    all.into_iter()
        .map(|(route, at)| {
            let target = RouteTarget::Route(route);
            (at, Edit::InjectFault { target, only: None, fault: None, expires_at: None })
        })
        .collect()
}
