//! Rules: conditions, actions, and what surrounds them.

use std::time::Duration;

use super::*;
use crate::plan::{AbortWith, Direct, Fault, HeaderOps, HeaderValue, Redirect, Route};

/// Routes of host `a.com` on port 80 from rules in flow style.
fn routes(http: &str) -> Vec<Route> {
    let plan = World::of(&rules("name: a", "a.com", &format!("  http: {http}"))).from("default");
    plan.listener(80)
        .map_or_else(Vec::new, |it| it.hosts.list.iter().flat_map(|it| it.routes.clone()).collect())
}

fn one(rest: &str) -> Route {
    let mut all = routes(&format!("[{{route: [{{destination: {{host: b.com}}}}], {rest}}}]"));
    assert_eq!(all.len(), 1, "{rest}");
    all.remove(0)
}

#[test]
fn generation_stops_at_the_first_catch_all() {
    let to = "route: [{destination: {host: b.com}}]";
    for (first, left) in [
        (String::new(), 1),
        ("match: [{uri: {prefix: /}}],".to_owned(), 1),
        ("match: [{uri: {regex: '.*'}}],".to_owned(), 1),
        ("match: [{}],".to_owned(), 1),
        ("match: [{uri: {prefix: /}, method: {exact: GET}}],".to_owned(), 2),
        ("match: [{uri: {prefix: /}, queryParams: {a: {exact: b}}}],".to_owned(), 2),
        ("match: [{uri: {prefix: /}, headers: {a: {}}}],".to_owned(), 2),
        ("match: [{uri: {prefix: /a}}],".to_owned(), 2),
        // What is for others is no catch-all here.
        ("match: [{sourceLabels: {app: x}}],".to_owned(), 1),
    ] {
        let all = routes(&format!("[{{{first} {to}}}, {{match: [{{uri: {{exact: /z}}}}], {to}}}]"));
        assert_eq!(all.len(), left, "{first}");
    }
}

#[test]
fn pieces_that_cannot_be_used_are_left_out() {
    let to = "route: [{destination: {host: b.com}}]";
    for (rule, left) in [
        (format!("match: [{{uri: {{regex: '('}}}}], {to}"), 1),
        (format!("match: [{{uri: {{regex: '('}}}}, {{uri: {{exact: /}}}}], {to}"), 2),
        (format!("match: [{{headers: {{a: {{prefix: ''}}}}}}], {to}"), 1),
        (format!("match: [{{uri: {{exact: /}}}}], {to}, rewrite: {{uriRegexRewrite: {{match: '(', rewrite: x}}}}"), 1),
        ("match: [{uri: {exact: /}}], redirect: {uri: /x, redirectCode: 304}".to_owned(), 1),
        ("match: [{uri: {exact: /}}], directResponse: {status: 99}".to_owned(), 1),
        ("match: [{uri: {exact: /}}]".to_owned(), 1),
        ("match: [{uri: {exact: /}}], route: [{destination: {host: b}}, {destination: {host: c}, weight: 0}]".to_owned(), 1),
        ("match: [{uri: {exact: /}}], delegate: {name: nobody}".to_owned(), 1),
    ] {
        let all = routes(&format!("[{{{rule}}}, {{match: [{{uri: {{exact: /z}}}}], {to}}}]"));
        assert_eq!(all.len(), left, "{rule}");
    }
}

#[test]
fn weights() {
    let weighted = |list: &str| {
        let all = routes(&format!("[{{route: [{list}]}}]"));
        let forward = forwarding(&all[0].action);
        (forward.destinations.iter().map(|it| it.weight).collect::<Vec<_>>(), forward.total_weight)
    };
    assert_eq!(weighted("{destination: {host: b}, weight: 7}"), (vec![1], 1));
    assert_eq!(weighted("{destination: {host: b}, weight: 0}"), (vec![1], 1));
    let three =
        "{destination: {host: b}, weight: 7}, {destination: {host: c}}, {destination: {host: d}, weight: 5}";
    assert_eq!(weighted(three), (vec![7, 5], 12));
}

