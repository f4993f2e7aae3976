//! Small pieces between the parts: where the sample calls to, where its endpoints are, what the load generator asks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use mesh::Source;

use crate::data_plane::{DataPlane, Entries};
use crate::events::Hub;
use crate::load::{Goal, Load};
use crate::sample;
use crate::world::Ports;

/// The proxy hands its counts over twice in a tick, so that none is late for it.
pub(super) fn proxy_config() -> proxy::Config {
    proxy::Config { flush_interval: Duration::from_millis(125), ..proxy::Config::default() }
}

/// A workload's outbound listener by its name, as the sample asks for it at each call.
pub(super) fn outbound(plane: &DataPlane) -> impl Fn(&str) -> Option<SocketAddr> + Send + Sync + 'static {
    let entries = plane.entries();
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

/// Points the load generator at the first gateway, whenever the listeners change.
pub(super) async fn aim(hub: Arc<Hub>, entries: Arc<ArcSwap<Entries>>, load: Load, path: &'static str) {
    let mut events = hub.subscribe(None);
    let mut seen = None;
    while events.next().await.is_some() {
        let now = entries.load_full();
        if seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &now)) {
            continue;
        }
        let gateway = now.iter().find(|((source, _), _)| matches!(source, Source::Gateway { .. }));
        let goal = gateway.and_then(|(_, address)| {
            Some(Goal { url: format!("http://{address}{path}").parse().ok()?, host: None })
        });
        load.set_goal(goal);
        seen = Some(now);
    }
}
