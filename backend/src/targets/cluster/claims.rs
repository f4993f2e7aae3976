//! What was borrowed of the cluster's objects, on disk as well: also another start of the program gives it back.

use std::collections::BTreeMap;

use cluster::claim::Settled;
use cluster::{Claim, Object};
use mesh::ResourceKey;

use super::Parts;
use crate::store::Store;

/// All claims.
#[derive(Debug)]
pub(super) struct Claims {
    store: Store,
    all: BTreeMap<ResourceKey, Claim>,
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
        let read = |(_, claim): (String, Vec<u8>)| serde_json::from_slice(&claim).ok();
        Self { store, all: kept.into_iter().filter_map(read).collect() }
    }

    /// What was borrowed of an object.
    pub(super) fn of(&self, key: &ResourceKey) -> Option<&Claim> {
        self.all.get(key)
    }

    /// An object is about to be changed.
    pub(super) async fn add(&mut self, object: &Object) {
        if self.all.contains_key(&object.key) {
            return;
        }
        if let Some(claim) = Claim::of(object) {
            self.keep(&object.key, serde_json::to_vec(&(&object.key, &claim)).ok()).await;
            self.all.insert(object.key.clone(), claim);
        }
    }

    /// Gives back what can be given back, as far as the cluster is known.
    pub(super) async fn settle(&mut self, parts: &Parts) {
        let Some(view) = parts.mirror.view().filter(|_| !self.all.is_empty()) else { return };
        let mut done = Vec::new();
        for (key, claim) in &self.all {
            let object = view.objects.get(key).map(AsRef::as_ref);
            if object.is_some_and(|object| !parts.flights.is_current(object)) {
                continue;
            }
            match claim.settle(object) {
                Settled::No => {}
                Settled::Void => done.push(key.clone()),
                Settled::GiveBack(managed) => {
                    let Some(object) = object else { continue };
                    // Where it has changed meanwhile, the watch tells, and it is looked at again.
                    if let Some(now) = parts.writer.give_back(object, &managed).await {
                        parts.flights.wrote(&now);
                        tracing::debug!(object = %key, "the fields are their owners' again");
                        done.push(key.clone());
                    }
                }
            }
        }
        for key in done {
            self.all.remove(&key);
            self.keep(&key, None).await;
        }
    }

    async fn keep(&self, object: &ResourceKey, claim: Option<Vec<u8>>) {
        let (store, object) = (self.store.clone(), object.to_string());
        let kept = tokio::task::spawn_blocking(move || store.set_claim(&object, claim.as_deref())).await;
        if !matches!(kept, Ok(Ok(()))) {
            tracing::warn!("what was borrowed of an object is not kept on disk");
        }
    }
}
