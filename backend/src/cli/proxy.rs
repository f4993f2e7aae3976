//! `meshwright proxy`: the data plane alone, for one workload's outbound or one gateway's inbound traffic.
//!
//! The files are read again when they change, and on SIGHUP. What has errors that were not there before is not taken: the
//! plan before it goes on.

mod admin;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use mesh::plan::Protocol;
use mesh::sources::{Unread, Why};
use mesh::{Plan, Severity, Source};
use proxy::{BindError, Config, Entry, Events, Proxy, StartError};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::descriptors;
use super::serve::signals;
use super::source::{self, NoSource};
use crate::analysis::Analysis;
use crate::files;
use crate::metrics::Metrics;
use crate::settings::SettingsArgs;
use crate::spans::ExporterError;
use crate::targets::entries::{near, wanted};
use crate::watch::Watch;

/// How long active requests may continue at the end.
const GRACE: Duration = Duration::from_secs(5);

/// Arguments of `proxy`.
#[derive(Debug, Clone, clap::Args)]
#[command(group = clap::ArgGroup::new("source").required(true))]
pub struct Args {
    /// File or folder of YAML.
    #[arg(long, value_name = "PATH", env = "MESHWRIGHT_MESH")]
    pub mesh: PathBuf,
    /// Serves the outbound traffic of this workload: its name, or namespace/name.
    #[arg(long, value_name = "NAME", group = "source", env = "MESHWRIGHT_WORKLOAD")]
    pub workload: Option<String>,
    /// Serves the inbound traffic of this gateway: its name, or namespace/name.
    #[arg(long, value_name = "NAME", group = "source", env = "MESHWRIGHT_GATEWAY")]
    pub gateway: Option<String>,
    /// Address to listen on. If a gateway has several ports, this is that of the port with the same number, else of the first for
    /// plain HTTP, else of the first. Further ports, and a workload's ports that are not HTTP, listen on the same IP address under
    /// their own number, or the next free one.
    #[arg(long, value_name = "ADDR", env = "MESHWRIGHT_PROXY_LISTEN")]
    pub listen: SocketAddr,
    /// Linux: the kernel redirects the workload's connections here, and their original destination selects port and service. See
    /// docs/interception.md.
    #[arg(long, requires = "workload", env = "MESHWRIGHT_INTERCEPT")]
    pub intercept: bool,
    /// Threads [default: one per core].
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
    /// Admin address with `/metrics`, `/ready` and `/plan` [default: none].
    #[arg(long, value_name = "ADDR", env = "MESHWRIGHT_ADMIN")]
    pub admin: Option<SocketAddr>,
    /// Further host name under which the admin address may be reached; may be given more than once. IP addresses and localhost
    /// always work.
    #[arg(long = "allow-host", value_name = "NAME", env = "MESHWRIGHT_ALLOW_HOST", value_delimiter = ',')]
    pub allow_hosts: Vec<String>,
}