#[test]
fn timeouts_and_retries() {
    let timeout = |rest: &str| {
        let route = one(rest);
        let forward = forwarding(&route.action);
        (forward.timeout, forward.mesh_timeout)
    };
    // Istio has none; a mesh that has one says so.
    assert_eq!(timeout(""), (None, true));
    assert_eq!(timeout("timeout: 0s"), (None, false));
    assert_eq!(timeout("timeout: 1.5s"), (Some(Duration::from_millis(1500)), false));
    assert_eq!(timeout("timeout: soon"), (None, true));
    let retries = |rest: &str| forwarding(&one(rest).action).retries.clone();
    assert_eq!(retries("").unwrap(), super::super::defaults::retry());
    assert_eq!(retries("retries: {attempts: 0}"), None);
    let full = retries("retries: {attempts: 5, perTryTimeout: 2s, retryOn: 'gateway-error,503', backoff: 1s, retryRemoteLocalities: true, retryIgnorePreviousHosts: false}").unwrap();
    assert_eq!(
        (full.attempts, full.per_try_timeout, full.back_off),
        (5, Some(Duration::from_secs(2)), Duration::from_secs(1))
    );
    assert!(full.on.gateway_error && full.on.status_codes == [503] && !full.on.connect_failure);
    assert!(full.remote_localities && !full.ignore_previous_hosts);
}

#[test]
fn faults() {
    let second = Duration::from_secs(1);
    for (fault, expected) in [
        (
            "delay: {percentage: {value: 10}, fixedDelay: 1s}",
            Some(Fault { delay: Some((100_000, second)), abort: None }),
        ),
        (
            "delay: {percentage: {value: 0.29}, fixedDelay: 1s}",
            Some(Fault { delay: Some((2_900, second)), abort: None }),
        ),
        (
            "delay: {percentage: {value: 0.00019}, fixedDelay: 1s}",
            Some(Fault { delay: Some((1, second)), abort: None }),
        ),
        ("delay: {percent: 10, fixedDelay: 1s}", Some(Fault { delay: Some((100_000, second)), abort: None })),
        (
            "delay: {percent: 10, percentage: {value: 20}, fixedDelay: 1s}",
            Some(Fault { delay: Some((200_000, second)), abort: None }),
        ),
        ("delay: {fixedDelay: 1s}", None),
        ("delay: {percentage: {value: 10}}", None),
        (
            "abort: {percentage: {value: 100}, httpStatus: 503}",
            Some(Fault { delay: None, abort: Some((1_000_000, AbortWith::Http(503))) }),
        ),
        (
            "abort: {percentage: {value: 300}, grpcStatus: UNAVAILABLE}",
            Some(Fault { delay: None, abort: Some((1_000_000, AbortWith::Grpc(14))) }),
        ),
        ("abort: {httpStatus: 503}", None),
        ("abort: {percentage: {value: 50}, http2Error: REFUSED}", None),
    ] {
        assert_eq!(one(&format!("fault: {{{fault}}}")).fault, expected, "{fault}");
    }
}

#[test]
fn header_operations() {
    let route = one(
        "headers: {request: {set: {X-A: '1', Host: set.com}, add: {':authority': add.com, x-b: '2', ':method': GET}, remove: [X-C, host]}, response: {add: {X-D: '3'}}}",
    );
    let ops = &route.headers;
    let pair = |name: &str, value: &str| (name.to_owned(), HeaderValue::new(value));
    assert_eq!(ops.request.set, [pair("x-a", "1")]);
    assert_eq!(ops.request.add, [pair("x-b", "2")]);
    assert_eq!(ops.request.remove, ["x-c"]);
    assert_eq!(ops.response.add, [pair("x-d", "3")]);
    assert_eq!(ops.authority.as_deref(), Some("set.com"));
}

