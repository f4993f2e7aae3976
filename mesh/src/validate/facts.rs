//! What a match asks for, one by one, and what a match implies: whoever asks for no more than that covers it.
//!
//! A match covers another only if every fact that it asks for is among those that the other meets. So a match need not be
//! compared with others than those that ask for one of its facts. Facts are hashes: that two are taken for the same costs a
//! comparison.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use crate::resource::http::{HttpMatch, StringMatch};
use crate::resource::virtual_service::{L4Match, TlsMatch};

/// A match of any kind of route.
#[derive(Clone, Copy)]
pub(super) enum Match<'m> {
    Http(&'m HttpMatch),
    Tls(&'m TlsMatch),
    Tcp(&'m L4Match),
}

/// The fact that everything meets.
pub(super) const NOTHING: u64 = 0;

/// The facts that a match asks for; of some of its conditions none, which asks for less than the match does.
pub(super) fn asked(entry: Match<'_>, see: &mut dyn FnMut(u64)) {
    match entry {
        Match::Http(entry) => http_asked(entry, see),
        Match::Tls(entry) => {
            // Any of the names is enough, so that one alone is asked for by no one.
            if let [only] = entry.sni_hosts.as_slice() {
                see(fact(&("sni", only.trim_start_matches('*'))));
            }
            rest(entry.port, &entry.source_labels, entry.source_namespace.as_ref(), see);
        }
        Match::Tcp(entry) => {
            if let Some(subnet) = &entry.source_subnet {
                see(fact(&("subnet", subnet)));
            }
            rest(entry.port, &entry.source_labels, entry.source_namespace.as_ref(), see);
        }
    }
}

/// The facts that a match meets.
pub(super) fn met(entry: Match<'_>, see: &mut dyn FnMut(u64)) {
    see(NOTHING);
    match entry {
        Match::Http(entry) => http_met(entry, see),
        Match::Tls(entry) => {
            if let Some(first) = entry.sni_hosts.first() {
                let name = first.trim_start_matches('*');
                for start in name.char_indices().map(|(at, _)| at).chain([name.len()]) {
                    see(fact(&("sni", &name[start..])));
                }
            }
            rest(entry.port, &entry.source_labels, entry.source_namespace.as_ref(), see);
        }
        Match::Tcp(entry) => {
            if let Some(subnet) = &entry.source_subnet {
                see(fact(&("subnet", subnet)));
            }
            rest(entry.port, &entry.source_labels, entry.source_namespace.as_ref(), see);
        }
    }
}

fn http_asked(entry: &HttpMatch, see: &mut dyn FnMut(u64)) {
    if let Some(uri) = &entry.uri {
        // Every path begins with a slash; case is left out, since some matches do without it.
        let everything = uri.prefix.as_deref() == Some("/") || uri.regex.as_deref() == Some(".*");
        if !everything {
            text_asked("uri", uri, true, see);
        }
    }
    for (name, it) in [("scheme", &entry.scheme), ("method", &entry.method), ("authority", &entry.authority)]
    {
        it.iter().for_each(|it| text_asked(name, it, false, see));
    }
    for (kind, map) in [("header", &entry.headers), ("query", &entry.query_params)] {
        for (name, it) in map {
            see(fact(&(kind, name)));
            text_asked((kind, name), it, false, see);
        }
    }
    without(&entry.without_headers, see);
    rest(entry.port, &entry.source_labels, entry.source_namespace.as_ref(), see);
}

fn http_met(entry: &HttpMatch, see: &mut dyn FnMut(u64)) {
    entry.uri.iter().for_each(|uri| text_met("uri", uri, true, see));
    for (name, it) in [("scheme", &entry.scheme), ("method", &entry.method), ("authority", &entry.authority)]
    {
        it.iter().for_each(|it| text_met(name, it, false, see));
    }
    for (kind, map) in [("header", &entry.headers), ("query", &entry.query_params)] {
        for (name, it) in map {
            see(fact(&(kind, name)));
            text_met((kind, name), it, false, see);
        }
    }
    without(&entry.without_headers, see);
    rest(entry.port, &entry.source_labels, entry.source_namespace.as_ref(), see);
}

fn text_asked(what: impl Hash, it: &StringMatch, blind: bool, see: &mut dyn FnMut(u64)) {
    let shown = |text: &str| if blind { text.to_ascii_lowercase() } else { text.to_owned() };
    match (&it.exact, &it.prefix, &it.regex) {
        (Some(exact), ..) => see(fact(&(what, "exact", shown(exact)))),
        (_, Some(prefix), _) => see(fact(&(what, "prefix", shown(prefix)))),
        (_, _, Some(regex)) => see(fact(&(what, "regex", regex))),
        _ => {}
    }
}

/// An exact text meets every prefix of it, and a prefix those that are shorter.
fn text_met(what: impl Hash + Copy, it: &StringMatch, blind: bool, see: &mut dyn FnMut(u64)) {
    let shown = |text: &str| if blind { text.to_ascii_lowercase() } else { text.to_owned() };
    if let Some(exact) = &it.exact {
        see(fact(&(what, "exact", shown(exact))));
    }
    if let Some(start) = it.exact.as_ref().or(it.prefix.as_ref()) {
        let start = shown(start);
        for end in start.char_indices().map(|(at, _)| at).chain([start.len()]) {
            see(fact(&(what, "prefix", &start[..end])));
        }
    }
    if let Some(regex) = &it.regex {
        see(fact(&(what, "regex", regex)));
    }
}

fn without(map: &BTreeMap<String, StringMatch>, see: &mut dyn FnMut(u64)) {
    for (name, it) in map {
        see(fact(&("without", name, &it.exact, &it.prefix, &it.regex)));
    }
}

fn rest(
    port: Option<i64>,
    labels: &BTreeMap<String, String>,
    namespace: Option<&String>,
    see: &mut dyn FnMut(u64),
) {
    if let Some(port) = port {
        see(fact(&("port", port)));
    }
    for label in labels {
        see(fact(&("label", label)));
    }
    if let Some(namespace) = namespace {
        see(fact(&("namespace", namespace)));
    }
}

fn fact(it: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    it.hash(&mut hasher);
    // That one is taken.
    hasher.finish().max(1)
}
