//! The compiler: a mesh and its registry become the plan of a source.
//!
//! What is the same for all sources is prepared once: VirtualServices with their names resolved and their delegates
//! merged, DestinationRules by namespace and host. Workloads that see the same mesh share one compilation.

mod clusters;
mod connections;
mod defaults;
mod delegate;
mod domains;
mod forward;
mod gateway;
mod headers;
mod matches;
mod patch;
mod policy;
pub(crate) mod reset;
mod rules;
mod scope;
mod secrets;
mod sidecar;
mod size;
mod trace;
mod translate;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::{Cluster, Listener, Patterns, Plan, Source};
use crate::registry::{Registry, Viewer};
use crate::{Mesh, Settings};

use clusters::Clusters;
pub use patch::Plans;
pub(crate) use patch::compile_after;
use policy::Policies;
pub(crate) use rules::{Rule, Rulebook, Rules};
pub use rules::{delegate_conflicts, merge_delegate};
#[cfg(any(test, feature = "fuzz"))]
pub(crate) use size::bytes;
pub use size::fits;
pub(crate) use trace::{Entry, Skip, Standing, Trace};

/// Compiles the plan of one source.
///
/// ```
/// use mesh::plan::{Source, compile};
/// use mesh::{Inventory, Mesh, Registry, Settings, Sources};
///
/// # let text = "
/// # apiVersion: networking.istio.io/v1
/// # kind: ServiceEntry
/// # metadata: {name: reviews}
/// # spec:
/// #   hosts: [reviews.example.com]
/// #   resolution: STATIC
/// #   ports: [{number: 80, name: http, protocol: HTTP}]
/// #   endpoints: [{address: 10.0.0.1}]
/// # ---
/// # apiVersion: networking.istio.io/v1
/// # kind: WorkloadEntry
/// # metadata: {name: client}
/// # spec: {address: 10.0.0.2}
/// # ";
/// let settings = Settings::default();
/// let mesh = Mesh::parse(&Sources::single("mesh.yaml", text)).mesh;
/// let registry = Registry::of(&mesh, &Inventory::default(), &settings);
/// let client = Source::Workload { namespace: "default".into(), name: "client".into() };
/// let plan = compile(&mesh, &registry, &settings, &client, 1);
/// assert_eq!(plan.clusters[0].key.host, "reviews.example.com");
/// ```
pub fn compile(
    mesh: &Mesh,
    registry: &Registry,
    settings: &Settings,
    source: &Source,
    revision: u64,
) -> Plan {
    Compiler::new(mesh, registry, settings).plan(source, revision)
}

/// Compiles the plans of all sources: gateways, then workloads.
pub fn compile_all(mesh: &Mesh, registry: &Registry, settings: &Settings, revision: u64) -> Vec<Plan> {
    let mut compiler = Compiler::new(mesh, registry, settings);
    registry.sources().map(|source| compiler.plan(&source, revision)).collect()
}

/// Compiles plans, sharing work between the sources of a mesh.
pub struct Compiler<'m> {
    context: Context<'m>,
    /// Labels that some rule asks a source for; others make no difference.
    asked: BTreeSet<String>,
    views: HashMap<(String, BTreeMap<String, String>), View>,
}

/// What all compilations read.
pub(crate) struct Context<'m> {
    pub(crate) registry: &'m Registry,
    pub(crate) settings: &'m Settings,
    pub(crate) mesh: &'m Mesh,
    pub(crate) rules: Rules,
    pub(crate) policies: Policies<'m>,
    pub(crate) patterns: Patterns,
}

#[cfg(test)]
mod tests;

type View = (Arc<[Listener]>, Arc<[Arc<Cluster>]>);

impl<'m> Compiler<'m> {
    /// Prepares a mesh.
    pub fn new(mesh: &'m Mesh, registry: &'m Registry, settings: &'m Settings) -> Self {
        let rules = Rules::of(mesh, settings);
        let policies = Policies::of(mesh, settings);
        let asked = rules.asked_labels().chain(policies.asked_labels()).cloned().collect();
        let context = Context {
            registry,
            settings,
            mesh,
            rules,
            policies,
            patterns: Patterns::of(mesh.virtual_services().map(|(_, service)| service)),
        };
        Self { context, asked, views: HashMap::new() }
    }

    /// The plan of a source.
    pub fn plan(&mut self, source: &Source, revision: u64) -> Plan {
        let viewer = self.context.registry.viewer(source);
        self.plan_for(&viewer, revision)
    }

    /// The plan of a source whose namespace and labels are given, for one that no registry has.
    pub fn plan_for(&mut self, viewer: &Viewer, revision: u64) -> Plan {
        let (listeners, clusters) = match viewer.source {
            Source::Gateway { .. } => self.context.view(viewer, None),
            Source::Workload { .. } => {
                let asked = viewer.labels.iter().filter(|(label, _)| self.asked.contains(*label));
                let labels = asked.map(|(label, value)| (label.clone(), value.clone())).collect();
                let context = &self.context;
                let key = (viewer.namespace.clone(), labels);
                self.views.entry(key).or_insert_with(|| context.view(viewer, None)).clone()
            }
        };
        self.context.plan(viewer, revision, (listeners, clusters))
    }

    /// The plan of a source, and which rules went into which virtual host or were left out, and why.
    pub(crate) fn traced(&self, viewer: &Viewer, revision: u64) -> (Plan, Trace) {
        let mut trace = Trace::wanted();
        let view = self.context.view(viewer, Some(&mut trace));
        (self.context.plan(viewer, revision, view), trace)
    }

    pub(crate) fn context(&self) -> &Context<'m> {
        &self.context
    }
}

impl Context<'_> {
    fn plan(&self, viewer: &Viewer, revision: u64, (listeners, clusters): View) -> Plan {
        let internal = match viewer.source {
            Source::Gateway { .. } => self.settings.internal_addresses.clone(),
            Source::Workload { .. } => Vec::new(),
        };
        Plan {
            revision,
            source: viewer.source.clone(),
            labels: Arc::new(viewer.labels.clone()),
            paths: self.settings.path_normalization,
            internal,
            listeners,
            clusters,
        }
    }

    fn view(&self, viewer: &Viewer, trace: Option<&mut Trace>) -> View {
        let mut clusters = Clusters::new(self, viewer);
        let mut nobody = Trace::default();
        let trace = trace.unwrap_or(&mut nobody);
        let listeners = match &viewer.source {
            Source::Workload { .. } => sidecar::listeners(self, viewer, &mut clusters, trace),
            Source::Gateway { namespace, name } => {
                gateway::listeners(self, viewer, (namespace, name), &mut clusters, trace)
            }
        };
        (listeners.into(), clusters.finish().into())
    }
}
