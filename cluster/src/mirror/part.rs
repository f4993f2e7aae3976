//! One watch: a kind, in all namespaces or in one.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use mesh::{Kind, ResourceKey};

use k8s_openapi::api::core::v1 as core;

use super::{Objects, Stale};
use crate::inventory::{self, Named, Platform, Pod, Slice};
use crate::object::Object;

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// Documents of a kind.
    Documents(Kind),
    /// What runs.
    Platform(inventory::Part),
}

/// What is there.
#[derive(Debug)]
pub(super) enum Item {
    Document(Box<Object>),
    Service(Named, Box<core::Service>),
    Slice(Named, Slice),
    Pod(Named, Pod),
    Node(String, BTreeMap<String, String>),
}

/// How far a watch is.
#[derive(Debug)]
pub(super) struct Part {
    what: What,
    namespace: Option<String>,
    /// It was listed once.
    pub(super) listed: bool,
    /// Why it tells nothing now, in words.
    pub(super) failed: Option<Stale>,
    /// Whether the rest is worth something without it.
    pub(super) optional: bool,
    /// What the list has that is being read.
    list: HashSet<Named>,
}

impl Part {
    pub(super) fn new(what: What, namespace: Option<String>) -> Self {
        Self { what, namespace, listed: false, failed: None, optional: false, list: HashSet::new() }
    }

    /// A list begins.
    pub(super) fn start(&mut self) {
        self.list.clear();
    }

    /// Something is there. True where a document is another than before.
    pub(super) fn is(&mut self, item: Item, objects: &mut Arc<Objects>, platform: &mut Platform) -> bool {
        match item {
            Item::Document(object) => {
                self.list.insert((object.key.namespace.clone(), object.key.name.clone()));
                let same = |it: &Arc<_>| **it == *object;
                let news = !objects.get(&object.key).is_some_and(same);
                if news {
                    Arc::make_mut(objects).insert(object.key.clone(), Arc::new(*object));
                }
                news
            }
            Item::Service(name, service) => {
                self.list.insert(name.clone());
                platform.set_service(name, &service);
                false
            }
            Item::Slice(name, slice) => {
                self.list.insert(name.clone());
                platform.set_slice(name, slice);
                false
            }
            Item::Pod(name, pod) => {
                self.list.insert(name.clone());
                platform.set_pod(name, pod);
                false
            }
            Item::Node(name, labels) => {
                platform.set_node(&name, &labels);
                false
            }
        }
    }

    /// Something has gone. True where that is a document.
    pub(super) fn gone(&self, name: &Named, objects: &mut Arc<Objects>, platform: &mut Platform) -> bool {
        match &self.what {
            What::Documents(kind) => {
                let key = ResourceKey::new(kind.clone(), &name.0, &name.1);
                objects.contains_key(&key) && Arc::make_mut(objects).remove(&key).is_some()
            }
            What::Platform(part) => {
                platform.remove(*part, name);
                false
            }
        }
    }

    /// A list ends: what it does not have is gone. True where documents are others now.
    pub(super) fn done(&mut self, objects: &mut Arc<Objects>, platform: &mut Platform) -> bool {
        let here = |namespace: &str| self.namespace.as_ref().is_none_or(|it| it == namespace);
        let known: Vec<Named> = match &self.what {
            What::Documents(kind) => {
                let keys = objects.keys().filter(|key| key.kind == *kind && here(&key.namespace));
                keys.map(|key| (key.namespace.clone(), key.name.clone())).collect()
            }
            What::Platform(part) => platform.names(*part, self.namespace.as_deref()),
        };
        let mut news = false;
        for name in known.iter().filter(|name| !self.list.contains(*name)) {
            news |= self.gone(name, objects, platform);
        }
        self.list = HashSet::new();
        let first = !std::mem::replace(&mut self.listed, true);
        news || first
    }
}
