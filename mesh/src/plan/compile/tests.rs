//! Plans of small meshes: what of the resources ends where.

mod connections;
mod gateways;
mod policies;
mod rules;
mod views;

use super::*;
use crate::plan::{Action, Forward, VirtualHost};
use crate::route::{Draws, Request, find_virtual_host, route};
use crate::settings::OutboundPolicy;
use crate::{Mesh, Sources};

struct World {
    mesh: Mesh,
    registry: Registry,
    settings: Settings,
}

impl World {
    fn of(yaml: &str) -> Self {
        Self::with(yaml, Settings::default())
    }

    fn with(yaml: &str, settings: Settings) -> Self {
        let mesh = Mesh::parse(&Sources::single("mesh.yaml", yaml)).mesh;
        let registry = Registry::of(&mesh, &crate::Inventory::default(), &settings);
        Self { mesh, registry, settings }
    }

    fn plan(&self, source: &Source) -> Plan {
        compile(&self.mesh, &self.registry, &self.settings, source, 1)
    }

    /// The plan of some workload of a namespace.
    fn from(&self, namespace: &str) -> Plan {
        self.plan(&Source::Workload { namespace: namespace.to_owned(), name: "any".to_owned() })
    }

    fn gateway(&self, name: &str) -> Plan {
        self.plan(&Source::Gateway { namespace: "default".to_owned(), name: name.to_owned() })
    }
}

/// A Service with port 80 in a namespace.
fn service(name: &str, namespace: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80}}]}}\n"
    )
}

/// A VirtualService for `hosts` with more of its spec.
fn rules(meta: &str, hosts: &str, rest: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{{meta}}}\nspec:\n  hosts: [{hosts}]\n{rest}\n"
    )
}

/// A DestinationRule.
fn policy(meta: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{{meta}}}\nspec: {{{spec}}}\n"
    )
}

/// The virtual host of a host on port 80.
fn host<'p>(plan: &'p Plan, authority: &str) -> &'p VirtualHost {
    find_virtual_host(plan.listener(80).unwrap(), authority).unwrap_or_else(|| panic!("{authority}"))
}

/// The forwarding of the first route of a host.
fn forward<'p>(plan: &'p Plan, authority: &str) -> &'p Forward {
    forwarding(&host(plan, authority).routes[0].action)
}

fn forwarding(action: &Action) -> &Forward {
    match action {
        Action::Forward(forward) => forward,
        other => panic!("{other:?}"),
    }
}

/// The cluster of the first destination of a host.
fn cluster<'p>(plan: &'p Plan, authority: &str) -> &'p Cluster {
    &plan.clusters[forward(plan, authority).destinations[0].cluster.0 as usize]
}

/// `subset@host:port` of each destination of each route, with what of the host is left before `.svc`.
fn reached(plan: &Plan, authority: &str) -> Vec<String> {
    let routes = &host(plan, authority).routes;
    let destinations = routes.iter().flat_map(|route| match &route.action {
        Action::Forward(forward) => forward.destinations.as_slice(),
        Action::Redirect(_) | Action::Direct(_) => &[],
    });
    destinations
        .map(|it| &plan.clusters[it.cluster.0 as usize].key)
        .map(|key| {
            key.host.split(".svc").next().unwrap().to_owned()
                + &key.subset.as_deref().map_or(String::new(), |it| format!("@{it}"))
        })
        .collect()
}