#[test]
fn operations_of_a_sole_destination_are_the_routes() {
    let own = "headers: {request: {set: {x: own}, add: {y: own}, remove: [b]}, response: {set: {z: own}}}";
    let rule = |rest: &str, host: &str| {
        let mut rules = routes(&format!(
            "[{{headers: {{request: {{set: {{x: route, e: '', {host} w: '1'}}, remove: [a]}}}}, route: [{{destination: {{host: a}}, weight: 1, {own}}}{rest}]}}]"
        ));
        rules.remove(0)
    };
    let pair = |name: &str, value: &str| (name.to_owned(), HeaderValue::new(value));
    let alone = rule("", "");
    assert_eq!(alone.headers.request.set, [pair("w", "1"), pair("x", "route"), pair("x", "own")]);
    assert_eq!(alone.headers.request.add, [pair("y", "own")]);
    assert_eq!(alone.headers.request.remove, ["a", "b"]);
    assert_eq!(alone.headers.response.set, [pair("z", "own")]);
    let Action::Forward(forward) = &alone.action else { panic!() };
    assert_eq!(forward.destinations[0].headers, HeaderOps::default());
    // What gets nothing makes it one of several all the same.
    let several = rule(", {destination: {host: b}, weight: 0}", "");
    assert_eq!(several.headers.request.set, [pair("w", "1"), pair("x", "route")]);
    let Action::Forward(forward) = &several.action else { panic!() };
    assert_eq!(forward.destinations[0].headers.request.set, [pair("x", "own")]);
}

#[test]
fn redirects_answers_and_precedence() {
    let action = |rule: &str| routes(&format!("[{{{rule}}}]")).remove(0).action;
    let redirect = Redirect { status: 301, ..Redirect::default() };
    for (rule, expected) in [
        ("redirect: {uri: /x}", Redirect { uri: Some("/x".into()), ..redirect.clone() }),
        (
            "redirect: {uri: /x, redirectCode: 308}",
            Redirect { uri: Some("/x".into()), status: 308, ..redirect.clone() },
        ),
        ("redirect: {port: 8080}", Redirect { port: Some(8080), ..redirect.clone() }),
        ("redirect: {port: 80}", redirect.clone()),
        (
            "redirect: {port: 443, scheme: https}",
            Redirect { scheme: Some("https".into()), ..redirect.clone() },
        ),
        (
            "redirect: {derivePort: FROM_REQUEST_PORT, scheme: https}",
            Redirect {
                scheme: Some("https".into()),
                port: Some(80),
                port_from_request: true,
                ..redirect.clone()
            },
        ),
        (
            "redirect: {derivePort: FROM_PROTOCOL_DEFAULT, authority: b}",
            Redirect { authority: Some("b".into()), ..redirect.clone() },
        ),
        (
            "redirect: {uri: '%PREFIX()%/new'}",
            Redirect { uri: Some("/new".into()), replace_prefix: true, ..redirect.clone() },
        ),
        (
            "redirect: {uri: /x}, directResponse: {status: 200}, route: [{destination: {host: b}}]",
            Redirect { uri: Some("/x".into()), ..redirect },
        ),
    ] {
        assert_eq!(action(rule), Action::Redirect(Box::new(expected)), "{rule}");
    }
    for (rule, status, body) in [
        ("directResponse: {status: 503}", 503, ""),
        (
            "directResponse: {status: 200, body: {string: hello}}, route: [{destination: {host: b}}]",
            200,
            "hello",
        ),
        ("directResponse: {status: 200, body: {bytes: aGVsbG8=}}", 200, "hello"),
    ] {
        assert_eq!(action(rule), Action::Direct(Box::new(Direct { status, body: body.into() })), "{rule}");
    }
}

#[test]
fn mirrors() {
    let mirrors = |rest: &str| {
        let route = one(rest);
        forwarding(&route.action).mirrors.iter().map(|it| it.parts_per_million).collect::<Vec<_>>()
    };
    for (rest, expected) in [
        ("mirror: {host: m.com}", vec![1_000_000]),
        ("mirror: {host: m.com}, mirrorPercentage: {value: 0}", vec![]),
        ("mirror: {host: m.com}, mirrorPercent: 10", vec![100_000]),
        ("mirror: {host: m.com}, mirrorPercent: 10, mirrorPercentage: {value: 5}", vec![50_000]),
        (
            "mirrors: [{destination: {host: m.com}}, {destination: {host: n.com}, percentage: {value: 1}}]",
            vec![1_000_000, 10_000],
        ),
    ] {
        assert_eq!(mirrors(rest), expected, "{rest}");
    }
}

