//! Routes of connections: plain TCP, and TLS that is passed on unopened.

use std::time::Duration;

use serde::Serialize;

use super::Destination;
use super::serial::delay;
use crate::subnet::Subnet;

/// One route of connections: any of its matches leads to its destinations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConnectionRoute {
    /// What wrote it: `namespace/name tcp[0]` of a VirtualService, or the service whose default it is.
    pub from: String,
    /// Names that a client can ask for it by, where it asks by name (`CONNECT`); empty is any.
    pub hosts: Vec<String>,
    /// Addresses that a client can mean it by, where it is known which address the client meant; empty is any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Subnet>,
    /// ORed; empty matches every connection.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<ConnectionMatch>,
    /// In order. With more than one, none has weight 0.
    pub destinations: Vec<Destination>,
    /// Sum of the weights.
    pub total_weight: u64,
    /// Faults to draw for each connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<ConnectionFault>,
}

/// One condition on connections; its fields are ANDed, what is empty holds for all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ConnectionMatch {
    /// Names in the SNI, in lower case; the first part may be `*`. Holds for TLS alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sni: Vec<String>,
    /// Where the connection was meant to go, as far as that is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<Subnet>,
    /// Where it comes from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Subnet>,
}

/// Faults of connections; both are drawn independently, the delay comes first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ConnectionFault {
    /// Share in millionths, and how long the connection waits before anything is passed on.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "delay")]
    pub delay: Option<(u32, Duration)>,
    /// Share in millionths that is reset.
    pub reset: u32,
}
