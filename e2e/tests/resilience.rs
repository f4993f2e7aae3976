//! Instances that fail and limits that are reached, as a person sees them.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use e2e::designer::SOON;
use e2e::{Browser, Server};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// For as long as an ejection and its end may take.
const LATER: Duration = Duration::from_secs(30);

/// A server that can be broken; it ends with the test's runtime.
struct Shop {
    port: u16,
    broken: Arc<AtomicBool>,
}

impl Shop {
    /// One that takes so long to answer.
    async fn open(takes: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let broken = Arc::new(AtomicBool::new(false));
        let fails = Arc::clone(&broken);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let fails = Arc::clone(&fails);
                let answer = service_fn(move |_: Request<_>| {
                    let mut answer = Response::new(Full::new(Bytes::from_static(b"shop")));
                    if fails.load(Ordering::Relaxed) {
                        *answer.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
                    }
                    async move {
                        tokio::time::sleep(takes).await;
                        Ok::<_, Infallible>(answer)
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        Ok(Self { port, broken })
    }
}

/// A gateway in front of a shop with two instances, under this policy.
fn mesh(ports: [u16; 2], policy: &str) -> String {
    let [one, two] = ports;
    format!(
        "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: front}}
spec:
  servers:
  - port: {{number: 8099, name: http, protocol: HTTP}}
    hosts: ['*']
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: shop}}
spec:
  hosts: [shop.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints:
  - {{address: 127.0.0.1, ports: {{http: {one}}}, labels: {{version: v1}}}}
  - {{address: 127.0.0.1, ports: {{http: {two}}}, labels: {{version: v1}}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: shop}}
spec:
  host: shop
  trafficPolicy:
    {policy}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: shop}}
spec:
  hosts: ['*']
  gateways: [front]
  http:
  - route: [{{destination: {{host: shop}}}}]
"
    )
}

#[tokio::test]
async fn an_instance_that_fails_is_ejected_on_screen_and_comes_back() -> Result<()> {
    let (one, two) = (Shop::open(Duration::ZERO).await?, Shop::open(Duration::ZERO).await?);
    let policy = "outlierDetection: {consecutive5xxErrors: 3, interval: 1s, baseEjectionTime: 3s, maxEjectionPercent: 50}";
    let folder = TempDir::new()?;
    std::fs::write(folder.path().join("mesh.yaml"), mesh([one.port, two.port], policy))?;
    let path = folder.path().to_string_lossy().into_owned();
    let server = Server::start(&["--mesh", &path, "--rate", "50"]).await?;
    Browser::with(1600, 1000, async |browser| {
        browser.designer(&server.url()).await?;
        browser.select("shop").await?;
        browser.text_with(".instances", "serving", SOON).await?;

        two.broken.store(true, Ordering::Relaxed);
        let list = browser.text_with(".instances", "ejected until", LATER).await?;
        anyhow::ensure!(list.contains("serving"), "the other one serves: {list}");
        browser.shots("10-ejected").await?;

        two.broken.store(false, Ordering::Relaxed);
        let back = e2e::wait::until("all instances serve again", LATER, async || {
            let text = browser.find(".instances").await?.text().await?;
            Ok((!text.contains("ejected")).then_some(text))
        });
        back.await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_limit_that_is_reached_shows_on_the_edge() -> Result<()> {
    let slow = Duration::from_millis(300);
    let (one, two) = (Shop::open(slow).await?, Shop::open(slow).await?);
    let policy = "connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}";
    let folder = TempDir::new()?;
    std::fs::write(folder.path().join("mesh.yaml"), mesh([one.port, two.port], policy))?;
    let path = folder.path().to_string_lossy().into_owned();
    let server = Server::start(&["--mesh", &path, "--rate", "50"]).await?;
    Browser::with(1600, 1000, async |browser| {
        browser.designer(&server.url()).await?;
        browser.select("shop").await?;
        browser.text_with(".graph", "overflow", LATER).await?;
        browser.shots("11-overflow").await
    })
    .await
}

#[tokio::test]
async fn copies_have_an_edge_of_their_own() -> Result<()> {
    let (one, two) = (Shop::open(Duration::ZERO).await?, Shop::open(Duration::ZERO).await?);
    let audit = "\
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: audit}
spec:
  hosts: [audit.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: @port}, labels: {version: v1}}]
";
    let mesh = mesh([one.port, one.port], "{}")
        .replace("{destination: {host: shop}}]", "{destination: {host: shop}}]\n    mirror: {host: audit}")
        + audit.replace("@port", &two.port.to_string()).as_str();
    let folder = TempDir::new()?;
    std::fs::write(folder.path().join("mesh.yaml"), mesh)?;
    let path = folder.path().to_string_lossy().into_owned();
    let server = Server::start(&["--mesh", &path, "--rate", "50"]).await?;
    Browser::with(1600, 1000, async |browser| {
        browser.designer(&server.url()).await?;
        let both = e2e::wait::until("two edges with traffic", LATER, async || {
            let labels = browser.eval(
                "return [...document.querySelectorAll('.edge-label')].filter(it => /[1-9]/.test(it.textContent)).length",
            );
            Ok((labels.await? == 2).then_some(()))
        });
        both.await?;
        browser.shots("12-copies").await
    })
    .await
}
