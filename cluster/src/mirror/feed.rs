//! Watches, each in a task of its own: what the server tells is cut down to what is needed where it comes in.

use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::core::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Error, Event};
use kube::{Api, Client, Resource, ResourceExt};
use mesh::Kind;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::part::{Item, Part, What};
use crate::access::{Access, Scope};
use crate::connect::Connection;
use crate::discover::Served;
use crate::inventory::{self, Named, Pod, Slice};
use crate::kind;
use crate::object::Object;

/// Until a watch that failed is tried again, at first and at most.
const RETRY: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(3)];
/// Seconds after which the server ends a watch, which is then taken up again: so a dead connection is noticed.
const WATCH: u32 = 60;

/// What is watched, and where.
#[derive(Clone)]
pub struct Watched {
    /// Who asks.
    pub client: Client,
    /// Whether the server can send lists as watches.
    pub streaming: bool,
    /// Kinds that are documents.
    pub documents: Vec<(Kind, ApiResource, Scope)>,
    /// Services.
    pub services: Scope,
    /// EndpointSlices; where the server has none, Endpoints.
    pub endpoints: Scope,
    /// Whether the server has EndpointSlices.
    pub slices: bool,
    /// Pods.
    pub pods: Scope,
}

impl Watched {
    /// All that may be watched of what is served.
    pub fn of(connection: &Connection, served: &Served, access: &Access) -> Self {
        let documents = kind::Kind::ISTIO.into_iter().filter_map(|kind| {
            Some((Kind::from(kind.name().to_owned()), served.resource(kind)?, access.read(kind)))
        });
        let slices = served.slices() && access.read(kind::Kind::EndpointSlice) != Scope::None;
        let endpoints = if slices { kind::Kind::EndpointSlice } else { kind::Kind::Endpoints };
        Self {
            client: connection.client.clone(),
            streaming: served.streams_lists(),
            documents: documents.collect(),
            services: access.read(kind::Kind::Service),
            endpoints: access.read(endpoints),
            slices,
            pods: access.read(kind::Kind::Pod),
        }
    }
}

impl Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watched")
    }
}

/// What a watch tells.
#[derive(Debug)]
pub(super) enum Seen {
    /// A list begins.
    Start,
    /// This is there.
    Is(Item),
    /// This has gone.
    Gone(Named),
    /// The list is whole.
    Done,
    /// It tells nothing for now.
    Failed(String),
}

type Tell = mpsc::Sender<(usize, Seen)>;

/// Starts all watches.
pub(super) fn start(watched: &Watched, tell: &Tell, tasks: &mut JoinSet<()>) -> Vec<Part> {
    let mut feeds = Feeds { watched, tell, tasks, parts: Vec::new() };
    for (kind, resource, scope) in &watched.documents {
        feeds.add(&What::Documents(kind.clone()), scope, resource, {
            let kind = kind.clone();
            move |object: DynamicObject| Some(Item::Document(Box::new(Object::of(kind.clone(), object)?)))
        });
    }
    use inventory::Part as Of;
    feeds.add(&What::Platform(Of::Services), &watched.services, &(), |it: core::Service| {
        Some(Item::Service(named(&it), Box::new(it)))
    });
    if watched.slices {
        feeds.add(&What::Platform(Of::Slices), &watched.endpoints, &(), |it: EndpointSlice| {
            Some(Item::Slice(named(&it), Slice::of(&it)?))
        });
    } else {
        feeds.add(&What::Platform(Of::Slices), &watched.endpoints, &(), |it: core::Endpoints| {
            Some(Item::Slice(named(&it), Slice::of_endpoints(&it)?))
        });
    }
    feeds.add(&What::Platform(Of::Pods), &watched.pods, &(), |it: core::Pod| {
        Some(Item::Pod(named(&it), Pod::of(&it)))
    });
    // Only for where they are: those who may not see nodes do without.
    let api: Api<PartialObjectMeta<core::Node>> = Api::all(watched.client.clone());
    let at = feeds.part(What::Platform(Of::Nodes), None);
    feeds.parts[at].optional = true;
    let nodes = watcher::watcher(api, config(watched.streaming));
    let item = |it: PartialObjectMeta<core::Node>| {
        Some(Item::Node(it.name_any(), it.metadata.labels.unwrap_or_default()))
    };
    feeds.tasks.spawn(tell_all(nodes.boxed(), at, item, tell.clone()));
    feeds.parts
}

