//! Where the traffic of the mesh enters: which listeners plans need, and on which addresses they may be.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use api::state::ListenerInfo;
use mesh::plan::{Plans, Protocol};
use mesh::{Plan, Source};
use proxy::Entry;

/// Ports above a gateway's own that are tried when it is taken.
const NEXT_PORTS: u16 = 20;
/// Added to a gateway's port that only root may open: 80 becomes 8080.
const UNPRIVILEGED: u16 = 8000;

/// Where each source's traffic enters.
pub type Entries = BTreeMap<(Source, Option<u16>), SocketAddr>;

/// The listeners, as browsers see them.
pub(crate) fn listeners(entries: &Entries) -> Vec<ListenerInfo> {
    let listener = |((source, port), address): (&(Source, Option<u16>), &SocketAddr)| ListenerInfo {
        source: source.clone(),
        port: *port,
        address: address.to_string(),
    };
    entries.iter().map(listener).collect()
}

/// The listeners that plans need: for a workload one for HTTP and one for each port on which services speak something else,
/// and one for each port of a gateway.
pub(crate) fn wanted<'p>(plans: impl Iterator<Item = &'p Plan>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for plan in plans {
        let workload = matches!(plan.source, Source::Workload { .. });
        let entry = |port| Entry { source: plan.source.clone(), port };
        entries.extend(workload.then(|| entry(None)));
        // Requests name their port, so one listener takes them all; other protocols do not.
        let own = plan.listeners.iter().filter(|it| !workload || it.protocol != Protocol::Http);
        entries.extend(own.map(|listener| entry(Some(listener.port))));
    }
    entries
}

/// Whether plans need the listeners that others needed.
pub(crate) fn same_entries(before: &Plans, now: &Plans) -> bool {
    let spoken = |plan: &Plan| -> Vec<_> { plan.listeners.iter().map(|it| (it.port, it.protocol)).collect() };
    // Sources that see the same share their listeners.
    let mut known = HashSet::new();
    before.len() == now.len()
        && now.iter().all(|(source, new)| {
            before.get(source).is_some_and(|old| {
                let pair = (old.listeners.as_ptr(), new.listeners.as_ptr());
                pair.0 == pair.1 || !known.insert(pair) || spoken(old) == spoken(new)
            })
        })
}

/// Where to listen, the preferred address first. A workload's listeners have any free port: workloads share the machine.
pub(crate) fn addresses(entry: &Entry) -> Vec<SocketAddr> {
    match (&entry.source, entry.port) {
        (Source::Gateway { .. }, Some(port)) => near(Ipv4Addr::LOCALHOST.into(), port),
        _ => vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
    }
}

/// A port of an address, what stands in for it where only root may open it, the ports above it, and any port.
pub(crate) fn near(ip: IpAddr, port: u16) -> Vec<SocketAddr> {
    let local = |port| SocketAddr::from((ip, port));
    let first = if port < 1024 { port.saturating_add(UNPRIVILEGED) } else { port };
    let own = (first != port).then_some(port);
    own.into_iter().chain(first..=first.saturating_add(NEXT_PORTS)).chain([0]).map(local).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_listens_on_its_port_or_near_it() {
        let (namespace, name) = ("default".to_owned(), "in".to_owned());
        let gateway = Source::Gateway { namespace: namespace.clone(), name: name.clone() };
        let all = |source: &Source, port| addresses(&Entry { source: source.clone(), port });
        let ports = |port| all(&gateway, Some(port)).iter().map(SocketAddr::port).collect::<Vec<_>>();
        assert_eq!(ports(8081)[..3], [8081, 8082, 8083]);
        assert_eq!(ports(80)[..3], [80, 8080, 8081]);
        assert_eq!(ports(65530).last(), Some(&0));
        assert!(all(&gateway, Some(80)).iter().all(|address| address.ip().is_loopback()));
        let workload = Source::Workload { namespace, name };
        for port in [None, Some(3306)] {
            assert_eq!(all(&workload, port), ["127.0.0.1:0".parse().unwrap()]);
        }
    }

    #[test]
    fn plans_of_the_same_ports_need_the_same_listeners() {
        let text = |port: u16, weight: u16, protocol: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: a}}\nspec: {{hosts: [a.com], location: MESH_INTERNAL, resolution: STATIC, ports: [{{number: {port}, name: x, protocol: {protocol}}}], endpoints: [{{address: 10.0.0.1}}]}}\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a}}\nspec: {{hosts: [a.com], http: [{{timeout: {weight}s, route: [{{destination: {{host: a.com}}}}]}}]}}\n"
            )
        };
        let plans = |text: String| {
            let sources = mesh::Sources::single("a.yaml", text);
            mesh::Analysis::read(sources, &mesh::Settings::default()).plans(1).unwrap()
        };
        let before = plans(text(80, 1, "HTTP"));
        assert_eq!(before.len(), 1);
        assert!(same_entries(&before, &plans(text(80, 2, "HTTP"))));
        assert!(!same_entries(&before, &plans(text(81, 1, "HTTP"))));
        assert!(!same_entries(&before, &plans(text(80, 1, "TCP"))));
        assert!(!same_entries(&before, &Plans::default()));
    }
}