#[test]
fn cross_origin_policies() {
    let cors = one("corsPolicy: {allowOrigins: [{exact: a.com}, {regex: '.*[.]b[.]com'}], allowMethods: [GET, POST], maxAge: 90.5s, allowCredentials: true, unmatchedPreflights: IGNORE}").cors.unwrap();
    let allowed = ["a.com", "x.b.com", "c.com"].map(|origin| cors.allows(origin));
    assert_eq!(allowed, [true, true, false]);
    assert_eq!(
        (cors.allow_methods.as_deref(), cors.max_age, cors.allow_credentials),
        (Some("GET,POST"), Some(90), Some(true))
    );
    assert!(!cors.forward_not_matching);
    let old = one("corsPolicy: {allowOrigin: ['*']}").cors.unwrap();
    assert!(old.allows("anything") && old.forward_not_matching);
}

#[test]
fn rewrites() {
    let route = one("rewrite: {uriRegexRewrite: {match: '^/a/(.*)$', rewrite: '/b/\\1'}, authority: x.com}");
    let rewrite = forwarding(&route.action).rewrite.clone().unwrap();
    assert_eq!(rewrite.regex.unwrap().1, "/b/${1}");
    assert_eq!(rewrite.authority.as_deref(), Some("x.com"));
    assert_eq!(forwarding(&one("rewrite: {}").action).rewrite, None);
}

#[test]
fn delegates() {
    let root = rules(
        "name: root",
        "a.com",
        "  http:
  - {name: r, match: [{uri: {prefix: /p}}], delegate: {name: leaf, namespace: other}, timeout: 7s}
  - {match: [{uri: {prefix: /hidden}}], delegate: {name: hidden, namespace: other}}
  - {route: [{destination: {host: b}}]}",
    );
    let leaf = |name: &str, rest: &str| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: other}}\nspec:\n{rest}\n"
        )
    };
    let all =
        root + &leaf(
            "leaf",
            "  http:
  - {name: one, match: [{uri: {prefix: /p/1}}], route: [{destination: {host: c}}]}
  - {match: [{uri: {prefix: /q}}], route: [{destination: {host: d}}]}
  - {match: [{uri: {exact: /p/n}}], delegate: {name: hidden}}
  - {timeout: 1s, route: [{destination: {host: e, subset: v9}}]}",
        ) + &leaf("hidden", "  exportTo: [.]\n  http: [{route: [{destination: {host: f}}]}]");
    let plan = World::of(&all).from("default");
    assert_eq!(reached(&plan, "a.com"), ["c.other", "e.other@v9", "b.default"]);
    let routes = &host(&plan, "a.com").routes;
    let of = |at: usize| {
        (routes[at].key.clone().unwrap(), routes[at].name.clone(), forwarding(&routes[at].action).timeout)
    };
    let (key, name, timeout) = of(0);
    assert_eq!((key.namespace.as_str(), key.name.as_str(), key.index), ("other", "leaf", 0));
    assert_eq!((name.as_deref(), timeout), (Some("r-one"), Some(Duration::from_secs(7))));
    assert_eq!((of(1).0.index, of(1).2), (3, Some(Duration::from_secs(1))));
    // The root's match is the delegate's where it has none.
    assert_eq!(routes[1].matches.len(), 1);
}

#[test]
fn plans_can_be_read() {
    let route = one(
        "timeout: 1.5s, match: [{uri: {regex: '/[a-z]+'}}], fault: {delay: {percentage: {value: 1}, fixedDelay: 2s}}",
    );
    let expected = serde_json::json!({
        "key": {"namespace": "default", "name": "a", "index": 0},
        "matches": [{"uri": {"regex": "/[a-z]+"}, "ignore_uri_case": false}],
        "action": {"forward": {
            "destinations": [{"cluster": 0, "weight": 1}],
            "total_weight": 1,
            "timeout": "1.5s",
            "retries": {
                "attempts": 2,
                "on": "connect-failure,refused-stream,unavailable,cancelled",
                "back_off": "25ms",
                "remote_localities": false,
                "ignore_previous_hosts": true,
            },
        }},
        "fault": {"delay": [10_000, "2s"]},
    });
    assert_eq!(serde_json::to_value(route).unwrap(), expected);
}
