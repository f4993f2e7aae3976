//! Programs that log in (`exec` in a kubeconfig): they are told which cluster it is for, and write credentials to stdout. Such a
//! program is somebody else's: it has a limit of time and of output, and what it says of a failure is passed on.

use std::collections::HashMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use kube::config::{Cluster, ExecAuthCluster, ExecConfig, ExecInteractiveMode};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use crate::error::{Error, words};

/// Longest output, in bytes.
const OUTPUT: u64 = 1 << 20;

/// How much of the end of stderr is kept, in bytes.
const SAID: usize = 4 << 10;

/// How long is listened for more after its end.
const MOMENT: Duration = Duration::from_millis(200);

/// Such a program.
pub(super) struct Plugin {
    command: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    /// What it is told.
    info: String,
    version: String,
    hint: Option<String>,
    /// Whether it may ask the person at the terminal.
    asks: bool,
    limit: Duration,
}

/// What it gave.
#[derive(Default)]
pub(super) struct Credentials {
    /// A token.
    pub(super) token: Option<String>,
    /// A certificate and its key, in PEM.
    pub(super) certificate: Option<(String, String)>,
    /// When they end.
    pub(super) until: Option<Timestamp>,
}

impl Plugin {
    /// The program that a user of a kubeconfig names.
    pub(super) fn new(
        exec: &ExecConfig,
        cluster: Option<&Cluster>,
        context: &str,
        limit: Duration,
    ) -> Result<Self, Error> {
        let unusable = |why: &str| Error::Context { context: context.to_owned(), why: why.to_owned() };
        let command = exec
            .command
            .clone()
            .filter(|command| !command.is_empty())
            .ok_or_else(|| unusable("its user logs in with a program, but exec names no command"))?;
        let version =
            exec.api_version.clone().ok_or_else(|| unusable("exec of its user has no apiVersion"))?;
        let terminal = io::stdin().is_terminal();
        let asks = match exec.interactive_mode {
            Some(ExecInteractiveMode::Never) => false,
            Some(ExecInteractiveMode::Always) if !terminal => {
                return Err(unusable(
                    "the program that logs in wants to ask a person (interactiveMode: Always), and there is no terminal",
                ));
            }
            _ => terminal,
        };
        let mut spec = json!({ "interactive": asks });
        if exec.provide_cluster_info
            && let Some(cluster) = cluster
        {
            let cluster = ExecAuthCluster::try_from(cluster).map_err(|error| unusable(&error.to_string()))?;
            spec["cluster"] = serde_json::to_value(cluster).map_err(|error| unusable(&error.to_string()))?;
        }
        let info = json!({ "apiVersion": version, "kind": "ExecCredential", "spec": spec }).to_string();
        let variable = |pair: &HashMap<String, String>| {
            Some((pair.get("name")?.clone(), pair.get("value").cloned().unwrap_or_default()))
        };
        Ok(Self {
            command,
            arguments: exec.args.clone().unwrap_or_default(),
            environment: exec.env.iter().flatten().filter_map(variable).collect(),
            info,
            version,
            hint: exec.install_hint.clone(),
            asks,
            limit,
        })
    }

