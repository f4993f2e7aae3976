//! Routing on plans made by hand: hosts, conditions, draws, and the laws that hold for all of them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::headers::Direction;
use super::*;
use crate::plan::{
    ClusterId, Fact, Facts, Fault, HeaderMatcher, HeaderOps, HeaderValue, Matcher, Ops, Pattern, Protocol,
    Retry, RetryOn, Rewrite, UnknownHost, VirtualHosts,
};

struct Get<'a> {
    authority: &'a str,
    path: &'a str,
    headers: &'a [(&'a str, &'a str)],
}

impl Request for Get<'_> {
    fn method(&self) -> &'static str {
        "GET"
    }
    fn scheme(&self) -> &'static str {
        "http"
    }
    fn authority(&self) -> &str {
        self.authority
    }
    fn path(&self) -> &str {
        self.path
    }
    fn header<'r>(&'r self, name: &'r str) -> impl Iterator<Item = Cow<'r, str>> {
        self.headers.iter().filter(move |(key, _)| *key == name).map(|(_, value)| Cow::Borrowed(*value))
    }
}

fn get<'a>(authority: &'a str, path: &'a str, headers: &'a [(&'a str, &'a str)]) -> Get<'a> {
    Get { authority, path, headers }
}

fn forward(weights: &[u32]) -> Forward {
    let destination = |(at, weight): (usize, &u32)| Destination {
        cluster: ClusterId(u32::try_from(at).unwrap()),
        weight: *weight,
        headers: HeaderOps::default(),
    };
    Forward {
        destinations: weights.iter().enumerate().map(destination).collect(),
        total_weight: weights.iter().map(|weight| u64::from(*weight)).sum(),
        rewrite: None,
        timeout: None,
        mesh_timeout: false,
        retries: None,
        mirrors: Vec::new(),
    }
}

fn plain(matches: Vec<Match>, action: Action) -> Route {
    Route { key: None, name: None, matches, action, fault: None, headers: HeaderOps::default(), cors: None }
}

fn to(weights: &[u32], matches: Vec<Match>) -> Route {
    plain(matches, Action::Forward(Box::new(forward(weights))))
}

fn listener(hosts: Vec<(&[&str], Vec<Route>)>) -> Listener {
    let host = |(domains, routes): (&[&str], Vec<Route>)| VirtualHost {
        name: domains[0].to_owned(),
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        routes,
    };
    Listener {
        port: 80,
        protocol: Protocol::Http,
        hosts: VirtualHosts::of(hosts.into_iter().map(host).collect()),
        unknown_host: UnknownHost::NotFound,
        connections: Vec::new(),
        tls: Vec::new(),
    }
}

fn uri(matcher: Matcher) -> Match {
    Match { uri: Some(matcher), ..Match::default() }
}

fn exact(text: &str) -> Matcher {
    Matcher::Exact(text.to_owned())
}

fn prefix(text: &str) -> Matcher {
    Matcher::Prefix(text.to_owned())
}

fn regex(text: &str) -> Matcher {
    Matcher::Regex(Pattern::new(text).unwrap())
}

#[test]
fn virtual_hosts_are_found_in_envoys_order() {
    let listener = listener(vec![
        (&["reviews", "Reviews.default"], vec![]),
        (&["*.foo.com"], vec![]),
        (&["*.bar.foo.com"], vec![]),
        (&["api.*"], vec![]),
        (&["*"], vec![]),
    ]);
    for (authority, expected) in [
        ("reviews", "reviews"),
        ("REVIEWS:9080", "reviews"),
        ("reviews.default", "reviews"),
        ("a.foo.com", "*.foo.com"),
        ("a.bar.foo.com", "*.bar.foo.com"),
        ("api.foo.com", "*.foo.com"),
        ("api.com", "api.*"),
        (".foo.com", "*"),
        ("other", "*"),
        ("[::1]:80", "*"),
    ] {
        assert_eq!(find_virtual_host(&listener, authority).unwrap().name, expected, "{authority}");
    }
    let none = self::listener(vec![(&["reviews"], vec![])]);
    assert!(find_virtual_host(&none, "ratings").is_none());
    assert!(find_virtual_host(&none, &"A".repeat(300)).is_none());
}

