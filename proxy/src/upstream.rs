//! Towards endpoints: clusters, balancing, connection pools, circuit breakers, outlier detection and health checks.

pub(crate) mod balance;
pub(crate) mod breaker;
pub(crate) mod checker;
pub(crate) mod cluster;
pub(crate) mod cluster_manager;
pub(crate) mod connect;
pub(crate) mod driver;
pub(crate) mod health;
pub(crate) mod origin;
pub(crate) mod outlier;
pub(crate) mod pool;
pub(crate) mod proxy_protocol;
pub(crate) mod shared_cluster;
pub(crate) mod tunnel;
