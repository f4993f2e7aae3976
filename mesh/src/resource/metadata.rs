//! `metadata` of every resource.

use std::collections::BTreeMap;

messages! {
    /// What Kubernetes keeps about an object.
    Metadata {
        /// Name.
        name: Option<String>,
        /// Namespace; `default` where it is missing.
        namespace: Option<String>,
        /// Labels.
        labels: BTreeMap<String, String>,
        /// Annotations.
        annotations: BTreeMap<String, String>,
        /// RFC 3339; set by the cluster. Decides which of two resources is the older.
        creation_timestamp: Option<String>,
    }
}
