//! Which match covers which: every request that the second takes, the first takes too.

use std::collections::{BTreeMap, HashMap};

use crate::host;
use crate::labels::selects;
use crate::resource::VirtualService;
use crate::resource::http::{HttpMatch, StringMatch};
use crate::resource::virtual_service::{L4Match, TlsMatch};

use super::facts::{self, Match};

/// A route with its matches, as far as order is concerned.
pub(super) struct Ordered<'m> {
    /// `http`, `tls` or `tcp`.
    pub(super) kind: &'static str,
    /// Position in its list.
    pub(super) index: usize,
    pub(super) matches: Vec<Match<'m>>,
    /// Whether it lets requests that match pass on to later rules.
    pub(super) passes_on: bool,
}

/// The routes of a VirtualService, one list for each kind.
pub(super) fn routes(service: &VirtualService) -> [Vec<Ordered<'_>>; 3] {
    let http = service.http.iter().enumerate().map(|(index, route)| Ordered {
        kind: "http",
        index,
        matches: route.r#match.iter().map(Match::Http).collect(),
        passes_on: route.delegate.is_some(),
    });
    let tls = service.tls.iter().enumerate().map(|(index, route)| Ordered {
        kind: "tls",
        index,
        matches: route.r#match.iter().map(Match::Tls).collect(),
        passes_on: false,
    });
    let tcp = service.tcp.iter().enumerate().map(|(index, route)| Ordered {
        kind: "tcp",
        index,
        matches: route.r#match.iter().map(Match::Tcp).collect(),
        passes_on: false,
    });
    [http.collect(), tls.collect(), tcp.collect()]
}

impl Match<'_> {
    /// Whether it takes everything that `other` takes.
    pub(super) fn covers(self, other: Self) -> bool {
        match (self, other) {
            (Self::Http(a), Self::Http(b)) => http(a, b),
            (Self::Tls(a), Self::Tls(b)) => tls(a, b),
            (Self::Tcp(a), Self::Tcp(b)) => tcp(a, b),
            _ => false,
        }
    }

    /// Whether it takes every request.
    pub(super) fn takes_all(self) -> bool {
        match self {
            Self::Http(entry) => http(entry, &HttpMatch::default()),
            Self::Tls(_) => false,
            Self::Tcp(entry) => tcp(entry, &L4Match::default()),
        }
    }
}

fn http(a: &HttpMatch, b: &HttpMatch) -> bool {
    uri(a, b)
        && text(a.scheme.as_ref(), b.scheme.as_ref())
        && text(a.method.as_ref(), b.method.as_ref())
        && text(a.authority.as_ref(), b.authority.as_ref())
        && map(&a.headers, &b.headers)
        && same(&a.without_headers, &b.without_headers)
        && map(&a.query_params, &b.query_params)
        && one(a.port.as_ref(), b.port.as_ref())
        && selects(&a.source_labels, &b.source_labels)
        && one(a.source_namespace.as_ref(), b.source_namespace.as_ref())
        && list(&a.gateways, &b.gateways)
}

fn uri(a: &HttpMatch, b: &HttpMatch) -> bool {
    let blind = a.ignore_uri_case == Some(true);
    match (&a.uri, &b.uri) {
        (None, _) => true,
        // Every path begins with a slash.
        (Some(a), _) if a.prefix.as_deref() == Some("/") || a.regex.as_deref() == Some(".*") => true,
        (Some(_), None) => false,
        (Some(theirs), Some(ours)) if blind => {
            text(Some(&lower(theirs)), Some(&lower(ours))) && ours.regex.is_none()
        }
        // What takes any case is not covered by what takes one.
        (Some(_), Some(_)) if b.ignore_uri_case == Some(true) => false,
        (Some(a), Some(b)) => text(Some(a), Some(b)),
    }
}

fn lower(matcher: &StringMatch) -> StringMatch {
    let lower = |text: &Option<String>| text.as_ref().map(|text| text.to_ascii_lowercase());
    StringMatch { exact: lower(&matcher.exact), prefix: lower(&matcher.prefix), ..matcher.clone() }
}

fn text(a: Option<&StringMatch>, b: Option<&StringMatch>) -> bool {
    let Some(a) = a else { return true };
    let Some(b) = b else { return false };
    match (&a.exact, &a.prefix, &a.regex) {
        (Some(exact), ..) => b.exact.as_ref() == Some(exact),
        (_, Some(prefix), _) => {
            let start = b.exact.as_ref().or(b.prefix.as_ref());
            start.is_some_and(|start| start.starts_with(prefix.as_str()))
        }
        (_, _, Some(regex)) => b.regex.as_ref() == Some(regex),
        // Presence.
        (None, None, None) => true,
    }
}