    /// Runs it. It ends with this future.
    pub(super) async fn run(&self) -> Result<Credentials, Error> {
        let mut child = Command::new(&self.command)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("KUBERNETES_EXEC_INFO", &self.info)
            .stdin(if self.asks { Stdio::inherit() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| self.not_started(&error))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut said = Vec::new();
        let work = async {
            let output = output(stdout).await;
            // One that writes without end is not waited for.
            match &output {
                Ok(output) if output.len() as u64 > OUTPUT => {
                    let error = io::Error::other("it wrote more than 1 MB");
                    (Err(error), None)
                }
                _ => (output, Some(child.wait().await)),
            }
        };
        let work = beside(work, listen(stderr, &mut said));
        let ended = tokio::time::timeout(self.limit, work).await;
        let said = words(&String::from_utf8_lossy(&said));
        let command = self.command.clone();
        let failed =
            |why: String| Error::PluginFailed { command: self.command.clone(), why, said: said.clone() };
        match ended {
            Err(_) => Err(Error::PluginSlow { command, limit: self.limit, said }),
            Ok((Err(error), _) | (_, Some(Err(error)))) => Err(failed(error.to_string())),
            Ok((_, Some(Ok(status)))) if !status.success() => Err(failed(exit(status))),
            Ok((Ok(output), _)) => self.read(&output),
        }
    }

    /// It gave no credentials, and why.
    pub(super) fn no_credentials(&self, why: &str) -> Error {
        Error::PluginOutput { command: self.command.clone(), why: words(why) }
    }

    fn not_started(&self, error: &io::Error) -> Error {
        let command = self.command.clone();
        match error.kind() {
            io::ErrorKind::NotFound => Error::PluginMissing { command, hint: self.hint.clone() },
            _ => Error::PluginFailed {
                command,
                why: format!("it cannot be started: {error}"),
                said: String::new(),
            },
        }
    }

    fn read(&self, output: &[u8]) -> Result<Credentials, Error> {
        let no = |why: &str| self.no_credentials(why);
        if output.iter().all(u8::is_ascii_whitespace) {
            return Err(no("it wrote nothing to stdout"));
        }
        let text = std::str::from_utf8(output).map_err(|_| no("its output is no text"))?;
        // Some write YAML, which kubectl takes too. What it wrote is not repeated: it may be half a secret.
        let found: Output =
            serde_yaml::from_str(text).map_err(|_| no("its output is no ExecCredential in JSON or YAML"))?;
        if found.api_version.as_deref() != Some(&self.version) {
            let is = found.api_version.as_deref().unwrap_or("none");
            return Err(no(&format!(
                "the kubeconfig wants an ExecCredential of {} and it wrote {is}; set apiVersion of exec in the kubeconfig",
                self.version
            )));
        }
        let status = found.status.ok_or_else(|| no("its output has no status"))?;
        let until = status.expiration_timestamp.filter(|until| !until.is_empty());
        let until = until.map(|until| until.parse()).transpose();
        let until = until.map_err(|_| no("its expirationTimestamp is no time"))?;
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let certificate = match (filled(status.client_certificate_data), filled(status.client_key_data)) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(no("it wrote a certificate without its key, or a key without its certificate")),
        };
        let token = filled(status.token);
        if token.is_none() && certificate.is_none() {
            return Err(no("its output has neither a token nor a certificate"));
        }
        Ok(Credentials { token, certificate, until })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    api_version: Option<String>,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<String>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// The result of some work, with something beside it that is given a moment to end too: a browser that was opened may hold stderr for
/// longer than the program that opened it.
async fn beside<T>(work: impl Future<Output = T>, other: impl Future<Output = ()>) -> T {
    let (mut work, mut other) = (pin!(work), pin!(other));
    let mut done = false;
    loop {
        tokio::select! {
            result = &mut work => {
                if !done {
                    drop(tokio::time::timeout(MOMENT, other).await);
                }
                return result;
            }
            () = &mut other, if !done => done = true,
        }
    }
}

async fn output(stdout: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut found = Vec::new();
    if let Some(stdout) = stdout {
        stdout.take(OUTPUT + 1).read_to_end(&mut found).await?;
    }
    Ok(found)
}

/// Keeps the last that it says. A person at the terminal sees all of it at once: it may be a code to type in.
async fn listen(stderr: Option<impl AsyncRead + Unpin>, said: &mut Vec<u8>) {
    let Some(mut stderr) = stderr else { return };
    let shown = io::stderr().is_terminal();
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        if shown {
            drop(io::stderr().write_all(&buffer[..count]));
        }
        said.extend_from_slice(&buffer[..count]);
        said.drain(..said.len().saturating_sub(SAID));
    }
}

fn exit(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit status {code}"),
        None => status.to_string(),
    }
}
