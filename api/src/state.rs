//! The state of the program, whole: what a browser needs to draw everything.

use std::fmt;
use std::sync::Arc;

use mesh::{Diagnostic, Inventory, Settings, Source, Sources};
use serde::{Deserialize, Serialize};

use crate::alert::Alert;
use crate::observed::{InstanceStats, Series, Tick};
use crate::revision::{RevisionInfo, Timeline};

/// Everything. `GET /api/v1/mesh` returns it, and the event stream starts with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Snapshot {
    /// The mesh's name: `bookinfo`, or the folder's.
    pub name: String,
    /// The server's version.
    pub version: String,
    /// The head revision.
    pub revision: RevisionInfo,
    /// Its files.
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::BTreeMap<String, String>))]
    pub sources: Sources,
    /// Mesh settings.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub settings: Settings,
    /// What each target runs.
    pub targets: Vec<TargetStatus>,
    /// Where the gateways and workloads listen.
    pub listeners: Vec<ListenerInfo>,
    /// The load generator; `None` where there is none (a mesh without a gateway).
    pub load: Option<LoadSettings>,
    /// The last revisions, newest first, at most 200.
    pub history: Vec<RevisionInfo>,
    /// The timeline of the head revision.
    pub timeline: Option<Timeline>,
    /// The last tick, whole.
    pub tick: Option<Tick>,
    /// What was observed before, for the charts.
    pub series: Vec<Series>,
    /// What the folder on disk proposes.
    pub proposal: Option<Proposal>,
    /// Instances that are not used, and limits that are reached.
    #[serde(default)]
    pub alerts: Vec<Alert>,
    /// What instances answered, and what health checks say of them.
    #[serde(default)]
    pub instances: Vec<InstanceStats>,
    /// What runs, as a platform reports it beside the files.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub inventory: Arc<Inventory>,
    /// The cluster that the mesh is of, if it is of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterInfo>,
    /// A revision that could not be run when the program started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<SetAside>,
    /// Files of the folder on disk that cannot be read.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub unread: Vec<Diagnostic>,
}

/// The cluster that a mesh is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClusterInfo {
    /// The kubeconfig's context.
    pub context: String,
    /// The server's address.
    pub server: String,
    /// The server's version.
    pub version: String,
    /// Namespaces that are shown; all without any.
    pub namespaces: Vec<String>,
    /// Whether anything may be written.
    pub may_write: bool,
    /// What may not be written, in sentences; everything may be without any.
    pub read_only: Vec<String>,
}

/// A revision of the log that could not be run when the program started. It stays in the log; another one took its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SetAside {
    /// Its number.
    pub revision: u64,
    /// The last revision before it that could be run.
    pub runs: u64,
    /// Why it could not, in words.
    pub why: String,
}

impl fmt::Display for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revision, runs, why } = self;
        write!(
            f,
            "revision {revision} cannot be run and is set aside ({why}); the mesh runs as revision {runs} had it"
        )
    }
}

/// What a target says that it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TargetStatus {
    /// Which target.
    pub target: Target,
    /// Its state.
    pub state: TargetState,
    /// The Envoys, one by one; the other targets have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeStatus>,
}

/// What one Envoy says that it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeStatus {
    /// Its id: one for each process.
    pub id: String,
    /// Whose traffic it routes.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub source: Source,
    /// Its program and version: `envoy 1.40.0`.
    pub program: String,
    /// Its state.
    pub state: TargetState,
    /// What the mesh says that it cannot do, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What a revision is applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The built-in proxy.
    Proxy,
    /// The Envoys.
    Envoy,
    /// The Kubernetes cluster.
    Cluster,
}

/// The states of a target. Times in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TargetState {
    /// A revision is on its way.
    Pending {
        /// The revision.
        revision: u64,
    },
    /// It runs this revision.
    Applied {
        /// The revision.
        revision: u64,
        /// Since when.
        at: i64,
        /// How long it took from the edit, in milliseconds.
        millis: f64,
    },
    /// It refused this revision and runs the one before.
    Rejected {
        /// The revision.
        revision: u64,
        /// In its own words.
        why: String,
    },
    /// It does not answer.
    Unreachable {
        /// Since when.
        since: i64,
    },
}

/// Where a source's traffic enters the proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListenerInfo {
    /// Whose.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub source: Source,
    /// The port that the resources name; `None` for a workload's outbound listener, which serves all ports.
    pub port: Option<u16>,
    /// Where it really listens: `127.0.0.1:8081`.
    pub address: String,
}

/// The load generator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LoadSettings {
    /// Requests a second; 0 is off.
    pub rate: f64,
    /// What it asks for: `http://127.0.0.1:8081/productpage`.
    pub url: String,
}

/// A change that was found on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Proposal {
    /// When it was found, in milliseconds since 1970.
    pub at: i64,
    /// Files that differ from the head revision; `None`: removed.
    pub files: Vec<(String, Option<String>)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_as_they_are_written() {
        for state in [
            TargetState::Pending { revision: 1 },
            TargetState::Applied { revision: 2, at: 3, millis: 4.5 },
            TargetState::Rejected { revision: 5, why: "no".to_owned() },
            TargetState::Unreachable { since: 6 },
        ] {
            let written = serde_json::to_value(&state).unwrap();
            assert_eq!(serde_json::from_value::<TargetState>(written).unwrap(), state);
        }
        for (wrong, said) in [
            (r#"{"state":"asleep"}"#, "unknown variant `asleep`, expected one of `pending`"),
            (r#"{"state":"applied","revision":1}"#, "missing field `at`"),
        ] {
            let error = serde_json::from_str::<TargetState>(wrong).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
