//! Routing of connections: plain TCP, and TLS by the name in its SNI.

use std::net::IpAddr;
use std::time::Duration;

use super::{Draws, drawn, weighted};
use crate::plan::{ConnectionMatch, ConnectionRoute, Destination, Listener, Subnet, TlsServer};

/// What routing needs to know of a connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connection<'c> {
    /// The name in the SNI, in lower case, where TLS is passed on.
    pub sni: Option<&'c str>,
    /// The name that the client asked for, in lower case (`CONNECT`).
    pub host: Option<&'c str>,
    /// The address that the client meant, where it is known.
    pub destination: Option<IpAddr>,
    /// The client's address.
    pub source: Option<IpAddr>,
}

/// Where a connection goes, and the faults that were drawn.
#[derive(Debug, Clone, Copy)]
pub struct Passage<'p> {
    /// The route.
    pub route: &'p ConnectionRoute,
    /// The destination.
    pub destination: &'p Destination,
    /// How long it waits.
    pub delay: Option<Duration>,
    /// It is reset.
    pub reset: bool,
}

/// Decides where a connection on a listener goes: by the first route that matches.
pub fn connection<'p>(
    listener: &'p Listener,
    connection: &Connection<'_>,
    draws: Draws,
) -> Option<Passage<'p>> {
    let route = listener.connections.iter().find(|route| takes(route, connection))?;
    let fault = route.fault.as_ref();
    let delay = fault.and_then(|fault| fault.delay).filter(|(share, _)| drawn(draws.delay, *share));
    Some(Passage {
        route,
        destination: weighted(&route.destinations, route.total_weight, draws.weight)?,
        delay: delay.map(|(_, length)| length),
        reset: fault.is_some_and(|fault| drawn(draws.abort, fault.reset)),
    })
}

/// The server of a listener that a name in the SNI is for, by its position: the one that names it exactly, else the one
/// with the longest wildcard. Without a name, one that takes any.
pub fn tls_server(listener: &Listener, sni: Option<&str>) -> Option<usize> {
    let best = |server: &TlsServer| server.hosts.iter().filter_map(|host| fit(host, sni)).max();
    let fits = listener.tls.iter().enumerate().filter_map(|(at, server)| Some((best(server)?, at)));
    // Of two that fit alike, the first.
    fits.max_by_key(|(fit, at)| (*fit, usize::MAX - at)).map(|(_, at)| at)
}

/// How closely a pattern fits a name.
fn fit(pattern: &str, name: Option<&str>) -> Option<usize> {
    match (pattern.strip_prefix('*'), name) {
        (Some(""), _) => Some(0),
        (Some(suffix), Some(name)) => {
            (name.len() > suffix.len() && name.ends_with(suffix)).then_some(suffix.len())
        }
        (None, Some(name)) => (pattern == name).then_some(usize::MAX),
        (_, None) => None,
    }
}

fn takes(route: &ConnectionRoute, connection: &Connection<'_>) -> bool {
    let meant = |host| route.hosts.is_empty() || route.hosts.iter().any(|own| fit(own, Some(host)).is_some());
    connection.host.is_none_or(meant)
        && connection.destination.is_none_or(|it| route.addresses.is_empty() || within(&route.addresses, it))
        && (route.matches.is_empty() || route.matches.iter().any(|condition| holds(condition, connection)))
}

fn holds(condition: &ConnectionMatch, connection: &Connection<'_>) -> bool {
    let named = |sni| condition.sni.iter().any(|pattern| fit(pattern, Some(sni)).is_some());
    let inside = |ranges: &[Subnet], address: Option<IpAddr>| {
        ranges.is_empty() || address.is_some_and(|address| within(ranges, address))
    };
    (condition.sni.is_empty() || connection.sni.is_some_and(named))
        && inside(&condition.destinations, connection.destination)
        && inside(&condition.sources, connection.source)
}

fn within(ranges: &[Subnet], address: IpAddr) -> bool {
    ranges.iter().any(|range| range.contains(address))
}
