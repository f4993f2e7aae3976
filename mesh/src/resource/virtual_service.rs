//! VirtualService, and its TLS and TCP routes. HTTP routes are in [`super::http`].

use std::collections::BTreeMap;

pub use super::destination::{Destination, PortSelector};
use super::http::HttpRoute;

messages! {
    /// Rules that govern how requests for hosts are routed.
    VirtualService {
        /// Hosts that the rules are for; none in a delegate.
        hosts: Vec<String>,
        /// Gateways that they apply to; `mesh` is the sidecars, which is also the default.
        gateways: Vec<String>,
        /// HTTP routes, the first that matches wins.
        http: Vec<HttpRoute>,
        /// Routes for TLS that is passed through.
        tls: Vec<TlsRoute>,
        /// Routes for TCP.
        tcp: Vec<TcpRoute>,
        /// Namespaces that see it.
        export_to: Vec<String>,
    }

    /// A route for TLS connections.
    TlsRoute {
        /// ORed.
        r#match: Vec<TlsMatch>,
        /// Weighted destinations.
        route: Vec<RouteDestination>,
    }

    /// What a TLS connection must have; fields are ANDed.
    TlsMatch {
        /// Names in the SNI.
        sni_hosts: Vec<String>,
        /// CIDRs of the destination.
        destination_subnets: Vec<String>,
        /// Port that it is addressed to.
        port: Option<i64>,
        /// Labels of the workload that it comes from.
        source_labels: BTreeMap<String, String>,
        /// Gateways that the rule applies to.
        gateways: Vec<String>,
        /// Namespace that it comes from.
        source_namespace: Option<String>,
    }

    /// A route for TCP connections.
    TcpRoute {
        /// ORed.
        r#match: Vec<L4Match>,
        /// Weighted destinations.
        route: Vec<RouteDestination>,
    }

    /// What a TCP connection must have; fields are ANDed.
    L4Match {
        /// CIDRs of the destination.
        destination_subnets: Vec<String>,
        /// Port that it is addressed to.
        port: Option<i64>,
        /// CIDR of the source.
        source_subnet: Option<String>,
        /// Labels of the workload that it comes from.
        source_labels: BTreeMap<String, String>,
        /// Gateways that the rule applies to.
        gateways: Vec<String>,
        /// Namespace that it comes from.
        source_namespace: Option<String>,
    }

    /// A weighted destination of a TLS or TCP route.
    RouteDestination {
        /// Where it leads.
        destination: Option<Destination>,
        /// Its weight.
        weight: Option<i64>,
    }
}
