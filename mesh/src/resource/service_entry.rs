//! ServiceEntry and WorkloadEntry.

use std::collections::BTreeMap;

messages! {
    /// A service that is added to the registry.
    ServiceEntry {
        /// Its hosts; the first part may be `*`.
        hosts: Vec<String>,
        /// Virtual addresses.
        addresses: Vec<String>,
        /// Its ports.
        ports: Vec<ServicePort>,
        /// Whether it is part of the mesh.
        location: Option<Location>,
        /// How its endpoints are found.
        resolution: Option<Resolution>,
        /// Its endpoints.
        endpoints: Vec<WorkloadEntry>,
        /// Selects WorkloadEntries and pods instead of `endpoints`.
        workload_selector: Option<WorkloadSelector>,
        /// Namespaces that see it.
        export_to: Vec<String>,
        /// Names that its certificates may have.
        subject_alt_names: Vec<String>,
    }

    /// A port of a ServiceEntry.
    ServicePort {
        /// Number.
        number: Option<i64>,
        /// Protocol: `HTTP`, `HTTPS`, `GRPC`, `HTTP2`, `MONGO`, `TCP`, `TLS`.
        protocol: Option<String>,
        /// Name.
        name: Option<String>,
        /// Port of the endpoints; `number` unless set.
        target_port: Option<i64>,
    }

    /// Selects workloads.
    WorkloadSelector {
        /// Labels that they must have.
        labels: BTreeMap<String, String>,
    }

    /// One instance: a resource of its own, or an endpoint of a ServiceEntry.
    WorkloadEntry {
        /// IP address, DNS name, or `unix://` and a path.
        address: Option<String>,
        /// Ports by the names of the service's ports.
        ports: BTreeMap<String, i64>,
        /// Its labels.
        labels: BTreeMap<String, String>,
        /// Its network.
        network: Option<String>,
        /// `region/zone/subzone`.
        locality: Option<String>,
        /// Its weight.
        weight: Option<i64>,
        /// Its identity.
        service_account: Option<String>,
    }
}

open_enums! {
    /// Whether a service is part of the mesh.
    Location {
        /// It is not.
        MeshExternal = "MESH_EXTERNAL",
        /// It is.
        MeshInternal = "MESH_INTERNAL",
    }

    /// How endpoints are found.
    Resolution {
        /// The address that the client chose.
        None = "NONE",
        /// The endpoints that are listed.
        Static = "STATIC",
        /// By DNS, all addresses.
        Dns = "DNS",
        /// By DNS, one address at a time.
        DnsRoundRobin = "DNS_ROUND_ROBIN",
        /// By DNS, for the name that the client asked for.
        DynamicDns = "DYNAMIC_DNS",
    }
}
