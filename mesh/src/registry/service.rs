//! Services: a host with its ports and their endpoints.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use crate::ResourceKey;

use super::{PortProtocol, Visibility};

/// A service.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Fully qualified host, in lower case; the first part may be `*`.
    pub host: String,
    /// The host as it is written. Destinations and DestinationRules mean it letter by letter.
    pub written: String,
    /// Namespace of the resource that defines it.
    pub namespace: String,
    /// The resource that defines it.
    pub from: ResourceKey,
    /// When that was made, as it says.
    pub created: Option<String>,
    /// It is not part of the mesh.
    pub external: bool,
    /// How its endpoints are found.
    pub discovery: Discovery,
    /// Kubernetes' `clusterIP: None`: each instance has a name of its own below the host.
    pub headless: bool,
    /// Virtual addresses.
    pub addresses: Vec<String>,
    /// Ranges of addresses (`10.0.0.0/8`), which no client can name.
    pub ranges: Vec<String>,
    /// Names that its certificates may have.
    pub subject_alt_names: Vec<String>,
    /// Other hosts that mean this service (`ExternalName`).
    pub aliases: Vec<String>,
    /// The host that an `ExternalName` stands for.
    pub alias_of: Option<String>,
    /// Its ports, by number.
    pub ports: Vec<Port>,
    /// Who sees it.
    pub visibility: Visibility,
}

/// How endpoints are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Discovery {
    /// They are listed.
    Static,
    /// By DNS: the address of an endpoint is a name.
    Dns,
    /// By DNS, one address at a time.
    DnsRoundRobin,
    /// The address that the client chose.
    Passthrough,
}

/// A port of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    /// Number.
    pub number: u16,
    /// Name.
    pub name: String,
    /// What is spoken.
    pub protocol: PortProtocol,
    /// The instances, each with the port that serves this one.
    pub endpoints: Vec<Endpoint>,
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// IP address or DNS name, or a path for a Unix socket (`unix://`).
    pub address: String,
    /// Port.
    pub port: u16,
    /// Name of the workload.
    pub workload: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Weight, 1 unless set.
    pub weight: u32,
    /// `region/zone/subzone`.
    pub locality: String,
}

impl Endpoint {
    /// The endpoint that a host's own name is.
    pub fn named(host: &str, port: u16) -> Self {
        Self {
            address: host.to_owned(),
            port,
            workload: host.to_owned(),
            labels: BTreeMap::new(),
            weight: 1,
            locality: String::new(),
        }
    }

    /// The version that observations are counted under: the label `version`, or empty.
    pub fn version(&self) -> &str {
        self.labels.get("version").map_or("", String::as_str)
    }
}

impl Service {
    /// A port by its number.
    pub fn port(&self, number: u16) -> Option<&Port> {
        self.ports.iter().find(|port| port.number == number)
    }

    /// The host's first part: `reviews`.
    pub fn short_name(&self) -> &str {
        self.host.split('.').next().unwrap_or(&self.host)
    }

    /// All values of the label `version`, in order.
    pub fn versions(&self) -> BTreeSet<&str> {
        let endpoints = self.ports.iter().flat_map(|port| &port.endpoints);
        endpoints.map(Endpoint::version).filter(|version| !version.is_empty()).collect()
    }

    /// Names of all workloads that serve it, in order.
    pub fn workloads(&self) -> BTreeSet<&str> {
        self.ports
            .iter()
            .flat_map(|port| &port.endpoints)
            .map(|endpoint| endpoint.workload.as_str())
            .collect()
    }

    /// Precedence among services of the same host: Kubernetes' before entries, then the oldest.
    pub(super) fn rank(&self) -> (bool, Option<&str>, &str) {
        (self.from.kind != crate::Kind::Service, self.created.as_deref(), &self.from.name)
    }

    /// Adds what another definition of the same host in the same namespace has: the ports that are not there yet, where both
    /// are of one kind, and the endpoints. Those belong to ports by their names.
    pub(super) fn unite(&mut self, other: Self) {
        let mut named: BTreeMap<String, Vec<Endpoint>> = BTreeMap::new();
        for port in self.ports.iter().chain(&other.ports) {
            named.entry(port.name.clone()).or_default().extend(port.endpoints.iter().cloned());
        }
        let alike = self.from.kind == other.from.kind && self.discovery == other.discovery;
        if alike && self.visibility == other.visibility {
            for port in other.ports {
                if self.port(port.number).is_none() {
                    self.ports.push(port);
                }
            }
            self.ports.sort_by_key(|port| port.number);
        }
        for port in &mut self.ports {
            let mut known = HashSet::new();
            port.endpoints = named.get(&port.name).cloned().unwrap_or_default();
            port.endpoints.retain(|endpoint| known.insert((endpoint.address.clone(), endpoint.port)));
        }
        let new = other.addresses.into_iter().filter(|address| !self.addresses.contains(address));
        let new: Vec<String> = new.collect();
        self.addresses.extend(new);
    }
}
