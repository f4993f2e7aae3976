//! What the server asks the model: changing a revision's text, and what its plans are where endpoints are somewhere else.

mod paths;

use std::collections::HashMap;
use std::sync::Arc;

pub use mesh::Analysis;
use mesh::edit::{Applied, RouteTarget};
pub use mesh::plan::Plans;
use mesh::{Edit, Mesh, Plan, Source, Sources, limits};

/// Ports of the files that are somewhere else today, with where: the sample's services move when their ports are taken.
pub type Ports = HashMap<u16, u16>;

/// The text after edits.
#[derive(Debug, Clone)]
pub struct Changed {
    /// As it was understood.
    pub analysis: Analysis,
    /// Edits that take it back.
    pub inverse: Vec<Edit>,
    /// What was done, in a line.
    pub summary: String,
}

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

/// Applies edits in order, all or none.
pub fn apply(analysis: &Analysis, edits: &[Edit]) -> Result<Changed, EditError> {
    paths::check(edits)?;
    let applied = mesh::edit::apply_to(&analysis.mesh, &analysis.sources, edits);
    let Applied { sources, parsed, inverse, summary } = applied.map_err(|error| match error {
        mesh::edit::EditError::Limit(exceeded) => EditError::Limit(exceeded),
        error => EditError::Unfit(error.to_string()),
    })?;
    Ok(Changed { analysis: analysis.read_already(sources, parsed), inverse, summary })
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

/// Leads to where the endpoints really are.
pub fn moved(plans: &Arc<Plans>, ports: &Ports) -> Arc<Plans> {
    if ports.is_empty() {
        return Arc::clone(plans);
    }
    let moved = |(source, plan): (&Source, &Arc<Plan>)| (source.clone(), Arc::new(redirect(plan, ports)));
    Arc::new(plans.iter().map(moved).collect())
}

/// Leads endpoints on loopback to the ports where they really are.
fn redirect(plan: &Plan, ports: &Ports) -> Plan {
    let mut clusters = plan.clusters.to_vec();
    for cluster in &mut clusters {
        for endpoint in &mut Arc::make_mut(cluster).endpoints {
            if endpoint.address == "127.0.0.1" {
                endpoint.port = ports.get(&endpoint.port).copied().unwrap_or(endpoint.port);
            }
        }
    }
    Plan { clusters: clusters.into(), ..plan.clone() }
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
