//! A mesh of so many services, each of five versions, as text; and what it is for one workload's Envoys.

use std::fmt::Write;

use mesh::plan::compile;
use mesh::{Mesh, Registry, Settings, Source, Sources};
use xds::node::Bind;
use xds::resource::Snapshot;
use xds::translate::{Delivery, translate};

/// Versions of each service.
pub(crate) const VERSIONS: usize = 5;

/// A mesh.
pub(crate) struct Made {
    sources: Sources,
    mesh: Mesh,
    settings: Settings,
    revision: u64,
}

impl Made {
    pub(crate) fn new(services: usize) -> Self {
        let files = (0..services).map(|number| (path(number), service(number, 50)));
        Self { sources: files.collect(), mesh: Mesh::default(), settings: Settings::default(), revision: 0 }
    }

    /// How long its text is.
    pub(crate) fn bytes(&self) -> usize {
        self.sources.0.values().map(String::len).sum()
    }

    /// Another weight for a service, or a service that was not there.
    pub(crate) fn set(&mut self, number: usize, weight: usize) {
        self.sources.0.insert(path(number), service(number, weight));
    }

    /// What the text says now, taking over what it said before.
    pub(crate) fn snapshot(&mut self, before: &Snapshot) -> Snapshot {
        self.revision += 1;
        self.mesh = Mesh::parse_after(&self.sources, &self.mesh).mesh;
        let registry = Registry::of(&self.mesh, &mesh::Inventory::default(), &self.settings);
        let plan = compile(&self.mesh, &registry, &self.settings, &source(), self.revision);
        let mut snapshot = translate(&plan, &Bind::default(), Delivery::Delta);
        snapshot.share(before);
        snapshot
    }
}

/// Whose Envoys all clients are.
pub(crate) fn source() -> Source {
    Source::Workload { namespace: "default".to_owned(), name: "service-0-v1".to_owned() }
}

fn path(number: usize) -> String {
    format!("service-{number}.yaml")
}

fn service(number: usize, weight: usize) -> String {
    let name = format!("service-{number}");
    let host = format!("{name}.default.svc.cluster.local");
    let (mut endpoints, mut subsets, mut routes) = (String::new(), String::new(), String::new());
    for version in 1..=VERSIONS {
        let at = number * VERSIONS + version;
        let address = format!("10.{}.{}.{}", at >> 16, (at >> 8) & 255, at & 255);
        // Writing to a string cannot fail.
        let _ = writeln!(
            endpoints,
            "  - address: {address}\n    labels: {{app: {name}, version: v{version}}}\n    ports: {{http: 8080}}"
        );
        let _ = writeln!(subsets, "  - name: v{version}\n    labels: {{version: v{version}}}");
        let weight = match version {
            1 => weight,
            2 => 70 - weight,
            _ => 10,
        };
        let _ = writeln!(
            routes,
            "    - destination: {{host: {host}, subset: v{version}}}\n      weight: {weight}"
        );
    }
    format!(
        "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: default}}
spec:
  hosts: [{host}]
  location: MESH_INTERNAL
  resolution: STATIC
  ports:
  - {{number: 8080, name: http, protocol: HTTP}}
  endpoints:
{endpoints}---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}, namespace: default}}
spec:
  host: {host}
  subsets:
{subsets}---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: default}}
spec:
  hosts: [{host}]
  http:
  - route:
{routes}"
    )
}
