//! Names of annotations that mean something here. What Istio has no field for is written into resources as an annotation of this
//! program's own, so that Istio takes the resource as it is.

/// How the endpoints of a DestinationRule's host are asked whether they are well, as YAML: [`crate::plan::HealthCheck`].
pub const HEALTH_CHECK: &str = "meshwright.io/health-check";

/// Connections of a VirtualService's rules that are reset or delayed: `http[0] reset 5%; tcp[0] delay 2s 50%`.
pub const CONNECTION_FAULTS: &str = "meshwright.io/connection-faults";

/// When faults of a VirtualService's routes end, in seconds since 1970: `route=1764000000`.
pub const FAULT_EXPIRES: &str = "meshwright.io/fault-expires";

/// Istio's: to which namespaces a Kubernetes Service is visible.
pub const EXPORT_TO: &str = "networking.istio.io/exportTo";
