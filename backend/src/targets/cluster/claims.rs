//! What was borrowed of the cluster's objects, on disk as well: also another start of the program gives it back.

use std::collections::BTreeMap;

use cluster::claim::Settled;
use cluster::{Claim, Object};
use mesh::ResourceKey;

use super::Parts;
use crate::store::Store;

/// All claims, by the objects' names.
#[derive(Debug)]
pub(super) struct Claims {
    store: Store,
    all: BTreeMap<String, Claim>,
}

impl Claims {
    /// Those on disk.
    pub(super) async fn read(store: Store) -> Self {
        let on_disk = store.clone();
        let kept = tokio::task::spawn_blocking(move || on_disk.claims()).await;
        let kept =
            kept.map_err(|error| error.to_string()).and_then(|it| it.map_err(|error| error.to_string()));
        let kept = kept.unwrap_or_else(|error| {
            tracing::warn!(error, "it is not known what was borrowed of the cluster's objects");
            Vec::new()
        });
        let read = |(object, claim): (String, Vec<u8>)| Some((object, serde_json::from_slice(&claim).ok()?));
        Self { store, all: kept.into_iter().filter_map(read).collect() }
    }

    /// What was borrowed of an object.
    pub(super) fn of(&self, key: &ResourceKey) -> Option<&Claim> {
        self.all.get(&key.to_string())
    }

    /// An object is about to be changed.
    pub(super) async fn add(&mut self, object: &Object) {
        let name = object.key.to_string();
        if self.all.contains_key(&name) {
            return;
        }
        if let Some(claim) = Claim::of(object) {
            self.keep(&name, serde_json::to_vec(&claim).ok()).await;
            self.all.insert(name, claim);
        }
    }

    /// Gives back what can be given back, as far as the cluster is known.
    pub(super) async fn settle(&mut self, parts: &Parts) {
        let Some(view) = parts.mirror.view().filter(|_| !self.all.is_empty()) else { return };
        let objects: BTreeMap<String, &Object> = view
            .objects
            .values()
            .map(|object| (object.key.to_string(), &**object))
            .filter(|(name, _)| self.all.contains_key(name))
            .collect();
        let mut done = Vec::new();
        for (name, claim) in &self.all {
            let object = objects.get(name).copied();
            if object.is_some_and(|object| !parts.flights.is_current(object)) {
                continue;
            }
            match claim.settle(object) {
                Settled::No => {}
                Settled::Void => done.push(name.clone()),
                Settled::GiveBack(managed) => {
                    let Some(object) = object else { continue };
                    // Where it has changed meanwhile, the watch tells, and it is looked at again.
                    if let Some(now) = parts.writer.give_back(object, &managed).await {
                        parts.flights.wrote(&now);
                        tracing::debug!(object = name, "the fields are their owners' again");
                        done.push(name.clone());
                    }
                }
            }
        }
        for name in done {
            self.all.remove(&name);
            self.keep(&name, None).await;
        }
    }

    async fn keep(&self, object: &str, claim: Option<Vec<u8>>) {
        let (store, object) = (self.store.clone(), object.to_owned());
        let kept = tokio::task::spawn_blocking(move || store.set_claim(&object, claim.as_deref())).await;
        if !matches!(kept, Ok(Ok(()))) {
            tracing::warn!("what was borrowed of an object is not kept on disk");
        }
    }
}
