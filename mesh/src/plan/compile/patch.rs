//! Plans after a change of rules that stay where they are: what the change cannot reach is shared with the plans before it.
//!
//! A VirtualService that keeps its hosts and gateways has other routes in the virtual hosts that are there; a DestinationRule that
//! keeps its host has other clusters. What changes more is compiled anew, a view alone where that is enough. Clusters that come
//! stand behind those that are there, and the last ones take the places of those that go, so the order of clusters is not always that of a compilation from nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::clusters::Clusters;
use super::policy::Policies;
use super::rules::{Rulebook, Rules};
use super::scope::Scope;
use super::translate;
use super::{Compiler, Context, View};
use crate::host::{self, MESH};
use crate::model::Related;
use crate::plan::{
    Action, Cluster, ClusterId, Forward, Listener, Patterns, Plan, Route, Source, VirtualHost,
};
use crate::registry::{Registry, Viewer};
use crate::resource::{DestinationRule, Spec, VirtualService};
use crate::{Document, Mesh, ResourceKey, Settings};

/// One plan for each source.
pub type Plans = HashMap<Source, Arc<Plan>>;

/// Compiles a mesh that comes after another, with the same registry and settings; `None` where too much has changed.
pub(crate) fn compile_after(
    (mesh, registry, settings): (&Mesh, &Registry, &Settings),
    revision: u64,
    before: &Mesh,
    plans: &Plans,
) -> Option<Plans> {
    let Patch { books, hosts, patterns } = Patch::of(mesh, before, settings)?;
    let (rules, policies) = (Rules { books }, Policies::of(mesh, settings));
    let context = Context { registry, settings, mesh, rules, policies, patterns };
    let mut whole = None;
    let mut views = HashMap::new();
    let mut next = Plans::with_capacity(plans.len());
    for (source, plan) in plans {
        let same = (plan.listeners.as_ptr(), plan.clusters.as_ptr());
        let (listeners, clusters) = views.entry(same).or_insert_with(|| {
            let namespace = source.namespace().to_owned();
            let viewer = Viewer { source: source.clone(), namespace, labels: (*plan.labels).clone() };
            view(&context, &hosts, &viewer, plan).unwrap_or_else(|| {
                let whole = whole.get_or_insert_with(|| Compiler::new(mesh, registry, settings));
                whole.context.view(&viewer, None)
            })
        });
        let plan = Plan {
            revision,
            source: source.clone(),
            labels: Arc::clone(&plan.labels),
            paths: plan.paths,
            internal: plan.internal.clone(),
            listeners: Arc::clone(listeners),
            clusters: Arc::clone(clusters),
        };
        next.insert(source.clone(), Arc::new(plan));
    }
    Some(next)
}

/// What has changed.
struct Patch {
    /// VirtualServices.
    books: Vec<Rulebook>,
    /// Hosts of DestinationRules.
    hosts: Vec<String>,
    patterns: Patterns,
}

impl Patch {
    fn of(mesh: &Mesh, before: &Mesh, settings: &Settings) -> Option<Self> {
        let changes = mesh.changes(before)?;
        let readable = |list: &[&Document]| list.iter().filter(|it| it.resource().is_some()).count();
        if readable(&changes.gone) != readable(&changes.come) {
            return None;
        }
        let (mut books, mut hosts) = (Vec::new(), Vec::new());
        for new in changes.come.iter().filter_map(|it| it.resource()) {
            let old = changes.gone.iter().filter_map(|it| it.resource()).find(|old| old.key == new.key)?;
            if old.age() != new.age() {
                return None;
            }
            match (&old.spec, &new.spec) {
                (Spec::VirtualService(was), Spec::VirtualService(is)) if stays(was, is) => {
                    books.push(Rulebook::of(new, is, &HashMap::new(), settings));
                }
                (Spec::DestinationRule(was), Spec::DestinationRule(is)) if remains(was, is) => {
                    let named = is.host.as_deref().unwrap_or("");
                    hosts.push(host::qualify(named, &new.key.namespace, &settings.domain).into_owned());
                }
                _ => return None,
            }
        }
        let any = |list: &[&Document]| list.iter().filter_map(|it| it.related()).any(has_patterns);
        let mut patterns = Patterns::default();
        // All of a mesh share a budget, so one that comes or goes may touch the others.
        if any(&changes.gone) || any(&changes.come) {
            let of = |mesh: &Mesh| Patterns::of(mesh.virtual_services().map(|(_, service)| service));
            patterns = of(mesh);
            if patterns.any_beyond() || of(before).any_beyond() {
                return None;
            }
        }
        Some(Self { books, hosts, patterns })
    }
}

