//! The targets, put together: what routes the mesh's traffic, and who else gets its revisions.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api::state::Target as Kind;
use arc_swap::ArcSwap;
use futures::FutureExt;
use futures::future::BoxFuture;
use proxy::{Batch, Names, Notice, Proxy};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use xds::node::STREAM_IDLE;

use super::{Config, QUEUE, ServeError};
use crate::targets::Target;
use crate::targets::entries::Entries;
use crate::targets::envoy::Envoys;
use crate::targets::proxy::DataPlane;
use crate::timeline::StageReached;

/// The targets, and what comes out of them.
pub(super) struct Plane {
    /// All of them. The control loop offers them each revision, in this order.
    pub(super) targets: Vec<Box<dyn Target>>,
    /// The one that routes the mesh's traffic.
    pub(super) routing: Kind,
    /// Where traffic enters.
    pub(super) entries: Arc<ArcSwap<Entries>>,
    /// What they counted.
    pub(super) batches: Vec<mpsc::Receiver<Batch>>,
    /// What the proxy tells at once.
    pub(super) notices: mpsc::Receiver<Notice>,
    /// Names that clients made up.
    pub(super) names: Arc<Names>,
    /// Hands on what Envoys write down; runs for as long as they do.
    pub(super) task: BoxFuture<'static, ()>,
    /// Sends spans, and ends after the proxy has.
    pub(super) spans: Option<JoinHandle<()>>,
    /// Where Envoys ask for the mesh, if they may.
    pub(super) for_envoys: Option<SocketAddr>,
    /// Whether they have to show a token there.
    pub(super) envoys_show_token: bool,
}

/// Starts the targets: the built-in proxy, unless this program's own Envoys stand in its place, and the Envoys.
pub(super) async fn start(
    config: &mut Config,
    milestones: mpsc::Sender<StageReached>,
) -> Result<Plane, ServeError> {
    if config.cluster.is_some() && !config.data_plane {
        return Ok(Plane::elsewhere());
    }
    let mut for_them = std::mem::take(&mut config.envoys);
    // Keys are among what Envoys get. Those that show certificates are known by them.
    if for_them.options.token.is_none()
        && for_them.options.tls.as_ref().is_none_or(|tls| tls.clients.is_none())
    {
        for_them.options.token.clone_from(&config.token);
    }
    let envoys_show_token = for_them.options.token.is_some();
    let (envoys, logs) = Envoys::start(for_them).await?;
    let for_envoys = envoys.address;
    let (from_envoys, of_envoys) = mpsc::channel(QUEUE);
    let mut targets: Vec<Box<dyn Target>> = Vec::new();
    let mut batches = vec![of_envoys];
    let (routing, entries, names, notices, spans);
    match envoys.entries() {
        Some(of_managed) => {
            (routing, entries, names, spans) = (Kind::Envoy, of_managed, Arc::default(), None);
            // There is no proxy that could tell anything.
            (_, notices) = mpsc::channel(1);
        }
        None => {
            let (proxy, events) = Proxy::start(proxy_config(config))?;
            let exporter = config.tracing.take().map(|(_, exporter)| exporter);
            spans = exporter.zip(events.spans).map(|(exporter, spans)| tokio::spawn(exporter.run(spans)));
            (routing, names, notices) = (Kind::Proxy, proxy.names(), events.notices);
            let proxy = DataPlane::new(proxy);
            entries = proxy.entries();
            batches.push(events.batches);
            targets.push(Box::new(proxy));
        }
    }
    let task = envoys.hear(logs, Arc::clone(&names), from_envoys, milestones).boxed();
    targets.push(Box::new(envoys));
    Ok(Plane {
        targets,
        routing,
        entries,
        batches,
        notices,
        names,
        task,
        spans,
        for_envoys: Some(for_envoys),
        envoys_show_token,
    })
}

impl Plane {
    /// The mesh has a data plane of its own, and none of this program.
    fn elsewhere() -> Self {
        // There is nobody who could tell anything.
        let (_, notices) = mpsc::channel(1);
        Self {
            targets: Vec::new(),
            routing: Kind::Cluster,
            entries: Arc::default(),
            batches: Vec::new(),
            notices,
            names: Arc::default(),
            task: async {}.boxed(),
            spans: None,
            for_envoys: None,
            envoys_show_token: false,
        }
    }
}

fn proxy_config(config: &Config) -> proxy::Config {
    proxy::Config {
        threads: config.threads,
        access_log: config.access_log.clone(),
        tracing: config.tracing.as_ref().map(|(tracing, _)| *tracing),
        folder: config.mesh.clone().unwrap_or_default(),
        stream_idle_timeout: config.stream_idle.unwrap_or(STREAM_IDLE),
        // The counts are handed over twice in a tick, so that none is late for it.
        flush_interval: Duration::from_millis(125),
        ..proxy::Config::default()
    }
}
