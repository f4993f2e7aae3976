//! What a cluster has of the mesh's documents, made the newest revision. It is a fact: nothing of it is refused.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cluster::Object;
use cluster::flights::Flights;
use mesh::{Edit, Inventory, ResourceKey, yaml};

use super::change::{ChangeRequest, Head, Refusal};

/// Objects as a cluster has them; `None` of one that has gone.
pub(super) type Objects = BTreeMap<ResourceKey, Option<Arc<Object>>>;

/// Until what could not be taken over is tried again.
const REST: Duration = Duration::from_secs(5);
/// Resources that a summary names.
const NAMED: usize = 3;

/// What is to be taken over and is not yet. Of an object that changes again the newest state counts.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    objects: Objects,
    inventory: Option<Arc<Inventory>>,
    /// Whether objects, and the inventory, are being looked at.
    busy: (bool, bool),
    /// It could not be taken over; until then it is not looked at again.
    rests_until: Option<Instant>,
}

impl Waiting {
    /// More is to be taken over.
    pub(super) fn add(&mut self, objects: Objects, inventory: Option<Arc<Inventory>>) {
        self.objects.extend(objects);
        self.inventory = inventory.or(self.inventory.take());
    }

    /// When what could not be taken over is looked at again.
    pub(super) fn rests_until(&self) -> Option<Instant> {
        self.rests_until
    }

    /// The rest is over.
    pub(super) fn wake(&mut self) {
        self.rests_until = None;
    }

    /// The objects to look at now, if there are any and none are looked at.
    pub(super) fn objects(&mut self) -> Option<Objects> {
        let next = !self.busy.0 && !self.objects.is_empty() && self.rests_until.is_none();
        self.busy.0 |= next;
        next.then(|| self.objects.clone())
    }

    /// The inventory to look at now, if there is one and none is looked at.
    pub(super) fn inventory(&mut self) -> Option<Arc<Inventory>> {
        let next = self.inventory.clone().filter(|_| !self.busy.1 && self.rests_until.is_none());
        self.busy.1 |= next.is_some();
        next
    }

    /// Objects were looked at. Where that came to nothing they are looked at again: at once if another revision was faster.
    pub(super) fn looked_at<T>(&mut self, objects: &Objects, result: &Result<T, Refusal>) {
        self.busy.0 = false;
        if self.is_done(result) {
            self.objects
                .retain(|key, object| !objects.get(key).is_some_and(|it| same(it.as_ref(), object.as_ref())));
        }
    }

    /// The inventory was looked at; as with objects.
    pub(super) fn observed<T>(&mut self, inventory: &Arc<Inventory>, result: &Result<T, Refusal>) {
        self.busy.1 = false;
        if self.is_done(result) {
            self.inventory = self.inventory.take().filter(|it| !Arc::ptr_eq(it, inventory));
        }
    }

    fn is_done<T>(&mut self, result: &Result<T, Refusal>) -> bool {
        match result {
            Err(Refusal::Stale { .. }) => {}
            Err(refusal) => {
                let error = refusal as &dyn std::error::Error;
                tracing::error!(error, "what the cluster has could not be taken over; it is tried again");
                self.rests_until = Some(Instant::now() + REST);
            }
            Ok(_) => return true,
        }
        false
    }

    /// Leaves out objects of which the program itself is writing a newer state. They are told again after that.
    pub(super) fn leave_unsettled(&mut self, flights: &Flights) {
        self.objects.retain(|key, object| {
            let settled = flights.settled(key, object.as_deref());
            if !settled {
                flights.tell_again(key);
            }
            settled
        });
    }
}

/// Whether none of these objects is being written by the program itself.
pub(super) fn settled(objects: &Objects, flights: &Flights) -> bool {
    objects.iter().all(|(key, object)| flights.settled(key, object.as_deref()))
}

fn same(one: Option<&Arc<Object>>, other: Option<&Arc<Object>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

/// The change that makes the newest revision have what the cluster has of these objects.
pub(super) fn change(head: &Head, objects: &Objects) -> ChangeRequest {
    let mesh = &head.analysis.mesh;
    let mut documents_of: HashMap<&str, usize> = HashMap::new();
    for document in mesh.documents() {
        *documents_of.entry(document.file()).or_default() += 1;
    }
    let (mut files, mut edits) = (Vec::new(), Vec::new());
    let (mut changed, mut writers) = (Vec::new(), Vec::new());
    for (key, object) in objects {
        let document = mesh.document(key);
        let alone = document.is_none_or(|it| documents_of.get(it.file()) == Some(&1));
        match (document, object) {
            (None, None) => continue,
            (Some(document), Some(object)) => {
                if document.value("").is_some_and(|value| object.says(value)) {
                    continue;
                }
                // What a person wrote around the values stays.
                let text = yaml::update(document.text(), &object.value).unwrap_or_else(|_| object.text());
                if alone {
                    files.push((document.file().to_owned(), Some(text)));
                } else {
                    edits.push(Edit::ReplaceResource { key: key.clone(), yaml: text });
                }
            }
            (None, Some(object)) => files.push((object.file(), Some(object.text()))),
            (Some(document), None) if alone => files.push((document.file().to_owned(), None)),
            (Some(_), None) => edits.push(Edit::RemoveResource { key: key.clone() }),
        }
        changed.push(key);
        writers.extend(object.as_ref().and_then(|it| it.writer()));
    }
    if !files.is_empty() {
        edits.insert(0, Edit::SetFiles { files });
    }
    let author = writers.into_iter().max_by_key(|it| it.at).map(|it| it.manager);
    ChangeRequest {
        base: head.info.number,
        author: Some(author.unwrap_or_else(|| "cluster".to_owned())),
        edits,
        reverts: None,
        summary: Some(summary(&changed)),
        is_fact: true,
    }
}

fn summary(changed: &[&ResourceKey]) -> String {
    let names: Vec<_> = changed.iter().take(NAMED).map(ToString::to_string).collect();
    match changed.len().saturating_sub(NAMED) {
        0 => format!("changed in the cluster: {}", names.join(", ")),
        more => format!("changed in the cluster: {} and {more} more", names.join(", ")),
    }
}
