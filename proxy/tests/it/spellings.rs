//! One request in several spellings, none of which gets past a rule for it: paths, and headers in several lines. What is
//! expected was seen at istiod's Envoy.

use std::net::SocketAddr;

use mesh::{PathNormalization, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::semantics::{TO_A, check, rig_in, service};

/// What a server says to a request line and these headers, which are sent as they are.
async fn say(address: SocketAddr, target: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let text = format!("GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The status of an answer, or the path that the service saw.
fn seen(answer: &str) -> &str {
    match answer.split_once("\nGET ") {
        Some((_, path)) => path.split('\n').next().unwrap(),
        None => answer.split(' ').nth(1).unwrap(),
    }
}

#[tokio::test]
async fn paths_are_normalised() {
    use PathNormalization::{Base, DecodeAndMergeSlashes, MergeSlashes, None};
    let (a, b) = (service("a").await, service("b").await);
    let rules = format!(
        "{{match: [{{uri: {{prefix: /admin}}}}, {{uri: {{exact: /a/b}}}}], directResponse: {{status: 403}}}}, {{{TO_A}}}"
    );
    for (level, targets) in [
        (
            Base,
            &[
                ("/admin", "403"),
                ("/public/../admin", "403"),
                ("/./admin", "403"),
                ("/%61dmin", "403"),
                ("/public/%2e%2E/admin?x", "403"),
                ("/public\\..\\admin", "403"),
                ("http://a/public/../admin", "403"),
                ("/a/b?x=/../", "403"),
                ("/%00", "400"),
                ("/x/../y?q=%2e%2e/..", "/y?q=%2e%2e/.."),
                ("/a%2Fb", "/a%2Fb"),
                ("//admin", "//admin"),
                ("/ADMIN", "/ADMIN"),
                ("/%7Euser/%20", "/~user/%20"),
            ][..],
        ),
        (None, &[("/x/../admin", "/x/../admin"), ("/%61", "/%61"), ("/%00", "/%00"), ("/admin", "403")]),
        (
            MergeSlashes,
            &[
                ("//admin", "403"),
                ("/x/..//admin", "403"),
                ("/x//..//admin", "/x/admin"),
                ("/a%2fb//c", "/a%2fb/c"),
            ],
        ),
        (DecodeAndMergeSlashes, &[("/a%2Fb", "403"), ("/a%5cb", "403"), ("/x%2f..%2fadmin", "403")]),
    ] {
        let settings = Settings { path_normalization: level, ..Settings::default() };
        let rig = rig_in([&a, &b], &rules, &settings).await;
        for (target, expected) in targets {
            let answer = say(rig.address, target).await;
            assert_eq!(seen(&answer), *expected, "{target} at {level:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn lines_of_a_header_are_compared_one_by_one() {
    let closed =
        |condition: &str| format!("{{match: [{condition}], directResponse: {{status: 403}}}}, {{{TO_A}}}");
    let two: &[(&str, &str)] = &[("x-role", "x"), ("x-role", "admin")];
    let other: &[(&str, &str)] = &[("x-role", "x"), ("x-role", "y")];
    let joined: &[(&str, &str)] = &[("x-role", "x,admin")];
    let cookies: &[(&str, &str)] = &[("cookie", "a=1"), ("cookie", "b=2")];
    // Of these Envoy itself makes one line.
    let agents: &[(&str, &str)] = &[("user-agent", "a"), ("user-agent", "b")];
    for (condition, headers, expected) in [
        ("{headers: {x-role: {exact: admin}}}", two, "403"),
        ("{headers: {x-role: {exact: admin}}}", other, "200"),
        ("{headers: {x-role: {exact: admin}}}", joined, "200"),
        ("{headers: {x-role: {exact: 'x,admin'}}}", two, "200"),
        ("{headers: {x-role: {prefix: adm}}}", two, "403"),
        ("{headers: {x-role: {regex: 'adm.*'}}}", two, "403"),
        ("{headers: {x-role: {exact: ''}}}", two, "200"),
        ("{withoutHeaders: {x-role: {exact: admin}}}", two, "200"),
        ("{withoutHeaders: {x-role: {exact: admin}}}", other, "403"),
        ("{withoutHeaders: {x-role: {prefix: adm}}}", two, "200"),
        ("{withoutHeaders: {x-role: {regex: 'adm.*'}}}", two, "200"),
        ("{withoutHeaders: {x-role: {}}}", two, "200"),
        ("{headers: {cookie: {exact: b=2}}}", cookies, "403"),
        ("{headers: {cookie: {exact: 'a=1; b=2'}}}", cookies, "200"),
        ("{headers: {user-agent: {exact: b}}}", agents, "200"),
        ("{headers: {user-agent: {exact: 'a,b'}}}", agents, "403"),
    ] {
        check(&[(&closed(condition), "GET", "/", headers, expected, &[])]).await;
    }
}
