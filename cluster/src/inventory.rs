//! What a cluster reports of what runs: Services, the endpoints that are ready, and workloads by the names that Istio's telemetry
//! gives them. Of every object no more is kept than that takes, and of a change no more is made anew than it touches.

mod pod;
mod slice;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem::take;
use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use mesh::Inventory;
use mesh::registry::{Endpoint, Reported, Workload};
use mesh::resource::{Metadata, Service};

pub use pod::Pod;
pub use slice::{Instance, Slice};

/// Namespace and name.
pub type Named = (String, String);

/// All that is kept.
#[derive(Debug, Default)]
pub struct Platform {
    services: HashMap<Named, (Metadata, Service)>,
    slices: HashMap<Named, Slice>,
    /// Slices of a service.
    by_service: HashMap<Named, BTreeSet<Named>>,
    pods: HashMap<Named, Pod>,
    /// Slices that a pod is in.
    by_pod: HashMap<Named, BTreeSet<Named>>,
    /// Pods of a workload, by their names.
    by_workload: HashMap<Named, BTreeSet<Named>>,
    /// `region/zone/subzone` of nodes.
    nodes: HashMap<String, String>,
    touched: Touched,
    reported: BTreeMap<Named, Arc<Reported>>,
    workloads: BTreeMap<Named, Workload>,
}

/// What has to be made anew.
#[derive(Debug, Default)]
struct Touched {
    services: BTreeSet<Named>,
    workloads: BTreeSet<Named>,
}

impl Platform {
    /// A Service has come or changed.
    pub fn set_service(&mut self, name: Named, service: &core::Service) {
        if let Some(known) = read_service(service) {
            self.touched.services.insert(name.clone());
            self.services.insert(name, known);
        }
    }

    /// A Service has gone.
    fn remove_service(&mut self, name: &Named) {
        self.services.remove(name);
        self.touched.services.insert(name.clone());
    }

    /// An EndpointSlice has come or changed.
    pub fn set_slice(&mut self, name: Named, slice: Slice) {
        self.remove_slice(&name);
        self.touched.services.insert(slice.service.clone());
        self.by_service.entry(slice.service.clone()).or_default().insert(name.clone());
        for pod in slice.pods() {
            self.by_pod.entry(pod.clone()).or_default().insert(name.clone());
        }
        self.slices.insert(name, slice);
    }

    /// An EndpointSlice has gone.
    fn remove_slice(&mut self, name: &Named) {
        let Some(slice) = self.slices.remove(name) else { return };
        forget(&mut self.by_service, &slice.service, name);
        for pod in slice.pods() {
            forget(&mut self.by_pod, pod, name);
        }
        self.touched.services.insert(slice.service);
    }

    /// A Pod has come or changed.
    pub fn set_pod(&mut self, name: Named, pod: Pod) {
        if self.pods.get(&name) == Some(&pod) {
            return;
        }
        self.remove_pod(&name);
        if pod.runs {
            let workload = (name.0.clone(), pod.workload.clone());
            self.touched.workloads.insert(workload.clone());
            self.by_workload.entry(workload).or_default().insert(name.clone());
        }
        self.pods.insert(name, pod);
    }

    /// A Pod has gone.
    fn remove_pod(&mut self, name: &Named) {
        for slice in self.by_pod.get(name).into_iter().flatten() {
            self.touched.services.extend(self.slices.get(slice).map(|it| it.service.clone()));
        }
        let Some(pod) = self.pods.remove(name) else { return };
        let workload = (name.0.clone(), pod.workload);
        forget(&mut self.by_workload, &workload, name);
        self.touched.workloads.insert(workload);
    }

    /// Something of a part has gone.
    pub fn remove(&mut self, what: Part, name: &Named) {
        match what {
            Part::Services => self.remove_service(name),
            Part::Slices => self.remove_slice(name),
            Part::Pods => self.remove_pod(name),
            Part::Nodes => drop(self.nodes.remove(&name.1)),
        }
    }

    /// Where a node is: its labels say.
    pub fn set_node(&mut self, name: &str, labels: &BTreeMap<String, String>) {
        let locality = pod::locality(labels);
        if self.nodes.get(name) != Some(&locality) {
            self.nodes.insert(name.to_owned(), locality);
            self.touched.services.extend(self.services.keys().cloned());
            self.touched.workloads.extend(self.by_workload.keys().cloned());
        }
    }

    /// Names of the Services, Slices or Pods of a namespace, or of all.
    pub fn names(&self, what: Part, namespace: Option<&str>) -> Vec<Named> {
        let here = |name: &&Named| namespace.is_none_or(|namespace| name.0 == namespace);
        match what {
            Part::Services => self.services.keys().filter(here).cloned().collect(),
            Part::Slices => self.slices.keys().filter(here).cloned().collect(),
            Part::Pods => self.pods.keys().filter(here).cloned().collect(),
            Part::Nodes => Vec::new(),
        }
    }

