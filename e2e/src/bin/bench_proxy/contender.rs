//! The proxies that are compared, each configured for the same traffic, and what they forward to.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::wait;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::load::{Scenario, Wire};

/// For how long a program may take to listen.
const START: Duration = Duration::from_secs(20);

/// Two servers that answer with bodies of known length.
pub(crate) struct Backends {
    _process: Child,
    ports: [u16; 2],
}

/// A proxy that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    /// This one, with every policy on.
    Meshwright,
    /// Envoy as it comes, or with the same policies.
    Envoy { policies: bool },
    /// nginx, which has none of them.
    Nginx,
    /// HAProxy, which has none of them.
    HaProxy,
}

/// A proxy at work. Ends with the value.
pub(crate) struct Running {
    process: Child,
    pub(crate) port: u16,
}

impl Backends {
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let ports = [free_port()?, free_port()?];
        let site = folder.join("site");
        fs::create_dir_all(&site)?;
        for bytes in [1024, 64 * 1024] {
            fs::write(site.join(bytes.to_string()), "x".repeat(bytes))?;
        }
        let servers: String = ports
            .iter()
            .map(|port| {
                format!("server {{ listen 127.0.0.1:{port} backlog=4096; root {}; }}\n", site.display())
            })
            .collect();
        let process = nginx(folder, "backends", &servers)?;
        for port in ports {
            listening(port).await?;
        }
        Ok(Self { _process: process, ports })
    }
}

impl Contender {
    /// Those that this machine has.
    pub(crate) fn present() -> Result<Vec<Self>> {
        let all = [
            (Self::Meshwright, None),
            (Self::HaProxy, Some("haproxy")),
            (Self::Nginx, Some("nginx")),
            (Self::Envoy { policies: false }, Some("envoy")),
            (Self::Envoy { policies: true }, Some("envoy")),
        ];
        let path = std::env::var_os("PATH").context("there is no PATH")?;
        let there = |program: &str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
        Ok(all
            .into_iter()
            .filter(|(one, program)| {
                let found = program.is_none_or(there);
                if !found {
                    eprintln!("skipped: {} is not there", one.name());
                }
                found
            })
            .map(|(one, _)| one)
            .collect())
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Meshwright => "Meshwright, policies",
            Self::Envoy { policies: false } => "Envoy",
            Self::Envoy { policies: true } => "Envoy, policies",
            Self::Nginx => "nginx",
            Self::HaProxy => "HAProxy",
        }
    }
}

impl Running {
    pub(crate) async fn start(
        contender: &Contender,
        scenario: &Scenario,
        backends: &Backends,
        folder: &Path,
    ) -> Result<Self> {
        let port = free_port()?;
        let [one, two] = backends.ports;
        let (certificate, key) = certificate(folder)?;
        let process = match contender {
            Contender::Meshwright => {
                let (protocol, tls) = if scenario.wire == Wire::Tls {
                    (
                        "HTTPS",
                        format!("tls: {{mode: SIMPLE, serverCertificate: {certificate}, privateKey: {key}}}"),
                    )
                } else {
                    ("HTTP", String::new())
                };
                let yaml = MESH
                    .replace("@protocol", protocol)
                    .replace("@tls", &tls)
                    .replace("@port", &port.to_string())
                    .replace("@one", &one.to_string())
                    .replace("@two", &two.to_string());
                start_own(folder, port, &yaml)?
            }
            Contender::HaProxy => {
                let listen = match scenario.wire {
                    Wire::H1 => String::new(),
                    Wire::H2 => "proto h2".to_owned(),
                    Wire::Tls => {
                        let both = folder.join("both.pem");
                        fs::write(&both, [fs::read(&certificate)?, fs::read(&key)?].concat())?;
                        format!("ssl crt {}", both.display())
                    }
                };
                let text = format!(
                    "global\n  nbthread 1\n  maxconn 8000\ndefaults\n  mode http\n  timeout client 60s\n  timeout server 60s\n  \
                     timeout connect 5s\n  http-reuse always\nfrontend in\n  bind 127.0.0.1:{port} {listen}\n  default_backend out\n\
                     backend out\n  balance roundrobin\n  server one 127.0.0.1:{one} weight 75 pool-max-conn 1024\n  \
                     server two 127.0.0.1:{two} weight 25 pool-max-conn 1024\n"
                );
                let file = folder.join("haproxy.cfg");
                fs::write(&file, text)?;
                spawn(Command::new("haproxy").arg("-db").arg("-f").arg(&file))?
            }
            Contender::Nginx => {
                let listen = match scenario.wire {
                    Wire::H1 => String::new(),
                    Wire::H2 => "http2".to_owned(),
                    Wire::Tls => "ssl".to_owned(),
                };
                let tls = if scenario.wire == Wire::Tls {
                    format!("ssl_certificate {certificate}; ssl_certificate_key {key};")
                } else {
                    String::new()
                };
                let servers = format!(
                    "upstream out {{ server 127.0.0.1:{one} weight=75; server 127.0.0.1:{two} weight=25; keepalive 1024; }}\n\
                     server {{ listen 127.0.0.1:{port} backlog=4096 {listen}; {tls} keepalive_requests 1000000;\n\
                     location / {{ proxy_pass http://out; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}\n"
                );
                nginx(folder, "nginx", &servers)?
            }
            Contender::Envoy { policies } => start_envoy(
                folder,
                &envoy(*policies, scenario.wire, port, backends.ports, &certificate, &key),
            )?,
        };
        listening(port).await?;
        Ok(Self { process, port })
    }

