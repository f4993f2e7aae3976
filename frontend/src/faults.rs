//! The faults of a mesh, in words. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mesh::edit::{self, FaultSpec, RouteTarget};
use mesh::resource::VirtualService;
use mesh::{Edit, Kind, ResourceKey, RouteKey, Settings, host};

use crate::catalog::gateway_named;
use crate::reading::Reading;
use crate::subject;
use crate::topology::{LinkKey, NodeId, Places};
use crate::words;

/// A fault that some route injects.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultView {
    /// The route.
    pub target: RouteTarget,
    /// Host of the service whose callers see it; the first destination's where the route belongs to a gateway.
    pub host: String,
    /// What it does.
    pub fault: FaultSpec,
    /// `7 s delay · 10 %`.
    pub label: String,
    /// When it ends, in seconds since 1970.
    pub expires_at: Option<i64>,
    /// Whose requests the route governs.
    pub callers: BTreeSet<NodeId>,
    /// It governs those of workloads, too, of which the mesh knows nothing.
    pub unknown_callers: bool,
}

impl FaultView {
    /// Whether requests on this link can meet it.
    pub fn acts_on(&self, link: &LinkKey) -> bool {
        let unknown = || self.unknown_callers && matches!(link.from, NodeId::Workload { .. });
        link.to.host() == Some(&*self.host) && (self.callers.contains(&link.from) || unknown())
    }
}

/// All faults of a mesh, by VirtualService and route.
pub fn all(reading: &Reading, places: &Places, settings: &Settings) -> Vec<FaultView> {
    let mut faults = Vec::new();
    let expiries: HashMap<RouteKey, i64> = edit::fault_expiries(&reading.analysis.mesh).into_iter().collect();
    for (resource, spec) in reading.analysis.mesh.virtual_services() {
        let key = &resource.key;
        let at = |index| RouteKey { namespace: key.namespace.clone(), name: key.name.clone(), index };
        let named = spec.hosts.iter().map(String::as_str).find(|host| *host != "*");
        let mut add = |target: RouteTarget, fault: FaultSpec, conditions: &[Condition<'_>], expires_at| {
            let to = target
                .destinations(&reading.analysis.mesh)
                .into_iter()
                .find_map(|(to, _)| to.host.as_deref());
            let host = to.or(named).unwrap_or_default();
            faults.push(FaultView {
                host: host::qualify(host, &key.namespace, &settings.domain).into_owned(),
                label: label(&fault),
                fault,
                expires_at,
                callers: callers(reading, places, key, spec, conditions),
                unknown_callers: governs(key, spec, conditions, None, "", &BTreeMap::new()),
                target,
            });
        };
        for (index, route) in spec.http.iter().enumerate() {
            let Some(fault) = route.fault.as_ref().map(subject::fault_spec) else { continue };
            if fault != FaultSpec::default() {
                let of = route
                    .r#match
                    .iter()
                    .map(|one| (&one.gateways, &one.source_namespace, &one.source_labels));
                let expires_at = expiries.get(&at(index)).copied();
                add(RouteTarget::Route(at(index)), fault, &of.collect::<Vec<_>>(), expires_at);
            }
        }
        for (index, route) in spec.tls.iter().enumerate() {
            let of =
                route.r#match.iter().map(|one| (&one.gateways, &one.source_namespace, &one.source_labels));
            if let Some(fault) = edit::connection_fault(resource, "tls", index) {
                add(RouteTarget::Tls(at(index)), fault, &of.collect::<Vec<_>>(), None);
            }
        }
        for (index, route) in spec.tcp.iter().enumerate() {
            let of =
                route.r#match.iter().map(|one| (&one.gateways, &one.source_namespace, &one.source_labels));
            if let Some(fault) = edit::connection_fault(resource, "tcp", index) {
                add(RouteTarget::Tcp(at(index)), fault, &of.collect::<Vec<_>>(), None);
            }
        }
    }
    faults
}

/// What a route asks of where it is asked from: gateways, namespace and labels.
type Condition<'r> = (&'r Vec<String>, &'r Option<String>, &'r BTreeMap<String, String>);

