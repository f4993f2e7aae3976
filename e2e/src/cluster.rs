//! A cluster with Istio on loopback, without containers, pods or privileges: Kubernetes' API, istiod with its webhook, and an Envoy
//! in the place of a client's sidecar.
//!
//! A service's endpoints are WorkloadEntries with addresses of loopback, which EndpointSlices may not have.

pub mod split;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use testkit::kubernetes::{Kubernetes, Parts};

use crate::istio::{Istiod, Kind, Mesh, sidecar};
use crate::program::Program;

/// The cluster. It ends with the value.
pub struct Loopback {
    /// Where the Envoy takes requests to all services, by their hosts; it is the services' port too.
    pub port: u16,
    /// How long each step took to come up.
    pub steps: Vec<(&'static str, Duration)>,
    // In the order in which they end.
    envoy: Option<Program>,
    istiod: Option<Istiod>,
    /// The API and its objects.
    pub kubernetes: Kubernetes,
    program: std::path::PathBuf,
    ports: [u16; 5],
}

impl Loopback {
    /// Starts the API with Istio's definitions, and istiod with its webhook. Without istiod a test says that it skips.
    pub async fn start(parts: &Parts) -> Result<Self> {
        let program = parts.istiod.clone().context("no istiod")?;
        let [port] = testkit::free_ports();
        let ports = testkit::free_ports();
        let mut clock = Clock::start();
        let kubernetes = Kubernetes::start(parts).await;
        clock.step("etcd, API server");
        anyhow::ensure!(kubernetes.apply_crds(parts).await, "no definitions of Istio's");
        kubernetes.apply(NAMESPACE).await;
        kubernetes.apply(&sidecar(port)).await;
        clock.step("definitions");
        let mut cluster =
            Self { port, steps: Vec::new(), envoy: None, istiod: None, kubernetes, program, ports };
        cluster.start_istiod()?;
        clock.step("istiod");
        let istiod = cluster.istiod.as_ref().context("istiod has not been started")?;
        cluster.kubernetes.apply(&webhook(&istiod.webhook())).await;
        // istiod says whom to trust, and that nothing gets past it, once it has seen that it is asked.
        let path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/istio-validator";
        cluster.kubernetes.until(path, |it| it["webhooks"][0]["failurePolicy"] == "Fail").await;
        clock.step("webhook");
        cluster.steps = clock.steps;
        Ok(cluster)
    }

    /// A service with an instance at each of these ports of loopback: versions v1, v2 and so on, with a subset for each.
    pub async fn serve(&self, name: &str, instances: &[u16]) {
        self.kubernetes.apply(&service(name, self.port, instances)).await;
    }

    /// Starts the Envoy, and waits until it answers `host` with 200. Whoever answers must do so on another thread.
    pub fn start_envoy(&mut self, envoy: &Path, host: &str) -> Result<()> {
        let began = Instant::now();
        let istiod = self.istiod.as_ref().context("istiod has not been started")?;
        self.envoy = Some(istiod.envoy(envoy, Kind::Client, self.kubernetes.folder(), self.port, host)?);
        self.steps.push(("Envoy", began.elapsed()));
        Ok(())
    }

    /// Where the Envoy listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Kills istiod.
    pub fn kill_istiod(&mut self) {
        self.istiod = None;
    }

    /// Starts it, where it was, and waits until it is ready.
    pub fn start_istiod(&mut self) -> Result<()> {
        let folder = self.kubernetes.folder().join("istiod");
        std::fs::create_dir_all(&folder)?;
        let mesh = Mesh::Kubernetes(&self.kubernetes.kubeconfig);
        self.istiod = Some(Istiod::start(&self.program, &folder, mesh, self.ports, "1ms")?);
        Ok(())
    }
}

/// Measures one step after the other.
struct Clock {
    began: Instant,
    steps: Vec<(&'static str, Duration)>,
}

impl Clock {
    fn start() -> Self {
        Self { began: Instant::now(), steps: Vec::new() }
    }

    fn step(&mut self, name: &'static str) {
        self.steps.push((name, self.began.elapsed()));
        self.began = Instant::now();
    }
}

const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: istio-system}\n";

/// As Istio's charts install it, but for an address in the place of a service.
fn webhook(url: &str) -> String {
    format!(
        "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata:
  name: istio-validator
  labels: {{app: istiod, istio: istiod, istio.io/rev: default}}
webhooks:
- name: rev.validation.istio.io
  clientConfig: {{url: \"{url}\"}}
  rules:
  - operations: [CREATE, UPDATE]
    apiGroups: [security.istio.io, networking.istio.io, telemetry.istio.io, extensions.istio.io]
    apiVersions: [\"*\"]
    resources: [\"*\"]
  failurePolicy: Ignore
  sideEffects: None
  admissionReviewVersions: [v1]
"
    )
}

fn service(name: &str, port: u16, instances: &[u16]) -> String {
    let mut yaml = format!(
        "
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: default}}
spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: {port}}}]}}
"
    );
    let mut subsets = Vec::new();
    for (version, instance) in (1..).zip(instances) {
        yaml += &format!(
            "---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: {name}-v{version}, namespace: default}}
spec: {{address: 127.0.0.1, labels: {{app: {name}, version: v{version}}}, ports: {{http: {instance}}}}}
"
        );
        subsets.push(format!("{{name: v{version}, labels: {{version: v{version}}}}}"));
    }
    let subsets = subsets.join(", ");
    yaml += &format!(
        "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}, namespace: default}}
spec: {{host: {name}, subsets: [{subsets}]}}
"
    );
    yaml
}