/// Every condition of `a` follows from one of `b`.
fn map(a: &BTreeMap<String, StringMatch>, b: &BTreeMap<String, StringMatch>) -> bool {
    a.iter().all(|(name, matcher)| b.get(name).is_some_and(|other| text(Some(matcher), Some(other))))
}

/// Every condition of `a` is one of `b`.
fn same(a: &BTreeMap<String, StringMatch>, b: &BTreeMap<String, StringMatch>) -> bool {
    a.iter().all(|(name, matcher)| b.get(name) == Some(matcher))
}

fn one<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> bool {
    a.is_none() || a == b
}

/// An empty list is all.
fn list(a: &[String], b: &[String]) -> bool {
    a.is_empty() || (!b.is_empty() && b.iter().all(|entry| a.contains(entry)))
}

fn tls(a: &TlsMatch, b: &TlsMatch) -> bool {
    let covered = |sni: &String| a.sni_hosts.iter().any(|wide| host::subset_of(sni, wide));
    b.sni_hosts.iter().all(covered)
        && !b.sni_hosts.is_empty()
        && list(&a.destination_subnets, &b.destination_subnets)
        && one(a.port.as_ref(), b.port.as_ref())
        && selects(&a.source_labels, &b.source_labels)
        && one(a.source_namespace.as_ref(), b.source_namespace.as_ref())
        && list(&a.gateways, &b.gateways)
}

fn tcp(a: &L4Match, b: &L4Match) -> bool {
    list(&a.destination_subnets, &b.destination_subnets)
        && one(a.port.as_ref(), b.port.as_ref())
        && one(a.source_subnet.as_ref(), b.source_subnet.as_ref())
        && selects(&a.source_labels, &b.source_labels)
        && one(a.source_namespace.as_ref(), b.source_namespace.as_ref())
        && list(&a.gateways, &b.gateways)
}

/// The routes of one kind with what leaves nothing over for whom.
pub(super) struct Shadows<'m> {
    routes: Vec<Ordered<'m>>,
    catch_all: Option<usize>,
    /// For each condition that a match may have, the matches that are filed under it: each under its rarest one, so that
    /// a match is compared with few others. By position of the route and of the match.
    filed: HashMap<u64, Vec<(usize, usize)>>,
}