    /// CPU time of the process so far, in microseconds.
    pub(crate) fn cpu_micros(&self) -> Result<f64> {
        let stat = fs::read_to_string(self.proc("stat")?)?;
        // Behind the name, which may hold anything but ends with the last bracket; user and system time in ticks of 10 ms.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok());
        let (user, system) = ticks(11).zip(ticks(12)).context("the kernel's times of a process")?;
        Ok((user + system) * 10_000.0)
    }

    pub(crate) fn memory_megabytes(&self) -> Result<f64> {
        let status = fs::read_to_string(self.proc("status")?)?;
        let peak =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("the kernel's VmHWM")?;
        let kilobytes: f64 = peak.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes / 1024.0)
    }

    fn proc(&self, file: &str) -> Result<String> {
        Ok(format!("/proc/{}/{file}", self.process.id().context("the proxy has ended")?))
    }
}

/// The same routing and the policies, as the resources of a mesh.
const MESH: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: bench}
spec:
  servers:
  - port: {number: @port, name: in, protocol: @protocol}
    hosts: ['*']
    @tls
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews.test]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints:
  - {address: 127.0.0.1, ports: {http: @one}, labels: {version: v1}}
  - {address: 127.0.0.1, ports: {http: @two}, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews.test
  trafficPolicy:
    connectionPool:
      tcp: {maxConnections: 4096}
      http: {http1MaxPendingRequests: 4096, http2MaxRequests: 4096, maxRetries: 3}
    outlierDetection: {consecutive5xxErrors: 5, interval: 1s, baseEjectionTime: 30s}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: ['*']
  gateways: [bench]
  http:
  - fault: {delay: {percentage: {value: 0.0001}, fixedDelay: 1ms}}
    timeout: 15s
    retries: {attempts: 2, retryOn: 'connect-failure,refused-stream,unavailable,cancelled,503'}
    route:
    - {destination: {host: reviews.test, subset: v1}, weight: 75}
    - {destination: {host: reviews.test, subset: v2}, weight: 25}
";

fn envoy(policies: bool, wire: Wire, port: u16, backends: [u16; 2], certificate: &str, key: &str) -> String {
    let tls = if wire == Wire::Tls {
        format!(
            "transport_socket: {{name: tls, typed_config: {{'@type': \
             type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, common_tls_context: \
             {{tls_certificates: [{{certificate_chain: {{filename: {certificate}}}, private_key: {{filename: {key}}}}}]}}}}}}"
        )
    } else {
        String::new()
    };
    let (retries, fault, log, limits) = if policies {
        (
            "timeout: 15s, retry_policy: {retry_on: 'connect-failure,refused-stream,unavailable,cancelled,5xx', num_retries: 2},",
            "- {name: fault, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, \
             delay: {fixed_delay: 0.001s, percentage: {numerator: 1, denominator: MILLION}}}}",
            "access_log: [{name: file, typed_config: {'@type': \
             type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: /dev/null}}]",
            "outlier_detection: {consecutive_5xx: 5, interval: 1s, base_ejection_time: 30s}, circuit_breakers: {thresholds: \
             [{max_connections: 4096, max_pending_requests: 4096, max_requests: 4096, max_retries: 3}]},",
        )
    } else {
        (
            "",
            "",
            "",
            "circuit_breakers: {thresholds: [{max_connections: 4096, max_pending_requests: 4096, max_requests: 4096}]},",
        )
    };
    let cluster = |(name, port): (&str, u16)| {
        format!(
            "  - {{name: {name}, type: STATIC, connect_timeout: 5s, {limits} load_assignment: {{cluster_name: {name}, endpoints: \
             [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}]}}]}}}}\n"
        )
    };
    let clusters: String = ["one", "two"].into_iter().zip(backends).map(cluster).collect();
    format!(
        "static_resources:
  listeners:
  - name: in
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          codec_type: AUTO
          {log}
          route_config:
            virtual_hosts:
            - name: all
              domains: ['*']
              routes:
              - match: {{prefix: /}}
                route: {{{retries} weighted_clusters: {{clusters: [{{name: one, weight: 75}}, {{name: two, weight: 25}}]}}}}
          http_filters:
          {fault}
          - {{name: router, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}
      {tls}
  clusters:
{clusters}"
    )
}

/// Starts this proxy for the gateway `bench` of these resources.
pub(crate) fn start_own(folder: &Path, port: u16, yaml: &str) -> Result<Child> {
    let mesh = folder.join("mesh");
    fs::create_dir_all(&mesh)?;
    fs::write(mesh.join("mesh.yaml"), yaml)?;
    let mut command = Command::new(e2e::binary()?);
    command.args(["proxy", "--gateway", "bench", "--threads", "1", "--listen", &format!("127.0.0.1:{port}")]);
    spawn(command.arg("--mesh").arg(&mesh))
}

/// Starts Envoy with this file.
pub(crate) fn start_envoy(folder: &Path, yaml: &str) -> Result<Child> {
    let file = folder.join("envoy.yaml");
    fs::write(&file, yaml)?;
    let mut command = Command::new("envoy");
    command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c"]);
    spawn(command.arg(&file))
}

/// Starts nginx as one process with these servers.
pub(crate) fn nginx(folder: &Path, name: &str, servers: &str) -> Result<Child> {
    let own = folder.join(name);
    fs::create_dir_all(&own)?;
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};\n", own.join(kind).display()))
        .concat();
    let text = format!(
        "daemon off; master_process off; pid {}; error_log stderr error;\nevents {{ worker_connections 8192; }}\n\
         http {{ access_log off; keepalive_timeout 60s; keepalive_requests 1000000;\n{temporary}{servers}}}\n",
        own.join("pid").display()
    );
    let file = own.join("nginx.conf");
    fs::write(&file, text)?;
    spawn(Command::new("nginx").arg("-c").arg(&file).arg("-p").arg(&own))
}

pub(crate) fn spawn(command: &mut Command) -> Result<Child> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    command.spawn().with_context(|| format!("start {name}"))
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

pub(crate) async fn listening(port: u16) -> Result<()> {
    wait::until(&format!("something that listens on port {port}"), START, async || {
        Ok(TcpStream::connect(("127.0.0.1", port)).await.ok())
    })
    .await?;
    Ok(())
}

/// A certificate of one's own for 127.0.0.1, made once: the paths of it and of its key.
fn certificate(folder: &Path) -> Result<(String, String)> {
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.join(name));
    if !key.exists() {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        fs::write(&certificate, made.cert.pem())?;
        fs::write(&key, made.signing_key.serialize_pem())?;
    }
    Ok((certificate.display().to_string(), key.display().to_string()))
}
