//! What rules look at: the mesh, its settings, and indexes that several rules need, each made when it is first asked for.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use crate::host::{self, HostMap};
use crate::resource::destination_rule::Subset;
use crate::resource::virtual_service::Destination;
use crate::resource::walk::At;
use crate::resource::{
    DestinationRule, Gateway, HttpRoute, Resource, Service, ServiceEntry, Spec, VirtualService, WorkloadEntry,
};
use crate::{Kind, Mesh, ResourceKey, Settings};

use super::services::Services;

/// What rules look at.
pub(super) struct Context<'m> {
    pub(super) mesh: &'m Mesh,
    pub(super) settings: &'m Settings,
    pub(super) services: Services<'m>,
    lists: Lists<'m>,
    by_host: OnceCell<HostMap<Vec<(&'m Resource, &'m DestinationRule)>>>,
    routed: OnceCell<HashMap<String, HashSet<String>>>,
    named: OnceCell<HashMap<String, HashSet<&'m str>>>,
    governed: OnceCell<HashMap<String, Vec<(&'m Resource, &'m VirtualService)>>>,
}

/// Resources by their kind: every rule walks over them, and the mesh looks each of them up.
#[derive(Default)]
struct Lists<'m> {
    resources: Vec<&'m Resource>,
    virtual_services: Vec<(&'m Resource, &'m VirtualService)>,
    rules: Vec<(&'m Resource, &'m DestinationRule)>,
    service_entries: Vec<(&'m Resource, &'m ServiceEntry)>,
    gateways: Vec<(&'m Resource, &'m Gateway)>,
    workload_entries: Vec<(&'m Resource, &'m WorkloadEntry)>,
    services: Vec<(&'m Resource, &'m Service)>,
}

impl<'m> Lists<'m> {
    fn of(mesh: &'m Mesh, among: Option<&HashSet<&ResourceKey>>) -> Self {
        let mut lists = Self::default();
        for resource in mesh.resources().filter(|it| among.is_none_or(|among| among.contains(&it.key))) {
            lists.resources.push(resource);
            match &resource.spec {
                Spec::VirtualService(spec) => lists.virtual_services.push((resource, spec)),
                Spec::DestinationRule(spec) => lists.rules.push((resource, spec)),
                Spec::ServiceEntry(spec) => lists.service_entries.push((resource, spec)),
                Spec::Gateway(spec) => lists.gateways.push((resource, spec)),
                Spec::WorkloadEntry(spec) => lists.workload_entries.push((resource, spec)),
                Spec::Service(spec) => lists.services.push((resource, spec)),
                Spec::Unknown(_) => {}
            }
        }
        lists
    }
}

impl<'m> Context<'m> {
    /// The rules look at these resources, or at all.
    pub(super) fn new(
        mesh: &'m Mesh,
        services: Services<'m>,
        settings: &'m Settings,
        among: Option<&HashSet<&ResourceKey>>,
    ) -> Self {
        let lists = Lists::of(mesh, among);
        Self {
            mesh,
            settings,
            services,
            lists,
            by_host: OnceCell::new(),
            routed: OnceCell::new(),
            named: OnceCell::new(),
            governed: OnceCell::new(),
        }
    }