#[test]
fn conditions() {
    let header = |name: &str, value: Option<Matcher>, invert| Match {
        headers: vec![(name.to_owned(), HeaderMatcher { value, invert })],
        ..Match::default()
    };
    let query = |name: &str, value: Option<Matcher>| Match {
        query: vec![(name.to_owned(), HeaderMatcher { value, invert: false })],
        ..Match::default()
    };
    let jason: &[(&str, &str)] = &[("end-user", "jason")];
    let ignoring = |matcher| Match { ignore_uri_case: true, ..uri(matcher) };
    for (name, candidate, path, headers, expected) in [
        ("prefix is raw", uri(prefix("/foo")), "/foobar", jason, true),
        ("exact ignores the query", uri(exact("/foo")), "/foo?a=b", jason, true),
        ("exact is exact", uri(exact("/foo")), "/foo/", jason, false),
        ("regex is whole", uri(regex("/v[0-9]")), "/v1/x", jason, false),
        ("regex ignores the query", uri(regex("/v[0-9]")), "/v1?x", jason, true),
        ("case counts", uri(prefix("/Foo")), "/foo", jason, false),
        ("case ignored", ignoring(prefix("/Foo")), "/fooBar", jason, true),
        ("case ignored, exact", ignoring(exact("/Foo")), "/fOO", jason, true),
        ("case counts for regex", ignoring(regex("/Foo")), "/foo", jason, false),
        ("header", header("end-user", Some(exact("jason")), false), "/", jason, true),
        ("header's case counts", header("end-user", Some(exact("Jason")), false), "/", jason, false),
        ("presence", header("end-user", None, false), "/", jason, true),
        ("presence of nothing", header("end-user", None, false), "/", &[], false),
        ("empty is not absent", header("x", Some(exact("")), false), "/", &[("x", "")], true),
        ("absent is not empty", header("x", Some(exact("")), false), "/", &[], false),
        ("several lines", header("x", Some(exact("b")), false), "/", &[("x", "a"), ("x", "b")], true),
        (
            "lines are not joined",
            header("x", Some(exact("a,b")), false),
            "/",
            &[("x", "a"), ("x", "b")],
            false,
        ),
        (
            "without, one of several",
            header("x", Some(exact("b")), true),
            "/",
            &[("x", "a"), ("x", "b")],
            false,
        ),
        (
            "without, none of several",
            header("x", Some(exact("c")), true),
            "/",
            &[("x", "a"), ("x", "b")],
            true,
        ),
        ("joined", header("via", Some(exact("a,b")), false), "/", &[("via", "a"), ("via", "b")], true),
        ("joined is one", header("via", Some(exact("b")), false), "/", &[("via", "a"), ("via", "b")], false),
        ("without, absent", header("end-user", Some(exact("jason")), true), "/", &[], true),
        ("without, other", header("end-user", Some(exact("jason")), true), "/", &[("end-user", "tom")], true),
        ("without, same", header("end-user", Some(exact("jason")), true), "/", jason, false),
        ("without .* never holds", header("end-user", Some(regex(".*")), true), "/", &[], false),
        ("without presence", header("end-user", None, true), "/", &[], true),
        ("without presence, there", header("end-user", None, true), "/", jason, false),
        ("pseudo path", header(":path", Some(prefix("/a?b")), false), "/a?b=c", jason, true),
        ("pseudo method", header(":method", Some(exact("GET")), false), "/", jason, true),
        ("pseudo authority", header(":authority", Some(exact("host:80")), false), "/", jason, true),
        ("query", query("a", Some(exact("1"))), "/?b=2&a=1", jason, true),
        ("query's first value", query("a", Some(exact("2"))), "/?a=1&a=2", jason, false),
        ("query present", query("a", None), "/?a", jason, true),
        ("query absent", query("a", None), "/?b=a", jason, false),
    ] {
        assert_eq!(check(&candidate, &get("host:80", path, headers)).is_ok(), expected, "{name}");
    }
}

