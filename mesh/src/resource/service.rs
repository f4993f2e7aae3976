//! Kubernetes' core Service, as far as the registry needs it.

use std::collections::BTreeMap;

messages! {
    /// A Service.
    Service {
        /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
        r#type: Option<String>,
        /// Virtual address; `None` is headless.
        cluster_ip as "clusterIP": Option<String>,
        /// All virtual addresses.
        cluster_ips as "clusterIPs": Vec<String>,
        /// Name that an `ExternalName` stands for.
        external_name: Option<String>,
        /// Labels of its pods.
        selector: BTreeMap<String, String>,
        /// Its ports.
        ports: Vec<ServicePort>,
    }

    /// A port of a Service.
    ServicePort {
        /// Name.
        name: Option<String>,
        /// Number.
        port: Option<i64>,
        /// Number or name of a container's port.
        target_port: Option<IntOrString>,
        /// `TCP` or `UDP`.
        protocol: Option<String>,
        /// `http`, `kubernetes.io/h2c` and the like.
        app_protocol: Option<String>,
        /// Port on every node.
        node_port: Option<i64>,
    }
}

/// A port by number or by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntOrString {
    /// Number.
    Int(i64),
    /// Name.
    String(String),
}

impl Default for IntOrString {
    fn default() -> Self {
        Self::Int(0)
    }
}
