//! istiod with a gateway's and a sidecar's Envoy, and the built-in proxy in both their places. All on loopback, all ended with the
//! value.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{cluster, wire};

/// Longer than the slowest machine takes to start all of it.
const LONG: Duration = Duration::from_secs(60);
/// Between two looks at a program that does not say when it is ready.
const LOOK: Duration = Duration::from_millis(50);

/// Ports of loopback that were free.
pub(crate) struct Ports {
    /// The services' port, at which the sidecar listens too.
    pub(crate) service: u16,
    /// A port that only some service has.
    pub(crate) other: u16,
    /// The gateway's.
    pub(crate) gateway: u16,
    /// istiod's: HTTP, gRPC, gRPC with TLS, webhooks, monitoring.
    istiod: [u16; 5],
}

impl Ports {
    pub(crate) fn free() -> Self {
        let [service, other, gateway, a, b, c, d, e] = testkit::free_ports();
        Self { service, other, gateway, istiod: [a, b, c, d, e] }
    }
}

/// A program that ends with the value.
struct Program(Child);

impl Program {
    fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        Ok(Self(command.spawn().with_context(|| format!("start {command:?}"))?))
    }

    /// Waits until something is so, as long as the program runs.
    fn until(&mut self, log: &Path, mut ready: impl FnMut() -> bool) -> Result<()> {
        let began = Instant::now();
        while !ready() {
            let ended = self.0.try_wait()?;
            if ended.is_some() || began.elapsed() > LONG {
                let text = fs::read_to_string(log).unwrap_or_default();
                let tail: Vec<_> = text.lines().rev().take(15).collect();
                bail!(
                    "{} ({ended:?}) is not ready:\n{}",
                    log.display(),
                    tail.into_iter().rev().collect::<Vec<_>>().join("\n")
                );
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Istio.
pub(crate) struct Lab {
    pub(crate) gateway: SocketAddr,
    pub(crate) sidecar: SocketAddr,
    // In the order in which they end.
    _envoys: [Program; 2],
    _istiod: Program,
    _folder: TempDir,
}

impl Lab {
    pub(crate) fn start(istiod: &Path, envoy: &Path, mesh: &str, ports: &Ports) -> Result<Self> {
        let folder = TempDir::new()?;
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("config"))?;
        fs::write(at("config/mesh.yaml"), mesh)?;
        // What has the sidecar listen on loopback, without redirection.
        fs::write(at("config/sidecar.yaml"), sidecar(ports))?;
        fs::write(at("istio.yaml"), MESH_CONFIG)?;
        let [http, grpc, secure, webhooks, monitoring] =
            ports.istiod.map(|port| format!("{}:{port}", Ipv4Addr::LOCALHOST));
        let mut command = Command::new(istiod);
        command.current_dir(folder.path()).arg("discovery");
        fs::write(at("kubeconfig"), cluster::kubeconfig(cluster::start()?))?;
        command.arg("--kubeconfig").arg(at("kubeconfig")).args([
            "--domain",
            "cluster.local",
            "--shutdownDuration",
            "1s",
        ]);
        command.arg("--configDir").arg(at("config")).arg("--meshConfig").arg(at("istio.yaml"));
        command.args(["--httpAddr", &http, "--grpcAddr", &grpc, "--secureGRPCAddr", &secure]);
        command.args(["--httpsAddr", &webhooks, "--monitoringAddr", &monitoring]);
        for (name, value) in ENVIRONMENT {
            command.env(name, value);
        }
        let log = at("istiod.log");
        let mut program = Program::start(&mut command, &log)?;
        let ready = http.parse()?;
        program.until(&log, || {
            let request = format!("GET /ready HTTP/1.1\r\nhost: {http}\r\n\r\n");
            wire::exchange(ready, request.as_bytes()).is_ok_and(|answer| answer.shown(&[]) == "200")
        })?;
        let mut envoys = Vec::new();
        let addresses =
            [ports.gateway, ports.service].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        for (kind, address) in ["router", "sidecar"].into_iter().zip(addresses) {
            let config = at(&format!("{kind}.json"));
            fs::write(&config, bootstrap(kind, ports.istiod[1]).to_string())?;
            let mut command = Command::new(envoy);
            command.arg("-c").arg(&config).args(["--concurrency", "1", "--disable-hot-restart"]);
            command.args(["--log-level", "warning"]);
            let log = at(&format!("{kind}.log"));
            let mut program = Program::start(&mut command, &log)?;
            program.until(&log, || answers(address, address.port()))?;
            envoys.push(program);
        }
        let envoys = envoys.try_into().map_err(|_| anyhow::anyhow!("two Envoys"))?;
        let [gateway, sidecar] = addresses;
        Ok(Self { gateway, sidecar, _envoys: envoys, _istiod: program, _folder: folder })
    }
}

/// Whether the routes have come: the listener alone is not enough.
fn answers(address: SocketAddr, port: u16) -> bool {
    let request = format!("GET / HTTP/1.1\r\nhost: ready.example.com:{port}\r\n\r\n");
    TcpStream::connect(address).is_ok()
        && wire::exchange(address, request.as_bytes()).is_ok_and(|answer| answer.shown(&[]) == "200")
}

/// No Prometheus, no mutual TLS: nothing that upstream's Envoy has not.
const MESH_CONFIG: &str = "rootNamespace: istio-system\nenableAutoMtls: false\nenablePrometheusMerge: false\n\
    defaultConfig: {discoveryAddress: \"127.0.0.1:15010\"}\ndefaultProviders: {}\n";

const ENVIRONMENT: [(&str, &str); 11] = [
    ("POD_NAME", "istiod"),
    ("POD_NAMESPACE", "istio-system"),
    ("REVISION", "default"),
    ("CLUSTER_ID", "Kubernetes"),
    ("PILOT_CERT_PROVIDER", "none"),
    ("ENABLE_CA_SERVER", "false"),
    ("ENABLE_LEADER_ELECTION", "false"),
    ("PILOT_DEBOUNCE_AFTER", "1ms"),
    ("PILOT_ENABLE_METADATA_EXCHANGE", "false"),
    ("PILOT_DISABLE_MX_ALPN", "true"),
    ("PILOT_ENABLE_ALPN_FILTER", "false"),
];

fn sidecar(ports: &Ports) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: client, namespace: default}}\nspec:\n  \
         workloadSelector: {{labels: {{app: client}}}}\n  egress:\n  - port: {{number: {}, protocol: HTTP, name: http}}\n    \
         bind: 127.0.0.1\n    captureMode: NONE\n    hosts: [\"./*\"]\n",
        ports.service
    )
}

