//! The traffic policies of a DestinationRule: of the host, of its subsets, and of single ports of each.

use crate::resource::traffic_policy::{
    ClientTls, ConnectionPool, LoadBalancer, OutlierDetection, TrafficPolicy, Tunnel,
};
use crate::resource::walk::At;
use crate::resource::{DestinationRule, Resource};

use super::context::Context;

/// One policy, whatever level it stands on.
#[derive(Clone, Copy)]
pub(super) struct Policy<'m> {
    pub(super) resource: &'m Resource,
    pub(super) rule: &'m DestinationRule,
    /// The port that it is for; `None` for all.
    pub(super) port: Option<i64>,
    pub(super) load_balancer: Option<&'m LoadBalancer>,
    pub(super) connection_pool: Option<&'m ConnectionPool>,
    pub(super) outlier_detection: Option<&'m OutlierDetection>,
    pub(super) tls: Option<&'m ClientTls>,
    /// Ports have none of their own.
    pub(super) tunnel: Option<&'m Tunnel>,
}

/// Shows every policy of every DestinationRule with its place.
pub(super) fn each_policy<'m>(context: &Context<'m>, see: &mut dyn FnMut(&At<'_>, Policy<'m>)) {
    for (resource, rule) in context.rules() {
        if let Some(policy) = &rule.traffic_policy {
            of_level(resource, rule, policy, &At::SPEC.field("trafficPolicy"), see);
        }
        let list = At::SPEC.field("subsets");
        for (index, subset) in rule.subsets.iter().enumerate() {
            if let Some(policy) = &subset.traffic_policy {
                of_level(resource, rule, policy, &list.index(index).field("trafficPolicy"), see);
            }
        }
    }
}

fn of_level<'m>(
    resource: &'m Resource,
    rule: &'m DestinationRule,
    policy: &'m TrafficPolicy,
    at: &At<'_>,
    see: &mut dyn FnMut(&At<'_>, Policy<'m>),
) {
    let whole = Policy {
        resource,
        rule,
        port: None,
        load_balancer: policy.load_balancer.as_ref(),
        connection_pool: policy.connection_pool.as_ref(),
        outlier_detection: policy.outlier_detection.as_ref(),
        tls: policy.tls.as_ref(),
        tunnel: policy.tunnel.as_ref(),
    };
    see(at, whole);
    let list = at.field("portLevelSettings");
    for (index, settings) in policy.port_level_settings.iter().enumerate() {
        let port = Policy {
            port: Some(settings.port.as_ref().and_then(|port| port.number).unwrap_or_default()),
            load_balancer: settings.load_balancer.as_ref(),
            connection_pool: settings.connection_pool.as_ref(),
            outlier_detection: settings.outlier_detection.as_ref(),
            tls: settings.tls.as_ref(),
            tunnel: None,
            ..whole
        };
        see(&list.index(index), port);
    }
}
