//! DestinationRules: which one governs a cluster, and what it says after merging.

mod resolve;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::secrets;
use crate::annotation;
use crate::host::{self, HostMap};
use crate::labels::selects;
use crate::plan::{Balancer, ClusterPolicy, HealthCheck};
use crate::registry::{Viewer, Visibility};
use crate::resource::Resource;
use crate::resource::destination_rule::{DestinationRule, Subset};
use crate::resource::traffic_policy::TrafficPolicy;
use crate::{DefaultBalancer, Mesh, Settings};

/// All DestinationRules by namespace and host.
pub(crate) struct Policies<'m> {
    by_namespace: HashMap<&'m str, HostMap<Vec<Rule<'m>>>>,
    root: String,
    balancer: Balancer,
}

#[derive(Clone, Copy)]
struct Rule<'m> {
    resource: &'m Resource,
    spec: &'m DestinationRule,
}

/// What DestinationRules of one host say together.
pub(crate) struct Governing<'m> {
    /// `namespace/name` of the first.
    from: String,
    namespace: &'m str,
    policy: Option<&'m TrafficPolicy>,
    subsets: Vec<&'m Subset>,
    by_name: HashMap<&'m str, &'m Subset>,
    health: Option<HealthCheck>,
    balancer: Balancer,
}

impl<'m> Policies<'m> {
    /// Indexes the DestinationRules of a mesh.
    pub(crate) fn of(mesh: &'m Mesh, settings: &Settings) -> Self {
        let mut all: Vec<Rule<'m>> =
            mesh.destination_rules().map(|(resource, spec)| Rule { resource, spec }).collect();
        let precedence = |rule: &Rule<'m>| (rule.spec.workload_selector.is_none(), rule.resource.age());
        all.sort_by(|a, b| precedence(a).cmp(&precedence(b)));
        let mut by_namespace: HashMap<&'m str, HostMap<Vec<Rule<'m>>>> = HashMap::new();
        for rule in all {
            let namespace = rule.resource.key.namespace.as_str();
            let named = rule.spec.host.as_deref().unwrap_or("");
            let host = host::qualify(named, namespace, &settings.domain);
            by_namespace.entry(namespace).or_default().entry(&host, Vec::new).push(rule);
        }
        let balancer = match settings.load_balancer {
            DefaultBalancer::LeastRequest => Balancer::LeastRequest,
            DefaultBalancer::RoundRobin => Balancer::RoundRobin,
        };
        Self { by_namespace, root: settings.root_namespace.clone(), balancer }
    }

    /// The policy of a cluster that no rule governs.
    pub(crate) fn ungoverned(&self) -> ClusterPolicy {
        ClusterPolicy { balancer: self.balancer, ..ClusterPolicy::default() }
    }

    /// Labels that rules ask clients for.
    pub(crate) fn asked_labels(&self) -> impl Iterator<Item = &String> {
        let rules = self.by_namespace.values().flat_map(HostMap::values).flatten();
        rules.filter_map(|rule| rule.spec.workload_selector.as_ref()).flat_map(|it| it.match_labels.keys())
    }

    /// What governs a host for a client: rules of the client's namespace, else of the service's, else of the root's, of
    /// the most specific host in each. A client in the root namespace begins with the service's, because the root's are
    /// meant for all; only what the root namespace keeps to itself comes first there.
    pub(crate) fn governing(
        &self,
        host: &str,
        service: Option<&str>,
        client: &Viewer,
    ) -> Option<Governing<'m>> {
        let own = client.namespace.as_str();
        let private = |rule: &Rule<'m>| {
            let list = &rule.spec.export_to;
            rule.spec.workload_selector.is_some()
                || (!list.is_empty() && list.iter().all(|it| it == "." || it == own))
        };
        self.in_namespace(own, host, client, |rule| own != self.root || private(rule))
            .or_else(|| self.in_namespace(service?, host, client, |_| true))
            .or_else(|| self.in_namespace(&self.root, host, client, |_| true))
    }

    fn in_namespace(
        &self,
        namespace: &str,
        host: &str,
        client: &Viewer,
        fits: impl Fn(&Rule<'m>) -> bool,
    ) -> Option<Governing<'m>> {
        let rules = self.by_namespace.get(namespace)?.find(host)?;
        let seen = |rule: &&Rule<'m>| {
            // A rule for certain clients is never exported.
            let own = rule.resource.key.namespace == client.namespace;
            let visible = match rule.spec.workload_selector {
                Some(_) => own,
                None => Visibility::of(&rule.spec.export_to)
                    .allows(&rule.resource.key.namespace, &client.namespace),
            };
            visible && fits(rule)
        };
        let chosen = |rule: &&Rule<'m>| {
            let selector = rule.spec.workload_selector.as_ref();
            selector.is_none_or(|selector| selects(&selector.match_labels, &client.labels))
        };
        let rules: Vec<&Rule<'m>> = rules.iter().filter(seen).filter(chosen).collect();
        let first = *rules.first()?;
        let together =
            rules.iter().filter(|rule| rule.spec.workload_selector == first.spec.workload_selector);
        let mut governing = Governing {
            from: format!("{}/{}", first.resource.key.namespace, first.resource.key.name),
            namespace: &first.resource.key.namespace,
            policy: None,
            subsets: Vec::new(),
            by_name: HashMap::new(),
            health: None,
            balancer: self.balancer,
        };
        for rule in together {
            governing.policy = governing.policy.or(rule.spec.traffic_policy.as_ref());
            // One that cannot be read is told of by validation.
            let annotation = rule.resource.metadata.annotations.get(annotation::HEALTH_CHECK);
            let health = annotation.and_then(|text| HealthCheck::parse(text).ok());
            governing.health = governing.health.or(health);
            for subset in &rule.spec.subsets {
                let Some(name) = subset.name.as_deref() else { continue };
                if let Entry::Vacant(free) = governing.by_name.entry(name) {
                    free.insert(subset);
                    governing.subsets.push(subset);
                }
            }
        }
        Some(governing)
    }
}