#[test]
fn the_matches_of_a_route_are_ored_and_the_first_route_wins() {
    let listener = listener(vec![(
        &["*"],
        vec![to(&[1], vec![uri(prefix("/a")), uri(prefix("/b"))]), to(&[1], vec![uri(prefix("/b"))])],
    )]);
    let at = |path| match route(&listener, &get("h", path, &[]), Draws::default()) {
        Decision::Forward(chosen, ..) => {
            listener.hosts.list[0].routes.iter().position(|it| it == chosen.route)
        }
        _ => None,
    };
    assert_eq!([at("/a"), at("/b"), at("/c")], [Some(0), Some(0), None]);
}

#[test]
fn faults_are_drawn_independently() {
    let mut faulty = to(&[1], vec![]);
    let (second, teapot) = (Duration::from_secs(1), AbortWith::Http(418));
    faulty.fault = Some(Fault { delay: Some((500_000, second)), abort: Some((100_000, teapot)) });
    let listener = listener(vec![(&["*"], vec![faulty])]);
    for (delay, abort, expected) in [
        (499_999, 100_000, (Some(second), None)),
        (500_000, 99_999, (None, Some(teapot))),
        (1_000_000, 0, (Some(second), Some(teapot))),
        (999_999, 999_999, (None, None)),
    ] {
        let decision = route(&listener, &get("h", "/", &[]), Draws { weight: 0, delay, abort });
        let chosen = decision.chosen().unwrap();
        assert_eq!((chosen.delay, chosen.abort), expected);
    }
}

#[test]
fn paths_are_rewritten() {
    let rewritten = |candidate: Option<Match>, rewrite: Rewrite, path: &str| {
        let mut forward = forward(&[1]);
        forward.rewrite = Some(rewrite);
        let matches = candidate.into_iter().collect();
        let listener = listener(vec![(&["*"], vec![plain(matches, Action::Forward(Box::new(forward)))])]);
        rewrite_path(&route(&listener, &get("h", path, &[]), Draws::default()), path)
    };
    let uri_to = |to: &str| Rewrite { uri: Some(to.to_owned()), ..Rewrite::default() };
    for (candidate, rewrite, path, expected) in [
        (Some(uri(prefix("/old"))), uri_to("/new"), "/old/x?q=1", Some("/new/x?q=1")),
        (Some(uri(exact("/old"))), uri_to("/new"), "/old?q", Some("/new?q")),
        (Some(uri(regex("/o.*"))), uri_to("/new"), "/old/x", Some("/new")),
        (None, uri_to("/v2/"), "/x", Some("/v2/x")),
        (None, Rewrite { authority: Some("a".into()), ..Rewrite::default() }, "/x", None),
        (
            None,
            Rewrite {
                regex: Some((Pattern::new("/a/(.*)").unwrap(), "/b/${1}".into())),
                ..Rewrite::default()
            },
            "/a/c?q=/a/",
            Some("/b/c?q=/a/"),
        ),
    ] {
        assert_eq!(rewritten(candidate, rewrite, path).as_deref(), expected, "{path}");
    }
}

#[test]
fn locations_of_redirects() {
    let redirect = Redirect { status: 301, ..Redirect::default() };
    let some = |text: &str| Some(text.to_owned());
    for (redirect, authority, expected) in [
        (Redirect { uri: some("/new"), ..redirect.clone() }, "h:8080", "http://h:8080/new?q=1"),
        (Redirect { authority: some("other"), ..redirect.clone() }, "h", "http://other/old/x?q=1"),
        (Redirect { scheme: some("https"), ..redirect.clone() }, "h:80", "https://h/old/x?q=1"),
        (Redirect { scheme: some("https"), ..redirect.clone() }, "h:8080", "https://h:8080/old/x?q=1"),
        (Redirect { port: Some(8443), ..redirect.clone() }, "h:80", "http://h:8443/old/x?q=1"),
        (Redirect { uri: some("/new?a=b"), ..redirect.clone() }, "h", "http://h/new?a=b"),
        (Redirect { uri: some("/new"), replace_prefix: true, ..redirect }, "h", "http://h/new/x?q=1"),
    ] {
        let matches = vec![uri(prefix("/old"))];
        let listener = listener(vec![(&["*"], vec![plain(matches, Action::Redirect(Box::new(redirect)))])]);
        let request = get(authority, "/old/x?q=1", &[]);
        assert_eq!(
            location(&route(&listener, &request, Draws::default()), &request).as_deref(),
            Some(expected)
        );
    }
}

