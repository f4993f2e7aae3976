//! What every request gets for certain: why a destination cannot be reached, and aborts of all.

use super::Certain;
use crate::plan::compile::Context;
use crate::plan::{AbortWith, Balancer, ClusterId, ClusterKey, Forward, Plan, Source};
use crate::registry::Viewer;
use crate::route::{Chosen, Decision, MILLION};

/// Where a plan's clusters are looked up again, to say what is wrong with them.
pub(super) struct Lookup<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) viewer: &'a Viewer,
    pub(super) plan: &'a Plan,
    /// Port of the listener.
    pub(super) port: u16,
}

/// Why nothing gets through to a cluster.
pub(super) struct Lost {
    /// Envoy's flag.
    pub(super) flag: &'static str,
    pub(super) reason: String,
}

/// The cluster's name.
pub(super) fn cluster(plan: &Plan, id: ClusterId) -> Option<&ClusterKey> {
    plan.clusters.get(id.0 as usize).map(|cluster| &cluster.key)
}

impl Lookup<'_> {
    /// Why nothing gets through to a cluster; `None` where something may. Of an inventory that has no endpoint of the
    /// service at all nothing is said: it may be another's to know.
    pub(super) fn lost(&self, id: ClusterId) -> Option<Lost> {
        let cluster = self.plan.clusters.get(id.0 as usize)?;
        let key = &cluster.key;
        let (host, port) = (&key.host, key.port);
        let registry = self.context.registry;
        let Some(service) = registry.exact(host, &self.viewer.namespace) else {
            let near = registry.covering(&host.to_ascii_lowercase(), &self.viewer.namespace);
            let reason = match near {
                _ if host.is_empty() => "the destination names no host".to_owned(),
                Some(near) if near.host.starts_with('*') => {
                    format!("only {} covers {host}, and destinations are looked up exactly", near.written)
                }
                Some(near) => {
                    format!(
                        "the service is called {}, and {host} is looked up letter by letter",
                        near.written
                    )
                }
                None => format!("there is no service {host}:{port}"),
            };
            return Some(Lost { flag: "NC", reason });
        };
        let Some(own) = service.port(port) else {
            let ports: Vec<String> = service.ports.iter().map(|port| port.number.to_string()).collect();
            let has = if ports.is_empty() { "none".to_owned() } else { ports.join(", ") };
            let workload = matches!(self.viewer.source, Source::Workload { .. });
            let why = if workload && port == self.port {
                format!(
                    "{host} has no port {port}, on which the request came in, and the rule names none of its own ({has})"
                )
            } else {
                format!("{host} has no port {port}; it has {has}")
            };
            return Some(Lost { flag: "NC", reason: why });
        };
        let subset = key.subset.as_deref().unwrap_or_default();
        if !cluster.known {
            return Some(Lost {
                flag: "NC",
                reason: format!("there is no subset {subset} of {host}:{port}"),
            });
        }
        let empty = cluster.endpoints.is_empty() && cluster.policy.balancer != Balancer::Passthrough;
        (empty && !own.endpoints.is_empty()).then(|| Lost {
            flag: "UH",
            reason: format!("the subset {subset} of {host}:{port} has no endpoints"),
        })
    }

    /// What every request of a decision gets in place of what the rule says.
    pub(super) fn certain(&self, decision: &Decision<'_>) -> Option<Certain> {
        let chosen = decision.chosen()?;
        abort(chosen).or_else(|| match decision {
            Decision::Forward(_, forward, _) => self.unreachable(forward),
            _ => None,
        })
    }

    fn unreachable(&self, forward: &Forward) -> Option<Certain> {
        let lost: Option<Vec<Lost>> = forward.destinations.iter().map(|it| self.lost(it.cluster)).collect();
        let lost = lost.filter(|lost| !lost.is_empty())?;
        let flag = if lost.iter().all(|it| it.flag == lost[0].flag) { lost[0].flag } else { "NC" };
        let mut reasons: Vec<String> = Vec::new();
        for it in lost {
            if !reasons.contains(&it.reason) {
                reasons.push(it.reason);
            }
        }
        Some(Certain { status: 503, flag: flag.to_owned(), reason: reasons.join("; ") })
    }
}

fn abort(chosen: &Chosen<'_>) -> Option<Certain> {
    let (share, with) = chosen.route.fault.as_ref()?.abort?;
    let all = u64::from(share) >= MILLION;
    let (status, reason) = match with {
        AbortWith::Http(status) => (status, "the rule's fault aborts every request".to_owned()),
        AbortWith::Grpc(code) => {
            (200, format!("the rule's fault aborts every request with grpc-status {code}"))
        }
        AbortWith::Reset => (0, "the rule's fault resets every request's connection".to_owned()),
    };
    all.then(|| Certain { status, flag: "FI".to_owned(), reason })
}

/// Why no copy is sent to a mirror, one after another.
pub(super) fn mirrors(lookup: &Lookup<'_>, forward: &Forward) -> String {
    let lost = forward.mirrors.iter().filter_map(|mirror| {
        let host = &cluster(lookup.plan, mirror.cluster)?.host;
        Some(format!("; no copy is sent to {host}: {}", lookup.lost(mirror.cluster)?.reason))
    });
    lost.collect()
}
