//! What is needed of an EndpointSlice, or of the older Endpoints: which instances serve which ports of a service.

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::Named;

/// Label of a slice that names its service.
const SERVICE: &str = "kubernetes.io/service-name";

/// A slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Its service.
    pub service: Named,
    /// What serves which ports. An EndpointSlice has one of them.
    pub subsets: Vec<Subset>,
}

/// Instances that serve the same ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subset {
    /// The ports, by the names that the service has for them.
    pub ports: Vec<(String, u16)>,
    /// The instances.
    pub instances: Vec<Instance>,
}

/// What serves the ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its address.
    pub address: String,
    /// It takes requests.
    pub ready: bool,
    /// The pod that it is.
    pub pod: Option<Named>,
    /// The node that it is on.
    pub node: Option<String>,
    /// The zone that it is in.
    pub zone: Option<String>,
}

impl Slice {
    /// What is needed of an EndpointSlice; `None` of one without a service.
    pub fn of(slice: &EndpointSlice) -> Option<Self> {
        let namespace = slice.metadata.namespace.clone()?;
        let service = slice.metadata.labels.as_ref()?.get(SERVICE)?.clone();
        let ports = slice.ports.iter().flatten().filter_map(|port| {
            Some((port.name.clone().unwrap_or_default(), u16::try_from(port.port?).ok()?))
        });
        let instances = slice.endpoints.iter().flat_map(|endpoint| {
            let conditions = endpoint.conditions.as_ref();
            // What is not said counts as ready.
            let ready = conditions.and_then(|it| it.ready).unwrap_or(true);
            let target = endpoint.target_ref.as_ref();
            endpoint.addresses.iter().map(move |address| Instance {
                address: address.clone(),
                ready,
                pod: target.and_then(pod),
                node: endpoint.node_name.clone(),
                zone: endpoint.zone.clone(),
            })
        });
        let subset = Subset { ports: ports.collect(), instances: instances.collect() };
        Some(Self { service: (namespace, service), subsets: vec![subset] })
    }

    /// What is needed of Endpoints.
    pub fn of_endpoints(endpoints: &core::Endpoints) -> Option<Self> {
        let service = (endpoints.metadata.namespace.clone()?, endpoints.metadata.name.clone()?);
        let subset = |subset: &core::EndpointSubset| {
            let ports = subset.ports.iter().flatten().filter_map(|port| {
                Some((port.name.clone().unwrap_or_default(), u16::try_from(port.port).ok()?))
            });
            let instances = subset.addresses.iter().flatten().map(|address| Instance {
                address: address.ip.clone(),
                ready: true,
                pod: address.target_ref.as_ref().and_then(pod),
                node: address.node_name.clone(),
                zone: None,
            });
            Subset { ports: ports.collect(), instances: instances.collect() }
        };
        let subsets = endpoints.subsets.iter().flatten().map(subset).collect();
        Some(Self { service, subsets })
    }

    /// Pods that are in it.
    pub(super) fn pods(&self) -> impl Iterator<Item = &Named> {
        self.subsets.iter().flat_map(|it| &it.instances).filter_map(|it| it.pod.as_ref())
    }
}

fn pod(target: &core::ObjectReference) -> Option<Named> {
    let pod = target.kind.as_deref() == Some("Pod");
    pod.then(|| Some((target.namespace.clone()?, target.name.clone()?))).flatten()
}
