//! Workloads and gateways as the command line names them: `name`, or `namespace/name`.

use mesh::Source;
use mesh::registry::{Gateway, Registry, Workload};

/// Nobody has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the mesh has no {kind} `{name}`; it has {known}")]
pub struct NoSource {
    kind: &'static str,
    name: String,
    known: String,
}

/// The workload of a name.
pub(super) fn workload(registry: &Registry, name: &str) -> Result<Source, NoSource> {
    find("workload", name, registry.workloads().iter().map(Workload::source).collect())
}

/// The gateway of a name.
pub(super) fn gateway(registry: &Registry, name: &str) -> Result<Source, NoSource> {
    find("gateway", name, registry.gateways().iter().map(Gateway::source).collect())
}

/// The one of the two that is named; the command line asks for exactly one.
pub(super) fn named(
    registry: &Registry,
    workload: Option<&str>,
    gateway: Option<&str>,
) -> Result<Source, NoSource> {
    match (workload, gateway) {
        (Some(name), _) => self::workload(registry, name),
        (None, name) => self::gateway(registry, name.unwrap_or_default()),
    }
}

fn find(kind: &'static str, name: &str, sources: Vec<Source>) -> Result<Source, NoSource> {
    let (namespace, short) =
        name.split_once('/').map_or((None, name), |(namespace, name)| (Some(namespace), name));
    let known = sources.iter().map(|source| source.parts()[2]).collect::<Vec<_>>().join(", ");
    let is_it = |source: &Source| {
        let [_, theirs, name] = source.parts();
        name == short && namespace.is_none_or(|namespace| namespace == theirs)
    };
    sources.into_iter().find(is_it).ok_or_else(|| NoSource {
        kind,
        name: name.to_owned(),
        known: if known.is_empty() { "none".to_owned() } else { known },
    })
}
