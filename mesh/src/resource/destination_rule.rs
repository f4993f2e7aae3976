//! DestinationRule. Its policies are in [`super::traffic_policy`].

use std::collections::BTreeMap;

use super::traffic_policy::TrafficPolicy;

messages! {
    /// Policies and subsets of a service.
    DestinationRule {
        /// Host of the service.
        host: Option<String>,
        /// For all of its traffic.
        traffic_policy: Option<TrafficPolicy>,
        /// Named versions.
        subsets: Vec<Subset>,
        /// Namespaces that see it.
        export_to: Vec<String>,
        /// Clients that it applies to.
        workload_selector: Option<PodSelector>,
    }

    /// A named version of a service.
    Subset {
        /// Its name, for routes.
        name: Option<String>,
        /// Labels of its instances.
        labels: BTreeMap<String, String>,
        /// Overrides the rule's policy, for traffic that is routed to the subset by name.
        traffic_policy: Option<TrafficPolicy>,
    }

    /// Selects workloads, in the words of Kubernetes.
    PodSelector {
        /// Labels that they must have.
        match_labels: BTreeMap<String, String>,
    }
}
