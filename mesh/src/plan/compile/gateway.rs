//! Listeners of a gateway: its servers by port, with the VirtualServices that are bound to it.
//!
//! (Istio's `buildGatewayHTTPRouteConfig`.)

use std::collections::{BTreeMap, HashMap};

use super::clusters::Clusters;
use super::matches::is_catch_all;
use super::scope::Scope;
use super::trace::{Entry, Standing, Trace};
use super::translate::{self, Translated};
use super::{Context, connections, secrets};
use crate::host::{self, Overlaps};
use crate::plan::{
    Action, ConnectionRoute, HeaderOps, Listener, Protocol, Redirect, Route, UnknownHost, VirtualHost,
    VirtualHosts,
};
use crate::registry::{PortProtocol, Viewer};
use crate::resource::Spec;
use crate::resource::gateway::{Gateway, Server, ServerTlsMode};
use crate::{Kind, ResourceKey};

pub(super) fn listeners(
    context: &Context<'_>,
    viewer: &Viewer,
    (namespace, name): (&str, &str),
    clusters: &mut Clusters<'_>,
    trace: &mut Trace,
) -> Vec<Listener> {
    let key = ResourceKey::new(Kind::Gateway, namespace, name);
    let Some(Spec::Gateway(gateway)) = context.mesh.resource(&key).map(|resource| &resource.spec) else {
        return Vec::new();
    };
    let full = format!("{namespace}/{name}");
    let bound = context.rules.bound(&full, namespace);
    let mut made = Vec::new();
    for (port, servers) in by_port(gateway) {
        // The first server decides what is spoken on a port; others that speak something else are left out. All that
        // begins with TLS is told apart by the name in the SNI.
        let Some(first) = servers.first().map(|server| protocol(server)) else { continue };
        let alike = |server: &&Server| {
            is_tls(protocol(server)) == is_tls(first) && (is_tls(first) || protocol(server) == first)
        };
        let servers: Vec<&Server> = servers.into_iter().filter(alike).collect();
        let maker = Maker { context, viewer, gateway: &full, namespace, port, bound: &bound };
        let speaking = |spoken: Protocol| -> Vec<&Server> {
            servers.iter().copied().filter(|server| protocol(server) == spoken).collect()
        };
        let http = [speaking(Protocol::Http), speaking(Protocol::Https)].concat();
        let list = if http.is_empty() { Vec::new() } else { maker.hosts(&http, clusters, trace) };
        let other = [speaking(Protocol::Tls), speaking(Protocol::Tcp)].concat();
        let tls = servers.iter().filter_map(|server| {
            let settings = server.tls.as_ref().filter(|_| is_tls(first))?;
            let http = protocol(server) == Protocol::Https;
            Some(secrets::server(context.mesh, namespace, &server.hosts, http, settings))
        });
        made.push(Listener {
            port,
            protocol: if is_tls(first) && !http.is_empty() { Protocol::Https } else { first },
            hosts: VirtualHosts::of(list),
            unknown_host: UnknownHost::NotFound,
            tls: tls.collect(),
            connections: maker.connections(&other, clusters),
        });
    }
    made
}

fn by_port(gateway: &Gateway) -> BTreeMap<u16, Vec<&Server>> {
    let mut ports: BTreeMap<u16, Vec<&Server>> = BTreeMap::new();
    for server in &gateway.servers {
        let number =
            server.port.as_ref().and_then(|port| port.number).and_then(|port| u16::try_from(port).ok());
        let named = server.port.as_ref().and_then(|port| port.protocol.as_deref()).unwrap_or("");
        if let Some(number) =
            number.filter(|number| *number > 0 && PortProtocol::parse(named) != PortProtocol::Udp)
        {
            ports.entry(number).or_default().push(server);
        }
    }
    ports
}

fn protocol(server: &Server) -> Protocol {
    let named = server.port.as_ref().and_then(|port| port.protocol.as_deref()).unwrap_or("");
    let mode = server.tls.as_ref().and_then(|tls| tls.mode.as_ref());
    let passed = matches!(mode, Some(ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough));
    match PortProtocol::parse(named) {
        PortProtocol::Tls if passed || !named.eq_ignore_ascii_case("https") => Protocol::Tls,
        PortProtocol::Tls => Protocol::Https,
        PortProtocol::Http | PortProtocol::Http2 | PortProtocol::Auto => Protocol::Http,
        PortProtocol::Tcp | PortProtocol::Udp => Protocol::Tcp,
    }
}

/// Whether what is spoken begins with TLS.
fn is_tls(spoken: Protocol) -> bool {
    matches!(spoken, Protocol::Https | Protocol::Tls)
}

fn redirects(server: &Server) -> bool {
    server.tls.as_ref().and_then(|tls| tls.https_redirect).unwrap_or(false)
        && protocol(server) == Protocol::Http
}

struct Maker<'a> {
    context: &'a Context<'a>,
    viewer: &'a Viewer,
    gateway: &'a str,
    namespace: &'a str,
    port: u16,
    bound: &'a [usize],
}

/// A virtual host in the making.
#[derive(Default)]
struct Draft {
    routes: Vec<Route>,
    to_https: bool,
}

