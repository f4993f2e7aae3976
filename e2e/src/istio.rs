//! istiod, which reads a mesh from a folder or from what it takes for a cluster, and upstream Envoys that ask it. All on loopback.

mod cluster;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::{Value, json};

use crate::program::Program;
use crate::wire;

pub use self::cluster::Cluster;

/// istiod at work. Ends with the value.
pub struct Istiod {
    program: Program,
    grpc: u16,
    webhooks: u16,
}

/// Where istiod finds its mesh.
#[derive(Clone, Copy)]
pub enum Mesh<'a> {
    /// In the folder `config` within its own.
    Files,
    /// In what it takes for a cluster.
    MadeUp(&'a Cluster),
    /// In a cluster, by kubectl's configuration. Only then it has an authority of its own, and checks what is written there.
    Kubernetes(&'a Path),
}

impl Istiod {
    /// Starts it in a folder, with ports for HTTP, gRPC, gRPC with TLS, webhooks and monitoring, and waits until it is ready. `debounce` is for how long it collects changes before it tells Envoys; its default is 100 ms.
    pub fn start(
        program: &Path,
        folder: &Path,
        mesh: Mesh<'_>,
        ports: [u16; 5],
        debounce: &str,
    ) -> Result<Self> {
        let at = |name: &str| folder.join(name);
        fs::write(at("istio.yaml"), MESH_CONFIG)?;
        let empty = if matches!(mesh, Mesh::Files) { Some(Cluster::start()?) } else { None };
        let kubeconfig = match mesh {
            Mesh::Files => empty.as_ref().map(Cluster::kubeconfig).unwrap_or_default(),
            Mesh::MadeUp(cluster) => cluster.kubeconfig(),
            Mesh::Kubernetes(path) => fs::read_to_string(path)?,
        };
        fs::write(at("kubeconfig"), kubeconfig)?;
        let [http, grpc, secure, https, monitoring] =
            ports.map(|port| format!("{}:{port}", Ipv4Addr::LOCALHOST));
        let mut command = Command::new(program);
        command.current_dir(folder).arg("discovery");
        command.arg("--kubeconfig").arg(at("kubeconfig"));
        command.args(["--domain", "cluster.local", "--shutdownDuration", "1s"]);
        command.arg("--meshConfig").arg(at("istio.yaml"));
        if matches!(mesh, Mesh::Files) {
            command.arg("--configDir").arg(at("config"));
        }
        command.args(["--httpAddr", &http, "--grpcAddr", &grpc, "--secureGRPCAddr", &secure]);
        command.args(["--httpsAddr", &https, "--monitoringAddr", &monitoring]);
        command.env("PILOT_DEBOUNCE_AFTER", debounce).envs(ENVIRONMENT);
        if !matches!(mesh, Mesh::Kubernetes(_)) {
            command.envs(NO_AUTHORITY);
        }
        let log = at("istiod.log");
        let mut program = Program::start(&mut command, &log)?;
        let ready = http.parse()?;
        program.until(&log, || {
            let request = format!("GET /ready HTTP/1.1\r\nhost: {http}\r\n\r\n");
            wire::exchange(ready, request.as_bytes()).is_ok_and(|answer| answer.shown(&[]) == "200")
        })?;
        Ok(Self { program, grpc: ports[1], webhooks: ports[3] })
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// Where the API server asks it whether an object is valid.
    pub fn webhook(&self) -> String {
        format!("https://{}:{}/validate", Ipv4Addr::LOCALHOST, self.webhooks)
    }

    /// Starts an Envoy that asks it, and waits until that answers `host` on `port` with 200.
    pub fn envoy(&self, envoy: &Path, kind: Kind, folder: &Path, port: u16, host: &str) -> Result<Program> {
        let config = folder.join(format!("{}.json", kind.name()));
        fs::write(&config, bootstrap(kind, self.grpc).to_string())?;
        let mut command = Command::new(envoy);
        command.arg("-c").arg(&config).args(["--concurrency", "1", "--disable-hot-restart"]);
        command.args(["--log-level", "warning"]);
        let log = folder.join(format!("{}.log", kind.name()));
        let mut program = Program::start(&mut command, &log)?;
        program.until(&log, || answers((Ipv4Addr::LOCALHOST, port).into(), &format!("{host}:{port}")))?;
        Ok(program)
    }
}

/// What an Envoy is to istiod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A gateway, with the label `istio: edge`.
    Gateway,
    /// The sidecar of the mesh's only WorkloadEntry, which has the label `app: client`.
    Sidecar,
    /// A sidecar of a workload that the cluster does not know, which has the label `app: client`.
    Client,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Gateway => "router",
            Self::Sidecar | Self::Client => "sidecar",
        }
    }
}

/// Whether the routes have come: the listener alone is not enough.
pub fn answers(address: SocketAddr, host: &str) -> bool {
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n");
    TcpStream::connect(address).is_ok()
        && wire::exchange(address, request.as_bytes()).is_ok_and(|answer| answer.shown(&[]) == "200")
}

/// What has the sidecar listen on a port of loopback, without redirection.
pub fn sidecar(port: u16) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: client, namespace: default}}\nspec:\n  \
         workloadSelector: {{labels: {{app: client}}}}\n  egress:\n  - port: {{number: {port}, protocol: HTTP, name: http}}\n    \
         bind: 127.0.0.1\n    captureMode: NONE\n    hosts: [\"./*\"]\n"
    )
}

/// No Prometheus, no mutual TLS: nothing that upstream's Envoy has not.
const MESH_CONFIG: &str = "rootNamespace: istio-system\nenableAutoMtls: false\nenablePrometheusMerge: false\n\
    defaultConfig: {discoveryAddress: \"127.0.0.1:15010\"}\ndefaultProviders: {}\n";

const ENVIRONMENT: [(&str, &str); 8] = [
    ("POD_NAME", "istiod"),
    ("POD_NAMESPACE", "istio-system"),
    ("REVISION", "default"),
    ("CLUSTER_ID", "Kubernetes"),
    ("ENABLE_LEADER_ELECTION", "false"),
    ("PILOT_ENABLE_METADATA_EXCHANGE", "false"),
    ("PILOT_DISABLE_MX_ALPN", "true"),
    ("PILOT_ENABLE_ALPN_FILTER", "false"),
];

/// Its authority keeps itself in a secret: there must be somewhere to keep it.
const NO_AUTHORITY: [(&str, &str); 2] = [("PILOT_CERT_PROVIDER", "none"), ("ENABLE_CA_SERVER", "false")];

/// What istiod has to know of an Envoy, and where the Envoy finds it.
fn bootstrap(kind: Kind, istiod: u16) -> Value {
    // istiod knows a workload by its address; the sidecar's is that of the mesh's only WorkloadEntry.
    let client = json!({"app": "client", "version": "v1"});
    let (ip, labels) = match kind {
        Kind::Gateway => ("127.0.0.2", json!({"istio": "edge"})),
        Kind::Sidecar => ("127.0.0.1", client),
        Kind::Client => ("127.0.0.3", client),
    };
    let kind = kind.name();
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
