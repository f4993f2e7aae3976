//! Sources of traffic: workloads, which are instances of one service with the same labels, and gateways.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::Mesh;
use crate::labels::selects;
use crate::resource::WorkloadEntry;

/// Who sends the traffic that a plan is compiled for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// A workload's outbound traffic.
    Workload {
        /// Its namespace.
        namespace: String,
        /// Its name: the WorkloadEntry's, or `<service>-<version>` for an endpoint that stands within a ServiceEntry.
        name: String,
    },
    /// A gateway's inbound traffic.
    Gateway {
        /// Its namespace.
        namespace: String,
        /// The Gateway resource's name.
        name: String,
    },
}

impl Source {
    /// Its kind in a word (`workload`, `gateway`), its namespace and its name.
    pub fn parts(&self) -> [&str; 3] {
        match self {
            Self::Workload { namespace, name } => ["workload", namespace, name],
            Self::Gateway { namespace, name } => ["gateway", namespace, name],
        }
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        self.parts()[1]
    }

    /// The workload or gateway that is written `name` or `namespace/name`; without a word of it the namespace is `default`.
    pub fn named(kind: &str, name: &str) -> Self {
        let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        if kind == "gateway" { Self::Gateway { namespace, name } } else { Self::Workload { namespace, name } }
    }
}

/// Labels that say where an instance runs: region, zone and subzone.
pub const LOCALITY_LABELS: [&str; 3] =
    ["topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"];

/// Labels of an instance.
pub(super) type Labels = BTreeMap<String, String>;

/// A workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// Its namespace.
    pub namespace: String,
    /// Its name: the WorkloadEntry's, or `<service>-<version>` for endpoints that stand within a ServiceEntry.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Where it runs, `region/zone/subzone`; empty where that is not said, or not the same of all instances.
    pub locality: String,
}

impl Workload {
    /// The workload as a source.
    pub fn source(&self) -> Source {
        Source::Workload { namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

/// A gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Its namespace.
    pub namespace: String,
    /// The Gateway resource's name.
    pub name: String,
    /// Labels of the workloads that run it.
    pub selector: Labels,
}

impl Gateway {
    /// The gateway as a source.
    pub fn source(&self) -> Source {
        Source::Gateway { namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

/// All Gateway resources, by namespace and name.
pub(super) fn gateways(mesh: &Mesh) -> Vec<Gateway> {
    let mut all: Vec<Gateway> = mesh
        .gateways()
        .map(|(resource, gateway)| Gateway {
            namespace: resource.key.namespace.clone(),
            name: resource.key.name.clone(),
            selector: gateway.selector.clone(),
        })
        .collect();
    all.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    all
}

/// Collects workloads and gives names to those that have none.
pub(super) struct Collector<'m> {
    /// WorkloadEntries by namespace.
    entries: BTreeMap<&'m str, Vec<(&'m str, &'m WorkloadEntry)>>,
    /// Positions of those that have a label, by namespace and label.
    labelled: HashMap<(&'m str, &'m str, &'m str), Vec<usize>>,
    workloads: BTreeMap<(String, String), (Labels, String)>,
    /// Names that were given, by namespace, service and labels.
    given: HashMap<(String, String, Labels), String>,
    /// How many have a name with a number behind it, by namespace and name.
    counts: HashMap<(String, String), u32>,
}

impl<'m> Collector<'m> {
    /// Starts with the WorkloadEntries of a mesh, and the workloads that are reported.
    pub(super) fn new(mesh: &'m Mesh, reported: &[Workload]) -> Self {
        let mut all = Self {
            entries: BTreeMap::new(),
            labelled: HashMap::new(),
            workloads: BTreeMap::new(),
            given: HashMap::new(),
            counts: HashMap::new(),
        };
        for it in reported {
            let known = (it.labels.clone(), it.locality.clone());
            all.workloads.insert((it.namespace.clone(), it.name.clone()), known);
        }
        for (resource, entry) in mesh.workload_entries() {
            let (namespace, name) = (resource.key.namespace.as_str(), resource.key.name.as_str());
            all.entries.entry(namespace).or_default().push((name, entry));
            let known = (entry.labels.clone(), entry.locality.clone().unwrap_or_default());
            all.workloads.insert((namespace.to_owned(), name.to_owned()), known);
        }
        for entries in all.entries.values_mut() {
            entries.sort_by_key(|(name, _)| *name);
        }
        for (namespace, entries) in &all.entries {
            for (at, (_, entry)) in entries.iter().enumerate() {
                for (name, value) in &entry.labels {
                    all.labelled.entry((namespace, name, value)).or_default().push(at);
                }
            }
        }
        all
    }

    /// The WorkloadEntries of a namespace that have these labels, by name. An empty selector selects nothing.
    pub(super) fn selected(&self, namespace: &str, selector: &Labels) -> Vec<(&'m str, &'m WorkloadEntry)> {
        // Those that have the rarest of its labels are looked through.
        let lists = selector.iter().map(|(name, value)| self.having(namespace, name, value));
        let Some(few) = lists.min_by_key(|list| list.len()) else { return Vec::new() };
        let entries = self.entries.get(namespace).map_or(&[][..], Vec::as_slice);
        few.iter().map(|at| entries[*at]).filter(|(_, entry)| selects(selector, &entry.labels)).collect()
    }

    /// Positions of the WorkloadEntries of a namespace that have a label.
    fn having<'a>(&'a self, namespace: &'a str, name: &'a str, value: &'a str) -> &'a [usize] {
        self.labelled.get(&(namespace, name, value)).map_or(&[][..], Vec::as_slice)
    }

    /// The name of the workload that an endpoint of a service belongs to. Endpoints with the same labels share one.
    pub(super) fn name(&mut self, namespace: &str, service: &str, instance: &WorkloadEntry) -> String {
        let (labels, locality) = (&instance.labels, instance.locality.as_deref().unwrap_or_default());
        let key = (namespace.to_owned(), service.to_owned(), labels.clone());
        if let Some(name) = self.given.get(&key) {
            if let Some((_, known)) = self.workloads.get_mut(&(namespace.to_owned(), name.clone()))
                && known != locality
            {
                known.clear();
            }
            return name.clone();
        }
        let base = match labels.get("version") {
            Some(version) if !version.is_empty() => format!("{service}-{version}"),
            _ => service.to_owned(),
        };
        let taken = |name: &str| self.workloads.contains_key(&(namespace.to_owned(), name.to_owned()));
        let mut name = base.clone();
        let count = self.counts.entry((namespace.to_owned(), base.clone())).or_insert(1);
        while taken(&name) {
            *count += 1;
            name = format!("{base}-{count}");
        }
        let known = (labels.clone(), locality.to_owned());
        self.workloads.insert((namespace.to_owned(), name.clone()), known);
        self.given.insert(key, name.clone());
        name
    }

    /// All workloads, by namespace and name.
    pub(super) fn finish(self) -> Vec<Workload> {
        let workload =
            |((namespace, name), (labels, locality))| Workload { namespace, name, labels, locality };
        self.workloads.into_iter().map(workload).collect()
    }
}

/// Labels of an instance with those that say where it runs, as Istio adds them to what it knows of an instance.
pub(super) fn located(labels: &Labels, locality: &str) -> Labels {
    let mut labels = labels.clone();
    for (label, part) in LOCALITY_LABELS.into_iter().zip(locality.split('/')) {
        if !part.is_empty() {
            labels.entry(label.to_owned()).or_insert_with(|| part.to_owned());
        }
    }
    labels
}
