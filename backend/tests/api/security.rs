//! What protects the server from other sites, other machines and other programs.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use meshwright::connections::Limits;
use meshwright::server::{Config, ServeError, Server};
use tokio::io::AsyncReadExt as _;

use super::support::Running;

const TOKEN: &str = "0123456789abcdef";

#[tokio::test]
async fn every_answer_has_security_headers() {
    let running = Running::sample().await;
    for path in ["/", "/api/v1/mesh", "/healthz", "/nothing"] {
        let answer = running.get(path).await;
        let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        for part in ["default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("script-src 'self' 'unsafe-inline'"));
        assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(answer.headers["cross-origin-opener-policy"], "same-origin", "{path}");
        assert!(answer.headers.contains_key("x-request-id"), "{path}");
    }
    assert_eq!(running.get("/readyz").await.text(), "ready");
    running.stop().await;
}

#[tokio::test]
async fn other_sites_change_nothing_and_learn_nothing() {
    let running = Running::sample().await;
    let host = running.server.address.to_string();
    let own = format!("http://{host}");
    let cases: [(&[(&str, &str)], u16); 7] = [
        (&[], 400),
        (&[("origin", &own)], 400),
        (&[("sec-fetch-site", "same-origin")], 400),
        (&[("origin", "http://evil.example")], 403),
        (&[("sec-fetch-site", "cross-site"), ("origin", "http://evil.example")], 403),
        (&[("origin", "null")], 403),
        // DNS rebinding: the name leads here, and is not ours.
        (&[("host", "evil.example")], 421),
    ];
    for (headers, status) in cases {
        let mut request = running
            .request(Method::POST, "/api/v1/revisions")
            .header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = running.send(request.body(Full::from("{}")).unwrap()).await;
        assert_eq!(answer.problem().status, status, "{headers:?}");
    }
    let rebound = running.request(Method::GET, "/api/v1/mesh").header("host", "evil.example");
    assert_eq!(running.send(rebound.body(Full::default()).unwrap()).await.status, 421);
    let read = running.request(Method::GET, "/api/v1/mesh").header("origin", "http://evil.example");
    let read = running.send(read.body(Full::default()).unwrap()).await;
    assert!(read.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).is_none());
    running.stop().await;
}

#[tokio::test]
async fn the_token_is_asked_for() {
    let running = Running::start(Config { token: Some(TOKEN.to_owned()), ..Config::default() }).await;
    let get = |path: &str, name: &str, value: String| {
        let request = running.request(Method::GET, path).header(name, value);
        running.send(request.body(Full::default()).unwrap())
    };
    for path in ["/api/v1/mesh", "/api/v1/events", "/metrics", "/api/v1/openapi.json"] {
        let refused = running.get(path).await;
        assert_eq!(refused.problem().status, 401, "{path}");
        assert_eq!(refused.headers[header::WWW_AUTHENTICATE], "Bearer");
    }
    assert_eq!(get("/api/v1/mesh", "authorization", format!("Bearer {TOKEN}")).await.status, 200);
    assert_eq!(get("/api/v1/mesh", "cookie", format!("meshwright-token={TOKEN}")).await.status, 200);
    assert_eq!(get("/api/v1/mesh", "cookie", "meshwright-token=wrong".to_owned()).await.status, 401);
    assert_eq!(running.get("/healthz").await.status, 200);

    assert!(running.server.url.ends_with(&format!("/?token={TOKEN}")));
    let page = running.get(&format!("/?token={TOKEN}")).await;
    assert_eq!((page.status, page.headers[header::LOCATION].to_str().unwrap()), (StatusCode::SEE_OTHER, "/"));
    let cookie = page.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    running.stop().await;
}

#[tokio::test]
async fn envoys_show_the_token_too_unless_they_have_one_of_their_own() {
    let own = || meshwright::targets::envoy::Config {
        options: xds::ads::Options { token: Some("of-their-own".to_owned()), ..Default::default() },
        ..Default::default()
    };
    let token = Some(TOKEN.to_owned());
    for (config, right, wrong) in [
        (Config { token: token.clone(), ..Config::default() }, Some(TOKEN), vec![None, Some("of-their-own")]),
        (Config { token, envoys: own(), ..Config::default() }, Some("of-their-own"), vec![None, Some(TOKEN)]),
        (Config::default(), None, vec![]),
    ] {
        let running = Running::start(config).await;
        // Keys and certificates of gateways are among what is answered.
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
        let ask = |token: Option<&str>| {
            let path = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
            let mut request = Request::post(format!("http://{}{path}", running.server.for_envoys.unwrap()))
                .header(header::CONTENT_TYPE, "application/grpc")
                .header(header::TE, "trailers");
            if let Some(token) = token {
                request = request.header(header::AUTHORIZATION, format!("bearer {token}"));
            }
            client.request(request.body(Full::default()).unwrap())
        };
        let refused = |response: http::Response<_>| {
            let _: &hyper::body::Incoming = response.body();
            response.headers().get("grpc-status").is_some_and(|status| status == "16")
        };
        assert!(!refused(ask(right).await.unwrap()), "{right:?}");
        for token in wrong {
            assert!(refused(ask(token).await.unwrap()), "{token:?}");
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn connections_are_limited_and_those_that_do_nothing_end() {
    let limits = Limits {
        connections: 4,
        head: Duration::from_millis(300),
        idle: Duration::from_secs(2),
        crowded: Duration::from_millis(50),
    };
    let running = Running::start(Config { limits, ..Config::default() }).await;
    // The stream of events is there all the time, which has something to say every quarter of a second.
    let mut events = running.events(None).await;
    let mut silent = Vec::new();
    for _ in 0..12 {
        silent.push(tokio::net::TcpStream::connect(running.server.address).await.unwrap());
    }
    assert_eq!(running.get("/healthz").await.status, 200, "there is room again");
    for mut stream in silent {
        let end = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut [0; 64])).await.unwrap();
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
    let start = std::time::Instant::now();
    while start.elapsed() < limits.idle * 2 {
        assert!(events.next().await.is_some(), "the stream of events stays");
    }
    running.stop().await;
}

#[tokio::test]
async fn it_does_not_listen_beyond_loopback_by_accident() {
    let data = tempfile::tempdir().unwrap();
    let config = Config {
        listen: Some("0.0.0.0:0".parse().unwrap()),
        data: Some(data.path().to_owned()),
        ..Config::default()
    };
    let refused = Server::start(config).await.unwrap_err();
    assert!(matches!(refused, ServeError::Listen(_)), "{refused}");
    assert!(refused.to_string().contains("--allow-remote"), "{refused}");
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_told_so() {
    let running = Running::sample().await;
    let config = Config {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        data: Some(running.data.path().to_owned()),
        ..Config::default()
    };
    let refused = Server::start(config).await.unwrap_err();
    assert!(refused.to_string().contains("another meshwright runs on this data folder"), "{refused}");
    running.stop().await;
}
