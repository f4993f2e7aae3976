//! `meshwright serve`: the designer.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

/// Flags of `serve`. Each has an environment variable.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Folder of YAML to run; without it, the sample mesh.
    #[arg(long, value_name = "FOLDER", env = "MESHWRIGHT_MESH")]
    pub mesh: Option<PathBuf>,
    /// Where the designer listens; 127.0.0.1:7080, or the next free port, unless given.
    #[arg(long, value_name = "ADDRESS", env = "MESHWRIGHT_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Folder of the revision log; a folder of its own for each mesh in the user's data folder unless given.
    #[arg(long, value_name = "DIR", env = "MESHWRIGHT_DATA")]
    pub data: Option<PathBuf>,
    /// Requests a second of the load generator; 0 is off.
    #[arg(long, value_name = "RPS", default_value_t = 100.0, env = "MESHWRIGHT_RATE")]
    pub rate: f64,
    /// Threads of the proxy; one per core unless given.
    #[arg(long, value_name = "N", env = "MESHWRIGHT_THREADS")]
    pub threads: Option<usize>,
    /// Opens the designer in a window of its own.
    #[arg(long, env = "MESHWRIGHT_APP")]
    pub app: bool,
    /// Listens beyond loopback. Needs --token: whoever has it can change the mesh.
    #[arg(long, env = "MESHWRIGHT_ALLOW_REMOTE")]
    pub allow_remote: bool,
    /// Secret that every request to the API must carry.
    #[arg(long, value_name = "SECRET", env = "MESHWRIGHT_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Another name that browsers may reach the designer by; may be given more than once.
    #[arg(long = "allow-host", value_name = "NAME", env = "MESHWRIGHT_ALLOW_HOST", value_delimiter = ',')]
    pub allow_hosts: Vec<String>,
}

impl ServeArgs {
    /// Serves until the program is told to end.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        Ok(ExitCode::SUCCESS)
    }
}
