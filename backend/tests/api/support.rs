//! A server in this process and a client for it.

use std::net::SocketAddr;
use std::path::Path;

use api::Problem;
use api::request::{NewRevision, PostRevision};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use mesh::Edit;
use meshwright::server::{Config, Server};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

/// A small mesh: a service with two versions that nobody runs, and a gateway.
pub(crate) const SHOP: &str = "\
# Kept as it is.
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: shop
spec:
  hosts: [shop.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports:
  - {number: 80, name: http, protocol: HTTP}
  endpoints:
  - {address: 127.0.0.1, ports: {http: 1}, labels: {app: shop, version: v1}}
  - {address: 127.0.0.1, ports: {http: 2}, labels: {app: shop, version: v2}}
";

/// A server, which ends with the test.
pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) data: TempDir,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// The answer to a request.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The problem, after a look at its form.
    pub(crate) fn problem(&self) -> Problem {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{}", self.text());
        let problem: Problem = self.json();
        assert_eq!(problem.status, self.status.as_u16());
        problem
    }
}

impl Running {
    /// The sample mesh without load.
    pub(crate) async fn sample() -> Self {
        Self::start(Config::default()).await
    }

    /// A mesh of this folder.
    pub(crate) async fn folder(folder: &Path) -> Self {
        Self::start(Config { mesh: Some(folder.to_owned()), ..Config::default() }).await
    }

    /// With these settings, on a free port and in a new data folder.
    pub(crate) async fn start(config: Config) -> Self {
        Self::start_in(TempDir::new().unwrap(), config).await
    }

    /// As [`Running::start`], in a data folder that is there.
    pub(crate) async fn start_in(data: TempDir, config: Config) -> Self {
        let listen = config.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
        let config = Config {
            listen: Some(listen),
            data: Some(data.path().to_owned()),
            rate: config.rate.or(Some(0.0)),
            threads: 1,
            ..config
        };
        let server = Server::start(config).await.unwrap();
        Self { server, data, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(format!("http://{}{path}", self.server.address))
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let (parts, body) = self.client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path).body(Full::default()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> Answer {
        self.json(Method::POST, path, body).await
    }

    pub(crate) async fn json(&self, method: Method, path: &str, body: &impl Serialize) -> Answer {
        let body = serde_json::to_vec(body).unwrap();
        let request = self.request(method, path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Full::from(body)).unwrap()).await
    }

    /// Makes a revision, whatever becomes of it.
    pub(crate) async fn edit(&self, base: u64, edits: Vec<Edit>) -> Answer {
        let author = Some("ada".to_owned());
        self.post("/api/v1/revisions", &PostRevision { base, author, edits, resources: None }).await
    }

    /// Sets a file, and expects it to be accepted.
    pub(crate) async fn set(&self, base: u64, path: &str, text: &str) -> NewRevision {
        let answer = self.edit(base, vec![set_file(path, text)]).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        answer.json()
    }

    /// The stream of events, from the one after `last`.
    pub(crate) async fn events(&self, last: Option<u64>) -> Events {
        let mut request = self.request(Method::GET, "/api/v1/events");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = self.client.request(request.body(Full::default()).unwrap()).await.unwrap();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        assert!(response.headers().get(header::CONTENT_ENCODING).is_none(), "a stream is not compressed");
        Events { body: response.into_body(), buffer: String::new() }
    }

    /// Ends it and gives its data back.
    pub(crate) async fn stop(self) -> TempDir {
        self.server.shutdown().await;
        self.data
    }
}

/// An edit that sets a file.
pub(crate) fn set_file(path: &str, text: &str) -> Edit {
    Edit::SetFiles { files: vec![(path.to_owned(), Some(text.to_owned()))] }
}

/// A stream of events.
pub(crate) struct Events {
    body: hyper::body::Incoming,
    buffer: String,
}

impl Events {
    /// The next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<api::Event> {
        loop {
            while let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let field =
                    |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let event: Option<api::Event> =
                    field("data:").map(|data| serde_json::from_str(data).unwrap());
                if let Some(event) = &event {
                    assert_eq!(field("id:").unwrap(), event.seq.to_string());
                }
                self.buffer = rest.to_owned();
                if event.is_some() {
                    return event;
                }
            }
            let frame = self.body.frame().await?.ok()?;
            self.buffer.push_str(std::str::from_utf8(frame.data_ref()?).unwrap());
        }
    }

    /// The first event that is asked for.
    pub(crate) async fn find<T>(&mut self, mut wanted: impl FnMut(api::Event) -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = wanted(self.next().await.expect("the stream ended")) {
                    return found;
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), found).await.expect("the event did not come")
    }
}
