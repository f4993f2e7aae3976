//! The kinds of object that a mesh is made of on a cluster, and what may be done with them.

use std::fmt;

/// Istio's API group of traffic.
pub const NETWORKING: &str = "networking.istio.io";

/// A kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Istio's.
    VirtualService,
    /// Istio's.
    DestinationRule,
    /// Istio's.
    Gateway,
    /// Istio's.
    ServiceEntry,
    /// Istio's.
    WorkloadEntry,
    /// Istio's.
    Sidecar,
    /// A service.
    Service,
    /// A pod.
    Pod,
    /// A namespace.
    Namespace,
    /// Addresses of a service, on servers without slices.
    Endpoints,
    /// Addresses of a service.
    EndpointSlice,
}

impl Kind {
    /// Istio's kinds: those that are written.
    pub const ISTIO: [Self; 6] = [
        Self::VirtualService,
        Self::DestinationRule,
        Self::Gateway,
        Self::ServiceEntry,
        Self::WorkloadEntry,
        Self::Sidecar,
    ];

    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::VirtualService,
        Self::DestinationRule,
        Self::Gateway,
        Self::ServiceEntry,
        Self::WorkloadEntry,
        Self::Sidecar,
        Self::Service,
        Self::Pod,
        Self::Namespace,
        Self::Endpoints,
        Self::EndpointSlice,
    ];

    /// Its name in objects.
    pub fn name(self) -> &'static str {
        match self {
            Self::VirtualService => "VirtualService",
            Self::DestinationRule => "DestinationRule",
            Self::Gateway => "Gateway",
            Self::ServiceEntry => "ServiceEntry",
            Self::WorkloadEntry => "WorkloadEntry",
            Self::Sidecar => "Sidecar",
            Self::Service => "Service",
            Self::Pod => "Pod",
            Self::Namespace => "Namespace",
            Self::Endpoints => "Endpoints",
            Self::EndpointSlice => "EndpointSlice",
        }
    }

    /// The name of its resource in paths and roles.
    pub fn plural(self) -> &'static str {
        match self {
            Self::VirtualService => "virtualservices",
            Self::DestinationRule => "destinationrules",
            Self::Gateway => "gateways",
            Self::ServiceEntry => "serviceentries",
            Self::WorkloadEntry => "workloadentries",
            Self::Sidecar => "sidecars",
            Self::Service => "services",
            Self::Pod => "pods",
            Self::Namespace => "namespaces",
            Self::Endpoints => "endpoints",
            Self::EndpointSlice => "endpointslices",
        }
    }

    /// Its API group; the core group has no name.
    pub fn group(self) -> &'static str {
        match self {
            Self::EndpointSlice => "discovery.k8s.io",
            Self::Service | Self::Pod | Self::Namespace | Self::Endpoints => "",
            _ => NETWORKING,
        }
    }

    /// Whether it is Istio's.
    pub fn is_istio(self) -> bool {
        self.group() == NETWORKING
    }

    /// Whether its objects are in namespaces.
    pub fn is_namespaced(self) -> bool {
        self != Self::Namespace
    }

    /// The kind of an object of Istio's traffic group, by its name.
    pub fn istio(name: &str) -> Option<Self> {
        Self::ISTIO.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What may be done with objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// To get all.
    List,
    /// To follow changes.
    Watch,
    /// To make one.
    Create,
    /// To change one.
    Patch,
    /// To remove one.
    Delete,
}

impl Verb {
    /// What reading takes.
    pub const READ: [Self; 2] = [Self::List, Self::Watch];
    /// What writing takes.
    pub const WRITE: [Self; 3] = [Self::Create, Self::Patch, Self::Delete];

    /// Its name in roles.
    pub fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
