//! What a platform reports of what runs, beside the documents. It comes and goes without a revision.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::service::Endpoint;
use super::{Service, Workload, kubernetes};
use crate::resource::{Metadata, Service as Spec};
use crate::{Kind, ResourceKey, Settings};

/// Services, their endpoints, and workloads, as a platform reports them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inventory {
    /// Its services, by namespace and name.
    pub services: Vec<Arc<Reported>>,
    /// What runs there and may send traffic, by namespace and name.
    pub workloads: Vec<Workload>,
}

/// A service of a platform.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reported {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels, annotations and age.
    pub metadata: Metadata,
    /// What it is.
    pub spec: Spec,
    /// The endpoints that are ready, by the name of the port that they serve.
    pub endpoints: BTreeMap<String, Vec<Endpoint>>,
}

impl Inventory {
    /// Its services, ready for the registry.
    pub(super) fn services(&self, settings: &Settings) -> impl Iterator<Item = Service> {
        self.services.iter().map(|it| {
            let key = ResourceKey::new(Kind::Service, &it.namespace, &it.name);
            let ports = |port: &str| it.endpoints.get(port).cloned().unwrap_or_default();
            kubernetes::service(&key, &it.metadata, &it.spec, settings, |port, _, _| ports(port))
        })
    }
}
