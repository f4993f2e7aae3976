//! A selected node with the routes that govern its traffic, as the inspector shows it. Pure.

use mesh::edit::{self, AbortSpec, DelaySpec, FaultSpec, HeaderEquals, RetrySpec, RouteTarget};
use mesh::resource::http::{HttpFault, HttpMatch, HttpRoute};
use mesh::resource::virtual_service::RouteDestination;
use mesh::resource::{DurationString, Percent, Resource, Spec, VirtualService};
use mesh::{Mesh, ResourceKey, RouteId, RouteKey, Settings, host};

use crate::catalog::{Catalog, gateway_named};
use crate::rules;
use crate::topology::{NodeId, Version};

/// Which route it is: of HTTP whatever its position, so that it stays the same when another is put in front of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteIdentity {
    /// A route of `spec.http` of a VirtualService.
    Http(ResourceKey, RouteId),
    /// One of connections, or a service's default route.
    Other(RouteTarget),
}

/// A route that a person chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenRoute {
    /// Which.
    pub id: RouteIdentity,
    /// Where it was last among the routes of its subject: it is still there when what it matches or where it goes was edited.
    pub position: usize,
}

/// A route of a subject.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteView {
    /// Which it is.
    pub id: RouteIdentity,
    /// What edits act on.
    pub target: RouteTarget,
    /// Its name, or its position.
    pub label: String,
    /// Its conditions; empty matches everything.
    pub matches: Vec<String>,
    /// What it does.
    pub outcome: String,
    /// What else it does.
    pub extras: Vec<(&'static str, String)>,
    /// It forwards, so shares, timeout and retries mean something.
    pub forwards: bool,
    /// Its timeout in milliseconds, where it sets one; 0 is none.
    pub timeout: Option<u64>,
    /// Its retries, where it sets them.
    pub retries: Option<RetrySpec>,
    /// Its fault.
    pub fault: Option<FaultSpec>,
    /// The header that its only condition asks for, exactly: a route that a fault for some requests made looks so.
    pub only: Option<HeaderEquals>,
    /// When the control loop takes its fault out, in seconds since 1970.
    pub expires_at: Option<i64>,
    /// It was made for a fault of some requests, in front of the route that it copies.
    pub copy: bool,
    /// Fully qualified hosts of its destinations.
    pub hosts: Vec<String>,
}

/// What is selected, with all that governs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Its node.
    pub id: NodeId,
    /// Its resources: those that route first, then policies, then those that define it.
    pub resources: Vec<ResourceKey>,
    /// Its routes in order; for a service without a VirtualService the default route alone.
    pub routes: Vec<RouteView>,
    /// Its versions.
    pub versions: Vec<Version>,
}

impl Subject {
    /// Reads a node from a mesh. A node that the mesh does not know has no resources.
    pub fn of(mesh: &Mesh, catalog: &Catalog, settings: &Settings, id: &NodeId) -> Self {
        let mut subject =
            Self { id: id.clone(), resources: Vec::new(), routes: Vec::new(), versions: Vec::new() };
        match id {
            NodeId::Service(host) | NodeId::External(host) => {
                subject.read_service(mesh, catalog, settings, host)
            }
            NodeId::Gateway { namespace, name } => subject.read_gateway(mesh, settings, namespace, name),
            NodeId::Workload { .. } => {}
        }
        subject
    }

    /// The choice of the route at a position.
    pub fn choice(&self, position: usize) -> Option<ChosenRoute> {
        self.routes.get(position).map(|route| ChosenRoute { id: route.id.clone(), position })
    }

    /// Where a chosen route is now.
    pub fn find(&self, chosen: &ChosenRoute) -> Option<usize> {
        let same = self.routes.iter().position(|route| route.id == chosen.id);
        same.or_else(|| Some(chosen.position).filter(|at| *at < self.routes.len()))
    }

    /// The route whose sliders are shown unless another is chosen: the first that splits, else the last that forwards.
    pub fn main_route(&self) -> Option<usize> {
        let own = |route: &RouteView| route.forwards && !route.copy;
        let splits = |route: &RouteView| own(route) && route.outcome.contains(" · ");
        self.routes.iter().position(splits).or_else(|| self.routes.iter().rposition(own))
    }

    fn read_service(&mut self, mesh: &Mesh, catalog: &Catalog, settings: &Settings, service: &str) {
        for resource in catalog.routing.find(service).into_iter().filter_map(|key| mesh.resource(key)) {
            if let Spec::VirtualService(spec) = &resource.spec
                && mesh::host::in_mesh(&spec.gateways)
            {
                self.add_routes(resource, spec, settings);
            }
        }
        if self.routes.is_empty() {
            self.routes.push(RouteView::default_route(service));
        }
        self.resources.extend(catalog.policies.find(service).into_iter().cloned());
        if let Some(known) = catalog.services.get(service) {
            self.resources.extend(known.definitions.iter().cloned());
            self.versions = known.versions();
        }
    }

