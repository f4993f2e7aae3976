//! What is wrong behind a cluster right now: instances that get no requests, limits that are reached. What has no alert is
//! well.

use mesh::Source;
use serde::{Deserialize, Serialize};

/// One instance that is not used, or one limit that is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Alert {
    /// What it is.
    pub kind: AlertKind,
    /// Whose requests it concerns; `None`: everybody's, which is so of health checks.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub source: Option<Source>,
    /// The destination service's fully qualified host.
    pub host: String,
    /// The subset that routes name; `None`: none, or all where `port` is `None` too.
    pub subset: Option<String>,
    /// The service's port; `None`: all, which is so of health checks.
    pub port: Option<u16>,
    /// The instance's address and port, as the mesh's files say them (`10.0.0.1:9080`); `None` for a limit.
    pub instance: Option<String>,
    /// Why, in words; of a limit the name of its field: `maxConnections`.
    pub why: String,
    /// Since when, in milliseconds since 1970.
    pub at: i64,
    /// Of an ejection: until then at least.
    pub until: Option<i64>,
}

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// Outlier detection has ejected the instance.
    Ejected,
    /// Health checks fail.
    Unhealthy,
    /// It could not be connected to when that was last tried. It is still asked.
    Unreachable,
    /// A limit is reached, and what goes beyond it is refused; requests beyond `maxConnections` wait.
    Overflow,
}