    /// The inventory, if it is another than the last time.
    pub fn changed(&mut self) -> Option<Inventory> {
        let Touched { services, workloads } = take(&mut self.touched);
        let mut news = false;
        for name in services {
            let now = self.report(&name).map(Arc::new);
            news |= replace(&mut self.reported, name, now);
        }
        for name in workloads {
            let now = self.workload(&name);
            news |= replace(&mut self.workloads, name, now);
        }
        news.then(|| Inventory {
            services: self.reported.values().cloned().collect(),
            workloads: self.workloads.values().cloned().collect(),
        })
    }

    fn report(&self, name: &Named) -> Option<Reported> {
        let (metadata, spec) = self.services.get(name)?;
        let mut endpoints: BTreeMap<String, Vec<Endpoint>> = BTreeMap::new();
        let slices = self.by_service.get(name).into_iter().flatten().filter_map(|it| self.slices.get(it));
        for subset in slices.flat_map(|slice| &slice.subsets) {
            for instance in subset.instances.iter().filter(|it| it.ready) {
                let like = self.endpoint(name, instance);
                for (port, number) in &subset.ports {
                    endpoints
                        .entry(port.clone())
                        .or_default()
                        .push(Endpoint { port: *number, ..like.clone() });
                }
            }
        }
        for all in endpoints.values_mut() {
            // One address may be in two slices while they are rebalanced.
            all.sort_by(|a, b| (&a.address, a.port).cmp(&(&b.address, b.port)));
            all.dedup_by(|a, b| (&a.address, a.port) == (&b.address, b.port));
        }
        let (namespace, name) = name.clone();
        Some(Reported { namespace, name, metadata: metadata.clone(), spec: spec.clone(), endpoints })
    }

    /// An instance of a service, without its port.
    fn endpoint(&self, service: &Named, instance: &Instance) -> Endpoint {
        let pod = instance.pod.as_ref().and_then(|name| self.pods.get(name));
        let node = instance.node.as_deref().or(pod.and_then(|pod| pod.node.as_deref()));
        let known = node.and_then(|node| self.nodes.get(node)).filter(|it| !it.is_empty()).cloned();
        let of_slice = || instance.zone.as_ref().map(|zone| format!("/{zone}"));
        let locality = pod.and_then(|pod| pod.locality.clone()).or(known).or_else(of_slice);
        // Without the pod its name says most, and of what is no pod the service's.
        let unknown = || instance.pod.as_ref().unwrap_or(service).1.clone();
        Endpoint {
            address: instance.address.clone(),
            port: 0,
            workload: pod.map_or_else(unknown, |pod| pod.workload.clone()),
            labels: pod.map(|pod| pod.labels.clone()).unwrap_or_default(),
            weight: 1,
            locality: locality.unwrap_or_default(),
        }
    }

    fn workload(&self, name: &Named) -> Option<Workload> {
        let mut pods = self.by_workload.get(name)?.iter().filter_map(|pod| self.pods.get(pod));
        let first = pods.next()?;
        let locality = |pod: &Pod| {
            let of_node = || pod.node.as_ref().and_then(|node| self.nodes.get(node)).cloned();
            pod.locality.clone().or_else(of_node).unwrap_or_default()
        };
        let here = locality(first);
        let locality = if pods.all(|pod| locality(pod) == here) { here } else { String::new() };
        let (namespace, name) = name.clone();
        Some(Workload { namespace, name, labels: first.labels.clone(), locality })
    }
}

/// A part of what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Services.
    Services,
    /// EndpointSlices, or what Endpoints say.
    Slices,
    /// Pods.
    Pods,
    /// Nodes. One that has gone has no pods.
    Nodes,
}

fn forget(index: &mut HashMap<Named, BTreeSet<Named>>, key: &Named, value: &Named) {
    if let Some(all) = index.get_mut(key) {
        all.remove(value);
        if all.is_empty() {
            index.remove(key);
        }
    }
}

/// Sets or removes; true where that is another than before.
fn replace<T: PartialEq>(all: &mut BTreeMap<Named, T>, name: Named, now: Option<T>) -> bool {
    if all.get(&name) == now.as_ref() {
        return false;
    }
    match now {
        Some(now) => drop(all.insert(name, now)),
        None => drop(all.remove(&name)),
    }
    true
}

/// What the registry needs of a Service.
fn read_service(service: &core::Service) -> Option<(Metadata, Service)> {
    let spec = serde_json::to_value(service.spec.as_ref()?).ok()?;
    let meta = &service.metadata;
    let metadata = Metadata {
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        labels: meta.labels.clone().unwrap_or_default(),
        annotations: meta.annotations.clone().unwrap_or_default(),
        creation_timestamp: meta.creation_timestamp.as_ref().map(|time| time.0.to_string()),
        ..Metadata::default()
    };
    let mut spec: Service = serde_json::from_value(spec).ok()?;
    spec.extra = Default::default();
    for port in &mut spec.ports {
        port.extra = Default::default();
    }
    Some((metadata, spec))
}

#[cfg(test)]
mod tests;