    fn read_gateway(&mut self, mesh: &Mesh, settings: &Settings, namespace: &str, name: &str) {
        let key = ResourceKey::new(mesh::Kind::Gateway, namespace, name);
        for (resource, spec) in mesh.virtual_services() {
            if spec.gateways.iter().any(|entry| gateway_named(entry, &resource.key.namespace, &key)) {
                self.add_routes(resource, spec, settings);
            }
        }
        self.resources.push(key);
    }

    fn add_routes(&mut self, resource: &Resource, spec: &VirtualService, settings: &Settings) {
        self.resources.push(resource.key.clone());
        let first = self.routes.len();
        let routes = spec.http.iter().zip(RouteId::all(&spec.http)).enumerate();
        self.routes
            .extend(routes.map(|(index, (route, id))| RouteView::of(resource, index, route, id, settings)));
        for (index, at) in edit::expiries_of(resource, spec) {
            self.routes[first + index].expires_at = Some(at);
        }
        for (index, route) in spec.tls.iter().enumerate() {
            let matches = route.r#match.iter().map(rules::tls_match).collect();
            self.routes.push(RouteView::connections(resource, "tls", index, matches, settings, &route.route));
        }
        for (index, route) in spec.tcp.iter().enumerate() {
            let matches = route.r#match.iter().map(rules::tcp_match).collect();
            self.routes.push(RouteView::connections(resource, "tcp", index, matches, settings, &route.route));
        }
    }
}

impl RouteView {
    fn of(resource: &Resource, index: usize, route: &HttpRoute, id: RouteId, settings: &Settings) -> Self {
        let key = &resource.key;
        let qualified = |name: &str| host::qualify(name, &key.namespace, &settings.domain).into_owned();
        let route_key = RouteKey { namespace: key.namespace.clone(), name: key.name.clone(), index };
        let fault = route.fault.as_ref().map(fault_spec).filter(|fault| *fault != FaultSpec::default());
        Self {
            id: RouteIdentity::Http(key.clone(), id),
            target: RouteTarget::Route(route_key),
            label: match route.name.as_deref() {
                Some(name) if edit::is_fault_copy(Some(name)) => "fault for some requests".to_owned(),
                Some(name) => name.to_owned(),
                None => format!("route {}", index + 1),
            },
            matches: rules::matches(route),
            outcome: rules::outcome(route),
            extras: rules::extras(route),
            forwards: !route.route.is_empty(),
            timeout: route.timeout.as_ref().and_then(millis),
            retries: route.retries.as_ref().map(|retries| RetrySpec {
                attempts: u32::try_from(retries.attempts.unwrap_or(0)).unwrap_or(0),
                per_try_timeout_millis: retries.per_try_timeout.as_ref().and_then(millis),
                retry_on: retries.retry_on.clone(),
            }),
            expires_at: None,
            copy: edit::is_fault_copy(route.name.as_deref()),
            fault,
            only: match route.r#match.as_slice() {
                [one] => only(one),
                _ => None,
            },
            hosts: route
                .route
                .iter()
                .filter_map(|one| one.destination.as_ref()?.host.as_deref().map(qualified))
                .collect(),
        }
    }

    fn default_route(service: &str) -> Self {
        Self {
            label: "default route".to_owned(),
            outcome: "to all instances".to_owned(),
            hosts: vec![service.to_owned()],
            ..Self::bare(RouteTarget::Service(service.to_owned()))
        }
    }

    /// A route of `spec.tcp` or `spec.tls`.
    fn connections(
        resource: &Resource,
        kind: &str,
        index: usize,
        matches: Vec<String>,
        settings: &Settings,
        to: &[RouteDestination],
    ) -> Self {
        let key = &resource.key;
        let at = RouteKey { namespace: key.namespace.clone(), name: key.name.clone(), index };
        let hosts = to.iter().filter_map(|one| one.destination.as_ref()?.host.as_deref());
        Self {
            label: format!("{} {}", if kind == "tls" { "TLS" } else { "TCP" }, index + 1),
            matches,
            outcome: rules::shares(to.iter().map(|one| (one.destination.as_ref(), one.weight))),
            hosts: hosts
                .map(|name| host::qualify(name, &key.namespace, &settings.domain).into_owned())
                .collect(),
            fault: edit::connection_fault(resource, kind, index),
            ..Self::bare(if kind == "tls" { RouteTarget::Tls(at) } else { RouteTarget::Tcp(at) })
        }
    }

    fn bare(target: RouteTarget) -> Self {
        Self {
            id: RouteIdentity::Other(target.clone()),
            target,
            label: String::new(),
            matches: Vec::new(),
            outcome: String::new(),
            extras: Vec::new(),
            forwards: true,
            timeout: None,
            retries: None,
            fault: None,
            only: None,
            expires_at: None,
            copy: false,
            hosts: Vec::new(),
        }
    }

    /// It is for connections, which have neither headers nor retries.
    pub fn is_connections(&self) -> bool {
        self.target.connections().is_some()
    }

    /// The key, where the route is one of requests, of a VirtualService.
    pub fn key(&self) -> Option<&RouteKey> {
        match &self.target {
            RouteTarget::Route(key) => Some(key),
            _ => None,
        }
    }
}

