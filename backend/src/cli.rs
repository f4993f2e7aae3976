//! The command line: which command is run with what. What a command does is in its own module.

pub mod access_log;
pub mod cluster;
pub mod contexts;
pub mod crds;
mod descriptors;
pub mod envoy_config;
pub mod explain;
pub mod export;
pub mod proxy;
mod secret;
pub mod serve;
pub mod sidecar;
mod snippet;
mod source;
pub mod timeouts;
pub mod tracing;
pub mod validate;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// A visual designer for a service mesh, with real traffic.
#[derive(Debug, Parser)]
#[command(name = "meshwright", version, about, long_about = None, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// The commands; without one it is `serve`.
#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the designer, with the built-in proxy or with Envoys (the default).
    Serve(Box<serve::ServeArgs>),
    /// Starts the built-in proxy alone, for one workload's outbound or one gateway's inbound traffic.
    Proxy(Box<proxy::Args>),
    /// Starts and supervises an Envoy for one workload or gateway; it gets its configuration from a running designer (xDS).
    Sidecar(Box<sidecar::Args>),
    /// Prints the Envoy configuration of one workload or gateway, to read or for `envoy --mode validate`.
    EnvoyConfig(envoy_config::Args),
    /// Checks files and folders. Exits with 0 if there are no errors, 1 if there are, and 2 if they cannot be read.
    Validate(validate::Args),
    /// Shows where a request would go, and why.
    Explain(Box<explain::Args>),
    /// Exports the YAML of a revision as one file, a folder with a kustomization, or a zip.
    Export(export::Args),
    /// Lists the contexts of the kubeconfig; with --check it connects and says what may be read and written.
    Contexts(contexts::ContextsArgs),
    /// Prints the custom resource definitions (CRDs), for a cluster without Istio.
    Crds(crds::Args),
}

/// How the program logs, to stderr.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// Log format.
    #[arg(long, global = true, value_enum, default_value = "text", env = "MESHWRIGHT_LOG_FORMAT")]
    pub log_format: LogFormat,
    /// Log filter, such as `info` or `meshwright=debug`.
    #[arg(
        long,
        global = true,
        default_value = "warn,meshwright=info,kube_client=off",
        env = "MESHWRIGHT_LOG"
    )]
    pub log: String,
}

/// Forms of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Cli {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        self.log.init()?;
        secret::warn();
        match self.command {
            None => self.serve.run(),
            Some(Command::Serve(serve)) => serve.run(),
            Some(Command::Proxy(args)) => proxy::run(&args),
            Some(Command::Sidecar(args)) => sidecar::run(&args),
            Some(Command::EnvoyConfig(args)) => envoy_config::run(&args),
            Some(Command::Validate(args)) => validate::run(&args),
            Some(Command::Explain(args)) => explain::run(&args),
            Some(Command::Export(args)) => export::run(&args),
            Some(Command::Contexts(args)) => contexts::run(&args),
            Some(Command::Crds(args)) => crds::run(&args),
        }
    }
}

impl LogArgs {
    fn init(&self) -> anyhow::Result<()> {
        let filter = tracing_subscriber::EnvFilter::try_new(&self.log)?;
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        match self.log_format {
            LogFormat::Text => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
            LogFormat::Json => log.json().init(),
        }
        Ok(())
    }
}