impl<'m> Shadows<'m> {
    pub(super) fn of(routes: Vec<Ordered<'m>>) -> Self {
        let takes_all = |route: &Ordered<'_>| {
            !route.passes_on && (route.matches.is_empty() || route.matches.iter().any(|it| it.takes_all()))
        };
        let catch_all = routes.iter().position(takes_all);
        let mut common: HashMap<u64, usize> = HashMap::new();
        for entry in routes.iter().flat_map(|route| &route.matches) {
            facts::asked(*entry, &mut |fact| *common.entry(fact).or_default() += 1);
        }
        let mut filed: HashMap<u64, Vec<(usize, usize)>> = HashMap::new();
        for (at, route) in routes.iter().enumerate() {
            for (position, entry) in route.matches.iter().enumerate() {
                let mut rarest = (usize::MAX, facts::NOTHING);
                facts::asked(*entry, &mut |fact| rarest = rarest.min((common[&fact], fact)));
                filed.entry(rarest.1).or_default().push((at, position));
            }
        }
        Self { routes, catch_all, filed }
    }

    pub(super) fn routes(&self) -> &[Ordered<'m>] {
        &self.routes
    }

    /// The earlier route that takes everything, so that nothing is left over for the one at `index`.
    pub(super) fn catch_all(&self, index: usize) -> Option<usize> {
        self.catch_all.filter(|at| *at < index).map(|at| self.routes[at].index)
    }

    /// The earlier match that leaves nothing over for the match at `entry` of the route at `index`: its route and position.
    pub(super) fn shadow(&self, index: usize, entry: usize) -> Option<(usize, usize)> {
        let it = self.routes[index].matches[entry];
        let mut before: Option<(usize, usize)> = None;
        let mut beside: Option<usize> = None;
        facts::met(it, &mut |fact| {
            for &(at, position) in self.filed.get(&fact).into_iter().flatten() {
                let other = self.routes[at].matches[position];
                if at < index && before.is_none_or(|known| (at, position) < known) {
                    if !self.routes[at].passes_on && other.covers(it) {
                        before = Some((at, position));
                    }
                } else if at == index && position < entry && beside.is_none_or(|known| position < known) {
                    // Of one rule, what takes everything stands beside the others for people to read.
                    if !other.takes_all() && other.covers(it) {
                        beside = Some(position);
                    }
                } else if at > index {
                    // They are filed in order.
                    break;
                }
            }
        });
        let before = before.map(|(at, position)| (self.routes[at].index, position));
        before.or(beside.map(|position| (self.routes[index].index, position)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shadows_what_is_found_as_one_by_one() {
        let entries = [
            "{uri: {prefix: /a}}",
            "{uri: {prefix: /ab}, method: {exact: GET}}",
            "{uri: {exact: /abc}}",
            "{uri: {regex: .*}, headers: {a: {exact: b}}}",
            "{uri: {prefix: /A}, ignoreUriCase: true}",
            "{uri: {exact: /ABC}, ignoreUriCase: true}",
            "{headers: {a: {prefix: b}}}",
            "{headers: {a: {exact: bc}, c: {}}}",
            "{headers: {c: {regex: x}}, queryParams: {q: {exact: v}}}",
            "{}",
            "{withoutHeaders: {a: {}}}",
            "{withoutHeaders: {a: {}}, port: 80}",
            "{sourceLabels: {app: a}}",
            "{sourceLabels: {app: a, version: v1}}",
            "{gateways: [g]}",
            "{gateways: [g, h]}",
            "{gateways: [g], uri: {prefix: /}}",
            "{port: 80}",
            "{sourceNamespace: a, port: 80}",
            "{scheme: {exact: http}}",
            "{authority: {prefix: a}}",
            "{authority: {exact: a.com}, scheme: {exact: http}}",
            "{uri: {prefix: ''}, name: x}",
        ];
        let matches: Vec<HttpMatch> = entries.iter().map(|text| parse(text)).collect();
        let routes = |shift: usize| {
            let route = |index: usize| Ordered {
                kind: "http",
                index,
                matches: vec![
                    Match::Http(&matches[(index * 7 + shift) % matches.len()]),
                    Match::Http(&matches[(index * 3 + shift) % matches.len()]),
                ],
                passes_on: index % 5 == 4,
            };
            (0..30).map(route).collect::<Vec<_>>()
        };
        for shift in 0..matches.len() {
            let list = routes(shift);
            let shadows = Shadows::of(routes(shift));
            for index in 0..list.len() {
                for entry in 0..2 {
                    let it = list[index].matches[entry];
                    let beside = list[index].matches[..entry]
                        .iter()
                        .position(|other| !other.takes_all() && other.covers(it));
                    let before = list[..index].iter().filter(|route| !route.passes_on).find_map(|route| {
                        Some((route.index, route.matches.iter().position(|other| other.covers(it))?))
                    });
                    let expected = before.or(beside.map(|position| (index, position)));
                    assert_eq!(shadows.shadow(index, entry), expected, "{shift} {index} {entry}");
                }
            }
        }
    }

    fn parse(text: &str) -> HttpMatch {
        let document = format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a}}\nspec: {{http: [{{match: [{text}]}}]}}\n"
        );
        let mesh = crate::Mesh::parse(&crate::Sources::single("a.yaml", document)).mesh;
        let (_, service) = mesh.virtual_services().next().unwrap();
        service.http[0].r#match[0].clone()
    }

    #[test]
    fn http_matches() {
        for (wide, narrow, expected) in [
            ("{uri: {prefix: /a}}", "{uri: {prefix: /ab}}", true),
            ("{uri: {prefix: /ab}}", "{uri: {prefix: /a}}", false),
            ("{uri: {prefix: /a}}", "{uri: {exact: /a}, method: {exact: GET}}", true),
            ("{uri: {prefix: /a}, method: {exact: GET}}", "{uri: {exact: /a}}", false),
            ("{uri: {prefix: /A}, ignoreUriCase: true}", "{uri: {exact: /a}}", true),
            ("{uri: {prefix: /a}}", "{uri: {exact: /a}, ignoreUriCase: true}", false),
            ("{uri: {regex: a.*}}", "{uri: {regex: a.*}}", true),
            ("{uri: {regex: a.*}}", "{uri: {exact: ab}}", false),
            ("{uri: {regex: .*}}", "{}", true),
            ("{uri: {prefix: /}}", "{headers: {a: {exact: b}}}", true),
            ("{headers: {a: {}}}", "{headers: {a: {exact: b}, c: {}}}", true),
            ("{headers: {a: {exact: b}}}", "{headers: {a: {}}}", false),
            ("{withoutHeaders: {a: {}}}", "{}", false),
            ("{sourceLabels: {app: a}}", "{sourceLabels: {app: a, version: v1}}", true),
            ("{sourceLabels: {app: a}}", "{sourceLabels: {app: b}}", false),
            ("{}", "{gateways: [g]}", true),
            ("{gateways: [g]}", "{}", false),
            ("{port: 80}", "{port: 80}", true),
            ("{port: 80}", "{}", false),
        ] {
            assert_eq!(http(&parse(wide), &parse(narrow)), expected, "{wide} covers {narrow}");
        }
    }
}
