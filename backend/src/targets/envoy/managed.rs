//! The Envoys that this program runs itself, in the built-in proxy's place: one for each workload and gateway.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use mesh::{Plan, Source};
use proxy::Entry;
use socket2::{Domain, Socket, Type};
use tokio::task::JoinHandle;
use tracing::Instrument;
use xds::ads::{Link, States};
use xds::bootstrap::{self, Server};
use xds::node::{Bind, Node};

use super::process::{Handle, Launch, supervisor};
use crate::analysis::Plans;
use crate::targets::entries::{Entries, addresses, wanted};

/// For requests that are active when an Envoy is ended.
const GRACE: Duration = Duration::from_secs(5);

/// What the ids of them begin with.
const OWN: &str = "own/";

/// All of them.
#[derive(Debug)]
pub struct Managed {
    binary: PathBuf,
    server: Server,
    members: HashMap<Source, ManagedEnvoy>,
    entries: Arc<ArcSwap<Entries>>,
}

/// One of them.
#[derive(Debug)]
struct ManagedEnvoy {
    id: String,
    bind: Bind,
    ports: HashMap<Option<u16>, Reserved>,
    handle: Handle,
    task: JoinHandle<()>,
}

/// An address that nobody else gets. It is bound and does not listen, so that only the Envoy takes connections there.
#[derive(Debug)]
struct Reserved {
    address: SocketAddr,
    _socket: Socket,
}

impl Managed {
    /// None yet; they will ask this server.
    pub fn new(binary: PathBuf, server: Server) -> Self {
        Self { binary, server, members: HashMap::new(), entries: Arc::default() }
    }

    /// Where traffic enters, for those who look at each call.
    pub fn entries(&self) -> Arc<ArcSwap<Entries>> {
        Arc::clone(&self.entries)
    }

    /// Starts the Envoys of sources that are new, ends those of sources that are gone, and says where each listens, by its id.
    pub fn follow(&mut self, plans: &Plans) -> HashMap<String, Bind> {
        let gone: Vec<Source> =
            self.members.keys().filter(|source| !plans.contains_key(*source)).cloned().collect();
        for member in gone.iter().filter_map(|source| self.members.remove(source)) {
            member.handle.stop.cancel();
        }
        for plan in plans.values() {
            let mut ports = self
                .members
                .get_mut(&plan.source)
                .map(|it| std::mem::take(&mut it.ports))
                .unwrap_or_default();
            reserve(plan, &mut ports);
            let bind = bind(&ports);
            match self.members.get_mut(&plan.source) {
                Some(member) => (member.bind, member.ports) = (bind, ports),
                None => {
                    let member = self.launch(&plan.source, bind, ports);
                    self.members.insert(plan.source.clone(), member);
                }
            }
        }
        self.members.values().map(|member| (member.id.clone(), member.bind.clone())).collect()
    }

    /// Those that have not been heard of yet, or not for long, by their ids.
    pub fn awaited<'f>(&'f self, states: &States) -> impl Iterator<Item = (&'f str, &'f Source)> {
        let here: HashSet<String> = states.iter().map(|state| state.node.id.clone()).collect();
        let all = self.members.iter().map(|(source, member)| (member.id.as_str(), source));
        all.filter(move |(id, _)| !here.contains(*id))
    }

    /// Whether this is one of them that has been ended.
    pub fn ended(&self, id: &str) -> bool {
        id.starts_with(OWN) && !self.members.values().any(|member| member.id == id)
    }

    fn launch(&self, source: &Source, bind: Bind, ports: HashMap<Option<u16>, Reserved>) -> ManagedEnvoy {
        let id = format!("{OWN}{}", source.parts().join("/"));
        let node = Node { id: id.clone(), source: source.clone(), bind: bind.clone() };
        let admin = SocketAddr::from(([127, 0, 0, 1], 0));
        let (supervisor, handle) = supervisor(Launch {
            binary: self.binary.clone(),
            bootstrap: bootstrap::dynamic(&node, &self.server, admin),
            concurrency: 1,
            grace: GRACE,
            log_level: "warning".to_owned(),
        });
        let run = async move {
            if let Err(error) = supervisor.run().await {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot start Envoy");
            }
        };
        let task = tokio::spawn(run.instrument(tracing::info_span!(parent: None, "envoy", id)));
        ManagedEnvoy { id, bind, ports, handle, task }
    }

    /// Opens the way to the Envoys that have what they need; true if that changed where traffic enters.
    pub fn admit(&self, states: &States) -> bool {
        let before = self.entries.load();
        let ready = |member: &ManagedEnvoy, source: &Source| {
            let known = || before.keys().any(|(known, _)| known == source);
            let mut own = states.iter().filter(|state| state.node.id == member.id);
            own.any(|state| matches!(state.link, Link::Up(_)) && (state.behind.is_none() || known()))
        };
        let mut entries = Entries::new();
        for (source, member) in self.members.iter().filter(|(source, member)| ready(member, source)) {
            entries.extend(member.ports.iter().map(|(port, at)| ((source.clone(), *port), at.address)));
        }
        let changed = entries != **before;
        if changed {
            self.entries.store(Arc::new(entries));
        }
        changed
    }

    /// Ends all of them, each after its active requests.
    pub async fn shutdown(&mut self) {
        let members: Vec<ManagedEnvoy> = self.members.drain().map(|(_, member)| member).collect();
        members.iter().for_each(|member| member.handle.stop.cancel());
        for member in members {
            if let Err(error) = member.task.await {
                tracing::error!(%error, id = member.id, "Envoy did not exit cleanly");
            }
        }
    }
}

/// Reserves what a plan listens on and has not yet, and lets go of what it listens on no more.
fn reserve(plan: &Plan, ports: &mut HashMap<Option<u16>, Reserved>) {
    let wanted = wanted(std::iter::once(plan));
    ports.retain(|port, _| wanted.iter().any(|entry| entry.port == *port));
    for entry in wanted {
        if ports.contains_key(&entry.port) {
            continue;
        }
        match first_free(&entry) {
            Ok(reserved) => drop(ports.insert(entry.port, reserved)),
            // The others still work; the browser sees that this one has no address.
            Err(error) => tracing::warn!(?entry, %error, "cannot listen"),
        }
    }
}

fn bind(ports: &HashMap<Option<u16>, Reserved>) -> Bind {
    let numbered = ports.iter().filter_map(|(port, at)| Some(((*port)?, at.address)));
    Bind { http: ports.get(&None).map(|at| at.address), ports: numbered.collect(), ..Bind::default() }
}

fn first_free(entry: &Entry) -> io::Result<Reserved> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses(entry) {
        match reserved(address) {
            Ok(reserved) => return Ok(reserved),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn reserved(address: SocketAddr) -> io::Result<Reserved> {
    let socket = |shared: bool, address: SocketAddr| -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        if shared {
            socket.set_reuse_port(true)?;
        }
        socket.bind(&address.into())?;
        Ok(socket)
    };
    // Alone first: together with others it could be had although somebody listens there.
    let alone = socket(false, address)?;
    let address = alone.local_addr()?.as_socket().unwrap_or(address);
    drop(alone);
    Ok(Reserved { address, _socket: socket(true, address)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_not_reserved() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(reserved(listener.local_addr().unwrap()).is_err());
        let own = reserved(([127, 0, 0, 1], 0).into()).unwrap();
        assert_ne!(own.address.port(), 0);
        assert!(std::net::TcpListener::bind(own.address).is_err(), "nobody else gets it");
        assert!(std::net::TcpStream::connect(own.address).is_err(), "nobody listens there yet");
    }
}
