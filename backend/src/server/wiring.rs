//! Small pieces between the parts: where the sample calls to, where its endpoints are, what the load generator asks.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mesh::registry::PortProtocol;
use mesh::resource::Spec;
use mesh::resource::gateway::Server;
use mesh::{Kind, ResourceKey, Source};

use crate::analysis::{Analysis, Ports};
use crate::control::Control;
use crate::events::Hub;
use crate::load::{Goal, Load};
use crate::sample;
use crate::targets::entries::Entries;

/// A workload's outbound listener by its name, as the sample asks for it at each call.
pub(super) fn outbound(
    entries: Arc<ArcSwap<Entries>>,
) -> impl Fn(&str) -> Option<SocketAddr> + Send + Sync + 'static {
    move |workload| {
        let entries = entries.load();
        let mut all = entries.iter();
        let found =
            all.find(|((source, _), _)| matches!(source, Source::Workload { name, .. } if name == workload));
        found.map(|(_, address)| *address)
    }
}

/// Ports of the sample's files that others had taken.
pub(super) fn moved_ports(running: &sample::Running) -> Ports {
    let wanted = sample::ports().into_values();
    wanted.map(|port| (port, running.actual_port(port))).filter(|(port, actual)| port != actual).collect()
}

/// Points the load generator at a gateway, whenever the listeners or the revision change. Ends with the hub.
pub(super) async fn aim(
    hub: Arc<Hub>,
    entries: Arc<ArcSwap<Entries>>,
    control: Control,
    load: Load,
    path: &'static str,
) {
    let mut events = hub.subscribe(None);
    let mut seen: Option<(Arc<Entries>, u64)> = None;
    while events.next().await.is_some() {
        let (now, head) = (entries.load_full(), control.head());
        let news =
            |(then, number): &(Arc<Entries>, u64)| !Arc::ptr_eq(then, &now) || *number != head.info.number;
        if seen.as_ref().is_none_or(news) {
            load.set_goal(goal(&now, &head.analysis, path));
            seen = Some((now, head.info.number));
        }
    }
}

/// What to ask the first gateway for that speaks plain HTTP, in the name of the first host that it serves.
pub(super) fn goal(entries: &Entries, analysis: &Analysis, path: &str) -> Option<Goal> {
    entries.iter().find_map(|((source, port), address)| {
        let Source::Gateway { namespace, name } = source else { return None };
        let key = ResourceKey::new(Kind::Gateway, namespace, name);
        let Spec::Gateway(gateway) = &analysis.mesh.resource(&key)?.spec else { return None };
        let here = |server: &&Server| server.port.as_ref().and_then(|it| it.number) == port.map(i64::from);
        let servers: Vec<&Server> = gateway.servers.iter().filter(here).collect();
        let protocol = servers.first()?.port.as_ref()?.protocol.as_deref().unwrap_or_default();
        if !PortProtocol::parse(protocol).is_http() {
            return None;
        }
        let host = servers
            .iter()
            .flat_map(|server| &server.hosts)
            .map(|host| host.rsplit('/').next().unwrap_or_default())
            .find(|host| !host.contains('*'))
            .and_then(|host| host.parse().ok());
        Some(Goal { url: format!("http://{address}{path}").parse().ok()?, host })
    })
}

#[cfg(test)]
mod tests {
    use mesh::{Settings, Sources};

    use super::*;

    fn check(hosts: &str, expected: Option<&str>) {
        let text = format!(
            "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: in}}\nspec:\n  servers:\n  \
             - {{port: {{number: 80, name: http, protocol: HTTP}}, hosts: {hosts}}}\n"
        );
        let analysis = Analysis::read(Sources::single("in.yaml", text), &Settings::default());
        let source = Source::Gateway { namespace: "default".to_owned(), name: "in".to_owned() };
        let entries = Entries::from([((source, Some(80)), "127.0.0.1:8080".parse().unwrap())]);
        let goal = goal(&entries, &analysis, "/x").unwrap();
        assert_eq!(goal.url, "http://127.0.0.1:8080/x");
        assert_eq!(goal.host.as_ref().map(|host| host.to_str().unwrap()), expected, "{hosts}");
    }

    #[test]
    fn the_load_names_a_host_that_the_gateway_serves() {
        check("['*']", None);
        check("[shop.example]", Some("shop.example"));
        check("['*.example', './shop.example']", Some("shop.example"));
    }
}
