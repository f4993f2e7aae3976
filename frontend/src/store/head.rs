//! What the server says: the head revision, targets, listeners, load, history and timeline.

use std::sync::Arc;

use crate::prelude::*;
use api::observed::Tick;
use api::reduce;
use api::state::{ClusterInfo, ListenerInfo, LoadSettings, Proposal, SetAside};
use api::{Alert, Delta, InstanceStats, RevisionInfo, Snapshot, TargetStatus, Timeline};
use mesh::{Diagnostic, Inventory, Settings, Sources};

/// How we stand with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Nothing has come yet.
    Connecting,
    /// Events come.
    Live,
    /// Events stopped coming: what is shown is of this time, in milliseconds since 1970.
    Lost {
        /// When the last event came.
        since: i64,
    },
}

/// The server's state, a signal for each part.
#[derive(Clone, Copy)]
pub struct Head {
    /// How we stand with the server.
    pub connection: RwSignal<Connection>,
    /// A snapshot has come.
    pub loaded: RwSignal<bool>,
    /// The mesh's name.
    pub name: RwSignal<String>,
    /// The server's version.
    pub version: RwSignal<String>,
    /// The head revision; `None` until loaded.
    pub revision: RwSignal<Option<RevisionInfo>>,
    /// Its files.
    pub sources: RwSignal<Arc<Sources>>,
    /// Mesh settings.
    pub settings: RwSignal<Settings>,
    /// What each target runs.
    pub targets: RwSignal<Vec<TargetStatus>>,
    /// Where gateways and workloads listen.
    pub listeners: RwSignal<Vec<ListenerInfo>>,
    /// The load generator.
    pub load: RwSignal<Option<LoadSettings>>,
    /// Revisions, newest first.
    pub history: RwSignal<Vec<RevisionInfo>>,
    /// The apply timeline of the head revision.
    pub timeline: RwSignal<Option<Timeline>>,
    /// The last tick, whole.
    pub tick: RwSignal<Option<Arc<Tick>>>,
    /// What the folder on disk proposes.
    pub proposal: RwSignal<Option<Proposal>>,
    /// A revision that could not be run when the server started.
    pub set_aside: RwSignal<Option<SetAside>>,
    /// Instances that are not used, and limits that are reached.
    pub alerts: RwSignal<Vec<Alert>>,
    /// Files of the folder on disk that cannot be read.
    pub unread: RwSignal<Vec<Diagnostic>>,
    /// What instances answered.
    pub instances: RwSignal<Vec<InstanceStats>>,
    /// What runs, as a platform reports it.
    pub inventory: RwSignal<Arc<Inventory>>,
    /// The cluster that the mesh is of.
    pub cluster: RwSignal<Option<ClusterInfo>>,
}

impl Head {
    /// Nothing known yet.
    pub fn new() -> Self {
        Self {
            connection: RwSignal::new(Connection::Connecting),
            loaded: RwSignal::new(false),
            name: RwSignal::new(String::new()),
            version: RwSignal::new(String::new()),
            revision: RwSignal::new(None),
            sources: RwSignal::new(Arc::default()),
            settings: RwSignal::new(Settings::default()),
            targets: RwSignal::new(Vec::new()),
            listeners: RwSignal::new(Vec::new()),
            load: RwSignal::new(None),
            history: RwSignal::new(Vec::new()),
            timeline: RwSignal::new(None),
            tick: RwSignal::new(None),
            proposal: RwSignal::new(None),
            set_aside: RwSignal::new(None),
            alerts: RwSignal::new(Vec::new()),
            unread: RwSignal::new(Vec::new()),
            instances: RwSignal::new(Vec::new()),
            inventory: RwSignal::new(Arc::default()),
            cluster: RwSignal::new(None),
        }
    }

    /// Number of the head revision; 0 until loaded.
    pub fn number(&self) -> u64 {
        self.revision.with(|revision| revision.as_ref().map_or(0, |revision| revision.number))
    }

    pub(super) fn replace(&self, snapshot: Snapshot) {
        self.name.set(snapshot.name);
        self.version.set(snapshot.version);
        self.settings.set(snapshot.settings);
        self.inventory.set(snapshot.inventory);
        self.cluster.set(snapshot.cluster);
        self.sources.set(Arc::new(snapshot.sources));
        self.revision.set(Some(snapshot.revision));
        self.targets.set(snapshot.targets);
        self.listeners.set(snapshot.listeners);
        self.load.set(snapshot.load);
        self.history.set(snapshot.history);
        self.timeline.set(snapshot.timeline);
        self.proposal.set(snapshot.proposal);
        self.set_aside.set(snapshot.set_aside);
        self.alerts.set(snapshot.alerts);
        self.unread.set(snapshot.unread);
        self.instances.set(snapshot.instances);
        self.loaded.set(true);
    }

    pub(super) fn receive(&self, delta: Delta) {
        match delta {
            Delta::Revision { info, files } => {
                self.sources.update(|sources| drop(Arc::make_mut(sources).patch(files)));
                self.timeline.set(None);
                self.history.update(|history| reduce::advance(history, &info));
                self.revision.set(Some(info));
            }
            Delta::Target(status) => self.targets.update(|targets| reduce::set_target(targets, status)),
            Delta::Timeline(timeline) => {
                let head = self.revision.with_untracked(|head| head.as_ref().map_or(0, |head| head.number));
                if timeline.is_of(head) {
                    self.timeline.set(Some(timeline));
                }
            }
            Delta::Listeners(listeners) => self.listeners.set(listeners),
            Delta::Load(load) => self.load.set(Some(load)),
            Delta::Proposal(proposal) => self.proposal.set(proposal),
            Delta::Alerts(alerts) => self.alerts.set(alerts),
            Delta::Unread(unread) => self.unread.set(unread),
            Delta::Inventory(change) => self.inventory.update(|inventory| change.apply(inventory)),
            Delta::Instances(instances) => self.instances.set(instances),
            Delta::Snapshot(_) | Delta::Tick(_) => {}
        }
    }
}

impl Default for Head {
    fn default() -> Self {
        Self::new()
    }
}