#[derive(Default)]
struct Map(BTreeMap<String, Vec<String>>);

impl HeadersMut for Map {
    fn first(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name)?.first().map(String::as_bytes)
    }
    fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }
    fn set(&mut self, name: &str, value: &[u8]) {
        self.0.insert(name.to_owned(), vec![String::from_utf8(value.to_vec()).unwrap()]);
    }
    fn append(&mut self, name: &str, value: &[u8]) {
        self.0.entry(name.to_owned()).or_default().push(String::from_utf8(value.to_vec()).unwrap());
    }
}

/// Of a request of which only the path is known.
struct Nothing;

impl Facts for Nothing {
    fn request(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        (name == ":path").then_some(Cow::Borrowed(b"/p"))
    }
    fn fact(&self, _: Fact) -> Option<Cow<'_, str>> {
        None
    }
    fn began(&self) -> Duration {
        Duration::ZERO
    }
}

#[test]
fn values_are_made_before_any_is_set() {
    let pair = |name: &str, value: &str| (name.to_owned(), HeaderValue::new(value));
    let request = Ops {
        remove: vec!["gone".into()],
        set: vec![
            pair("x", "new"),
            pair("c", "%REQ(x)%%REQ(gone)%-%REQ(:path)%"),
            pair("keep", "%REQ(none)%"),
        ],
        add: vec![pair("x", "%REQ(x)%"), pair("n", "%RESP(x)%")],
    };
    let mut both = to(&[1], vec![]);
    both.headers.request = request;
    let listener = listener(vec![(&["*"], vec![both])]);
    let decision = route(&listener, &get("h", "/", &[]), Draws::default());
    let mut headers = Map::default();
    for name in ["x", "gone", "keep"] {
        headers.append(name, b"old");
    }
    apply(&decision, Direction::Request, &mut headers, &Nothing);
    let expected = [("c", vec!["old-/p"]), ("keep", vec!["old"]), ("x", vec!["new", "old"])];
    let expected: BTreeMap<_, _> = expected
        .map(|(name, values)| (name.to_owned(), values.into_iter().map(str::to_owned).collect::<Vec<_>>()))
        .into();
    assert_eq!(headers.0, expected);
}

#[test]
fn header_operations_run_from_the_destination_to_the_route() {
    let ops = |set: &str, add: &str| HeaderOps {
        request: Ops {
            remove: vec!["gone".into()],
            set: vec![("x".into(), HeaderValue::new(set))],
            add: vec![("y".into(), HeaderValue::new(add))],
        },
        authority: Some(set.to_owned()),
        ..HeaderOps::default()
    };
    let mut action = forward(&[1]);
    action.destinations[0].headers = ops("destination", "1");
    let mut both = plain(vec![], Action::Forward(Box::new(action)));
    both.headers = ops("route", "2");
    let listener = listener(vec![(&["*"], vec![both])]);
    let decision = route(&listener, &get("h", "/", &[]), Draws::default());
    let mut headers = Map::default();
    headers.append("gone", b"1");
    apply(&decision, Direction::Request, &mut headers, &Nothing);
    let expected = BTreeMap::from([
        ("x".to_owned(), vec!["route".to_owned()]),
        ("y".to_owned(), vec!["1".to_owned(), "2".to_owned()]),
    ]);
    assert_eq!(headers.0, expected);
    assert_eq!(authority(&decision), Some("route"));
}

