//! What is needed of a Pod: whose it is, its labels, where it runs and whether it does.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use mesh::registry::LOCALITY_LABELS;

/// Labels that differ between the pods of one workload.
const OF_ONE_POD: [&str; 5] = [
    "apps.kubernetes.io/pod-index",
    "controller-revision-hash",
    "pod-template-generation",
    "pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
];

/// A Pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Name of its workload.
    pub workload: String,
    /// Its labels, without those that no other pod of the workload has.
    pub labels: BTreeMap<String, String>,
    /// The node that it is on.
    pub node: Option<String>,
    /// `region/zone/subzone`, where it says so itself.
    pub locality: Option<String>,
    /// It has not ended.
    pub runs: bool,
}

impl Pod {
    /// What is needed of a Pod.
    pub fn of(pod: &core::Pod) -> Self {
        let mut labels = pod.metadata.labels.clone().unwrap_or_default();
        let workload = workload(pod, &labels);
        let locality = labels.get("istio-locality").map(|it| it.replace('.', "/"));
        labels.retain(|label, _| !OF_ONE_POD.contains(&label.as_str()));
        let phase = pod.status.as_ref().and_then(|it| it.phase.as_deref());
        Self {
            workload,
            labels,
            node: pod.spec.as_ref().and_then(|it| it.node_name.clone()),
            locality,
            runs: !matches!(phase, Some("Succeeded" | "Failed")),
        }
    }
}

/// The workload's name, as Istio's telemetry has it: of a Deployment's pods the Deployment's, of a CronJob's the CronJob's, else the
/// name of what controls the pod, or the pod's own.
fn workload(pod: &core::Pod, labels: &BTreeMap<String, String>) -> String {
    let named = |label: &str| labels.get(label).filter(|name| !name.is_empty());
    if let Some(name) = named("service.istio.io/workload-name") {
        return name.clone();
    }
    let owners = pod.metadata.owner_references.iter().flatten();
    let Some(owner) = owners.into_iter().find(|it| it.controller == Some(true)) else {
        return pod.metadata.name.clone().unwrap_or_default();
    };
    let of_deployment = |hash: &String| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-');
    let trimmed = match owner.kind.as_str() {
        "ReplicaSet" => labels.get("pod-template-hash").and_then(of_deployment),
        // A CronJob's Jobs end in the minute of their time.
        "Job" => owner
            .name
            .rsplit_once('-')
            .filter(|(_, time)| {
                (8..=10).contains(&time.len()) && time.bytes().all(|byte| byte.is_ascii_digit())
            })
            .map(|(name, _)| name),
        _ => None,
    };
    trimmed.unwrap_or(&owner.name).to_owned()
}

/// `region/zone/subzone` as labels say it; empty where they do not.
pub(super) fn locality(labels: &BTreeMap<String, String>) -> String {
    let parts = LOCALITY_LABELS.map(|label| labels.get(label).map_or("", String::as_str));
    parts.join("/").trim_end_matches('/').to_owned()
}
