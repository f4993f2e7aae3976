//! VirtualServices ready to be compiled: sorted by age, names resolved, delegates merged.

use std::collections::HashMap;

use super::delegate;
use super::reset;
use super::trace::Skip;
use crate::host::{self, MESH};
use crate::plan::ConnectionFault;
use crate::registry::Visibility;
use crate::resource::http::{HttpMatch, HttpRoute};
use crate::resource::virtual_service::{Destination, L4Match, RouteDestination};
use crate::resource::{Resource, VirtualService};
use crate::{Mesh, ResourceKey, RouteKey, Settings};

/// All VirtualServices that have hosts, the oldest first.
pub(crate) struct Rules {
    pub(crate) books: Vec<Rulebook>,
}

/// One VirtualService.
pub(crate) struct Rulebook {
    /// Its key.
    pub(crate) key: ResourceKey,
    /// Its hosts, qualified and in lower case.
    pub(crate) hosts: Vec<String>,
    /// `mesh`, or `namespace/name`.
    pub(crate) gateways: Vec<String>,
    /// Who sees it.
    pub(crate) visibility: Visibility,
    /// Its rules, those of delegates in place of the rules that delegate.
    pub(crate) rules: Vec<Rule>,
    /// Its rules for connections: `tls`, then `tcp`.
    pub(crate) connections: Vec<ConnectionRule>,
}

/// One rule, names resolved.
pub(crate) struct Rule {
    /// Where it is written: for a delegate's rule, the delegate.
    pub(crate) key: RouteKey,
    /// The root's rule that leads to it, with its name, where it is a delegate's.
    pub(crate) via: Option<(RouteKey, Option<String>)>,
    /// What it says.
    pub(crate) http: HttpRoute,
    /// Why it cannot be used for anyone.
    pub(crate) problem: Option<Skip>,
    /// It resets this share of requests, in millionths.
    pub(crate) reset: u32,
}

/// One rule of `tls` or `tcp`, names resolved.
pub(crate) struct ConnectionRule {
    /// `namespace/name tcp[0]`.
    pub(crate) from: String,
    /// It is one of `tls`.
    pub(crate) tls: bool,
    /// Names in the SNI, and the rest.
    pub(crate) matches: Vec<(Vec<String>, L4Match)>,
    /// Its destinations.
    pub(crate) route: Vec<RouteDestination>,
    /// Its faults.
    pub(crate) fault: Option<ConnectionFault>,
}

impl Rules {
    /// Prepares the VirtualServices of a mesh.
    pub(crate) fn of(mesh: &Mesh, settings: &Settings) -> Self {
        let mut all: Vec<(&Resource, &VirtualService)> = mesh.virtual_services().collect();
        all.sort_by(|a, b| a.0.age().cmp(&b.0.age()));
        let delegates: HashMap<(&str, &str), (&Resource, &VirtualService)> = all
            .iter()
            .filter(|(_, service)| service.hosts.is_empty())
            .map(|it| ((it.0.key.namespace.as_str(), it.0.key.name.as_str()), *it))
            .collect();
        let books = all
            .iter()
            .filter(|(_, service)| !service.hosts.is_empty())
            .map(|(resource, service)| Rulebook::of(resource, service, &delegates, settings))
            .collect();
        Self { books }
    }

    /// Positions of the VirtualServices that a namespace sees and that are bound to a gateway, in the order of
    /// precedence: by closeness, then by age.
    pub(crate) fn bound(&self, gateway: &str, namespace: &str) -> Vec<usize> {
        let own = |book: &Rulebook| book.key.namespace.clone();
        let mut found: Vec<usize> = (0..self.books.len())
            .filter(|at| {
                let book = &self.books[*at];
                book.visibility.allows(&own(book), namespace) && book.gateways.iter().any(|it| it == gateway)
            })
            .collect();
        found.sort_by_key(|at| {
            self.books[*at].visibility.closeness(&self.books[*at].key.namespace, namespace)
        });
        found
    }

