//! `meshwright envoy-config`: what an Envoy would do for a workload or a gateway, as one file.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, ValueEnum};
use xds::bootstrap;
use xds::node::Bind;

use super::source;
use crate::analysis::Analysis;
use crate::files;
use crate::settings::SettingsArgs;

/// Arguments of `envoy-config`.
#[derive(Debug, Clone, clap::Args)]
#[command(group = ArgGroup::new("envoy_source").required(true))]
pub struct Args {
    /// File or folder of YAML.
    #[arg(long, value_name = "PATH", env = "MESHWRIGHT_MESH")]
    pub mesh: PathBuf,
    /// This workload's outbound traffic: its name, or namespace/name.
    #[arg(long, value_name = "NAME", group = "envoy_source")]
    pub workload: Option<String>,
    /// This gateway's inbound traffic: its name, or namespace/name.
    #[arg(long, value_name = "NAME", group = "envoy_source")]
    pub gateway: Option<String>,
    /// Address of the listeners.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub address: IpAddr,
    /// How long is waited.
    #[command(flatten)]
    pub timeouts: super::timeouts::TimeoutArgs,
    /// Address of Envoy's admin interface [default: none].
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
    /// The mesh's defaults.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Output format.
    #[arg(long, value_enum, default_value = "yaml")]
    pub format: Format,
}

/// Forms that Envoy reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

/// Prints the file.
///
/// # Errors
/// When the mesh cannot be read or has no such source.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let sources = files::read(std::slice::from_ref(&args.mesh))?.told();
    let settings = args.settings.of_mesh();
    let analysis = Analysis::read(sources, &settings);
    let source = source::named(&analysis.registry, args.workload.as_deref(), args.gateway.as_deref())?;
    analysis.fits.clone()?;
    let plan = mesh::plan::compile(&analysis.mesh, &analysis.registry, &settings, &source, 1);
    let bind = Bind { address: args.address, stream_idle: args.timeouts.stream_idle(), ..Bind::default() };
    let config = bootstrap::fixed(&plan, &bind, args.admin)?;
    let text = match args.format {
        Format::Yaml => mesh::yaml::document(&config),
        Format::Json => format!("{config:#}\n"),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
