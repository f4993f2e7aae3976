//! Istio's black-box traffic cases, as data: resources, calls through real sockets, and what must come of them.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use mesh::plan::compile;
use mesh::{Mesh, Registry, Settings, Source, Sources};
use proxy::Config;
use serde_json::Value;

use testkit::service;

use crate::support::{Connection, Rig, Server, reply, request};

/// Calls for each call that Istio makes where shares are drawn: with as few as Istio's the tolerance would be met by luck.
const MORE: u64 = 20;

fn cases() -> Option<Vec<Value>> {
    let path = testkit::shared("istio/traffic.json")?;
    Some(serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
}

/// A service that answers with its name, the host and the URL that it was asked for.
async fn backend(name: &str) -> Server {
    let name = Arc::new(name.to_owned());
    Server::start(move |request: Request<Incoming>| {
        let name = Arc::clone(&name);
        async move {
            let host = request.headers()["host"].to_str().unwrap();
            reply(200, format!("{name}\n{host}\n{}", request.uri()))
        }
    })
    .await
}

#[tokio::test]
async fn traffic_goes_as_in_istio() {
    for case in cases().unwrap_or_default() {
        let name = case["name"].as_str().unwrap();
        let mut backends = BTreeMap::new();
        for backend_ in case["backends"].as_array().unwrap() {
            let backend_ = backend_.as_str().unwrap();
            backends.insert(backend_.to_owned(), backend(backend_).await);
        }
        let mut yaml: String =
            backends.iter().map(|(name, server)| service(name, &[server.address().port()])).collect();
        // Who calls.
        yaml += &service("a", &[1]);
        yaml += case["config"].as_str().unwrap();
        let settings = Settings::default();
        let mesh = Mesh::parse(&Sources::single("case.yaml", yaml)).mesh;
        let registry = Registry::of(&mesh, &mesh::Inventory::default(), &settings);
        let namespace = "default".to_owned();
        let (source, port) = match case["via"].as_str() {
            Some(_) => (Source::Gateway { namespace, name: "gateway".to_owned() }, Some(80)),
            None => (Source::Workload { namespace, name: "a-v1".to_owned() }, None),
        };
        let plan = Arc::new(compile(&mesh, &registry, &settings, &source, 1));
        let rig = Rig::at(Config { threads: 1, ..Config::default() }, plan, port).await;
        for call in case["calls"].as_array().unwrap() {
            let what = format!("{name}: {}", call["name"].as_str().unwrap());
            check(&what, call, &rig, &backends).await;
        }
    }
}

async fn check(what: &str, call: &Value, rig: &Rig, backends: &BTreeMap<String, Server>) {
    let (asked, expected) = (&call["request"], &call["expect"]);
    let drawn = expected["distribution"].is_object() || expected["mirrored_percent"].is_number();
    let count = call["count"].as_u64().unwrap_or(1) * if drawn { MORE } else { 1 };
    let before: BTreeMap<&String, usize> =
        backends.iter().map(|(name, server)| (name, server.requests())).collect();
    let mut connection = Connection::open(rig.address).await;
    let mut reached: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..count {
        let mut headers = vec![("host", asked["host"].as_str().unwrap())];
        let further = asked["headers"].as_object().into_iter().flatten();
        headers.extend(further.map(|(name, value)| (name.as_str(), value.as_str().unwrap())));
        let method = asked["method"].as_str().unwrap();
        let fetch = |path: &str| request(method, path, &headers, "");
        let mut answer = connection.fetch(fetch(asked["path"].as_str().unwrap())).await.unwrap();
        if asked["follow_redirects"] == true {
            let location = answer.headers["location"].to_str().unwrap();
            let path =
                location.split_once("://").map_or(location, |(_, rest)| &rest[rest.find('/').unwrap()..]);
            answer = connection.fetch(fetch(path)).await.unwrap();
        }
        assert_eq!(u64::from(answer.status.as_u16()), expected["status"].as_u64().unwrap(), "{what}");
        let mut said = answer.body.lines();
        let by = said.next().unwrap_or_default();
        *reached.entry(by.to_owned()).or_default() += 1;
        for (field, found) in [("upstream_host", said.next()), ("upstream_url", said.next())] {
            if let Some(wanted) = expected[field].as_str() {
                assert_eq!(found, Some(wanted), "{what}: {field}");
            }
        }
        if let Some(all_to) = expected["all_to"].as_str() {
            assert_eq!(by, all_to, "{what}");
        }
        for (header, value) in expected["response_headers"].as_object().into_iter().flatten() {
            assert_eq!(answer.headers[header.as_str()], value.as_str().unwrap(), "{what}: {header}");
        }
        for header in expected["response_headers_absent"].as_array().into_iter().flatten() {
            assert!(!answer.headers.contains_key(header.as_str().unwrap()), "{what}: {header}");
        }
    }
    let near = |found: u64, percent: u64| {
        let tolerance = expected["tolerance_of_100"].as_u64().unwrap();
        assert!((found * 100).abs_diff(percent * count) <= tolerance * count, "{what}: {found} of {count}");
    };
    for (name, percent) in expected["distribution"].as_object().into_iter().flatten() {
        near(reached.get(name).copied().unwrap_or_default(), percent.as_u64().unwrap());
    }
    if let Some(mirror) = expected["mirrored_to"].as_str() {
        let percent = expected["mirrored_percent"].as_u64().unwrap();
        let copies = || (backends[mirror].requests() - before[&mirror.to_owned()]) as u64;
        if percent == 100 {
            // Nobody waits for a copy, so the last ones may come after the answers.
            let all = async {
                while copies() < count {
                    tokio::task::yield_now().await;
                }
            };
            let came = tokio::time::timeout(std::time::Duration::from_secs(5), all).await;
            assert!(came.is_ok(), "{what}: {} copies of {count}", copies());
        }
        near(copies(), percent);
    }
}
