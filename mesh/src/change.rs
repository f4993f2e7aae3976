//! Edits as data: what is sent, logged, and offered by a finding. [`crate::edit`] makes them.

use serde::{Deserialize, Serialize};

use crate::{ResourceKey, RouteKey};

/// What a field-level edit acts on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteTarget {
    /// An HTTP route that exists.
    Route(RouteKey),
    /// The default route of a service (its fully qualified host) that no VirtualService names yet: applying the edit
    /// creates the VirtualService with one catch-all route, and the DestinationRule's subsets where they are missing.
    Service(String),
    /// A route of TCP connections that exists: of `spec.tcp`.
    Tcp(RouteKey),
    /// A route of TLS connections that exists: of `spec.tls`.
    Tls(RouteKey),
}

impl RouteTarget {
    /// The list of the VirtualService that the route is in, where it is one of connections, and its key.
    pub fn connections(&self) -> Option<(&'static str, &RouteKey)> {
        match self {
            Self::Tcp(key) => Some(("tcp", key)),
            Self::Tls(key) => Some(("tls", key)),
            Self::Route(_) | Self::Service(_) => None,
        }
    }
}

/// The share of one destination of a split.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Share {
    /// Destination host, as the route writes it.
    pub host: String,
    /// Subset, where the destination names one.
    pub subset: Option<String>,
    /// Destination port, where the route names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Weight, in whole percents when the designer writes it.
    pub weight: u32,
}

/// A fault to inject, in the words of Istio's HTTPFaultInjection. Percentages are in percent, 0 to 100.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FaultSpec {
    /// Delay: percentage of requests and how long, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<DelaySpec>,
    /// Abort: percentage of requests and the status that they get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort: Option<AbortSpec>,
}

/// A fixed delay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DelaySpec {
    /// Percentage of requests, 0 to 100.
    pub percent: f64,
    /// Milliseconds.
    pub millis: u64,
}

/// An abort with an HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AbortSpec {
    /// Percentage of requests, 0 to 100.
    pub percent: f64,
    /// HTTP status, 200 to 599; of a connection, 0: it is reset.
    pub status: u16,
}

/// Retries of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrySpec {
    /// Attempts after the first; 0 turns retries off.
    pub attempts: u32,
    /// Milliseconds for each try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_try_timeout_millis: Option<u64>,
    /// `retryOn`, comma-separated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_on: Option<String>,
}

/// A field and its new value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldEdit {
    /// Its path within the resource: `spec.http[0].timeout`.
    pub path: String,
    /// The value; `None` removes the field.
    pub value: Option<serde_json::Value>,
}

/// One change in the domain's terms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Edit {
    /// Sets the weights of a route's destinations. Destinations that are missing are added, those not named are removed.
    SetWeights {
        /// The route.
        target: RouteTarget,
        /// All destinations of the split, in order.
        shares: Vec<Share>,
    },
    /// Injects a fault into a route, or removes it with `None`.
    InjectFault {
        /// The route.
        target: RouteTarget,
        /// Which requests: a header that must have exactly this value. A request matcher that differs from the route's own
        /// makes a copy of the route in front of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        only: Option<HeaderEquals>,
        /// The fault.
        fault: Option<FaultSpec>,
        /// When the control loop takes it out again: seconds since 1970. Kept as an annotation of the VirtualService.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<i64>,
    },
    /// Sets a route's timeout in milliseconds (0 turns it off), or removes the field with `None`.
    SetTimeout {
        /// The route.
        target: RouteTarget,
        /// Milliseconds.
        millis: Option<u64>,
    },
    /// Sets a route's retries, or removes the field with `None`.
    SetRetries {
        /// The route.
        target: RouteTarget,
        /// The retries.
        retries: Option<RetrySpec>,
    },
    /// Sets or removes single fields of a resource: what fixes of diagnostics do.
    SetFields {
        /// The resource.
        key: ResourceKey,
        /// The fields, in order.
        fields: Vec<FieldEdit>,
    },
    /// Replaces the text of one resource's document. The new text may give it another name.
    ReplaceResource {
        /// The resource.
        key: ResourceKey,
        /// The document's new text, without `---`.
        yaml: String,
    },
    /// Adds a document at the end of a file, which is made when it is missing.
    AddResource {
        /// The file.
        file: String,
        /// The document's text.
        yaml: String,
    },
    /// Removes a resource's document, and its file when it was the only one.
    RemoveResource {
        /// The resource.
        key: ResourceKey,
    },
    /// Sets whole files: what a folder changed on disk proposes, and the inverse of edits that move documents. `None`
    /// removes the file.
    SetFiles {
        /// Path and text.
        files: Vec<(String, Option<String>)>,
    },
}

/// A header with an exact value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HeaderEquals {
    /// Header name, lower case.
    pub name: String,
    /// Its value.
    pub value: String,
}
