//! One Envoy under supervision: started again when it ends by itself, replaced without dropping a connection when asked, and
//! drained before it is ended.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::admin;

/// Pauses before an Envoy that has ended is started again: twice as long each time, up to the last.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// After so long without ending, the next pause is the first again.
const SETTLED: Duration = Duration::from_secs(60);
/// For how long after its grace an Envoy may take to end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What is started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Envoy's binary.
    pub binary: PathBuf,
    /// Its bootstrap. What is in `admin` stands.
    pub bootstrap: Value,
    /// Threads.
    pub concurrency: u32,
    /// How long active requests may continue at the end.
    pub grace: Duration,
    /// What Envoy logs, and above.
    pub log_level: String,
}

/// How an Envoy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is being started.
    Starting,
    /// It runs.
    Running {
        /// Its process.
        pid: u32,
        /// Where its own pages are.
        admin: SocketAddr,
    },
    /// It ended by itself, and is started again.
    Ended {
        /// How.
        how: String,
        /// After this pause.
        pause: Duration,
    },
}

/// What is told to a supervisor.
#[derive(Debug, Clone)]
pub struct Handle {
    /// Ends it.
    pub stop: CancellationToken,
    /// Replaces the running Envoy by a new one that takes its sockets over.
    pub replace: std::sync::Arc<tokio::sync::Notify>,
    /// How it is.
    pub state: watch::Receiver<State>,
}