    /// Labels that rules ask sources for.
    pub(crate) fn asked_labels(&self) -> impl Iterator<Item = &String> {
        let rules = self.books.iter().flat_map(|book| &book.rules);
        let requests = rules.flat_map(|rule| &rule.http.r#match).flat_map(|it| it.source_labels.keys());
        let rules = self.books.iter().flat_map(|book| &book.connections);
        requests.chain(rules.flat_map(|rule| &rule.matches).flat_map(|(_, it)| it.source_labels.keys()))
    }
}

impl Rulebook {
    /// Prepares one, with the delegates that there are.
    pub(super) fn of(
        resource: &Resource,
        service: &VirtualService,
        delegates: &HashMap<(&str, &str), (&Resource, &VirtualService)>,
        settings: &Settings,
    ) -> Self {
        let namespace = &resource.key.namespace;
        let mut rules = Vec::new();
        for (index, http) in service.http.iter().enumerate() {
            let root = resolve(resource, http, settings);
            let key = route_key(resource, index);
            let reset = reset::of(resource, "http", index).map_or(0, |fault| fault.reset);
            let Some(delegate) = &http.delegate else {
                rules.push(Rule { key, via: None, http: root, problem: None, reset });
                continue;
            };
            let delegate_namespace =
                delegate.namespace.as_deref().filter(|it| !it.is_empty()).unwrap_or(namespace);
            let name = delegate.name.as_deref().unwrap_or("");
            let Some((target, rest)) = delegates.get(&(delegate_namespace, name)) else {
                rules.push(Rule { key, via: None, http: root, problem: Some(Skip::DelegateMissing), reset });
                continue;
            };
            if !Visibility::of(&rest.export_to).allows(delegate_namespace, namespace) {
                rules.push(Rule { key, via: None, http: root, problem: Some(Skip::DelegateHidden), reset });
                continue;
            }
            for (index, leaf) in rest.http.iter().enumerate() {
                let leaf = resolve(target, leaf, settings);
                let nested = leaf.delegate.is_some().then_some(Skip::DelegateNested);
                let via = Some((key.clone(), http.name.clone().filter(|name| !name.is_empty())));
                let key = route_key(target, index);
                rules.push(match delegate::merge_route(&root, &leaf) {
                    Some(http) => Rule { key, via, http, problem: nested, reset },
                    None => Rule { key, via, http: leaf, problem: Some(Skip::DelegateConflict), reset },
                });
            }
        }
        let gateways = match service.gateways.as_slice() {
            [] => vec![MESH.to_owned()],
            list => list.iter().map(|gateway| host::qualify_gateway(gateway, namespace)).collect(),
        };
        Self {
            key: resource.key.clone(),
            hosts: service.hosts.iter().map(|it| qualify(it, namespace, settings)).collect(),
            gateways,
            visibility: Visibility::of(&service.export_to),
            rules,
            connections: connections(resource, service, settings),
        }
    }
}

/// The rules that a root's rule and its delegate's rules make together, in the words of the API. A delegate's rule that
/// conflicts with the root's is left out.
pub fn merge_delegate(root: &HttpRoute, delegate: &[HttpRoute]) -> Vec<HttpRoute> {
    delegate.iter().filter_map(|leaf| delegate::merge_route(root, leaf)).collect()
}

/// Whether a delegate's rule conflicts with the root's rule that leads to it, and is left out.
pub fn delegate_conflicts(root: &HttpRoute, leaf: &HttpRoute) -> bool {
    delegate::conflicts(root, leaf)
}

/// The rules of `tls` and `tcp`.
fn connections(resource: &Resource, service: &VirtualService, settings: &Settings) -> Vec<ConnectionRule> {
    let rule =
        |kind: &str, index: usize, matches: Vec<(Vec<String>, L4Match)>, route: &[RouteDestination]| {
            let mut rule = ConnectionRule {
                from: format!("{}/{} {kind}[{index}]", resource.key.namespace, resource.key.name),
                tls: kind == "tls",
                matches,
                route: route.to_vec(),
                fault: reset::of(resource, kind, index),
            };
            let namespace = &resource.key.namespace;
            for destination in rule.route.iter_mut().filter_map(|it| it.destination.as_mut()) {
                destination.host =
                    destination.host.as_deref().map(|host| as_written(host, namespace, settings));
            }
            for gateway in rule.matches.iter_mut().flat_map(|(_, it)| &mut it.gateways) {
                *gateway = host::qualify_gateway(gateway, namespace);
            }
            rule
        };
    let tls = service.tls.iter().enumerate().map(|(index, route)| {
        let matches = route.r#match.iter().map(|it| {
            let rest = L4Match {
                destination_subnets: it.destination_subnets.clone(),
                port: it.port,
                source_labels: it.source_labels.clone(),
                gateways: it.gateways.clone(),
                source_namespace: it.source_namespace.clone(),
                ..L4Match::default()
            };
            (it.sni_hosts.clone(), rest)
        });
        rule("tls", index, matches.collect(), &route.route)
    });
    let tcp = service.tcp.iter().enumerate().map(|(index, route)| {
        let matches = route.r#match.iter().map(|it| (Vec::new(), it.clone()));
        rule("tcp", index, matches.collect(), &route.route)
    });
    tls.chain(tcp).collect()
}

fn route_key(resource: &Resource, index: usize) -> RouteKey {
    RouteKey { namespace: resource.key.namespace.clone(), name: resource.key.name.clone(), index }
}

fn qualify(host: &str, namespace: &str, settings: &Settings) -> String {
    host::qualify(host, namespace, &settings.domain).to_ascii_lowercase()
}

/// A destination's host in full. It means a service letter by letter.
fn as_written(host: &str, namespace: &str, settings: &Settings) -> String {
    host::qualify(host, namespace, &settings.domain).into_owned()
}

/// A rule with its names resolved, and with what the oldest form of the API left unsaid.
fn resolve(resource: &Resource, http: &HttpRoute, settings: &Settings) -> HttpRoute {
    let namespace = &resource.key.namespace;
    let mut http = http.clone();
    let full = |destination: &mut Destination| {
        if let Some(host) = &mut destination.host {
            *host = as_written(host, namespace, settings);
        }
    };
    http.route.iter_mut().filter_map(|it| it.destination.as_mut()).for_each(full);
    http.mirror.iter_mut().for_each(full);
    http.mirrors.iter_mut().filter_map(|it| it.destination.as_mut()).for_each(full);
    for HttpMatch { gateways, .. } in &mut http.r#match {
        for gateway in gateways {
            *gateway = host::qualify_gateway(gateway, namespace);
        }
    }
    // In `v1alpha3` as it first was, a fault without a percentage met all requests; since `percentage` came it meets none.
    if resource.api_version.ends_with("/v1alpha3")
        && let Some(fault) = &mut http.fault
    {
        if let Some(delay) = &mut fault.delay
            && delay.percentage.is_none()
        {
            delay.percent.get_or_insert(100);
        }
        if let Some(abort) = &mut fault.abort
            && abort.percentage.is_none()
        {
            abort.percent.get_or_insert(100);
        }
    }
    http
}
