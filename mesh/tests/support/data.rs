//! Data of `../shared`, which is not part of the repository: where it is missing the tests say so and pass.

use std::fs;

use mesh::{Mesh, Plan, Registry, Settings, Source, Sources, plan};

/// The text of a file of `../shared`.
#[expect(clippy::disallowed_methods, reason = "a test that reads its data")]
pub(crate) fn shared(path: &str) -> Option<String> {
    testkit::shared(path).map(|path| fs::read_to_string(path).unwrap())
}

/// As [`shared`], for JSON.
pub(crate) fn shared_json(path: &str) -> Option<serde_json::Value> {
    shared(path).map(|text| serde_json::from_str(&text).unwrap())
}

/// A mesh with its registry.
pub(crate) struct World {
    pub(crate) mesh: Mesh,
    pub(crate) registry: Registry,
    pub(crate) settings: Settings,
}

impl World {
    pub(crate) fn of(yaml: impl Into<String>) -> Self {
        Self::with(yaml, Settings::default())
    }

    pub(crate) fn with(yaml: impl Into<String>, settings: Settings) -> Self {
        let mesh = Mesh::parse(&Sources::single("mesh.yaml", yaml)).mesh;
        let registry = Registry::of(&mesh, &mesh::Inventory::default(), &settings);
        Self { mesh, registry, settings }
    }

    pub(crate) fn plan(&self, source: &Source) -> Plan {
        plan::compile(&self.mesh, &self.registry, &self.settings, source, 1)
    }
}

/// A workload as a source.
pub(crate) fn workload(namespace: &str, name: &str) -> Source {
    Source::Workload { namespace: namespace.to_owned(), name: name.to_owned() }
}

/// A gateway as a source.
pub(crate) fn gateway(namespace: &str, name: &str) -> Source {
    Source::Gateway { namespace: namespace.to_owned(), name: name.to_owned() }
}
