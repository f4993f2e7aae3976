//! Header operations, as istiod's Envoy was seen to run them.

use crate::semantics::{TO_B, check};

/// A rule to `b` with operations of its own, and of its only destination.
fn sole(route: &str, own: &str) -> String {
    format!("{{headers: {{{route}}}, route: [{{destination: {{host: b}}, headers: {{{own}}}}}]}}")
}

/// The same with a second destination, which gets nothing.
fn several(route: &str, own: &str) -> String {
    format!(
        "{{headers: {{{route}}}, route: [{{destination: {{host: b}}, weight: 1, headers: {{{own}}}}}, {{destination: {{host: a}}, weight: 0}}]}}"
    )
}

#[tokio::test]
async fn a_sole_destination_has_the_last_word_and_one_of_several_the_first() {
    for (route, own, alone, one_of_several) in [
        (
            "request: {set: {x: route}}, response: {set: {y: route}}",
            "request: {set: {x: own}}, response: {set: {y: own}}",
            &["x: own\n", "!x: route", "> y: own\n", "!y: route"][..],
            &["x: route\n", "!x: own", "> y: route\n", "!y: own"][..],
        ),
        (
            "request: {add: {x: route}}, response: {add: {y: route}}",
            "request: {add: {x: own}}, response: {add: {y: own}}",
            &["x: route\nx: own\n", "> y: route\n> y: own\n"],
            &["x: own\nx: route\n", "> y: own\n> y: route\n"],
        ),
        // All that is set comes before all that is added, and what is removed before both.
        (
            "request: {add: {x: route}}",
            "request: {set: {x: own}}",
            &["x: own\nx: route\n"],
            &["x: own\nx: route\n"],
        ),
        ("request: {set: {x: route}}", "request: {remove: [x]}", &["x: route\n"], &["x: route\n"]),
        ("request: {remove: [x]}", "request: {set: {x: own}}", &["x: own\n"], &["!x: own"]),
    ] {
        check(&[
            (&sole(route, own), "GET", "/", &[("x", "client")], "200", alone),
            (&several(route, own), "GET", "/", &[("x", "client")], "200", one_of_several),
        ])
        .await;
    }
}

#[tokio::test]
async fn the_first_host_is_told_where_the_route_gives_another() {
    let own = "request: {set: {Host: own.com}}";
    let route = "request: {set: {Host: route.com}}";
    check(&[
        (&sole(route, ""), "GET", "/", &[], "200", &["host: route.com\n", "x-envoy-original-host: a\n"]),
        (&sole("", own), "GET", "/", &[], "200", &["host: own.com\n", "x-envoy-original-host: a\n"]),
        (&sole(route, own), "GET", "/", &[], "200", &["host: route.com\n", "x-envoy-original-host: a\n"]),
        (&several("", own), "GET", "/", &[], "200", &["host: own.com\n", "!x-envoy-original-host"]),
        (
            &several(route, own),
            "GET",
            "/",
            &[],
            "200",
            &["host: route.com\n", "x-envoy-original-host: own.com\n"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn nothing_is_set_to_nothing() {
    let rule = format!(
        "{{{TO_B}, headers: {{request: {{set: {{x: '', m: '%REQ(none)%'}}, add: {{n: ''}}}}, response: {{set: {{content-type: ''}}, add: {{o: ''}}}}}}}}"
    );
    check(&[(
        &rule,
        "GET",
        "/",
        &[("x", "client"), ("m", "here")],
        "200",
        &["x: client\n", "m: here\n", "!n: ", "!> o:"],
    )])
    .await;
}

#[tokio::test]
async fn commands_are_filled_in() {
    let request = [
        ("'%REQ(:path)%'", "/p/x?q=1"),
        ("'%REQ(:METHOD)% %REQ(:scheme)% %REQ(:authority)%'", "GET http a"),
        ("'%REQ(X-Q)%,%REQ(none?x-q):3%'", "abcdef,abc"),
        ("'<%REQ(none)%>'", "<>"),
        ("'%REQ(rep)%'", "1"),
        ("'100%%'", "100%"),
        ("'%%REQ(x-q)%%'", "%REQ(x-q)%"),
        ("'%PROTOCOL%'", "HTTP/1.1"),
        ("'%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%'", "127.0.0.1"),
        ("'%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%'", "127.0.0.1"),
        ("'%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%'", "127.0.0.1"),
        ("'%UPSTREAM_CLUSTER%'", "outbound|80||b.default.svc.cluster.local"),
        ("'%ROUTE_NAME%'", "mine"),
        ("'%RESPONSE_CODE% %RESPONSE_FLAGS%'", "0 -"),
        ("'%UPSTREAM_HOST%|%REQUESTED_SERVER_NAME%'", "|"),
        ("'%START_TIME(%Y)%'", "20"),
    ];
    for (value, expected) in request {
        let rule = format!("{{name: mine, {TO_B}, headers: {{request: {{set: {{c: {value}}}}}}}}}");
        let sent: &[(&str, &str)] = &[("x-q", "abcdef"), ("rep", "1"), ("rep", "2")];
        let whole = if expected == "20" { "c: 20".to_owned() } else { format!("\nc: {expected}\n") };
        check(&[(&rule, "GET", "/p/x?q=1", sent, "200", &[&whole])]).await;
    }
    // They see what was there before any of the operations, and what the operations before have left.
    let before =
        format!("{{{TO_B}, headers: {{request: {{remove: [y], set: {{x: new, c: '%REQ(x)%%REQ(y)%'}}}}}}}}");
    check(&[(&before, "GET", "/", &[("x", "old"), ("y", "1")], "200", &["x: new\n", "c: old\n"])]).await;
}

#[tokio::test]
async fn commands_in_responses_know_both_sides() {
    let with = |more: &str, value: &str| {
        format!("{{name: mine, {more}, headers: {{response: {{set: {{c: '{value}'}}}}}}}}")
    };
    let rewritten =
        format!("match: [{{uri: {{prefix: /old}}}}], {TO_B}, rewrite: {{uri: /new, authority: other.com}}");
    let direct = "directResponse: {status: 204}";
    let lost = "route: [{destination: {host: b, subset: v9}}]";
    check(&[
        (
            &with(TO_B, "%RESPONSE_CODE% %RESP(content-length?none)% %ROUTE_NAME%"),
            "GET",
            "/404",
            &[],
            "404",
            &["> c: 404 "],
        ),
        (&with(TO_B, "%UPSTREAM_HOST%"), "GET", "/", &[], "200", &["> c: 127.0.0.1:"]),
        (
            &with(&rewritten, "%REQ(:path)% %REQ(:authority)% %REQ(x-envoy-original-path)% %REQ(x-q)%"),
            "GET",
            "/old/x?q",
            &[("x-q", "1")],
            "200",
            &["> c: /new/x?q other.com /old/x?q 1\n"],
        ),
        (
            &with(direct, "%REQ(:path)% %RESPONSE_CODE% %RESPONSE_FLAGS% %ROUTE_NAME%[%UPSTREAM_HOST%]"),
            "GET",
            "/p",
            &[],
            "204",
            &["> c: /p 0 - mine[]\n"],
        ),
        (
            &with("redirect: {authority: z}", "%REQ(:path)% %RESP(location)%"),
            "GET",
            "/p",
            &[],
            "301",
            &["> c: /p http://z/p\n"],
        ),
        (
            &with(lost, "%RESPONSE_CODE% %RESPONSE_FLAGS%[%UPSTREAM_CLUSTER%]"),
            "GET",
            "/",
            &[],
            "503 NC",
            &["> c: 0 NC[]\n"],
        ),
    ])
    .await;
}