/// What istiod has to know of an Envoy, and where the Envoy finds it.
fn bootstrap(kind: &str, istiod: u16) -> Value {
    // istiod knows a workload by its address; the sidecar's is that of the mesh's only WorkloadEntry.
    let (ip, labels) = if kind == "router" {
        ("127.0.0.2", json!({"istio": "edge"}))
    } else {
        ("127.0.0.1", json!({"app": "client", "version": "v1"}))
    };
    let http2 = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    });
    json!({
        "node": {
            "id": format!("{kind}~{ip}~{kind}.default~default.svc.cluster.local"),
            "cluster": format!("{kind}.default"),
            "metadata": {
                "NAME": kind, "NAMESPACE": "default", "CLUSTER_ID": "Kubernetes", "ISTIO_VERSION": "1.31.0",
                "LABELS": labels, "INSTANCE_IPS": ip, "INTERCEPTION_MODE": "NONE", "WORKLOAD_NAME": kind,
            },
        },
        "bootstrap_extensions": [{
            "name": "envoy.bootstrap.internal_listener",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener"},
        }],
        "dynamic_resources": {
            "lds_config": {"ads": {}, "resource_api_version": "V3"},
            "cds_config": {"ads": {}, "resource_api_version": "V3"},
            "ads_config": {
                "api_type": "DELTA_GRPC", "transport_api_version": "V3", "set_node_on_first_message_only": true,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}],
            },
        },
        "static_resources": {"clusters": [{
            "name": "xds-grpc", "type": "STATIC", "connect_timeout": "1s",
            "typed_extension_protocol_options": http2,
            "load_assignment": {"cluster_name": "xds-grpc", "endpoints": [{"lb_endpoints": [{"endpoint": {
                "address": {"socket_address": {"address": "127.0.0.1", "port_value": istiod}},
            }}]}]},
        }]},
    })
}

/// The built-in proxy on the same files.
pub(crate) struct Ours {
    pub(crate) gateway: SocketAddr,
    pub(crate) sidecar: SocketAddr,
    _programs: [Program; 2],
    _folder: TempDir,
}

impl Ours {
    pub(crate) fn start(mesh: &str, ports: &Ports) -> Result<Self> {
        let folder = TempDir::new()?;
        fs::write(folder.path().join("mesh.yaml"), mesh)?;
        let (gateway, first) = own(folder.path(), ["--gateway", "default/edge"], ports.gateway)?;
        let (sidecar, second) = own(folder.path(), ["--workload", "default/client"], ports.service)?;
        Ok(Self { gateway, sidecar, _programs: [first, second], _folder: folder })
    }
}

/// One proxy, and where the port of the mesh is served.
fn own(mesh: &Path, source: [&str; 2], port: u16) -> Result<(SocketAddr, Program)> {
    let mut command = Command::new(e2e::binary()?);
    command.arg("proxy").arg("--mesh").arg(mesh).args(source).args([
        "--listen",
        "127.0.0.1:0",
        "--threads",
        "1",
    ]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut program = Program(command.spawn().context("start the built-in proxy")?);
    let stdout = program.0.stdout.take().context("the built-in proxy has no standard output")?;
    let mut lines = BufReader::new(stdout).lines();
    let first = lines.next().context("the built-in proxy has ended")??;
    let address = first.strip_prefix("listening on ").with_context(|| format!("not an address: {first}"))?;
    let address: SocketAddr = address.parse()?;
    if !answers(address, port) {
        bail!("the built-in proxy does not serve port {port} on {address}");
    }
    // Drained, so that it never blocks on a full pipe.
    thread::spawn(move || lines.for_each(drop));
    Ok((address, program))
}
