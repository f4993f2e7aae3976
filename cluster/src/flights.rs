//! Which objects this program is writing, and what it wrote: so that its own writes, and what was there before them, are not taken for
//! changes of others.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mesh::ResourceKey;
use tokio::sync::watch;

use crate::object::Object;

/// Writes under way and done. Clones share them.
#[derive(Debug, Clone)]
pub struct Flights {
    inner: Arc<Mutex<Inner>>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Inner {
    /// How many writes of an object are still to end.
    under_way: HashMap<ResourceKey, usize>,
    /// The version of an object that the last one left.
    written: HashMap<ResourceKey, String>,
    /// Objects that have to be told again, whatever was told of them.
    again: HashSet<ResourceKey>,
}

impl Inner {
    fn is_current(&self, object: &Object) -> bool {
        self.written.get(&object.key).is_none_or(|written| !is_older(&object.resource_version, written))
    }
}

impl Default for Flights {
    fn default() -> Self {
        Self { inner: Arc::default(), changed: watch::Sender::new(()) }
    }
}

impl Flights {
    /// These objects are about to be written.
    pub fn begin<'k>(&self, keys: impl IntoIterator<Item = &'k ResourceKey>) {
        let mut inner = self.lock();
        for key in keys {
            *inner.under_way.entry(key.clone()).or_default() += 1;
        }
    }

    /// An object was written, and is of this version now.
    pub fn wrote(&self, object: &Object) {
        self.lock().written.insert(object.key.clone(), object.resource_version.clone());
    }

    /// Writes have ended. Where they were not made, or not all, what the cluster has is to be told `again`.
    pub fn end<'k>(&self, keys: impl IntoIterator<Item = &'k ResourceKey>, again: bool) {
        let mut inner = self.lock();
        for key in keys {
            if let Some(count) = inner.under_way.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    inner.under_way.remove(key);
                }
            }
            if again {
                inner.again.insert(key.clone());
            }
        }
        drop(inner);
        self.changed.send_replace(());
    }

    /// Whether what is known of an object is no older than what this program wrote, and nothing of it is under way.
    pub fn settled(&self, key: &ResourceKey, object: Option<&Object>) -> bool {
        let inner = self.lock();
        if inner.under_way.contains_key(key) {
            return false;
        }
        object.is_none_or(|object| inner.is_current(object))
    }

    /// Whether an object is no older than what this program wrote.
    pub fn is_current(&self, object: &Object) -> bool {
        self.lock().is_current(object)
    }

    /// What was told of an object was not taken: it has to be told again when writes of it have ended.
    pub fn tell_again(&self, key: &ResourceKey) {
        self.lock().again.insert(key.clone());
        self.changed.send_replace(());
    }

    /// Whether an object has to be told again; asked for once.
    pub fn again(&self, key: &ResourceKey) -> bool {
        self.lock().again.remove(key)
    }

    /// Objects that have to be told again.
    pub fn all_again(&self) -> Vec<ResourceKey> {
        self.lock().again.iter().cloned().collect()
    }

    /// Tells when writes end.
    pub fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a version comes before another one. They are numbers that grow; where they are none, only the same is known to be no older.
fn is_older(version: &str, than: &str) -> bool {
    match (version.parse::<u64>(), than.parse::<u64>()) {
        (Ok(version), Ok(than)) => version < than,
        _ => version != than,
    }
}

#[cfg(test)]
mod tests {
    use mesh::Kind;
    use serde_json::Value;

    use super::*;

    fn object(version: &str) -> Object {
        Object {
            key: ResourceKey::new(Kind::VirtualService, "shop", "reviews"),
            value: Value::Null,
            uid: String::new(),
            resource_version: version.to_owned(),
            managed: Vec::new(),
        }
    }

    #[test]
    fn what_was_there_before_a_write_is_not_news() {
        let flights = Flights::default();
        let (key, before) = (object("9").key, object("9"));
        assert!(flights.settled(&key, Some(&before)));
        flights.begin([&key]);
        flights.begin([&key]);
        flights.wrote(&object("10"));
        flights.end([&key], false);
        assert!(!flights.settled(&key, Some(&object("10"))), "one is still under way");
        flights.end([&key], false);
        assert!(!flights.settled(&key, Some(&before)), "9 is older than 10");
        assert!(flights.settled(&key, Some(&object("10"))) && flights.settled(&key, Some(&object("11"))));
        assert!(flights.settled(&key, None));
        assert!(!flights.again(&key));
        flights.begin([&key]);
        flights.end([&key], true);
        assert!(flights.again(&key) && !flights.again(&key));
    }
}