    /// All resources.
    pub(super) fn resources(&self) -> impl Iterator<Item = &'m Resource> {
        self.lists.resources.iter().copied()
    }

    /// All VirtualServices.
    pub(super) fn virtual_services(&self) -> impl Iterator<Item = (&'m Resource, &'m VirtualService)> {
        self.lists.virtual_services.iter().copied()
    }

    /// All DestinationRules.
    pub(super) fn rules(&self) -> impl Iterator<Item = (&'m Resource, &'m DestinationRule)> {
        self.lists.rules.iter().copied()
    }

    /// All ServiceEntries.
    pub(super) fn service_entries(&self) -> impl Iterator<Item = (&'m Resource, &'m ServiceEntry)> {
        self.lists.service_entries.iter().copied()
    }

    /// All Gateways.
    pub(super) fn gateways(&self) -> impl Iterator<Item = (&'m Resource, &'m Gateway)> {
        self.lists.gateways.iter().copied()
    }

    /// All WorkloadEntries.
    pub(super) fn workload_entries(&self) -> impl Iterator<Item = (&'m Resource, &'m WorkloadEntry)> {
        self.lists.workload_entries.iter().copied()
    }

    /// All Services of Kubernetes.
    pub(super) fn kubernetes_services(&self) -> impl Iterator<Item = (&'m Resource, &'m Service)> {
        self.lists.services.iter().copied()
    }

    /// The fully qualified form of a host that a resource writes.
    pub(super) fn qualify(&self, resource: &Resource, host: &str) -> String {
        host::qualify(host, &resource.key.namespace, &self.settings.domain).into_owned()
    }

    /// The HTTP routes of all VirtualServices.
    pub(super) fn http_routes(&self) -> impl Iterator<Item = Http<'m>> {
        self.virtual_services().flat_map(|(resource, service)| {
            service.http.iter().enumerate().map(move |(index, route)| Http {
                resource,
                service,
                index,
                route,
            })
        })
    }

    /// DestinationRules by their fully qualified host.
    pub(super) fn destination_rules(&self) -> &HostMap<Vec<(&'m Resource, &'m DestinationRule)>> {
        self.by_host.get_or_init(|| {
            let mut rules = HostMap::<Vec<_>>::default();
            for (resource, rule) in self.rules() {
                if let Some(host) = &rule.host {
                    rules.entry(&self.qualify(resource, host), Vec::new).push((resource, rule));
                }
            }
            rules
        })
    }

    /// The Gateway that a VirtualService names.
    pub(super) fn gateway(&self, resource: &Resource, name: &str) -> Option<(&'m Resource, &'m Gateway)> {
        let (namespace, name) = host::gateway_name(name, &resource.key.namespace);
        let found = self.mesh.resource(&ResourceKey::new(Kind::Gateway, namespace, name))?;
        match &found.spec {
            Spec::Gateway(gateway) => Some((found, gateway)),
            _ => None,
        }
    }

    /// The subsets that DestinationRules define for a fully qualified host; `None` when no rule covers it.
    pub(super) fn subsets(&self, host: &str) -> Option<impl Iterator<Item = &'m Subset>> {
        let rules = self.destination_rules().find(host)?;
        Some(rules.iter().flat_map(|(_, rule)| &rule.subsets))
    }

    /// Whether a DestinationRule of a fully qualified host defines a subset; `None` when no rule covers it.
    pub(super) fn has_subset(&self, host: &str, subset: &str) -> Option<bool> {
        let rules = self.destination_rules().find(host)?;
        let first = rules.first()?;
        let names = self.named.get_or_init(|| {
            let mut names: HashMap<String, HashSet<&str>> = HashMap::new();
            for (resource, rule) in self.rules() {
                let Some(host) = &rule.host else { continue };
                let own = names.entry(self.qualify(resource, host)).or_default();
                own.extend(rule.subsets.iter().filter_map(|subset| subset.name.as_deref()));
            }
            names
        });
        let own = names.get(&self.qualify(first.0, first.1.host.as_deref().unwrap_or_default()));
        Some(own.is_some_and(|names| names.contains(subset)))
    }

    /// The VirtualServices that are for a fully qualified host within the mesh, in their order.
    pub(super) fn within_mesh(&self, host: &str) -> &[(&'m Resource, &'m VirtualService)] {
        let all = self.governed.get_or_init(|| {
            let mut all: HashMap<String, Vec<_>> = HashMap::new();
            for (resource, spec) in self.virtual_services() {
                if host::in_mesh(&spec.gateways) {
                    for host in &spec.hosts {
                        all.entry(self.qualify(resource, host)).or_default().push((resource, spec));
                    }
                }
            }
            all
        });
        all.get(host).map_or(&[], Vec::as_slice)
    }

    /// The subsets that some rule routes to, by fully qualified host.
    pub(super) fn routed_subsets(&self) -> &HashMap<String, HashSet<String>> {
        self.routed.get_or_init(|| {
            let mut routed: HashMap<String, HashSet<String>> = HashMap::new();
            for (resource, service) in self.virtual_services() {
                each_destination(service, &mut |_, destination| {
                    if let (Some(host), Some(subset)) = (&destination.host, &destination.subset) {
                        routed.entry(self.qualify(resource, host)).or_default().insert(subset.clone());
                    }
                });
            }
            routed
        })
    }
}

/// One HTTP route.
#[derive(Clone, Copy)]
pub(super) struct Http<'m> {
    pub(super) resource: &'m Resource,
    pub(super) service: &'m VirtualService,
    pub(super) index: usize,
    pub(super) route: &'m HttpRoute,
}

impl Http<'_> {
    /// Calls back with the place of the route.
    pub(super) fn at<T>(&self, look: impl FnOnce(&At<'_>) -> T) -> T {
        look(&At::SPEC.field("http").index(self.index))
    }
}

/// Shows every destination of a VirtualService: those of routes, mirrors, TLS and TCP.
pub(super) fn each_destination<'m>(
    service: &'m VirtualService,
    see: &mut dyn FnMut(&At<'_>, &'m Destination),
) {
    let http = At::SPEC.field("http");
    for (index, route) in service.http.iter().enumerate() {
        let at = http.index(index);
        for (index, entry) in route.route.iter().enumerate() {
            show(&at.field("route").index(index).field("destination"), entry.destination.as_ref(), see);
        }
        show(&at.field("mirror"), route.mirror.as_ref(), see);
        for (index, mirror) in route.mirrors.iter().enumerate() {
            show(&at.field("mirrors").index(index).field("destination"), mirror.destination.as_ref(), see);
        }
    }
    let tls = service.tls.iter().map(|route| &route.route).enumerate().map(|route| ("tls", route));
    let tcp = service.tcp.iter().map(|route| &route.route).enumerate().map(|route| ("tcp", route));
    for (kind, (index, entries)) in tls.chain(tcp) {
        let list = At::SPEC.field(kind);
        let at = list.index(index);
        for (index, entry) in entries.iter().enumerate() {
            show(&at.field("route").index(index).field("destination"), entry.destination.as_ref(), see);
        }
    }
}

fn show<'m>(
    at: &At<'_>,
    destination: Option<&'m Destination>,
    see: &mut dyn FnMut(&At<'_>, &'m Destination),
) {
    if let Some(destination) = destination {
        see(at, destination);
    }
}