fn has_patterns(related: &Related) -> bool {
    related.patterns
}

/// Whether a VirtualService is still for the same hosts, sources and ports, and concerns requests alone.
fn stays(was: &VirtualService, is: &VirtualService) -> bool {
    let simple = |it: &VirtualService| {
        let plain = |route: &crate::resource::HttpRoute| {
            route.delegate.is_none() && route.r#match.iter().all(|condition| condition.port.is_none())
        };
        !it.hosts.is_empty() && it.tls.is_empty() && it.tcp.is_empty() && it.http.iter().all(plain)
    };
    let where_ = |it: &VirtualService| (it.hosts.clone(), it.gateways.clone(), it.export_to.clone());
    simple(was) && simple(is) && where_(was) == where_(is) && asked(was) == asked(is)
}

/// The labels that it asks sources for.
fn asked(service: &VirtualService) -> BTreeSet<&String> {
    service.http.iter().flat_map(|it| &it.r#match).flat_map(|it| it.source_labels.keys()).collect()
}

/// Whether a DestinationRule is still for the same host and clients.
fn remains(was: &DestinationRule, is: &DestinationRule) -> bool {
    was.host == is.host && was.export_to == is.export_to && was.workload_selector == is.workload_selector
}

/// What a source sees now; `None` where that is not what is here with other routes and clusters.
fn view(context: &Context<'_>, hosts: &[String], viewer: &Viewer, plan: &Plan) -> Option<View> {
    let mut clusters = Clusters::over(context, viewer, &plan.clusters);
    let mut listeners = Arc::clone(&plan.listeners);
    for book in &context.rules.books {
        if let Source::Gateway { namespace, name } = &viewer.source {
            // At a gateway the rules of several make one virtual host.
            if book.gateways.contains(&format!("{namespace}/{name}")) {
                return None;
            }
        } else if book.gateways.iter().any(|it| it == MESH)
            && book.visibility.allows(&book.key.namespace, &viewer.namespace)
        {
            listeners = routed(book, context, viewer, &listeners, &mut clusters)?;
        }
    }
    if !hosts.is_empty() {
        // What passes TLS on has a route for each subset.
        if matches!(viewer.source, Source::Gateway { .. })
            && listeners.iter().any(|it| !it.connections.is_empty())
        {
            return None;
        }
        clusters.renew(|cluster| hosts.iter().any(|host| host::subset_of(&cluster.key.host, host)));
    }
    let mut clusters = clusters.finish();
    if !Arc::ptr_eq(&listeners, &plan.listeners) {
        drop_unused(&mut listeners, &mut clusters);
    }
    let kept = clusters.len() == plan.clusters.len()
        && clusters.iter().zip(&*plan.clusters).all(|(new, old)| Arc::ptr_eq(new, old));
    let clusters = if kept { Arc::clone(&plan.clusters) } else { clusters.into() };
    Some((listeners, clusters))
}

/// The listeners with what a VirtualService says now.
fn routed(
    book: &Rulebook,
    context: &Context<'_>,
    viewer: &Viewer,
    listeners: &[Listener],
    clusters: &mut Clusters<'_>,
) -> Option<Arc<[Listener]>> {
    let mut made = listeners.to_vec();
    let mut any = false;
    for listener in &mut made {
        let mut list = None;
        for (at, host) in listener.hosts.list.iter().enumerate().filter(|(_, host)| is_of(host, &book.key)) {
            let (list, routes) = list.get_or_insert_with(|| {
                let (gateway, port, patterns) = (MESH, listener.port, &context.patterns);
                let scope = Scope { viewer, gateway, port, tls: false, patterns };
                let translated = translate::rules(book, &scope, clusters, context.settings);
                (listener.hosts.list.clone(), translated.routes)
            });
            let (name, domains) = (host.name.clone(), host.domains.clone());
            list[at] = Arc::new(VirtualHost { name, domains, routes: routes.clone() });
        }
        if let Some((list, routes)) = list {
            if routes.is_empty() {
                return None;
            }
            any = true;
            listener.hosts = listener.hosts.with(list);
        }
    }
    // Where it has no virtual host, it had no rule that fits: it may have one now.
    any.then(|| made.into())
}

/// Whether the routes of a virtual host are of this VirtualService.
fn is_of(host: &VirtualHost, key: &ResourceKey) -> bool {
    let route = host.routes.first().and_then(|route| route.key.as_ref());
    route.is_some_and(|route| route.name == key.name && route.namespace == key.namespace)
}

/// Takes out the clusters that no route leads to any more. Others take their places, so that few routes change.
fn drop_unused(listeners: &mut Arc<[Listener]>, clusters: &mut Vec<Arc<Cluster>>) {
    let mut used = vec![false; clusters.len()];
    for listener in listeners.iter() {
        for id in listener.hosts.list.iter().flat_map(|host| leads_to(host)).chain(goes_to(listener)) {
            if let Some(used) = used.get_mut(id.0 as usize) {
                *used = true;
            }
        }
    }
    let mut moved: HashMap<ClusterId, ClusterId> = HashMap::new();
    let id = |at: usize| ClusterId(u32::try_from(at).unwrap_or(u32::MAX));
    let mut left = clusters.len();
    for free in 0..used.len() {
        while left > 0 && !used[left - 1] {
            left -= 1;
        }
        if free < left && !used[free] {
            left -= 1;
            clusters.swap(free, left);
            used[free] = true;
            moved.insert(id(left), id(free));
        }
    }
    clusters.truncate(left);
    if moved.is_empty() {
        return;
    }
    let mut made = listeners.to_vec();
    for listener in &mut made {
        let mut list = listener.hosts.list.clone();
        for host in list.iter_mut().filter(|host| leads_to(host).any(|id| moved.contains_key(&id))) {
            Arc::make_mut(host).routes.iter_mut().filter_map(forward).for_each(|it| it.move_to(&moved));
        }
        listener.hosts = listener.hosts.with(list);
        for destination in listener.connections.iter_mut().flat_map(|route| &mut route.destinations) {
            move_one(&mut destination.cluster, &moved);
        }
    }
    *listeners = made.into();
}

/// Where the routes of a virtual host lead.
fn leads_to(host: &VirtualHost) -> impl Iterator<Item = ClusterId> {
    let forwards = host.routes.iter().filter_map(|route| match &route.action {
        Action::Forward(forward) => Some(forward),
        _ => None,
    });
    forwards.flat_map(|it| {
        it.destinations.iter().map(|it| it.cluster).chain(it.mirrors.iter().map(|it| it.cluster))
    })
}

/// Where the connections of a listener go.
fn goes_to(listener: &Listener) -> impl Iterator<Item = ClusterId> {
    listener.connections.iter().flat_map(|route| &route.destinations).map(|it| it.cluster)
}

fn forward(route: &mut Route) -> Option<&mut Forward> {
    match &mut route.action {
        Action::Forward(forward) => Some(forward),
        _ => None,
    }
}

impl Forward {
    fn move_to(&mut self, moved: &HashMap<ClusterId, ClusterId>) {
        self.destinations.iter_mut().for_each(|it| move_one(&mut it.cluster, moved));
        self.mirrors.iter_mut().for_each(|it| move_one(&mut it.cluster, moved));
    }
}

fn move_one(id: &mut ClusterId, moved: &HashMap<ClusterId, ClusterId>) {
    if let Some(to) = moved.get(id) {
        *id = *to;
    }
}