impl<'m> Governing<'m> {
    /// A subset by its name.
    pub(crate) fn subset(&self, name: &str) -> Option<&'m Subset> {
        self.by_name.get(name).copied()
    }

    /// Names of its subsets.
    pub(crate) fn subset_names(&self) -> impl Iterator<Item = &'m str> {
        self.subsets.iter().filter_map(|subset| subset.name.as_deref())
    }

    /// The policy of a cluster.
    pub(crate) fn policy(&self, subset: Option<&Subset>, port: u16, mesh: &Mesh) -> ClusterPolicy {
        let over = subset.map(|subset| subset.traffic_policy.as_ref());
        let mut merged = merge(self.policy, over.flatten(), port);
        if let Some(merged) = &mut merged {
            // A tunnel is for all ports, and a subset has only its own.
            merged.tunnel = over.unwrap_or(self.policy).and_then(|policy| policy.tunnel.clone());
        }
        let tls =
            merged.as_ref().and_then(|merged| secrets::client(mesh, self.namespace, merged.tls.as_ref()?));
        let policy = merged.map(|merged| resolve::policy(&merged, self.balancer));
        let policy =
            policy.unwrap_or_else(|| ClusterPolicy { balancer: self.balancer, ..ClusterPolicy::default() });
        ClusterPolicy { health: self.health.clone(), tls, from: Some(self.from.clone()), ..policy }
    }
}

/// The policy of a port, and whether it is the port's own: it stands in place of the whole policy.
fn for_port(policy: &TrafficPolicy, port: u16) -> (TrafficPolicy, bool) {
    let number = i64::from(port);
    let own = policy
        .port_level_settings
        .iter()
        .find(|own| own.port.as_ref().and_then(|it| it.number) == Some(number));
    match own {
        Some(own) => {
            let policy = TrafficPolicy {
                load_balancer: own.load_balancer.clone(),
                connection_pool: own.connection_pool.clone(),
                outlier_detection: own.outlier_detection.clone(),
                tls: own.tls.clone(),
                ..TrafficPolicy::default()
            };
            (policy, true)
        }
        None => (TrafficPolicy { port_level_settings: Vec::new(), ..policy.clone() }, false),
    }
}

/// The rule's policy with the subset's over it, field by field; a subset's own policy of the port replaces all four.
fn merge(rule: Option<&TrafficPolicy>, subset: Option<&TrafficPolicy>, port: u16) -> Option<TrafficPolicy> {
    let base = rule.map(|policy| for_port(policy, port).0);
    let Some(subset) = subset else { return base };
    let (over, whole) = for_port(subset, port);
    let Some(base) = base else { return Some(over) };
    Some(TrafficPolicy {
        load_balancer: pick(over.load_balancer, base.load_balancer, whole),
        connection_pool: pick(over.connection_pool, base.connection_pool, whole),
        outlier_detection: pick(over.outlier_detection, base.outlier_detection, whole),
        tls: pick(over.tls, base.tls, whole),
        proxy_protocol: over.proxy_protocol.or(base.proxy_protocol),
        retry_budget: over.retry_budget.or(base.retry_budget),
        ..TrafficPolicy::default()
    })
}

fn pick<T>(over: Option<T>, base: Option<T>, whole: bool) -> Option<T> {
    if whole { over } else { over.or(base) }
}
