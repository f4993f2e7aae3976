//! What stands around the proxy: two servers, and a client that asks and waits.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::{PORT, Result};

/// Bytes of each body.
const BODY: usize = 1024;

/// A kind of traffic. Every policy is on in all of them: retries, a timeout, a fault filter that draws, limits, outlier
/// detection, counters and the access log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    /// As the accepted counts name it.
    pub(crate) name: &'static str,
    /// What the client speaks.
    h2: bool,
    tls: bool,
    /// Requests have a body, too.
    uploads: bool,
    /// What the servers speak is HTTP/2.
    h2_upstream: bool,
}

impl Scenario {
    pub(crate) const ALL: [Self; 5] = [
        Self::new("http1"),
        Self { uploads: true, ..Self::new("http1-upload") },
        Self { h2: true, ..Self::new("http2") },
        Self { h2: true, h2_upstream: true, ..Self::new("http2-both") },
        Self { tls: true, ..Self::new("tls") },
    ];

    const fn new(name: &'static str) -> Self {
        Self { name, h2: false, tls: false, uploads: false, h2_upstream: false }
    }
}

/// Servers, and what clients trust.
pub(crate) struct Peers {
    servers: [SocketAddr; 2],
    connector: TlsConnector,
}

impl Peers {
    /// Starts the servers; the gateway's certificate and key get into the folder.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["gateway.test".to_owned()])?;
        std::fs::write(folder.join("certificate.pem"), made.cert.pem())?;
        std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem())?;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from(made.cert.der().to_vec()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let servers = [serve().await?, serve().await?];
        Ok(Self { servers, connector: Arc::new(config).into() })
    }

    /// The mesh of a scenario: a gateway before two versions of a service, 75 to 25.
    pub(crate) fn mesh(&self, scenario: &Scenario) -> String {
        let (protocol, tls) = if scenario.tls {
            ("HTTPS", "tls: {mode: SIMPLE, serverCertificate: certificate.pem, privateKey: key.pem}")
        } else {
            ("HTTP", "")
        };
        let upstream = if scenario.h2_upstream { "HTTP2" } else { "HTTP" };
        let [one, two] = self.servers.map(|address| address.port());
        format!(
            "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: counted}}
spec:
  servers:
  - port: {{number: {PORT}, name: in, protocol: {protocol}}}
    hosts: ['*']
    {tls}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: reviews}}
spec:
  hosts: [reviews.test]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: {upstream}}}]
  endpoints:
  - {{address: 127.0.0.1, ports: {{http: {one}}}, labels: {{version: v1}}}}
  - {{address: 127.0.0.1, ports: {{http: {two}}}, labels: {{version: v2}}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: reviews}}
spec:
  host: reviews.test
  trafficPolicy:
    connectionPool:
      tcp: {{maxConnections: 4096}}
      http: {{http1MaxPendingRequests: 4096, http2MaxRequests: 4096, maxRetries: 3}}
    outlierDetection: {{consecutive5xxErrors: 5, interval: 1s, baseEjectionTime: 30s}}
  subsets:
  - {{name: v1, labels: {{version: v1}}}}
  - {{name: v2, labels: {{version: v2}}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: reviews}}
spec:
  hosts: ['*']
  gateways: [counted]
  http:
  - fault: {{delay: {{percentage: {{value: 0.0001}}, fixedDelay: 1ms}}}}
    timeout: 600s
    retries: {{attempts: 2, retryOn: 'connect-failure,refused-stream,unavailable,cancelled,503'}}
    route:
    - {{destination: {{host: reviews.test, subset: v1}}, weight: 75}}
    - {{destination: {{host: reviews.test, subset: v2}}, weight: 25}}
"
        )
    }

    /// Sends so many requests, one after the other on one connection.
    pub(crate) async fn ask(&self, scenario: &Scenario, gateway: SocketAddr, requests: u32) -> Result<()> {
        let stream = TcpStream::connect(gateway).await?;
        stream.set_nodelay(true)?;
        if scenario.tls {
            let name = ServerName::try_from("gateway.test")?;
            return send(scenario, self.connector.connect(name, stream).await?, requests).await;
        }
        send(scenario, stream, requests).await
    }
}

async fn send(
    scenario: &Scenario,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    requests: u32,
) -> Result<()> {
    let stream = TokioIo::new(stream);
    if scenario.h2 {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
        tokio::spawn(connection);
        for _ in 0..requests {
            sender.ready().await?;
            whole(sender.send_request(request(scenario)?).await?).await?;
        }
    } else {
        let (mut sender, connection) = http1::handshake(stream).await?;
        tokio::spawn(connection);
        for _ in 0..requests {
            sender.ready().await?;
            whole(sender.send_request(request(scenario)?).await?).await?;
        }
    }
    Ok(())
}

fn request(scenario: &Scenario) -> Result<Request<Full<Bytes>>> {
    let body = if scenario.uploads { Bytes::from_static(&[b'x'; BODY]) } else { Bytes::new() };
    let mut request = Request::builder()
        .method(if scenario.uploads { "PUT" } else { "GET" })
        .header("user-agent", "instructions")
        .header("accept", "*/*");
    // HTTP/2 has no header for it.
    request = if scenario.h2 {
        request.uri("http://reviews.test/1024")
    } else {
        request.uri("/1024").header("host", "reviews.test")
    };
    Ok(request.body(Full::new(body))?)
}

async fn whole(response: Response<hyper::body::Incoming>) -> Result<()> {
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    if status != 200 || body.len() != BODY {
        return Err(format!("{status} with {} bytes", body.len()).into());
    }
    Ok(())
}

/// A server of either version of HTTP.
async fn serve() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Head and body in one piece.
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let service = service_fn(async |request: Request<hyper::body::Incoming>| {
                    let _ = request.into_body().collect().await;
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(&[b'x'; BODY]))))
                });
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(address)
}
