//! `GET /api/v1/events`: a snapshot, then deltas with sequence numbers, as server-sent events.
//!
//! Each SSE message has `id: <seq>` and `data: <Event as JSON>`. `Last-Event-ID` resumes; a gap brings a new snapshot.

use serde::{Deserialize, Serialize};

use mesh::Diagnostic;

use crate::alert::Alert;
use crate::inventory::InventoryChange;
use crate::observed::{InstanceStats, Tick};
use crate::revision::{RevisionInfo, Timeline};
use crate::state::{ListenerInfo, LoadSettings, Proposal, Snapshot, TargetStatus};

/// One message of the stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// Grows by one with each event.
    pub seq: u64,
    /// What happened.
    pub delta: Delta,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
pub enum Delta {
    /// The whole state: always first, and again after a gap.
    Snapshot(Box<Snapshot>),
    /// A new head revision, with the files that differ from the one before (`None`: removed).
    Revision {
        /// Its description.
        info: RevisionInfo,
        /// Path and new text.
        files: Vec<(String, Option<String>)>,
    },
    /// A target says what it runs.
    Target(TargetStatus),
    /// What is observed otherwise than before, 4 times a second.
    Tick(Box<Tick>),
    /// The apply timeline of a revision has a new milestone.
    Timeline(Timeline),
    /// The load generator was turned.
    Load(LoadSettings),
    /// Gateways or workloads came or went, and with them where they listen.
    Listeners(Vec<ListenerInfo>),
    /// The folder changed on disk and proposes a revision; `None` when it was taken or dismissed.
    Proposal(Option<Proposal>),
    /// Instances that are not used and limits that are reached: all of them, as one of them came or went.
    Alerts(Vec<Alert>),
    /// Files of the folder on disk that cannot be read: all of them, as one of them came or went.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    Unread(Vec<Diagnostic>),
    /// What runs is another now.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    Inventory(Box<InventoryChange>),
    /// What instances answered: all of them, once a second where that changed.
    Instances(Vec<InstanceStats>),
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let info = json!({ "number": 2, "author": "anna", "at": 3, "summary": "s", "edits": [] });
        for delta in [
            json!({ "type": "revision", "value": { "info": info, "files": [["a.yaml", "x: 1\n"], ["b.yaml", null]] } }),
            json!({ "type": "load", "value": { "rate": 2.5, "url": "http://127.0.0.1:8081" } }),
            json!({ "type": "listeners", "value": [] }),
            json!({ "type": "proposal", "value": null }),
            json!({ "type": "unread", "value": [{
                "code": "MW0015", "severity": "error", "resource": null, "path": "",
                "place": { "file": "a.yaml", "line": 1, "column": 1 }, "message": "m"
            }] }),
            json!({ "type": "alerts", "value": [{
                "kind": "ejected", "source": { "kind": "workload", "namespace": "default", "name": "w" },
                "host": "reviews", "subset": null, "port": 80, "instance": "10.0.0.1:9080",
                "why": "errors in a row", "at": 1, "until": 2
            }] }),
            json!({ "type": "instances", "value": [{
                "host": "reviews", "instance": "10.0.0.1:9080", "recent": { "2xx": 3.0 }, "health": "healthy"
            }] }),
            json!({ "type": "proposal", "value": { "at": 1, "files": [["a.yaml", null]] } }),
        ] {
            let event = json!({ "seq": 7, "delta": delta });
            let read: Event = serde_json::from_value(event.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), event);
            // The tag may come last.
            let value = serde_json::to_string(&delta["value"]).unwrap();
            let text = format!(r#"{{"value":{value},"type":{}}}"#, delta["type"]);
            assert_eq!(serde_json::from_str::<Delta>(&text).unwrap(), read.delta);
        }
    }

    #[test]
    fn what_is_unknown_is_said() {
        let error = serde_json::from_value::<Delta>(json!({ "type": "song", "value": 1 })).unwrap_err();
        assert!(error.to_string().contains("`song`"), "{error}");
        assert!(serde_json::from_value::<Delta>(json!({ "type": "load", "value": {} })).is_err());
    }
}
