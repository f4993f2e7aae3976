//! Names of things: resources, routes, workloads and gateways.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of a resource. A kind that Meshwright does not understand is kept under its own name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Kind {
    /// `networking.istio.io` VirtualService.
    VirtualService,
    /// `networking.istio.io` DestinationRule.
    DestinationRule,
    /// `networking.istio.io` ServiceEntry.
    ServiceEntry,
    /// `networking.istio.io` Gateway.
    Gateway,
    /// `networking.istio.io` WorkloadEntry.
    WorkloadEntry,
    /// Kubernetes' core Service.
    Service,
    /// Any other kind, by its name.
    Other(String),
}

impl Kind {
    /// The kind as it stands in YAML.
    pub fn as_str(&self) -> &str {
        match self {
            Self::VirtualService => "VirtualService",
            Self::DestinationRule => "DestinationRule",
            Self::ServiceEntry => "ServiceEntry",
            Self::Gateway => "Gateway",
            Self::WorkloadEntry => "WorkloadEntry",
            Self::Service => "Service",
            Self::Other(name) => name,
        }
    }
}

impl From<String> for Kind {
    fn from(name: String) -> Self {
        match name.as_str() {
            "VirtualService" => Self::VirtualService,
            "DestinationRule" => Self::DestinationRule,
            "ServiceEntry" => Self::ServiceEntry,
            "Gateway" => Self::Gateway,
            "WorkloadEntry" => Self::WorkloadEntry,
            "Service" => Self::Service,
            _ => Self::Other(name),
        }
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        kind.as_str().to_owned()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What names a resource within a mesh.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResourceKey {
    /// The resource's kind.
    pub kind: Kind,
    /// Its namespace; `default` where the document names none.
    pub namespace: String,
    /// Its `metadata.name`.
    pub name: String,
}

impl ResourceKey {
    /// A key from its parts.
    pub fn new(kind: Kind, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind, namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// One HTTP route of a VirtualService: the `index`-th entry of its `spec.http`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RouteKey {
    /// Namespace of the VirtualService.
    pub namespace: String,
    /// Name of the VirtualService.
    pub name: String,
    /// Position in `spec.http`, from 0.
    pub index: usize,
}

impl RouteKey {
    /// The VirtualService that the route belongs to.
    pub fn resource(&self) -> ResourceKey {
        ResourceKey::new(Kind::VirtualService, &self.namespace, &self.name)
    }
}