#[test]
fn retry_conditions() {
    let response = |status| Outcome::Response { status, grpc: None, rate_limited: false };
    let grpc = |code| Outcome::Response { status: 200, grpc: Some(code), rate_limited: false };
    let limited = Outcome::Response { status: 429, grpc: None, rate_limited: true };
    let reset = Outcome::Reset { before_request: false };
    for (on, outcome, expected) in [
        ("5xx", response(500), true),
        ("5xx", response(404), false),
        ("5xx", reset, true),
        ("5xx", Outcome::ConnectFailure, true),
        ("gateway-error", response(500), false),
        ("gateway-error", response(503), true),
        ("gateway-error", reset, true),
        ("503", response(503), true),
        ("503", reset, false),
        ("503", Outcome::ConnectFailure, false),
        ("reset", reset, true),
        ("reset-before-request", reset, false),
        ("reset-before-request", Outcome::Reset { before_request: true }, true),
        ("connect-failure", Outcome::ConnectFailure, true),
        ("connect-failure", reset, false),
        ("refused-stream", Outcome::RefusedStream, true),
        ("retriable-4xx", response(409), true),
        ("retriable-4xx", response(404), false),
        ("unavailable", grpc(14), true),
        ("cancelled", grpc(14), false),
        ("envoy-ratelimited", limited, true),
        ("429", limited, false),
        ("1000", response(503), false),
        ("", response(503), false),
    ] {
        assert_eq!(RetryOn::parse(on).matches(outcome), expected, "{on} {outcome:?}");
    }
    assert!(!RetryOn::istio_default().matches(response(503)));
    assert_eq!(RetryOn::parse("some,fake,5xx,404,conditions,503,,").status_codes, [404, 503]);
}

/// A route's retries.
fn own_retries() -> Retry {
    Retry {
        attempts: 2,
        per_try_timeout: Some(Duration::from_secs(2)),
        on: RetryOn::istio_default(),
        back_off: crate::plan::BACK_OFF,
        remote_localities: false,
        ignore_previous_hosts: true,
    }
}

#[test]
fn requests_override_limits() {
    let mut forward = forward(&[1]);
    forward.timeout = Some(Duration::from_secs(15));
    forward.retries = Some(own_retries());
    let limits = |headers: &[(&str, &str)]| {
        let limits = Limits::of(&forward, &get("h", "/", headers));
        (
            limits.timeout.map(|it| it.as_millis()),
            limits.per_try_timeout.map(|it| it.as_millis()),
            limits.retries.map(|it| (it.attempts, it.on.server_error, it.on.connect_failure)),
        )
    };
    for (headers, expected) in [
        (&[][..], (Some(15_000), Some(2_000), Some((2, false, true)))),
        (&[("x-envoy-upstream-rq-timeout-ms", "3000")], (Some(3_000), Some(2_000), Some((2, false, true)))),
        (&[("x-envoy-upstream-rq-timeout-ms", "1000")], (Some(1_000), None, Some((2, false, true)))),
        (&[("x-envoy-upstream-rq-timeout-ms", "0")], (None, Some(2_000), Some((2, false, true)))),
        (&[("x-envoy-upstream-rq-timeout-ms", "soon")], (Some(15_000), Some(2_000), Some((2, false, true)))),
        (&[("x-envoy-max-retries", "5")], (Some(15_000), Some(2_000), Some((5, false, true)))),
        (&[("x-envoy-max-retries", "0")], (Some(15_000), Some(2_000), Some((0, false, true)))),
        (
            &[("x-envoy-max-retries", "4000000000")],
            (Some(15_000), Some(2_000), Some((retry::MOST_RETRIES, false, true))),
        ),
        (
            &[("x-envoy-max-retries", "18446744073709551615")],
            (Some(15_000), Some(2_000), Some((retry::MOST_RETRIES, false, true))),
        ),
        (&[("x-envoy-retry-on", "5xx")], (Some(15_000), Some(2_000), Some((2, true, true)))),
        (
            &[("x-envoy-upstream-rq-per-try-timeout-ms", "100")],
            (Some(15_000), Some(100), Some((2, false, true))),
        ),
    ] {
        assert_eq!(limits(headers), expected, "{headers:?}");
    }
    let mut none = forward.clone();
    none.retries = None;
    let asked = Limits::of(&none, &get("h", "/", &[("x-envoy-retry-on", "5xx")])).retries.unwrap();
    assert_eq!((asked.attempts, asked.on.server_error), (1, true));
}