/// Envoy could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Its files could not be written.
    #[error("Envoy's files cannot be written")]
    Files(#[source] std::io::Error),
    /// The program could not be started.
    #[error("{binary} cannot be started")]
    Spawn {
        /// The program.
        binary: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It refuses what it was given.
    #[error("Envoy rejected its bootstrap configuration: {0}")]
    Refused(String),
}

/// A supervisor and its handle. It does nothing until it is run.
pub fn supervisor(launch: Launch) -> (Supervisor, Handle) {
    let (told, state) = watch::channel(State::Starting);
    let handle = Handle { stop: CancellationToken::new(), replace: std::sync::Arc::default(), state };
    (Supervisor { launch, told, handle: handle.clone() }, handle)
}

/// Keeps one Envoy running.
#[derive(Debug)]
pub struct Supervisor {
    launch: Launch,
    told: watch::Sender<State>,
    handle: Handle,
}

/// An Envoy that runs.
struct Running {
    child: Child,
    admin: SocketAddr,
}

impl Supervisor {
    /// Runs until it is told to stop; returns how the last Envoy ended.
    pub async fn run(self) -> Result<Option<ExitStatus>, LaunchError> {
        let folder = tempfile::tempdir().map_err(LaunchError::Files)?;
        let mut pause = BACK_OFF.0;
        let mut first = true;
        loop {
            let began = Instant::now();
            let how = match self.life(folder.path(), first).await? {
                Life::Stopped(status) => return Ok(status),
                Life::Ended(how) => how,
            };
            first = false;
            if began.elapsed() > SETTLED {
                pause = BACK_OFF.0;
            }
            tracing::warn!(%how, ?pause, "Envoy exited, restarting it");
            self.told.send_replace(State::Ended { how, pause });
            tokio::select! {
                () = self.handle.stop.cancelled() => return Ok(None),
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(BACK_OFF.1);
        }
    }

    /// One Envoy, and those that take over from it, until the last one ends.
    async fn life(&self, folder: &Path, first: bool) -> Result<Life, LaunchError> {
        self.told.send_replace(State::Starting);
        let mut epoch = 0;
        let started = tokio::select! {
            started = self.start(folder, epoch) => started,
            () = self.handle.stop.cancelled() => return Ok(Life::Stopped(None)),
        };
        let mut running = match started {
            Ok(running) => running,
            Err(error) if first => return Err(error),
            // It may be better the next time: a binary that is being replaced, a machine that is full.
            Err(error) => return Ok(Life::Ended(words(&error))),
        };
        loop {
            self.tell(&running);
            tokio::select! {
                status = running.child.wait() => {
                    return Ok(Life::Ended(status.map_or_else(|error| error.to_string(), |it| it.to_string())));
                }
                () = self.handle.replace.notified() => {
                    let started = tokio::select! {
                        started = self.start(folder, epoch + 1) => started,
                        () = self.handle.stop.cancelled() => continue,
                    };
                    match started {
                        Ok(next) => {
                            epoch += 1;
                            // The old one drains and ends by itself, told by the new one.
                            let mut old = std::mem::replace(&mut running, next);
                            tokio::spawn(async move { old.child.wait().await });
                        }
                        Err(error) => {
                            let error = words(&error);
                            tracing::error!(error, "the new Envoy does not start, the old one keeps running");
                        }
                    }
                }
                () = self.handle.stop.cancelled() => {
                    return Ok(Life::Stopped(self.end(running).await));
                }
            }
        }
    }

    fn tell(&self, running: &Running) {
        if let Some(pid) = running.child.id() {
            let now = State::Running { pid, admin: running.admin };
            self.told.send_if_modified(|told| std::mem::replace(told, now.clone()) != now);
        }
    }

    /// Starts one, which ends where nobody waits for it any longer.
    async fn start(&self, folder: &Path, epoch: u32) -> Result<Running, LaunchError> {
        let config = folder.join("bootstrap.json");
        let text = self.launch.bootstrap.to_string();
        tokio::fs::write(&config, text).await.map_err(LaunchError::Files)?;
        let base = folder.join("base-id");
        let pages = folder.join(format!("admin-{epoch}"));
        let mut command = Command::new(&self.launch.binary);
        command.arg("--config-path").arg(&config).arg("--admin-address-path").arg(&pages).args([
            "--concurrency",
            &self.launch.concurrency.to_string(),
            "--log-level",
            &self.launch.log_level,
            // That it runs is said at this level.
            "--component-log-level",
            "main:info",
            "--drain-time-s",
            &self.launch.grace.as_secs().max(1).to_string(),
            "--parent-shutdown-time-s",
            &(self.launch.grace.as_secs() + 1).to_string(),
        ]);
        match tokio::fs::read_to_string(&base).await {
            Ok(id) if epoch > 0 => {
                command.args(["--base-id", id.trim(), "--restart-epoch", &epoch.to_string()]);
            }
            _ => {
                command.arg("--use-dynamic-base-id").arg("--base-id-path").arg(&base);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let spawned = command.spawn();
        let binary = || self.launch.binary.clone();
        let mut child = spawned.map_err(|source| LaunchError::Spawn { binary: binary(), source })?;
        let Some(stderr) = child.stderr.take() else {
            return Err(LaunchError::Refused("it has no stderr".to_owned()));
        };
        let mut lines = BufReader::new(stderr).split(b'\n');
        let (mut runs, mut said) = (false, Vec::new());
        while let Ok(Some(line)) = lines.next_segment().await {
            let line = String::from_utf8_lossy(&line);
            if line.contains("starting main dispatch loop") {
                runs = true;
                break;
            }
            if line.contains("[critical]") || line.contains("[error]") {
                said.push(message(&line).to_owned());
            }
        }
        let admin = tokio::fs::read_to_string(&pages).await.ok().and_then(|text| text.trim().parse().ok());
        let Some(admin) = admin.filter(|_| runs) else {
            // It has ended, or nobody could end it in order.
            let _ = child.start_kill();
            let status = child.wait().await.map(|it| it.to_string()).unwrap_or_default();
            said.push(status);
            return Err(LaunchError::Refused(said.join("; ")));
        };
        let stop = self.handle.stop.clone();
        tokio::spawn(async move {
            // To the end, whatever it says: an Envoy that nobody hears any longer ends.
            while let Ok(Some(line)) = lines.next_segment().await {
                let line = String::from_utf8_lossy(&line);
                let serious = ["[critical]", "[error]", "[warning]"].iter().any(|level| line.contains(level));
                // At its end it complains of what ends with it.
                if serious && !stop.is_cancelled() {
                    tracing::warn!(target: "meshwright::envoy", "{}", message(&line));
                }
            }
        });
        Ok(Running { child, admin })
    }

    /// Lets active requests end, then ends it.
    async fn end(&self, mut running: Running) -> Option<ExitStatus> {
        let drained = tokio::time::timeout(self.launch.grace, admin::drain(running.admin));
        if !matches!(drained.await, Ok(Ok(()))) {
            tracing::debug!("Envoy was not drained to the end");
        }
        if !matches!(tokio::time::timeout(LAST_WORDS, admin::quit(running.admin)).await, Ok(Ok(()))) {
            // It does not answer: nothing is left to be kind to.
            let _ = running.child.start_kill();
        }
        match tokio::time::timeout(LAST_WORDS, running.child.wait()).await {
            Ok(status) => status.ok(),
            Err(_elapsed) => {
                let _ = running.child.kill().await;
                None
            }
        }
    }
}

/// How one life went.
enum Life {
    /// It was told to end.
    Stopped(Option<ExitStatus>),
    /// It ended by itself.
    Ended(String),
}

/// An error with its cause.
fn words(error: &LaunchError) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// A line of Envoy's log without time, thread and source.
fn message(line: &str) -> &str {
    let mut rest = line;
    while let Some(tail) = rest.strip_prefix('[') {
        let Some((_, after)) = tail.split_once("] ").or_else(|| tail.split_once(']')) else { break };
        rest = after;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A supervisor of a program that does as an Envoy does, as far as it is looked at; `says` is what it does first.
    #[cfg(unix)]
    fn supervised(folder: &Path, says: &str) -> (Supervisor, Handle) {
        use std::os::unix::fs::PermissionsExt;
        let binary = folder.join("envoy");
        let folder = folder.display();
        let script = format!(
            "#!/bin/sh
cd {folder}
echo \"$*\" >> asked
{says}
while [ $# -gt 0 ]; do
  case $1 in --admin-address-path) echo 127.0.0.1:1 > $2 ;; --base-id-path) echo 7 > $2 ;; esac
  shift
done
printf 'caf\\351\\nstarting main dispatch loop\\n' >&2
exec sleep 600
"
        );
        std::fs::write(&binary, script).unwrap();
        std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
        let grace = Duration::ZERO;
        let log_level = "warning".to_owned();
        supervisor(Launch { binary, bootstrap: Value::Null, concurrency: 1, grace, log_level })
    }

    #[cfg(unix)]
    async fn runs(handle: &mut Handle, other_than: u32) -> u32 {
        let is = |state: &State| matches!(state, State::Running { pid, .. } if *pid != other_than);
        let found = handle.state.wait_for(is);
        let state = tokio::time::timeout(Duration::from_secs(60), found).await.unwrap().unwrap().clone();
        let State::Running { pid, .. } = state else { panic!("{state:?}") };
        pid
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn one_that_cannot_take_over_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (asked, broken) = (folder.path().join("asked"), folder.path().join("broken"));
        let (supervisor, mut handle) =
            supervised(folder.path(), "if [ -e broken ]; then rm broken; exit 1; fi");
        let running = tokio::spawn(supervisor.run());
        let first = runs(&mut handle, 0).await;
        std::fs::write(&broken, "").unwrap();
        handle.replace.notify_one();
        while broken.exists() {
            tokio::task::yield_now().await;
        }
        handle.replace.notify_one();
        runs(&mut handle, first).await;
        let asked = std::fs::read_to_string(asked).unwrap();
        assert_eq!(asked.lines().count(), 3, "{asked}");
        assert!(asked.lines().skip(1).all(|line| line.ends_with("--base-id 7 --restart-epoch 1")), "{asked}");
        handle.stop.cancel();
        tokio::time::timeout(Duration::from_secs(60), running).await.unwrap().unwrap().unwrap();
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn one_that_does_not_start_is_not_waited_for_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let (supervisor, handle) = supervised(folder.path(), "exec sleep 600");
        let running = tokio::spawn(supervisor.run());
        while !folder.path().join("asked").exists() {
            tokio::task::yield_now().await;
        }
        handle.stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(60), running).await.unwrap().unwrap();
        assert!(ended.unwrap().is_none());
    }

    #[test]
    fn lines_without_their_heads() {
        for (line, expected) in [
            (
                "[2026-11-23 07:00:00.123][17][critical][main] [source/server/server.cc:421] no file",
                "no file",
            ),
            ("plain", "plain"),
            ("[a][b]c", "c"),
        ] {
            assert_eq!(message(line), expected);
        }
    }
}