struct Feeds<'a> {
    watched: &'a Watched,
    tell: &'a Tell,
    tasks: &'a mut JoinSet<()>,
    parts: Vec<Part>,
}

impl Feeds<'_> {
    fn part(&mut self, what: What, namespace: Option<String>) -> usize {
        self.parts.push(Part::new(what, namespace));
        self.parts.len() - 1
    }

    /// Watches a kind in all namespaces, or in each of some.
    fn add<K>(
        &mut self,
        what: &What,
        scope: &Scope,
        kind: &K::DynamicType,
        item: impl Fn(K) -> Option<Item> + Clone + Send + 'static,
    ) where
        K: Watchable,
    {
        let namespaces: Vec<Option<&str>> = match scope {
            Scope::All => vec![None],
            Scope::Namespaces(names) => names.iter().map(|name| Some(name.as_str())).collect(),
            Scope::None => Vec::new(),
        };
        for namespace in namespaces {
            let client = self.watched.client.clone();
            let api = K::api(client, namespace, kind);
            let at = self.part(what.clone(), namespace.map(str::to_owned));
            let events = watcher::watcher(api, config(self.watched.streaming)).boxed();
            self.tasks.spawn(tell_all(events, at, item.clone(), self.tell.clone()));
        }
    }
}

/// A kind that stands in namespaces.
trait Watchable: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static {
    fn api(client: Client, namespace: Option<&str>, kind: &Self::DynamicType) -> Api<Self>;
}

impl Watchable for DynamicObject {
    fn api(client: Client, namespace: Option<&str>, kind: &ApiResource) -> Api<Self> {
        match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, kind),
            None => Api::all_with(client, kind),
        }
    }
}

macro_rules! watchable {
    ($($kind:ty),*) => { $(
        impl Watchable for $kind {
            fn api(client: Client, namespace: Option<&str>, (): &()) -> Api<Self> {
                match namespace {
                    Some(namespace) => Api::namespaced(client, namespace),
                    None => Api::all(client),
                }
            }
        }
    )* };
}

watchable!(core::Service, core::Endpoints, core::Pod, EndpointSlice);

fn named(object: &impl ResourceExt) -> Named {
    (object.namespace().unwrap_or_default(), object.name_any())
}

fn config(streaming: bool) -> watcher::Config {
    let config = watcher::Config::default().timeout(WATCH);
    if streaming { config.streaming_lists() } else { config }
}

/// Longer from one try to the next, up to a bound; many watches do not come back at the same moment.
#[derive(Debug, Default)]
struct Retry(u32);

impl Iterator for Retry {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let [first, most] = RETRY;
        let next = first.saturating_mul(1 << self.0.min(8)).min(most);
        self.0 += 1;
        Some(next.mul_f64(0.75 + fastrand::f64() / 2.0))
    }
}

impl Backoff for Retry {
    fn reset(&mut self) {
        self.0 = 0;
    }
}

/// Tells what a watch sees, for as long as somebody listens. A watch does not end by itself.
async fn tell_all<K: Resource>(
    events: futures::stream::BoxStream<'static, Result<Event<K>, Error>>,
    at: usize,
    item: impl Fn(K) -> Option<Item>,
    tell: Tell,
) {
    let mut events = pin!(events.into_stream().backoff(Retry::default()));
    while let Some(event) = events.next().await {
        let seen = match event {
            Ok(Event::Init) => Seen::Start,
            Ok(Event::InitDone) => Seen::Done,
            Ok(Event::InitApply(object) | Event::Apply(object)) => match item(object) {
                Some(item) => Seen::Is(item),
                None => continue,
            },
            Ok(Event::Delete(object)) => Seen::Gone((
                object.meta().namespace.clone().unwrap_or_default(),
                object.meta().name.clone().unwrap_or_default(),
            )),
            // The list is read again, that is all.
            Err(Error::WatchError(status)) if status.code == 410 => continue,
            Err(error) => Seen::Failed(crate::words::of(&error)),
        };
        if tell.send((at, seen)).await.is_err() {
            return;
        }
    }
}