impl Maker<'_> {
    fn hosts(&self, servers: &[&Server], clusters: &mut Clusters<'_>, trace: &mut Trace) -> Vec<VirtualHost> {
        let mut drafts: BTreeMap<String, Draft> = BTreeMap::new();
        let mut known: BTreeMap<usize, Translated> = BTreeMap::new();
        for server in servers {
            let mut offered: HashMap<&str, Overlaps> = HashMap::new();
            for &at in self.bound {
                let namespace = self.context.rules.books[at].key.namespace.as_str();
                let offered = offered.entry(namespace).or_insert_with(|| self.offered(server, namespace));
                self.bind(server, (at, offered), &mut drafts, &mut known, clusters, trace);
            }
            for host in server.hosts.iter().filter(|_| redirects(server)) {
                let host = host.rsplit('/').next().unwrap_or(host).to_ascii_lowercase();
                drafts.entry(host).or_default().to_https = true;
            }
        }
        if drafts.is_empty() {
            return vec![VirtualHost {
                name: "blackhole".to_owned(),
                domains: vec!["*".to_owned()],
                routes: Vec::new(),
            }];
        }
        let host = |(name, draft): (String, Draft)| VirtualHost {
            domains: vec![name.clone()],
            routes: if draft.to_https { vec![to_https()] } else { catch_alls_last(draft.routes) },
            name,
        };
        drafts.into_iter().map(host).collect()
    }

    /// Routes of connections: by the SNI where TLS is passed on, of `tcp` where it ends here or there is none.
    fn connections(&self, servers: &[&Server], clusters: &mut Clusters<'_>) -> Vec<ConnectionRoute> {
        let mut made = Vec::new();
        for server in servers {
            let mode = server.tls.as_ref().and_then(|tls| tls.mode.as_ref());
            if mode == Some(&ServerTlsMode::AutoPassthrough) {
                made.extend(connections::encoded(self.context, self.viewer, server, clusters));
                continue;
            }
            let passed =
                server.tls.as_ref().is_some_and(|_| matches!(mode, None | Some(ServerTlsMode::Passthrough)));
            let scope = Scope {
                viewer: self.viewer,
                gateway: self.gateway,
                port: self.port,
                tls: !passed,
                patterns: &self.context.patterns,
            };
            let mut offered: HashMap<&str, Overlaps> = HashMap::new();
            for book in self.bound.iter().map(|&at| &self.context.rules.books[at]) {
                let namespace = book.key.namespace.as_str();
                let offered = offered.entry(namespace).or_insert_with(|| self.offered(server, namespace));
                if book.hosts.iter().any(|host| offered.with(host).next().is_some()) {
                    made.extend(connections::rules(book, passed, &scope, clusters));
                }
            }
        }
        made
    }

    /// The hosts of a server that are open to a namespace.
    fn offered(&self, server: &Server, namespace: &str) -> Overlaps {
        Overlaps::of(host::for_namespace(&server.hosts, namespace, self.namespace))
    }

    fn bind(
        &self,
        server: &Server,
        (at, offered): (usize, &Overlaps),
        drafts: &mut BTreeMap<String, Draft>,
        known: &mut BTreeMap<usize, Translated>,
        clusters: &mut Clusters<'_>,
        trace: &mut Trace,
    ) {
        let book = &self.context.rules.books[at];
        let wanted: Vec<&str> = book.hosts.iter().map(String::as_str).collect();
        let common = offered.common(&wanted);
        if common.is_empty() {
            return;
        }
        let tls = server.tls.is_some();
        let scope = Scope {
            viewer: self.viewer,
            gateway: self.gateway,
            port: self.port,
            tls,
            patterns: &self.context.patterns,
        };
        let translated = known
            .entry(at)
            .or_insert_with(|| translate::rules(book, &scope, clusters, self.context.settings));
        let standing = if translated.routes.is_empty() { Standing::Empty } else { Standing::Used };
        for host in common {
            let host = host.to_ascii_lowercase();
            trace.add(|| {
                let notes = translated.notes.clone();
                Entry { port: self.port, host: host.clone(), book: at, standing, notes }
            });
            if standing == Standing::Used {
                let draft = drafts.entry(host).or_default();
                draft.routes.extend(translated.routes.iter().cloned());
                draft.to_https |= redirects(server);
            }
        }
    }
}

/// Routes that match everything, or the part of them that does, go behind all others.
fn catch_alls_last(routes: Vec<Route>) -> Vec<Route> {
    let (mut others, mut last) = (Vec::with_capacity(routes.len()), Vec::new());
    for mut route in routes {
        let (all, some): (Vec<_>, Vec<_>) =
            std::mem::take(&mut route.matches).into_iter().partition(is_catch_all);
        if all.is_empty() && some.is_empty() {
            last.push(route);
            continue;
        }
        if !some.is_empty() {
            others.push(Route { matches: some, ..route.clone() });
        }
        if !all.is_empty() {
            last.push(Route { matches: all, ..route });
        }
    }
    others.append(&mut last);
    others
}

/// `httpsRedirect`: everything is asked again over TLS.
fn to_https() -> Route {
    let redirect = Redirect { scheme: Some("https".to_owned()), status: 301, ..Redirect::default() };
    Route {
        key: None,
        name: Some("https-redirect".to_owned()),
        matches: Vec::new(),
        action: Action::Redirect(Box::new(redirect)),
        fault: None,
        headers: HeaderOps::default(),
        cors: None,
    }
}
