//! Routes: what a request that matches gets.

use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::route::v3 as envoy;
use mesh::plan::{Action, Cluster, Destination, Direct, Forward, Match, Matcher, Redirect, Route};
use prost::Message;

use super::headers::additions;
use super::{encoding, filters, hashing, matching, names, pb, retry};

/// Field numbers of `envoy.config.route.v3.Route`.
const PER_FILTER: u32 = 13;

/// The routes of Envoy that one route becomes, encoded: one for each of its matches.
pub(super) fn encoded(route: &Route, clusters: &[Arc<Cluster>]) -> Vec<Vec<u8>> {
    let conditions: Vec<Option<&Match>> = match route.matches.as_slice() {
        [] => vec![None],
        matches => matches.iter().map(Some).collect(),
    };
    let encode = |condition: Option<&Match>| {
        let called = route.called(condition);
        let mut bytes = envoy::Route {
            name: names::route(route),
            r#match: Some(condition.map_or_else(matching::everything, matching::condition)),
            request_headers_to_add: additions(&route.headers.request, &called),
            request_headers_to_remove: route.headers.request.remove.clone(),
            response_headers_to_add: additions(&route.headers.response, &called),
            response_headers_to_remove: route.headers.response.remove.clone(),
            action: Some(action(route, condition, clusters)),
            ..Default::default()
        }
        .encode_to_vec();
        // A map has no order of its own, and the same route is to have the same bytes each time.
        for (name, config) in filters::per_route(route) {
            encoding::append(&mut bytes, PER_FILTER, &encoding::entry(name, &config));
        }
        bytes
    };
    conditions.into_iter().map(encode).collect()
}

fn action(route: &Route, condition: Option<&Match>, clusters: &[Arc<Cluster>]) -> envoy::route::Action {
    match &route.action {
        Action::Forward(to) => envoy::route::Action::Route(forward(route, to, condition, clusters)),
        Action::Redirect(to) => envoy::route::Action::Redirect(redirect(to)),
        Action::Direct(answer) => envoy::route::Action::DirectResponse(direct(answer)),
    }
}

fn forward(
    route: &Route,
    to: &Forward,
    condition: Option<&Match>,
    clusters: &[Arc<Cluster>],
) -> envoy::RouteAction {
    use envoy::route_action::{ClusterSpecifier, HostRewriteSpecifier};
    let name = |destination: &Destination| names::of(clusters, destination.cluster);
    let plain = |it: &Destination| it.headers == mesh::plan::HeaderOps::default();
    let specifier = match to.destinations.as_slice() {
        [only] if plain(only) => ClusterSpecifier::Cluster(name(only)),
        several => ClusterSpecifier::WeightedClusters(envoy::WeightedCluster {
            clusters: several.iter().map(|it| weighted(it, name(it), &route.called(condition))).collect(),
            ..Default::default()
        }),
    };
    let rewrite = to.rewrite.as_ref();
    let authority = rewrite.and_then(|it| it.authority.as_ref()).or(route.headers.authority.as_ref());
    let (prefix_rewrite, regex_rewrite) = match rewrite {
        Some(rewrite) => match (&rewrite.regex, &rewrite.uri) {
            (Some((pattern, by)), _) => (String::new(), Some(retry::substitution(pattern, by))),
            (None, Some(uri)) => path_rewrite(uri, condition),
            (None, None) => (String::new(), None),
        },
        None => (String::new(), None),
    };
    let mirrors = to.mirrors.iter().filter(|it| it.parts_per_million > 0);
    envoy::RouteAction {
        cluster_specifier: Some(specifier),
        // Unset is 15 s in Envoy.
        timeout: Some(pb::duration(to.timeout.unwrap_or_default())),
        retry_policy: to.retries.as_ref().map(retry::policy),
        request_mirror_policies: mirrors
            .map(|mirror| envoy::route_action::RequestMirrorPolicy {
                cluster: names::of(clusters, mirror.cluster),
                runtime_fraction: Some(pb::runtime_share(mirror.parts_per_million)),
                disable_shadow_host_suffix_append: true,
                ..Default::default()
            })
            .collect(),
        hash_policy: hashing::policies(to, clusters),
        host_rewrite_specifier: authority.map(|it| HostRewriteSpecifier::HostRewriteLiteral(it.clone())),
        prefix_rewrite,
        regex_rewrite,
        ..Default::default()
    }
}

/// An empty prefix rewrite is none to Envoy, so nothing in the place of a prefix is said as a pattern.
fn path_rewrite(
    uri: &str,
    condition: Option<&Match>,
) -> (String, Option<envoy_types::pb::envoy::r#type::matcher::v3::RegexMatchAndSubstitute>) {
    if !uri.is_empty() {
        return (uri.to_owned(), None);
    }
    let matched = match condition.and_then(|it| it.uri.as_ref()) {
        None => "^/".to_owned(),
        Some(Matcher::Prefix(prefix)) => format!("^.{{{}}}", prefix.chars().count()),
        Some(Matcher::Exact(_) | Matcher::Regex(_)) => "^.*$".to_owned(),
    };
    (String::new(), Some(retry::replacing(&matched, String::new())))
}

fn weighted(destination: &Destination, name: String, route: &str) -> envoy::weighted_cluster::ClusterWeight {
    use envoy::weighted_cluster::cluster_weight::HostRewriteSpecifier;
    let headers = &destination.headers;
    let authority = headers.authority.clone();
    envoy::weighted_cluster::ClusterWeight {
        name,
        weight: Some(pb::number(destination.weight)),
        request_headers_to_add: additions(&headers.request, route),
        request_headers_to_remove: headers.request.remove.clone(),
        response_headers_to_add: additions(&headers.response, route),
        response_headers_to_remove: headers.response.remove.clone(),
        host_rewrite_specifier: authority.map(HostRewriteSpecifier::HostRewriteLiteral),
        ..Default::default()
    }
}

fn redirect(to: &Redirect) -> envoy::RedirectAction {
    use envoy::redirect_action::{PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier};
    let path = to.uri.as_ref().filter(|uri| !uri.is_empty()).map(|uri| {
        if to.replace_prefix {
            PathRewriteSpecifier::PrefixRewrite(uri.clone())
        } else {
            PathRewriteSpecifier::PathRedirect(uri.clone())
        }
    });
    let code = match to.status {
        302 => RedirectResponseCode::Found,
        303 => RedirectResponseCode::SeeOther,
        307 => RedirectResponseCode::TemporaryRedirect,
        308 => RedirectResponseCode::PermanentRedirect,
        _ => RedirectResponseCode::MovedPermanently,
    };
    envoy::RedirectAction {
        host_redirect: to.authority.clone().unwrap_or_default(),
        port_redirect: to.port.map_or(0, u32::from),
        response_code: code.into(),
        scheme_rewrite_specifier: to.scheme.clone().map(SchemeRewriteSpecifier::SchemeRedirect),
        path_rewrite_specifier: path,
        ..Default::default()
    }
}

fn direct(answer: &Direct) -> envoy::DirectResponseAction {
    let body = core::DataSource {
        specifier: Some(core::data_source::Specifier::InlineBytes(answer.body.clone())),
        ..Default::default()
    };
    envoy::DirectResponseAction {
        status: answer.status.into(),
        body: (!answer.body.is_empty()).then_some(body),
        ..Default::default()
    }
}
