//! Endpoints with their weights, and what their places mean.

use std::collections::BTreeMap;

use envoy::lb_endpoint::HostIdentifier;
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::endpoint::v3 as envoy;
use mesh::plan::{Cluster, Endpoint};
use mesh::route::{Place, Places};

use super::{names, pb};

/// The endpoints of a cluster, seen from a source with these labels.
pub(super) fn assignment(
    cluster: &Cluster,
    labels: &BTreeMap<String, String>,
) -> envoy::ClusterLoadAssignment {
    let places = Places::new(&cluster.endpoints, cluster.policy.locality.as_ref(), labels);
    let mut groups: BTreeMap<(usize, usize, &str), Vec<envoy::LbEndpoint>> = BTreeMap::new();
    for (endpoint, place) in cluster.endpoints.iter().zip(&places.of) {
        let Some(Place { level, share }) = *place else { continue };
        groups.entry((level, share, &endpoint.locality)).or_default().push(instance(endpoint));
    }
    // A share is a place's; where it covers several localities each gets its part by the endpoints that it has.
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    for ((_, share, _), endpoints) in &groups {
        *sizes.entry(*share).or_default() += endpoints.len();
    }
    let weighted = places.shares.len() > 1
        || cluster.policy.locality.as_ref().is_some_and(|it| !it.distribute.is_empty());
    let groups = groups.into_iter().map(|((level, share, locality), endpoints)| {
        let part = places.shares.get(share).map_or(1, |whole| {
            let (own, all) = (endpoints.len() as u64, sizes[&share] as u64);
            u32::try_from((u64::from(*whole) * FINENESS * own / all).max(1)).unwrap_or(u32::MAX)
        });
        envoy::LocalityLbEndpoints {
            locality: Some(place(locality)),
            lb_endpoints: endpoints,
            load_balancing_weight: weighted.then(|| pb::number(part)),
            priority: u32::try_from(level).unwrap_or(u32::MAX),
            ..Default::default()
        }
    });
    envoy::ClusterLoadAssignment {
        cluster_name: names::cluster(&cluster.key),
        endpoints: groups.collect(),
        ..Default::default()
    }
}

/// Parts that a share is made of, so that it can be divided.
const FINENESS: u64 = 1000;

fn instance(endpoint: &Endpoint) -> envoy::LbEndpoint {
    let address = endpoint.address.trim_matches(['[', ']']);
    envoy::LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(envoy::Endpoint {
            address: Some(pb::host(address, endpoint.port)),
            ..Default::default()
        })),
        load_balancing_weight: Some(pb::number(endpoint.weight.max(1))),
        ..Default::default()
    }
}

fn place(locality: &str) -> core::Locality {
    let mut parts = locality.splitn(3, '/').map(str::to_owned);
    let mut part = || parts.next().unwrap_or_default();
    core::Locality { region: part(), zone: part(), sub_zone: part() }
}
