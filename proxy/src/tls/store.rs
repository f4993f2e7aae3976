//! Configurations for all threads: made once for the same settings, and again when a file of theirs changes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use mesh::Plan;
use mesh::plan::{Cluster, ClusterId, TlsServer, distinct};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::alpn::Alpn;
use super::certs::Files;
use super::client::ClientSettings;
use super::{TlsError, client, server};
use crate::regular::{Stamp, stamp};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// All configurations in use.
pub(crate) struct Store {
    folder: PathBuf,
    system: OnceLock<Option<Arc<RootCertStore>>>,
    servers: Mutex<Vec<Arc<Slot<TlsServer, ServerConfig>>>>,
    clients: Mutex<Vec<Arc<Slot<ClientSettings, ClientConfig>>>>,
}

/// A configuration with what it is made of. Who holds it always gets the newest.
pub(crate) struct Slot<S, C> {
    settings: S,
    current: ArcSwapOption<C>,
    files: Mutex<Vec<(PathBuf, Option<Stamp>)>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

impl<S, C> Slot<S, C> {
    /// The newest configuration; `None` while there has been none that could be used.
    pub(crate) fn current(&self) -> Option<Arc<C>> {
        self.current.load_full()
    }

    /// What it is made of.
    pub(crate) fn settings(&self) -> &S {
        &self.settings
    }

    fn changed(&self) -> bool {
        locked(&self.files).iter().any(|(path, seen)| stamp(path) != *seen)
    }
}

impl Store {
    /// An empty one. Its files are looked at as long as it is there; paths begin at `folder`.
    pub(crate) fn watched(folder: &Path) -> std::io::Result<Arc<Self>> {
        let store = Arc::new(Self {
            folder: folder.to_owned(),
            system: OnceLock::new(),
            servers: Mutex::default(),
            clients: Mutex::default(),
        });
        let watched = Arc::downgrade(&store);
        std::thread::Builder::new().name("certificates".to_owned()).spawn(move || watch(&watched))?;
        Ok(store)
    }

    /// Makes what these plans need, and forgets what nobody needs any more. May wait for the disk.
    pub(crate) fn prepare(&self, plans: &[Arc<Plan>]) {
        locked(&self.servers).retain(|slot| Arc::strong_count(slot) > 1);
        locked(&self.clients).retain(|slot| Arc::strong_count(slot) > 1);
        for plan in distinct(plans.iter().map(Arc::as_ref)) {
            let servers = plan.listeners.iter().flat_map(|listener| &listener.tls);
            servers.filter(|server| !server.passes()).for_each(|server| drop(self.server(server)));
            for (cluster, id) in
                plan.clusters.iter().zip(0..).filter(|(cluster, _)| cluster.policy.tls.is_some())
            {
                self.client(cluster, Alpn::of_cluster(plan, ClusterId(id)));
                if let Some(check) = &cluster.policy.health {
                    self.client(cluster, Alpn::of_check(&check.probe));
                }
            }
        }
    }

    /// The configuration of a gateway's server.
    pub(crate) fn server(&self, settings: &TlsServer) -> Arc<Slot<TlsServer, ServerConfig>> {
        if let Some(slot) = locked(&self.servers).iter().find(|slot| slot.settings == *settings) {
            return Arc::clone(slot);
        }
        // Two threads may make the same at once; nothing is locked while the disk is waited for.
        let slot = slot(settings.clone());
        self.make_server(&slot);
        locked(&self.servers).push(Arc::clone(&slot));
        slot
    }

    /// The configuration towards a cluster's endpoints, if it asks for TLS.
    pub(crate) fn client(
        &self,
        cluster: &Cluster,
        alpn: Alpn,
    ) -> Option<Arc<Slot<ClientSettings, ClientConfig>>> {
        let asked = ClientSettings { tls: cluster.policy.tls.as_deref()?.clone(), alpn };
        if let Some(slot) = locked(&self.clients).iter().find(|slot| slot.settings == asked) {
            return Some(Arc::clone(slot));
        }
        let slot = slot(asked);
        self.make_client(&slot);
        locked(&self.clients).push(Arc::clone(&slot));
        Some(slot)
    }

    /// Makes those again whose files have changed.
    fn refresh(&self) {
        let servers: Vec<_> = locked(&self.servers).iter().filter(|slot| slot.changed()).cloned().collect();
        servers.iter().for_each(|slot| self.make_server(slot));
        let clients: Vec<_> = locked(&self.clients).iter().filter(|slot| slot.changed()).cloned().collect();
        clients.iter().for_each(|slot| self.make_client(slot));
    }

    fn make_server(&self, slot: &Slot<TlsServer, ServerConfig>) {
        let mut files = Files::new(&self.folder);
        let made = server::config(&slot.settings, &mut files);
        keep(slot, made, files, || slot.settings.hosts.join(", "));
    }

    fn make_client(&self, slot: &Slot<ClientSettings, ClientConfig>) {
        let mut files = Files::new(&self.folder);
        let made = client::config(&slot.settings, &mut files, &|| self.system());
        keep(slot, made, files, || slot.settings.tls.settings.sni.clone().unwrap_or_default());
    }

    /// The system's authorities, read once.
    fn system(&self) -> Result<Arc<RootCertStore>, TlsError> {
        let read = || {
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            (!store.is_empty()).then(|| Arc::new(store))
        };
        self.system.get_or_init(read).clone().ok_or(TlsError::NoRoots)
    }
}

fn slot<S, C>(settings: S) -> Arc<Slot<S, C>> {
    Arc::new(Slot { settings, current: ArcSwapOption::empty(), files: Mutex::default() })
}

fn keep<S, C>(slot: &Slot<S, C>, made: Result<C, TlsError>, files: Files<'_>, whose: impl Fn() -> String) {
    *locked(&slot.files) = files.read;
    match made {
        Ok(made) => slot.current.store(Some(Arc::new(made))),
        // What there was before goes on: a file that is half written will be whole in a moment.
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, hosts = whose(), "TLS cannot be set up as it is asked for");
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked left a list that is still a list.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "a thread of its own")]
fn watch(store: &Weak<Store>) {
    while let Some(store) = store.upgrade() {
        store.refresh();
        drop(store);
        std::thread::sleep(LOOK);
    }
}