/// The nodes whose requests a route governs.
fn callers(
    reading: &Reading,
    places: &Places,
    key: &ResourceKey,
    spec: &VirtualService,
    conditions: &[Condition<'_>],
) -> BTreeSet<NodeId> {
    let mut callers = BTreeSet::new();
    for gateway in reading.analysis.registry.gateways() {
        let of = ResourceKey::new(Kind::Gateway, &gateway.namespace, &gateway.name);
        if governs(key, spec, conditions, Some(&of), &gateway.namespace, &gateway.selector) {
            callers.insert(places.of_source(&gateway.source()));
        }
    }
    for workload in reading.analysis.registry.workloads() {
        if governs(key, spec, conditions, None, &workload.namespace, &workload.labels) {
            callers.insert(places.of_source(&workload.source()));
        }
    }
    callers
}

/// Whether a route is for requests of a gateway, or of a workload with these labels in this namespace.
fn governs(
    key: &ResourceKey,
    spec: &VirtualService,
    conditions: &[Condition<'_>],
    gateway: Option<&ResourceKey>,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> bool {
    let named = |entry: &String| match gateway {
        Some(gateway) => gateway_named(entry, &key.namespace, gateway),
        None => entry == mesh::host::MESH,
    };
    let bound = if spec.gateways.is_empty() { gateway.is_none() } else { spec.gateways.iter().any(named) };
    bound
        && (conditions.is_empty()
            || conditions.iter().any(|(gateways, from, source)| {
                // Gateways that are named stand in place of what is asked of the source.
                if !gateways.is_empty() {
                    return gateways.iter().any(named);
                }
                let from = from.as_deref().unwrap_or_default();
                (from.is_empty() || from == namespace) && mesh::labels::selects(source, labels)
            }))
}

/// Edits that end all of these faults. The last routes first, so that a route that goes away moves none that follows.
pub fn stop(faults: &[FaultView]) -> Vec<Edit> {
    let edit = |fault: &FaultView| Edit::InjectFault {
        target: fault.target.clone(),
        only: None,
        fault: None,
        expires_at: None,
    };
    faults.iter().rev().map(edit).collect()
}

/// A fault in words: `7 s delay · 10% + 500 abort · 5%`.
pub fn label(fault: &FaultSpec) -> String {
    let delay = fault
        .delay
        .map(|delay| format!("{} delay · {}", words::millis(delay.millis), words::percentage(delay.percent)));
    let abort = fault.abort.map(|abort| match (abort.status, words::percentage(abort.percent)) {
        (0, share) => format!("reset · {share}"),
        (status, share) => format!("{status} abort · {share}"),
    });
    delay.into_iter().chain(abort).collect::<Vec<_>>().join(" + ")
}

#[cfg(test)]
mod tests {
    use mesh::edit::{AbortSpec, DelaySpec};

    use super::*;
    use crate::fixture::{bookinfo, service};

    /// Nodes that meet the fault of a route to ratings with this head of a VirtualService and this condition.
    fn callers(head: &str, condition: &str) -> (Vec<String>, bool) {
        let reading = bookinfo(&format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a}}\nspec:\n  hosts: [ratings]{head}\n  http:\n  - match: {condition}\n    fault: {{delay: {{fixedDelay: 7s, percentage: {{value: 10}}}}}}\n    route: [{{destination: {{host: ratings}}}}]\n"
        ));
        let places = reading.catalog.places();
        let faults = all(&reading, &places, &Settings::default());
        let [fault] = faults.as_slice() else { panic!("{faults:?}") };
        let met = |from: &NodeId| fault.acts_on(&LinkKey { from: from.clone(), to: service("ratings") });
        let nodes = reading.catalog.nodes();
        assert!(
            !nodes
                .iter()
                .any(|node| { fault.acts_on(&LinkKey { from: node.id.clone(), to: service("details") }) })
        );
        let unknown = NodeId::Workload { namespace: "default".into(), name: "curl".into() };
        let known = nodes.into_iter().filter(|node| met(&node.id)).map(|node| node.name).collect();
        (known, met(&unknown))
    }

    #[test]
    fn faults_act_on_the_edges_of_those_whom_their_route_governs() {
        let services = ["details", "productpage", "ratings", "reviews"];
        for (head, condition, expected, unknown_callers) in [
            ("", "[]", &services[..], true),
            ("", "[{headers: {end-user: {exact: jason}}}]", &services, true),
            ("", "[{sourceLabels: {app: reviews}}]", &["reviews"], false),
            ("", "[{sourceLabels: {app: reviews, version: v2}}]", &["reviews"], false),
            ("", "[{sourceLabels: {app: reviews, version: v9}}]", &[], false),
            (
                "",
                "[{sourceLabels: {app: reviews}}, {sourceLabels: {app: details}}]",
                &["details", "reviews"],
                false,
            ),
            ("", "[{sourceNamespace: elsewhere}]", &[], false),
            ("\n  gateways: [ingress]", "[]", &["ingress"], false),
            ("\n  gateways: [ingress, mesh]", "[{gateways: [mesh]}]", &services, true),
        ] {
            let expected = expected.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(callers(head, condition), (expected, unknown_callers), "{head} {condition}");
        }
    }

    #[test]
    fn labels() {
        let delay = Some(DelaySpec { percent: 10.0, millis: 7000 });
        let abort = Some(AbortSpec { percent: 0.5, status: 503 });
        for (fault, text) in [
            (FaultSpec { delay, abort: None }, "7 s delay · 10%"),
            (FaultSpec { delay: None, abort }, "503 abort · 0.5%"),
            (FaultSpec { delay, abort }, "7 s delay · 10% + 503 abort · 0.5%"),
        ] {
            assert_eq!(label(&fault), text);
        }
    }
}
