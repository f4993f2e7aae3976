//! The mesh that is measured.

use std::fs;
use std::path::Path;

use anyhow::Result;

/// How many services, where their two versions are, and the port that all of them have.
pub(crate) struct Services {
    pub(crate) count: usize,
    pub(crate) backends: [u16; 2],
    pub(crate) port: u16,
}

/// How the documents lie in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A file for each service.
    FileEach,
    /// One file for all.
    OneFile,
}

impl Layout {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FileEach => "a file for each service",
            Self::OneFile => "one file",
        }
    }
}

/// The service whose weights are edited.
pub(crate) const EDITED: usize = 1;

/// The name of a service.
pub(crate) fn host(service: usize) -> String {
    format!("s{service}.default.svc.cluster.local")
}

/// The workload that asks.
const CLIENT: &str = "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: client, namespace: default}\n\
    spec: {address: 127.0.0.1, labels: {app: client, version: v1}}\n";

impl Services {
    /// Writes all files.
    pub(crate) fn write(&self, folder: &Path, layout: Layout) -> Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("client.yaml"), CLIENT)?;
        let documents = (0..self.count).map(|service| self.documents(service));
        match layout {
            Layout::FileEach => {
                for (service, text) in documents.enumerate() {
                    fs::write(folder.join(format!("s{service}.yaml")), text)?;
                }
            }
            Layout::OneFile => {
                fs::write(folder.join("mesh.yaml"), documents.collect::<Vec<_>>().join("---\n"))?
            }
        }
        Ok(())
    }

    /// A service's documents.
    fn documents(&self, service: usize) -> String {
        let (host, port, [v1, v2]) = (host(service), self.port, self.backends);
        format!(
            "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: s{service}, namespace: default}}
spec:
  hosts: [{host}]
  location: MESH_INTERNAL
  resolution: STATIC
  ports:
  - {{number: {port}, name: http, protocol: HTTP}}
  endpoints:
  - {{address: 127.0.0.1, ports: {{http: {v1}}}, labels: {{app: s{service}, version: v1}}}}
  - {{address: 127.0.0.1, ports: {{http: {v2}}}, labels: {{app: s{service}, version: v2}}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: s{service}, namespace: default}}
spec:
  host: {host}
  subsets:
  - {{name: v1, labels: {{version: v1}}}}
  - {{name: v2, labels: {{version: v2}}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: s{service}, namespace: default}}
spec:
  hosts: [{host}]
  http:
  - route:
    - destination: {{host: {host}, subset: v1}}
      weight: 100
    - destination: {{host: {host}, subset: v2}}
      weight: 0
"
        )
    }
}
