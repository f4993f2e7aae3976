//! A Kubernetes API server as istiod needs it: lists and watches, of a cluster in which there is nothing but Istio's resources that it
//! was given.

use std::collections::HashMap;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Result;
use serde_json::{Value, json};

use crate::wire::{Request, Requests};

/// What istiod lists, by the last part of the path, and what such a list is called.
const LISTS: [(&str, &str); 13] = [
    ("services", "ServiceList"),
    ("pods", "PodList"),
    ("nodes", "NodeList"),
    ("namespaces", "NamespaceList"),
    ("endpointslices", "EndpointSliceList"),
    ("configmaps", "ConfigMapList"),
    ("secrets", "SecretList"),
    ("ingresses", "IngressList"),
    ("ingressclasses", "IngressClassList"),
    ("serviceaccounts", "ServiceAccountList"),
    ("customresourcedefinitions", "CustomResourceDefinitionList"),
    ("mutatingwebhookconfigurations", "MutatingWebhookConfigurationList"),
    ("validatingwebhookconfigurations", "ValidatingWebhookConfigurationList"),
];

/// The server. Its threads end with this process.
#[derive(Clone)]
pub struct Cluster {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    version: u64,
    /// Istio's resources, by the last part of their path: `virtualservices`.
    resources: HashMap<&'static str, Vec<Value>>,
    /// Who watches them.
    watches: HashMap<String, Vec<Sender<String>>>,
}

impl Cluster {
    /// Starts one on loopback in which there is nothing.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let cluster = Self { address: listener.local_addr()?, state: Arc::default() };
        let served = cluster.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let cluster = served.clone();
                thread::spawn(move || cluster.serve(stream));
            }
        });
        Ok(cluster)
    }

    /// Adds a resource, or replaces the one of the same name, and tells those that watch. `kind` is as in its path.
    pub fn put(&self, kind: &'static str, mut resource: Value) {
        let mut state = self.state();
        state.version += 1;
        resource["metadata"]["resourceVersion"] = state.version.to_string().into();
        resource["metadata"]["generation"] = state.version.into();
        let all = state.resources.entry(kind).or_default();
        let known = all.iter_mut().find(|other| other["metadata"]["name"] == resource["metadata"]["name"]);
        let event = json!({"type": if known.is_some() { "MODIFIED" } else { "ADDED" }, "object": resource});
        match known {
            Some(known) => *known = resource,
            None => all.push(resource),
        }
        let watches = state.watches.get_mut(kind);
        watches.into_iter().for_each(|all| all.retain(|watch| watch.send(format!("{event}\n")).is_ok()));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What kubectl's configuration says of it.
    pub(super) fn kubeconfig(&self) -> String {
        let address = self.address;
        format!(
            "apiVersion: v1\nkind: Config\nclusters: [{{name: empty, cluster: {{server: \"http://{address}\"}}}}]\n\
             users: [{{name: anyone, user: {{}}}}]\ncontexts: [{{name: empty, context: {{cluster: empty, user: anyone}}}}]\n\
             current-context: empty\n"
        )
    }

    fn serve(&self, mut stream: TcpStream) {
        let reading = stream.try_clone();
        for Request { path, headers, .. } in reading.iter().flat_map(Requests::of) {
            if path.contains("watch=true") && !path.contains("sendInitialEvents") {
                return watch(stream, &self.watched(&path));
            }
            let metadata = headers.iter().any(|(name, value)| name == "accept" && value.contains("Partial"));
            if stream.write_all(self.answer(&path, metadata).as_bytes()).is_err() {
                return;
            }
        }
    }

    /// What is to be told to who watches this.
    fn watched(&self, target: &str) -> Receiver<String> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (sender, receiver) = channel();
        let kind = path.rsplit('/').next().unwrap_or_default();
        let mut state = self.state();
        // What has changed between the list and this.
        let seen = query.split('&').find_map(|part| part.strip_prefix("resourceVersion="));
        let seen: u64 = seen.and_then(|version| version.parse().ok()).unwrap_or(u64::MAX);
        for resource in state.resources.get(kind).into_iter().flatten() {
            if resource["metadata"]["generation"].as_u64().is_some_and(|version| version > seen) {
                let event = json!({"type": "MODIFIED", "object": resource});
                let _ = sender.send(format!("{event}\n"));
            }
        }
        state.watches.entry(kind.to_owned()).or_default().push(sender);
        receiver
    }

    /// Lists are of what there is, and all else is not found.
    fn answer(&self, target: &str, metadata: bool) -> String {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parts: Vec<_> = path.trim_matches('/').split('/').collect();
        let (status, body) = if path == "/version" {
            (200, r#"{"major":"1","minor":"36","gitVersion":"v1.36.3"}"#.to_owned())
        } else if query.contains("sendInitialEvents") {
            // Whoever asks for a list by a watch lists then, and watches.
            (
                422,
                r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422}"#
                    .to_owned(),
            )
        } else if let Some(list) = self.listed(&parts) {
            (200, list)
        } else if let Some((_, kind)) = LISTS.iter().find(|(name, _)| parts.last() == Some(name)) {
            let group = if parts[0] == "api" { "v1".to_owned() } else { parts[1..3].join("/") };
            let (kind, group) =
                if metadata { ("PartialObjectMetadataList", "meta.k8s.io/v1") } else { (*kind, &*group) };
            (
                200,
                format!(
                    r#"{{"kind":"{kind}","apiVersion":"{group}","metadata":{{"resourceVersion":"1"}},"items":[]}}"#
                ),
            )
        } else {
            (
                404,
                r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}"#
                    .to_owned(),
            )
        };
        let length = body.len();
        format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    }

    /// Istio's resources, or their definitions.
    fn listed(&self, parts: &[&str]) -> Option<String> {
        let state = self.state();
        let (last, version) = (parts.last()?, state.version.max(1).to_string());
        let (kind, group, items) = if *last == "customresourcedefinitions" && !state.resources.is_empty() {
            let named = |kind: &&str| json!({"metadata": {"name": format!("{kind}.networking.istio.io"), "resourceVersion": "1"}});
            let items = state.resources.keys().map(named).collect();
            ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned(), items)
        } else {
            let items = state.resources.get(last)?.clone();
            (format!("{}List", items.first()?["kind"].as_str()?), parts[1..3].join("/"), items)
        };
        let list = json!({"kind": kind, "apiVersion": group, "metadata": {"resourceVersion": version}, "items": items});
        Some(list.to_string())
    }
}

/// Tells events, one a chunk, for as long as there may be some.
fn watch(mut stream: TcpStream, events: &Receiver<String>) {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let _ = stream.set_nodelay(true);
    let mut written = stream.write_all(head.as_bytes());
    while let (Ok(()), Ok(event)) = (&written, events.recv()) {
        written = stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
    }
}
