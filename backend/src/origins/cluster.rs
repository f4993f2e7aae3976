//! A Kubernetes cluster. Other than a folder it is the mesh itself: what changes there becomes a revision without being asked, and what
//! runs there becomes known without one.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster::flights::Flights;
use cluster::{Mirror, Object, View};
use mesh::{Analysis, Inventory, Kind, ResourceKey, Sources};
use tokio::sync::mpsc;

/// What a cluster has now. Of documents those that are others there than they were told to be, `None` where they have gone.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    /// Documents.
    pub objects: BTreeMap<ResourceKey, Option<Arc<Object>>>,
    /// What runs.
    pub inventory: Option<Arc<Inventory>>,
}

/// The text of all that a cluster has.
pub fn sources(view: &View) -> Sources {
    view.objects.values().map(|object| (object.file(), object.text())).collect()
}

/// Tells what the cluster has whenever that changes, until nobody listens. What this program is writing itself waits until that is done.
pub struct Follow {
    mirror: Mirror,
    flights: Flights,
    told: BTreeMap<ResourceKey, Option<Arc<Object>>>,
    inventory: Arc<Inventory>,
}

impl Follow {
    /// Follows a cluster from what a revision has of it.
    pub fn new(mirror: Mirror, flights: Flights, head: &Analysis) -> Self {
        let documents = head.mesh.resources().map(|resource| &resource.key).filter(|key| is_kept(&key.kind));
        let told = documents.map(|key| (key.clone(), None)).collect();
        Self { mirror, flights, told, inventory: Arc::clone(head.inventory()) }
    }

    /// Tells, until nobody listens. At first all that there is.
    pub async fn run(mut self, tell: mpsc::Sender<Outside>) {
        let mut landed = self.flights.watch();
        let mut first = true;
        loop {
            if let Some(view) = self.mirror.view() {
                let outside = self.news(&view, first);
                first = false;
                let empty = outside.objects.is_empty() && outside.inventory.is_none();
                if !empty && tell.send(outside).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = tell.closed() => return,
                () = self.mirror.changed() => {}
                _ = landed.changed() => {}
            }
        }
    }

    fn news(&mut self, view: &View, first: bool) -> Outside {
        let mut outside = Outside::default();
        let gone: Vec<_> = self.told.keys().filter(|key| !view.objects.contains_key(*key)).cloned().collect();
        let again = self.flights.all_again();
        let now = view.objects.iter().map(|(key, object)| (key, Some(object)));
        let all = now.chain(gone.iter().map(|key| (key, None)));
        for (key, object) in all {
            let known = self.told.get(key);
            let same = match (known, object) {
                (Some(Some(known)), Some(object)) => Arc::ptr_eq(known, object),
                // What is in no revision and nowhere else is no news, but for what the head has and the cluster has not.
                (Some(None), None) => !first,
                _ => false,
            };
            if same && !again.contains(key) || !self.flights.settled(key, object.map(AsRef::as_ref)) {
                continue;
            }
            self.flights.again(key);
            outside.objects.insert(key.clone(), object.cloned());
        }
        for (key, object) in &outside.objects {
            self.told.insert(key.clone(), object.clone());
        }
        // What was to be told again and never was there.
        for key in
            again.into_iter().filter(|key| !view.objects.contains_key(key) && self.flights.settled(key, None))
        {
            self.flights.again(&key);
            outside.objects.entry(key).or_insert(None);
        }
        if !Arc::ptr_eq(&self.inventory, &view.inventory) {
            self.inventory = Arc::clone(&view.inventory);
            outside.inventory = Some(Arc::clone(&view.inventory));
        }
        outside
    }
}

impl std::fmt::Debug for Follow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Follow")
    }
}

/// Kinds whose documents are objects of the cluster.
pub fn is_kept(kind: &Kind) -> bool {
    match kind {
        Kind::VirtualService
        | Kind::DestinationRule
        | Kind::ServiceEntry
        | Kind::Gateway
        | Kind::WorkloadEntry => true,
        Kind::Other(name) => name == "Sidecar",
        Kind::Service => false,
    }
}