fn only(one: &HttpMatch) -> Option<HeaderEquals> {
    let (name, value) = one.headers.iter().next()?;
    let value = value.exact.as_ref()?;
    let bare = HttpMatch { headers: one.headers.clone(), name: one.name.clone(), ..HttpMatch::default() };
    (one.headers.len() == 1 && *one == bare)
        .then(|| HeaderEquals { name: name.to_ascii_lowercase(), value: value.clone() })
}

/// A fault as the edit writes it; without a percentage it injects nothing, as in Istio.
pub(crate) fn fault_spec(fault: &HttpFault) -> FaultSpec {
    #[expect(clippy::cast_precision_loss, reason = "percents are small")]
    let share = |percentage: &Option<Percent>, percent: Option<i64>| match percentage {
        Some(percentage) => percentage.value.unwrap_or(0.0),
        None => percent.map_or(0.0, |percent| percent as f64),
    };
    FaultSpec {
        delay: fault.delay.as_ref().and_then(|delay| {
            let millis = millis(delay.fixed_delay.as_ref()?)?;
            Some(DelaySpec { percent: share(&delay.percentage, delay.percent), millis })
        }),
        abort: fault.abort.as_ref().and_then(|abort| {
            let status = u16::try_from(abort.http_status?).ok()?;
            Some(AbortSpec { percent: share(&abort.percentage, abort.percent), status })
        }),
    }
}

fn millis(text: &DurationString) -> Option<u64> {
    text.parse().ok().and_then(|duration| u64::try_from(duration.as_millis()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{bookinfo, service};

    fn subject(extra: &str, id: &NodeId) -> Subject {
        let reading = bookinfo(extra);
        Subject::of(&reading.analysis.mesh, &reading.catalog, &Settings::default(), id)
    }

    #[test]
    fn resources_of_a_service() {
        let kinds: Vec<String> =
            subject("", &service("reviews")).resources.iter().map(|key| key.kind.to_string()).collect();
        assert_eq!(
            kinds,
            [
                "VirtualService",
                "DestinationRule",
                "ServiceEntry",
                "WorkloadEntry",
                "WorkloadEntry",
                "WorkloadEntry"
            ]
        );
    }

    #[test]
    fn a_chosen_route_stays_chosen_when_another_is_put_in_front() {
        let shop = |routes: &str| {
            let rules = format!(
                "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: shop}}\nspec:\n  hosts: [ratings]\n  http:\n{routes}"
            );
            subject(&rules, &service("ratings"))
        };
        let route = |path: &str, to: &str| {
            format!(
                "  - match: [{{uri: {{prefix: {path}}}}}]\n    route: [{{destination: {{host: {to}}}}}]\n"
            )
        };
        let (a, b) = (route("/a", "ratings"), route("/b", "ratings"));
        let before = shop(&format!("{a}{b}"));
        let at = |subject: &Subject, path: &str| {
            subject.routes.iter().position(|route| route.matches == [format!("path begins with {path}")])
        };
        let chosen = before.choice(at(&before, "/b").unwrap()).unwrap();
        let inserted = shop(&format!("{}{a}{b}", route("/new", "details")));
        assert_eq!(inserted.find(&chosen), at(&inserted, "/b"));
        let swapped = shop(&format!("{b}{a}"));
        assert_eq!(swapped.find(&chosen), at(&swapped, "/b"));
        // It is edited: nothing has its identity, and it is where it was.
        let edited = shop(&format!("{a}{}", route("/b", "details")));
        assert_eq!(edited.find(&chosen), at(&edited, "/b"));
    }

    #[test]
    fn a_gateway_has_the_rules_that_name_it() {
        let id = NodeId::Gateway { namespace: "default".into(), name: "ingress".into() };
        let subject = subject("", &id);
        let labels: Vec<&str> = subject.routes.iter().map(|route| route.label.as_str()).collect();
        assert_eq!(labels, ["page", "front-door"]);
        assert_eq!(subject.main_route(), Some(0));
        assert!(!subject.routes[1].forwards);
    }

    #[test]
    fn faults_timeouts_and_retries_are_read() {
        let extra = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [ratings]\n  http:\n  - match: [{headers: {end-user: {exact: jason}}}]\n    fault: {delay: {fixedDelay: 7s, percentage: {value: 10}}, abort: {httpStatus: 500}}\n    timeout: 500ms\n    retries: {attempts: 3, perTryTimeout: 2s}\n    route: [{destination: {host: ratings}}]\n";
        let subject = subject(extra, &service("ratings"));
        let route = subject.routes.iter().find(|route| route.fault.is_some()).unwrap();
        let fault = route.fault.clone().unwrap();
        assert_eq!(fault.delay, Some(DelaySpec { percent: 10.0, millis: 7000 }));
        assert_eq!(fault.abort, Some(AbortSpec { percent: 0.0, status: 500 }));
        assert_eq!(route.only, Some(HeaderEquals { name: "end-user".into(), value: "jason".into() }));
        assert_eq!(route.timeout, Some(500));
        assert_eq!(route.retries.as_ref().map(|retries| retries.attempts), Some(3));
    }
}
