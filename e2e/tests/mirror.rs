//! Copies of requests, as a person sees them.

use std::time::Duration;

use anyhow::Result;
use e2e::{Browser, Server, wait};
use tempfile::TempDir;
use testkit::{Instance, service};

/// For as long as the first traffic may take.
const LATER: Duration = Duration::from_secs(30);

const FRONT: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front}
spec:
  servers:
  - port: {number: 8099, name: http, protocol: HTTP}
    hosts: ['*']
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: ['*']
  gateways: [front]
  http:
  - route: [{destination: {host: shop}}]
    mirror: {host: audit}
";

#[tokio::test]
async fn copies_have_an_edge_of_their_own() -> Result<()> {
    let (shop, audit) = (Instance::start().await, Instance::start().await);
    let mesh = [service("shop", &[shop.port]), service("audit", &[audit.port]), FRONT.to_owned()].concat();
    let folder = TempDir::new()?;
    std::fs::write(folder.path().join("mesh.yaml"), mesh)?;
    let server = Server::start(&["--mesh", &folder.path().to_string_lossy(), "--rate", "50"]).await?;
    Browser::with(1600, 1000, async |browser| {
        browser.designer(&server.url()).await?;
        wait::until("two edges with traffic", LATER, async || {
            let busy = "return [...document.querySelectorAll('.edge-label')].filter(it => /[1-9]/.test(it.textContent)).length";
            Ok((browser.eval(busy).await? == 2).then_some(()))
        })
        .await?;
        browser.shots("14-copies").await
    })
    .await
}
