//! One measurement: what is asked, and what it took.

use std::fmt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use tokio::process::Command;

use crate::contender::Running;

/// What clients speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// HTTP/1.1.
    H1,
    /// HTTP/2 without TLS.
    H2,
    /// HTTP/1.1 over TLS.
    Tls,
}

/// A kind of traffic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) wire: Wire,
    /// Bytes of a response's body.
    pub(crate) bytes: usize,
    connections: usize,
    requests: usize,
}

impl Scenario {
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for wire in [Wire::H1, Wire::H2, Wire::Tls] {
            for (bytes, least, most) in [(1024, 10_000, 40_000), (64 * 1024, 2_000, 8_000)] {
                for connections in [1, 64, 1024] {
                    let requests = if connections == 1 { least } else { most };
                    all.push(Self { wire, bytes, connections, requests });
                }
            }
        }
        all
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wire = match self.wire {
            Wire::H1 => "HTTP/1.1",
            Wire::H2 => "HTTP/2",
            Wire::Tls => "TLS",
        };
        let plural = if self.connections == 1 { "" } else { "s" };
        write!(f, "{wire}, {} KB, {} connection{plural}", self.bytes / 1024, self.connections)
    }
}

/// What one measurement found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// CPU time of the proxy's process for a request, in microseconds.
    pub(crate) cpu: f64,
    /// Requests per second.
    pub(crate) rate: f64,
    /// Latencies, in milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// The most that its process held, in megabytes.
    pub(crate) memory: f64,
    /// Requests that were not answered with 200.
    pub(crate) failed: u64,
}

impl Figures {
    /// Of each figure the median; of the failures all.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        let median = |figure: fn(&Self) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(figure).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Self {
            cpu: median(|one| one.cpu),
            rate: median(|one| one.rate),
            p50: median(|one| one.p50),
            p99: median(|one| one.p99),
            p999: median(|one| one.p999),
            memory: median(|one| one.memory),
            failed: rounds.iter().map(|one| one.failed).sum(),
        }
    }
}

/// Sends a scenario's requests through a proxy, after a tenth of them that warm it up.
#[expect(clippy::cast_precision_loss, reason = "counts of a measurement")]
pub(crate) async fn measure(running: &Running, scenario: &Scenario, folder: &Path) -> Result<Figures> {
    let log = folder.join("latencies");
    send(running, scenario, scenario.requests / 10, None).await?;
    let (before, began) = (running.cpu_micros()?, Instant::now());
    send(running, scenario, scenario.requests, Some(&log)).await?;
    let (spent, took) = (running.cpu_micros()? - before, began.elapsed());
    let text = std::fs::read_to_string(&log).context("h2load wrote no latencies")?;
    std::fs::remove_file(&log)?;
    let (mut latencies, mut answered) = (Histogram::<u64>::new(3)?, 0);
    for line in text.lines() {
        let mut columns = line.split('\t').skip(1);
        let (status, micros) = (columns.next().unwrap_or_default(), columns.next().unwrap_or_default());
        answered += u64::from(status == "200");
        latencies.record(micros.parse().with_context(|| format!("a latency in «{line}»"))?)?;
    }
    ensure!(answered > 0, "no request was answered with 200");
    let millis = |quantile| latencies.value_at_quantile(quantile) as f64 / 1000.0;
    Ok(Figures {
        cpu: spent / scenario.requests as f64,
        rate: scenario.requests as f64 / took.as_secs_f64(),
        p50: millis(0.5),
        p99: millis(0.99),
        p999: millis(0.999),
        memory: running.memory_megabytes()?,
        failed: scenario.requests as u64 - answered,
    })
}

async fn send(running: &Running, scenario: &Scenario, requests: usize, log: Option<&Path>) -> Result<()> {
    let mut command = Command::new("h2load");
    // More clients than requests would leave some with nothing to do, which h2load refuses.
    let clients = scenario.connections.min(requests);
    command.args(["-t", "1", "-n", &requests.to_string(), "-c", &clients.to_string()]);
    if scenario.wire != Wire::H2 {
        command.arg("--h1");
    }
    if let Some(log) = log {
        command.arg("--log-file").arg(log);
    }
    let scheme = if scenario.wire == Wire::Tls { "https" } else { "http" };
    command.arg(format!("{scheme}://127.0.0.1:{}/{}", running.port, scenario.bytes));
    let output = command.output().await.context("start h2load: `cargo xtask bench proxy` installs it")?;
    ensure!(output.status.success(), "h2load: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
