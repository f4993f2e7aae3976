//! Requests across origins, as istiod's Envoy was seen to answer them.

use crate::semantics::{TO_A, check};

const ASKS: (&str, &str) = ("access-control-request-method", "PUT");
const WANTS: (&str, &str) = ("access-control-request-headers", "x-q, x-r");
const FROM_A: (&str, &str) = ("origin", "https://a");
const FROM_B: (&str, &str) = ("origin", "https://b");

fn with(policy: &str) -> String {
    format!("{{{TO_A}, corsPolicy: {{{policy}}}}}")
}

#[tokio::test]
async fn a_star_allows_every_origin() {
    for star in ["exact: '*'", "prefix: '*'", "regex: '.*'"] {
        let rule = with(&format!("allowOrigins: [{{{star}}}], exposeHeaders: [x-a, x-b]"));
        check(&[
            (
                &rule,
                "GET",
                "/",
                &[FROM_B],
                "200",
                &[
                    "a\nGET",
                    "> access-control-allow-origin: https://b\n",
                    "> access-control-expose-headers: x-a,x-b\n",
                ],
            ),
            (
                &rule,
                "OPTIONS",
                "/",
                &[FROM_B, ASKS],
                "200",
                &["!OPTIONS /", "> access-control-allow-origin: https://b\n"],
            ),
            (&rule, "GET", "/", &[("origin", "")], "200", &["!allow-origin"]),
        ])
        .await;
    }
}

#[tokio::test]
async fn what_is_asked_for_is_echoed_where_all_is_allowed() {
    let all = with(
        "allowOrigins: [{exact: '*'}], allowMethods: ['*'], allowHeaders: ['*'], exposeHeaders: [x-a], maxAge: 5s, allowCredentials: true",
    );
    let some = with("allowOrigins: [{exact: 'https://a'}], allowMethods: ['*', GET], allowHeaders: [x]");
    check(&[
        (
            &all,
            "OPTIONS",
            "/",
            &[FROM_A, ASKS, WANTS],
            "200",
            &[
                "!OPTIONS /",
                "> access-control-allow-methods: PUT\n",
                "> access-control-allow-headers: x-q, x-r\n",
                "> access-control-expose-headers: x-a\n",
                "> access-control-max-age: 5\n",
                "> access-control-allow-credentials: true\n",
            ],
        ),
        (&all, "OPTIONS", "/", &[FROM_A, ASKS], "200", &["> access-control-allow-headers: \n"]),
        (
            &all,
            "OPTIONS",
            "/",
            &[FROM_A],
            "200",
            &["OPTIONS /", "!allow-methods", "> access-control-expose-headers: x-a\n"],
        ),
        (
            &all,
            "OPTIONS",
            "/",
            &[FROM_A, FROM_B, ASKS, ("access-control-request-method", "GET")],
            "200",
            &[
                "> access-control-allow-origin: https://a,https://b\n",
                "> access-control-allow-methods: PUT,GET\n",
            ],
        ),
        (
            &some,
            "OPTIONS",
            "/",
            &[FROM_A, ASKS, WANTS],
            "200",
            &["> access-control-allow-methods: *,GET\n", "> access-control-allow-headers: x\n", "!expose"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_preflight_that_is_kept_says_what_would_be_allowed() {
    let rule = with(
        "allowOrigins: [{exact: 'https://a'}], allowMethods: [GET, POST], allowHeaders: [x], exposeHeaders: [x-a], maxAge: 0s, allowCredentials: true, unmatchedPreflights: IGNORE",
    );
    let kept: &[&str] = &[
        "!OPTIONS /",
        "!allow-origin",
        "!expose",
        "> access-control-allow-methods: GET,POST\n",
        "> access-control-allow-headers: x\n",
        "> access-control-max-age: 0\n",
        "> access-control-allow-credentials: true\n",
    ];
    check(&[
        (&rule, "OPTIONS", "/", &[FROM_B, ASKS], "200", kept),
        (&rule, "OPTIONS", "/", &[FROM_A, FROM_B, ASKS], "200", kept),
        (&rule, "GET", "/", &[FROM_B], "200", &["a\nGET", "!access-control-"]),
    ])
    .await;
}
