//! Resources as types: the whole of Istio's traffic API, and what is needed of Kubernetes' Service.
//!
//! Shapes alone live here. Names are those of the custom resource definitions; what a field means is said by the
//! modules that act on it. Every message keeps the fields that it does not know in `extra`, and no scalar is so typed
//! that a wrong value takes its neighbours down: numbers are wide, durations and enums keep what was written.

#[macro_use]
mod message;

pub mod destination;
pub mod destination_rule;
pub(crate) mod field;
pub mod gateway;
pub mod http;
pub mod metadata;
pub mod scalar;
pub mod service;
pub mod service_entry;
pub mod traffic_policy;
pub mod virtual_service;
pub mod walk;

use serde_json::Value;

use crate::ResourceKey;

pub use destination_rule::DestinationRule;
pub use field::Extra;
pub use gateway::Gateway;
pub use http::HttpRoute;
pub use metadata::Metadata;
pub use scalar::{DurationError, DurationString, Percent};
pub use service::Service;
pub use service_entry::{ServiceEntry, WorkloadEntry};
pub use virtual_service::VirtualService;

/// One resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// What names it within the mesh.
    pub key: ResourceKey,
    /// `apiVersion`, as written.
    pub api_version: String,
    /// `metadata`.
    pub metadata: Metadata,
    /// What it says.
    pub spec: Spec,
}

impl Resource {
    /// What Istio takes resources in the order of: by age, then by name. What has no time is as old as can be.
    pub fn age(&self) -> (&str, &str, &str) {
        let created = self.metadata.creation_timestamp.as_deref().unwrap_or_default();
        (created, &self.key.name, &self.key.namespace)
    }
}

/// The `spec` of a resource, by kind. `networking.istio.io/v1`, `v1beta1` and `v1alpha3` are the same.
#[derive(Debug, Clone, PartialEq)]
pub enum Spec {
    /// A VirtualService.
    VirtualService(Box<VirtualService>),
    /// A DestinationRule.
    DestinationRule(Box<DestinationRule>),
    /// A ServiceEntry.
    ServiceEntry(Box<ServiceEntry>),
    /// A Gateway of Istio (that of the Gateway API is unknown).
    Gateway(Box<Gateway>),
    /// A WorkloadEntry.
    WorkloadEntry(Box<WorkloadEntry>),
    /// A core Service of Kubernetes.
    Service(Box<Service>),
    /// The whole document of a kind that Meshwright does not understand.
    Unknown(Value),
}