#[test]
fn requests_may_ask_for_other_conditions() {
    let on = |route: Option<&str>, headers: &[(&str, &str)]| {
        let mut forward = forward(&[1]);
        forward.retries = route.map(|on| Retry { attempts: 20, on: RetryOn::parse(on), ..own_retries() });
        let limits = Limits::of(&forward, &get("h", "/", headers));
        limits.retries.map(|it| (it.attempts, it.on.to_string()))
    };
    let (ask, codes) = ("x-envoy-retry-on", "x-envoy-retriable-status-codes");
    for (route, headers, expected) in [
        (None, &[(codes, "503")][..], None),
        (None, &[("x-envoy-max-retries", "3")], None),
        // A number is no condition of Envoy's, and success none at all.
        (None, &[(ask, "200, 503")], Some((1, ""))),
        (None, &[(ask, "retriable-status-codes"), (codes, "200, 302,503,x")], Some((1, "503"))),
        (None, &[(ask, "5xx"), (codes, "404")], Some((1, "5xx"))),
        (None, &[(ask, "unavailable")], Some((1, ""))),
        (None, &[("x-envoy-retry-grpc-on", "unavailable,5xx")], Some((1, "unavailable"))),
        // A route may say both, and may have more tries.
        (Some("200"), &[(codes, "404,204")], Some((20, "200,404"))),
        (Some("reset"), &[(codes, "404")], Some((20, "reset"))),
        (Some("reset"), &[("x-envoy-max-retries", "99")], Some((20, "reset"))),
    ] {
        let expected = expected.map(|(attempts, on)| (attempts, on.to_owned()));
        assert_eq!(on(route, headers), expected, "{route:?} {headers:?}");
    }
}

#[test]
fn back_off_grows_to_its_cap() {
    let base = Duration::from_millis(25);
    for (n, limit) in [(1, 25), (2, 75), (3, 175), (4, 250), (40, 250)] {
        assert_eq!(back_off(base, n, limit * 1_000_000), Duration::ZERO, "{n}");
        assert_eq!(
            back_off(base, n, limit * 1_000_000 - 1),
            Duration::from_nanos(limit * 1_000_000 - 1),
            "{n}"
        );
    }
    assert_eq!(back_off(Duration::ZERO, 1, 7), Duration::ZERO);
}

proptest! {
    #[test]
    fn weights_are_honoured_exactly(weights in prop::collection::vec(1_u32..200, 2..6), offset in 0_u64..1_000_000) {
        let listener = listener(vec![(&["*"], vec![to(&weights, vec![])])]);
        let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut counts = vec![0_u32; weights.len()];
        for weight in offset..offset + total {
            match route(&listener, &get("h", "/", &[]), Draws { weight, ..Draws::default() }) {
                Decision::Forward(_, _, destination) => counts[destination.cluster.0 as usize] += 1,
                other => prop_assert!(false, "{other:?}"),
            }
        }
        prop_assert_eq!(counts, weights);
    }

    #[test]
    fn order_decides_and_the_unreachable_is_never_chosen(
        rules in prop::collection::vec("/[ab]{0,3}", 1..8),
        catch_all in 0_usize..8,
        path in "/[abc]{0,4}",
    ) {
        let catch_all = catch_all.min(rules.len());
        let mut routes: Vec<Route> = rules.iter().map(|rule| to(&[1], vec![uri(prefix(rule))])).collect();
        routes.insert(catch_all, to(&[1], vec![]));
        let expected = rules[..catch_all].iter().position(|rule| path.starts_with(rule.as_str())).unwrap_or(catch_all);
        let listener = listener(vec![(&["*"], routes)]);
        let decision = route(&listener, &get("h", &path, &[]), Draws::default());
        let chosen = decision.chosen().map(|chosen| std::ptr::from_ref(chosen.route));
        prop_assert_eq!(chosen, Some(std::ptr::from_ref(&listener.hosts.list[0].routes[expected])));
    }
}
