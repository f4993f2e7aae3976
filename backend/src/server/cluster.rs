//! The link to a cluster: connected, looked at, and what is needed to follow it and to write to it.

use std::sync::Arc;
use std::time::Duration;

use api::state::ClusterInfo;
use cluster::flights::Flights;
use cluster::mirror::Watched;
use cluster::{Kind, Mirror, Options, Verb, View, Writer};
use futures::FutureExt;
use futures::future::BoxFuture;
use mesh::Settings;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::ServeError;
use crate::analysis::Analysis;
use crate::control::Head;
use crate::store::Store;
use crate::targets::Target;
use crate::targets::cluster::{Cluster, DryRun, Parts};
use crate::timeline::StageReached;

/// For how long the first lists may take.
const FIRST: Duration = Duration::from_secs(60);

/// A cluster that is linked.
pub(super) struct Link {
    /// What it has.
    pub(super) mirror: Mirror,
    /// What it had at first.
    pub(super) view: Arc<View>,
    /// What is written with.
    pub(super) writer: Writer,
    /// What is being written.
    pub(super) flights: Flights,
    /// The mesh's defaults there.
    pub(super) settings: Settings,
    /// What browsers are told of it.
    pub(super) info: ClusterInfo,
}

impl Link {
    /// Connects, and returns when all was listed once. `tasks` keeps it up to date.
    pub(super) async fn start(options: &Options, tasks: &mut JoinSet<()>) -> Result<Self, ServeError> {
        let connection = cluster::connect(options).await?;
        let served = cluster::discover(&connection).await?;
        let (access, settings) =
            futures::join!(cluster::access(&connection), cluster::mesh_config::settings(&connection));
        let access = access?;
        let (mut mirror, run) = Mirror::new(Watched::of(&connection, &served, &access));
        let run: BoxFuture<'static, ()> = run.boxed();
        tasks.spawn(run);
        let Ok(view) = tokio::time::timeout(FIRST, mirror.first()).await else {
            return Err(ServeError::SlowCluster(FIRST.as_secs()));
        };
        let read_only = Kind::ISTIO.into_iter().flat_map(|kind| {
            let namespace = connection.namespaces.first().unwrap_or(&connection.namespace);
            let denied = Verb::WRITE.into_iter().find_map(|verb| access.may(verb, kind, namespace).err());
            denied.map(|denied| denied.to_string())
        });
        let info = ClusterInfo {
            context: connection.context.clone(),
            server: connection.server.clone(),
            version: served.server.clone(),
            namespaces: connection.namespaces.clone(),
            may_write: access.writes(),
            read_only: read_only.collect(),
        };
        let writer = Writer::of(&connection, &served);
        Ok(Self { mirror, view, writer, flights: Flights::default(), settings, info })
    }

    /// What writes to it, and who is asked before. What the cluster does not have yet of the newest revision is written.
    pub(super) fn target(
        self,
        store: &Store,
        head: &Head,
        milestones: mpsc::Sender<StageReached>,
    ) -> Result<(Box<dyn Target>, Arc<DryRun>), ServeError> {
        let Self { mirror, writer, flights, settings, .. } = self;
        let check = Arc::new(DryRun::new(writer.clone(), mirror.clone(), store.clone()));
        let has = match store.applied()?.filter(|number| *number != head.info.number) {
            Some(number) => store.get(number)?.map(|it| Arc::new(Analysis::read(it.sources, &settings))),
            None => None,
        };
        let has = has.unwrap_or_else(|| Arc::clone(&head.analysis));
        let parts = Parts { writer, mirror, flights, store: store.clone(), milestones };
        Ok((Box::new(Cluster::start(parts, has, head.info.number)), check))
    }
}