/// Why the proxy does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The mesh could not be read.
    #[error(transparent)]
    Files(#[from] files::Error),
    /// Nobody has the name that was asked for.
    #[error(transparent)]
    NoSource(#[from] NoSource),
    /// The gateway has no port that could be served.
    #[error("gateway `{0}` has no port")]
    NoPort(String),
    /// The files have errors that they had not before.
    #[error("the files have {0} new errors: run `meshwright validate`")]
    Invalid(usize),
    /// The plans would be too large to be made.
    #[error(transparent)]
    Limit(#[from] mesh::limits::Exceeded),
    /// A file that had been read cannot be read any longer.
    #[error("{file} cannot be read: {why}")]
    Unread {
        /// The file.
        file: String,
        /// Why.
        why: Why,
    },
    /// The proxy did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The address is taken, most likely.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The address of a collector is none.
    #[error(transparent)]
    Exporter(#[from] ExporterError),
    /// The admin port could not be opened.
    #[error("cannot serve the admin port on {address}")]
    Admin {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// Runs until it is told to end.
///
/// # Errors
/// When the mesh cannot be read, has no such source, or an address is taken.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    descriptors::raise();
    // The proxy has threads of its own; what is left is small.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = signals()?;
        let running = Running::start(args).await?;
        println!("listening on {}", running.address);
        for (entry, address) in &*running.others.lock().await {
            println!("port {} on {address}", entry.port.unwrap_or_default());
        }
        if let Some(admin) = running.admin {
            println!("admin on {admin}");
        }
        tokio::select! {
            () = stop => {}
            never = running.follow() => match never {},
        }
        running.proxy.shutdown(GRACE).await;
        if let Some(spans) = running.spans {
            // A collector that takes its time is not waited for.
            let _ = tokio::time::timeout(GRACE, spans).await;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// A proxy that serves one source.
struct Running {
    args: Args,
    proxy: Proxy,
    address: SocketAddr,
    /// The port of the plan that `address` serves.
    port: Option<u16>,
    /// Further listeners, for the plan's other ports.
    others: Mutex<HashMap<Entry, SocketAddr>>,
    admin: Option<SocketAddr>,
    plan: Arc<ArcSwap<Plan>>,
    metrics: Arc<Metrics>,
    /// Sends spans, and ends after the proxy has.
    spans: Option<JoinHandle<()>>,
    read: ArcSwap<Analysis>,
    watch: Mutex<Watch>,
}

impl Running {
    async fn start(args: &Args) -> Result<Self, Error> {
        // Before the files are read: what changes from now on is seen.
        let watch = Mutex::new(Watch::new(vec![args.mesh.clone()]));
        let analysis =
            Analysis::read(files::read(std::slice::from_ref(&args.mesh))?.told(), &args.settings.of_mesh());
        let errors = analysis.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
        if errors > 0 {
            tracing::warn!(errors, "the mesh has errors: run `meshwright validate`");
        }
        let plan = Arc::new(plan(&analysis, args, 1)?);
        let port = port(&plan, args)?;
        let entry = Entry { source: plan.source.clone(), port };
        let folder = if args.mesh.is_dir() { Some(args.mesh.as_path()) } else { args.mesh.parent() };
        let (tracing, exporter) = args.tracing.exporter()?.unzip();
        let config = Config {
            tracing,
            threads: args.threads.unwrap_or(0),
            access_log: args.log.log(),
            intercepts: args.intercept,
            stream_idle_timeout: args.timeouts.stream_idle(),
            folder: folder.map(PathBuf::from).unwrap_or_default(),
            ..Config::default()
        };
        let (proxy, mut events) = Proxy::start(config)?;
        let spans = exporter.zip(events.spans.take());
        let spans = spans.map(|(exporter, spans)| tokio::spawn(exporter.run(spans)));
        // The plan before the listener: whoever can connect is routed.
        proxy.swap(vec![Arc::clone(&plan)]).await;
        let address = proxy.bind(entry, &[args.listen]).await?;
        let plan = Arc::new(ArcSwap::new(plan));
        let metrics = Arc::new(Metrics::new(proxy.names()));
        tokio::spawn(count(events, Arc::clone(&metrics)));
        let admin = match args.admin {
            Some(address) => {
                let serving =
                    admin::serve(address, &args.allow_hosts, Arc::clone(&metrics), Arc::clone(&plan)).await;
                Some(serving.map_err(|source| Error::Admin { address, source })?)
            }
            None => None,
        };
        let running = Self {
            args: args.clone(),
            proxy,
            address,
            port,
            others: Mutex::default(),
            admin,
            plan,
            metrics,
            spans,
            read: ArcSwap::from_pointee(analysis),
            watch,
        };
        running.open().await;
        Ok(running)
    }

    /// Opens what the plan listens on beside the first port, and closes what it no longer has.
    async fn open(&self) {
        let plan = self.plan.load_full();
        let mut others = self.others.lock().await;
        let mut wanted = wanted(std::iter::once(&*plan));
        wanted.retain(|entry| entry.port != self.port);
        let gone: Vec<Entry> = others.keys().filter(|entry| !wanted.contains(entry)).cloned().collect();
        for entry in gone {
            if let Some(address) = others.remove(&entry) {
                self.proxy.unbind(address).await;
            }
        }
        for entry in wanted {
            let Some(port) = entry.port.filter(|_| !others.contains_key(&entry)) else { continue };
            match self.proxy.bind(entry.clone(), &near(self.args.listen.ip(), port)).await {
                Ok(address) => drop(others.insert(entry, address)),
                // The first port still works.
                Err(error) => tracing::warn!(port, %error, "cannot listen"),
            }
        }
    }

    /// Takes changes of the files, for ever.
    async fn follow(&self) -> Infallible {
        let mut hangup = Hangup::new();
        let mut watch = self.watch.lock().await;
        loop {
            tokio::select! {
                () = watch.changed() => {}
                () = hangup.heard() => {}
            }
            match self.reload().await {
                Ok(revision) => tracing::info!(revision, "files reloaded"),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "change rejected, the previous configuration stays active");
                }
            }
        }
    }

    async fn reload(&self) -> Result<u64, Error> {
        let before = self.read.load_full();
        let found = files::read(std::slice::from_ref(&self.args.mesh))?;
        if let Some(Unread { file, why }) =
            found.unread.iter().find(|unread| before.sources.0.contains_key(&unread.file)).cloned()
        {
            return Err(Error::Unread { file, why });
        }
        let sources = found.told();
        let analysis = before.after(sources);
        let new = analysis.new_problems(&before);
        let errors = new.filter(|found| found.severity == Severity::Error).count();
        if errors > 0 {
            return Err(Error::Invalid(errors));
        }
        let plan = Arc::new(plan(&analysis, &self.args, self.plan.load().revision + 1)?);
        self.proxy.swap(vec![Arc::clone(&plan)]).await;
        let revision = plan.revision;
        self.metrics.follow(std::iter::once(&*plan));
        self.plan.store(plan);
        self.open().await;
        self.read.store(Arc::new(analysis));
        Ok(revision)
    }
}

/// The plan of the source that was asked for.
fn plan(analysis: &Analysis, args: &Args, revision: u64) -> Result<Plan, Error> {
    let source = source::named(&analysis.registry, args.workload.as_deref(), args.gateway.as_deref())?;
    analysis.fits.clone()?;
    Ok(mesh::plan::compile(&analysis.mesh, &analysis.registry, &args.settings.of_mesh(), &source, revision))
}

/// The port of the plan that the listener serves; `None` lets each request's authority choose.
fn port(plan: &Plan, args: &Args) -> Result<Option<u16>, Error> {
    let Source::Gateway { name, .. } = &plan.source else { return Ok(None) };
    let all = &plan.listeners;
    let found = (all.iter().find(|it| it.port == args.listen.port()))
        .or_else(|| all.iter().find(|it| it.protocol == Protocol::Http))
        .or_else(|| all.first());
    found.map(|it| Some(it.port)).ok_or_else(|| Error::NoPort(name.clone()))
}

/// Counts what the threads hand over.
async fn count(mut events: Events, metrics: Arc<Metrics>) {
    loop {
        tokio::select! {
            batch = events.batches.recv() => match batch {
                Some(batch) => metrics.observe(&batch),
                None => return,
            },
            Some(notice) = events.notices.recv() => metrics.notice(&notice),
        }
    }
}

/// SIGHUP, where there is such a thing.
struct Hangup {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangup {
    fn new() -> Self {
        Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok(),
        }
    }

    async fn heard(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests;
