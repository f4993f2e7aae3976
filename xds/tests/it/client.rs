//! Clients that say what they are told to, and a server of resources that tests make up.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::core::v3::node::UserAgentVersionType;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use envoy_types::pb::google::rpc;
use http::uri::PathAndQuery;
use mesh::Source;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use xds::ads::{Client, NodeState, Nodes, Options, Server};
use xds::resource::{Kind, Resource, Snapshot};

/// Long enough for the slowest machine; tests wait for what happens, not for this.
const LONG: Duration = Duration::from_secs(30);

/// Waits, but not forever.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LONG, future).await.expect("it took too long")
}

/// `c/a=1 e/a=1`: kinds by their first letters, names and bytes.
pub(crate) fn snapshot(revision: u64, text: &str) -> Arc<Snapshot> {
    let mut snapshot = Snapshot::new(revision);
    for (kind, letter) in Kind::ALL.into_iter().zip(["s", "c", "e", "l", "r", "v"]) {
        let mine = text.split_whitespace().filter_map(|word| {
            let (name, bytes) = word.strip_prefix(letter)?.strip_prefix('/')?.split_once('=')?;
            let resource = Resource::new(kind, name, bytes.as_bytes().to_vec());
            Some((Arc::clone(&resource.name), Arc::new(resource)))
        });
        snapshot.set(kind, Arc::new(mine.collect()));
    }
    Arc::new(snapshot)
}

/// What there is for each workload; `a#2` is another process of `a`.
#[derive(Clone, Default)]
pub(crate) struct Worlds(Arc<Mutex<BTreeMap<String, watch::Sender<Arc<Snapshot>>>>>);

impl Worlds {
    pub(crate) fn new(worlds: &[(&str, &str)]) -> Self {
        let it = Self::default();
        for (workload, text) in worlds {
            it.set(workload, 1, text);
        }
        it
    }

    pub(crate) fn set(&self, workload: &str, revision: u64, text: &str) {
        self.put(workload, snapshot(revision, text));
    }

    pub(crate) fn put(&self, workload: &str, snapshot: Arc<Snapshot>) {
        let mut worlds = self.0.lock().unwrap();
        let first = || watch::Sender::new(Arc::clone(&snapshot));
        worlds.entry(workload.to_owned()).or_insert_with(first).send_replace(snapshot);
    }

    pub(crate) fn forget(&self, workload: &str) {
        self.0.lock().unwrap().remove(workload);
    }

    pub(crate) async fn serve(&self, options: Options) -> Running {
        self.serve_at(([127, 0, 0, 1], 0).into(), options).await
    }

    pub(crate) async fn serve_at(&self, address: SocketAddr, options: Options) -> Running {
        let listener = xds::ads::listen(address).unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(Arc::new(self.clone()), options);
        let (nodes, stop) = (server.nodes(), CancellationToken::new());
        let task = tokio::spawn(server.serve(listener, stop.clone()));
        let task = tokio::spawn(async { task.await.unwrap().unwrap() });
        Running { address, nodes, stop, task, token: None, tls: None }
    }
}

impl xds::ads::SnapshotSource for Worlds {
    fn subscribe(&self, client: &Client) -> Result<watch::Receiver<Arc<Snapshot>>, String> {
        let worlds = self.0.lock().unwrap();
        let (Source::Workload { name, .. } | Source::Gateway { name, .. }) = &client.node.source;
        let world = worlds.get(name.as_str()).map(watch::Sender::subscribe);
        let known: Vec<&str> = worlds.keys().map(String::as_str).collect();
        world.ok_or_else(|| format!("there is no workload `{name}`; there is {}", known.join(", ")))
    }
}

/// A server that runs.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) nodes: Nodes,
    pub(crate) token: Option<&'static str>,
    pub(crate) tls: Option<ClientTlsConfig>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// A node's state, once it is so.
    pub(crate) async fn node(&self, id: &str, is: impl Fn(&NodeState) -> bool) -> Arc<NodeState> {
        let mut states = self.nodes.watch();
        let find =
            |states: &xds::ads::States| states.iter().find(|node| node.node.id == id && is(node)).cloned();
        let found = tokio::time::timeout(LONG, states.wait_for(|states| find(states).is_some())).await;
        match found {
            Ok(states) => find(&states.unwrap()).unwrap(),
            Err(_late) => panic!("`{id}` is not so: {:#?}", self.nodes.watch().borrow()),
        }
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        within(self.task).await.unwrap();
    }

    async fn channel(&self) -> Result<Channel, tonic::transport::Error> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let mut endpoint = Endpoint::try_from(format!("{scheme}://{}", self.address)).unwrap();
        if let Some(tls) = &self.tls {
            endpoint = endpoint.tls_config(tls.clone()).unwrap();
        }
        endpoint.connect().await
    }
}

/// What a node says of itself.
pub(crate) fn node(id: &str) -> core::Node {
    let workload = id.split('#').next().unwrap();
    let metadata = match workload {
        "" => serde_json::json!({}),
        name => serde_json::json!({ xds::node::METADATA: { "workload": name } }),
    };
    let version = core::BuildVersion {
        version: Some(envoy_types::pb::envoy::r#type::v3::SemanticVersion {
            major_number: 1,
            minor_number: 40,
            patch: 0,
        }),
        metadata: None,
    };
    core::Node {
        id: id.to_owned(),
        metadata: Some(xds::node::structure(&metadata)),
        user_agent_name: "envoy".to_owned(),
        user_agent_version_type: Some(UserAgentVersionType::UserAgentBuildVersion(version)),
        ..core::Node::default()
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// A stream.
struct Stream<Q, A> {
    requests: mpsc::Sender<Q>,
    responses: Result<Streaming<A>, Status>,
    node: Option<core::Node>,
    nonces: HashMap<Kind, String>,
}

impl<Q, A> Stream<Q, A>
where
    Q: prost::Message + Default + Send + Sync + 'static,
    A: prost::Message + Default + Send + Sync + 'static,
{
    async fn open(server: &Running, id: &str, path: String) -> Result<Self, tonic::transport::Error> {
        let mut grpc =
            tonic::client::Grpc::new(server.channel().await?).max_decoding_message_size(usize::MAX);
        let (requests, receiver) = mpsc::channel(16);
        let mut request = Request::new(ReceiverStream::new(receiver));
        if let Some(token) = server.token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        grpc.ready().await?;
        let codec = tonic_prost::ProstCodec::<Q, A>::default();
        let path = PathAndQuery::from_maybe_shared(Bytes::from(path)).unwrap();
        let responses = within(grpc.streaming(request, path, codec)).await.map(tonic::Response::into_inner);
        Ok(Self { requests, responses, node: Some(node(id)), nonces: HashMap::new() })
    }

    async fn next(&mut self) -> Result<Option<A>, Status> {
        match &mut self.responses {
            Ok(responses) => within(responses.message()).await,
            Err(status) => Err(status.clone()),
        }
    }

    /// The status that the stream ends with.
    async fn status(&mut self) -> Status {
        loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return Status::ok(""),
                Err(status) => return status,
            }
        }
    }
}

/// A delta client.
pub(crate) struct Delta {
    stream: Stream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>,
    versions: BTreeMap<(Kind, String), String>,
}

impl Delta {
    pub(crate) async fn connect(server: &Running, id: &str) -> Self {
        Self::try_connect(server, id).await.unwrap()
    }

    pub(crate) async fn try_connect(server: &Running, id: &str) -> Result<Self, tonic::transport::Error> {
        let path = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
        let stream = Stream::open(server, id, path.to_owned()).await?;
        Ok(Self { stream, versions: BTreeMap::new() })
    }

    pub(crate) async fn connect_for(server: &Running, id: &str, kind: Kind) -> Self {
        let path = match kind {
            Kind::Secret => "secret.v3.SecretDiscoveryService/DeltaSecrets",
            Kind::Cluster => "cluster.v3.ClusterDiscoveryService/DeltaClusters",
            Kind::Endpoints => "endpoint.v3.EndpointDiscoveryService/DeltaEndpoints",
            Kind::Listener => "listener.v3.ListenerDiscoveryService/DeltaListeners",
            Kind::Routes => "route.v3.RouteDiscoveryService/DeltaRoutes",
            Kind::VirtualHost => "route.v3.VirtualHostDiscoveryService/DeltaVirtualHosts",
        };
        let stream = Stream::open(server, id, format!("/envoy.service.{path}")).await.unwrap();
        Self { stream, versions: BTreeMap::new() }
    }

    async fn say(&mut self, request: DeltaDiscoveryRequest) {
        let request = DeltaDiscoveryRequest { node: self.stream.node.take(), ..request };
        // A stream that has ended is found out by the one who waits for a response.
        let _ = self.stream.requests.send(request).await;
    }

    pub(crate) async fn ask(&mut self, kind: Kind, more: &[&str], fewer: &[&str]) {
        self.say(DeltaDiscoveryRequest {
            type_url: kind.type_url().to_owned(),
            resource_names_subscribe: more.iter().map(|name| (*name).to_owned()).collect(),
            resource_names_unsubscribe: fewer.iter().map(|name| (*name).to_owned()).collect(),
            ..DeltaDiscoveryRequest::default()
        })
        .await;
    }

    /// Asks for the first time on a stream, with what it has from another.
    pub(crate) async fn returns(
        &mut self,
        kind: Kind,
        names: &[&str],
        versions: &BTreeMap<(Kind, String), String>,
    ) {
        let mine = versions.iter().filter(|((of, _), _)| *of == kind);
        self.say(DeltaDiscoveryRequest {
            type_url: kind.type_url().to_owned(),
            resource_names_subscribe: names.iter().map(|name| (*name).to_owned()).collect(),
            initial_resource_versions: mine
                .map(|((_, name), version)| (name.clone(), version.clone()))
                .collect(),
            ..DeltaDiscoveryRequest::default()
        })
        .await;
    }

    pub(crate) async fn ack(&mut self, kind: Kind) {
        self.answer(kind, None).await;
    }

    pub(crate) async fn nack(&mut self, kind: Kind, why: &str) {
        self.answer(kind, Some(rpc::Status { code: 13, message: why.to_owned(), details: vec![] })).await;
    }

    async fn answer(&mut self, kind: Kind, error_detail: Option<rpc::Status>) {
        self.say(DeltaDiscoveryRequest {
            type_url: kind.type_url().to_owned(),
            response_nonce: self.stream.nonces[&kind].clone(),
            error_detail,
            ..DeltaDiscoveryRequest::default()
        })
        .await;
    }

    /// The next response: `a=1 -b`.
    pub(crate) async fn next(&mut self, kind: Kind) -> String {
        let response = self.stream.next().await.unwrap().expect("a response, not the end");
        assert_eq!(response.type_url, kind.type_url());
        self.stream.nonces.insert(kind, response.nonce);
        let mut words = Vec::new();
        for resource in response.resources {
            self.versions.insert((kind, resource.name.clone()), resource.version);
            words.push(format!("{}={}", resource.name, text(resource.resource.unwrap().value)));
        }
        for name in response.removed_resources {
            words.push(format!("-{name}"));
            self.versions.remove(&(kind, name));
        }
        words.join(" ")
    }

    pub(crate) async fn expect(&mut self, kind: Kind, words: &str) {
        assert_eq!(self.next(kind).await, words);
    }

    /// What it has.
    pub(crate) fn versions(&self) -> BTreeMap<(Kind, String), String> {
        self.versions.clone()
    }

    pub(crate) async fn status(&mut self) -> Status {
        self.stream.status().await
    }

    pub(crate) async fn end(&mut self) -> Code {
        self.status().await.code()
    }
}

/// A client of the state of the world.
pub(crate) struct World {
    stream: Stream<DiscoveryRequest, DiscoveryResponse>,
    names: HashMap<Kind, Vec<String>>,
}

impl World {
    pub(crate) async fn connect(server: &Running, id: &str) -> Self {
        let path = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
        let stream = Stream::open(server, id, path.to_owned()).await.unwrap();
        Self { stream, names: HashMap::new() }
    }

    pub(crate) async fn ask(&mut self, kind: Kind, names: &[&str]) {
        self.names.insert(kind, names.iter().map(|name| (*name).to_owned()).collect());
        self.ack(kind).await;
    }

    pub(crate) async fn ack(&mut self, kind: Kind) {
        self.answer(kind, None).await;
    }

    pub(crate) async fn nack(&mut self, kind: Kind, why: &str) {
        self.answer(kind, Some(rpc::Status { code: 13, message: why.to_owned(), details: vec![] })).await;
    }

    async fn answer(&mut self, kind: Kind, error_detail: Option<rpc::Status>) {
        let request = DiscoveryRequest {
            node: self.stream.node.take(),
            type_url: kind.type_url().to_owned(),
            resource_names: self.names[&kind].clone(),
            response_nonce: self.stream.nonces.get(&kind).cloned().unwrap_or_default(),
            error_detail,
            ..DiscoveryRequest::default()
        };
        self.stream.requests.send(request).await.unwrap();
    }

    /// The next response: its version, and its resources' bytes.
    pub(crate) async fn expect(&mut self, kind: Kind, version: &str, words: &str) {
        let response = self.stream.next().await.unwrap().expect("a response, not the end");
        assert_eq!((&*response.type_url, &*response.version_info), (kind.type_url(), version));
        self.stream.nonces.insert(kind, response.nonce);
        let resources: Vec<String> = response.resources.into_iter().map(|any| text(any.value)).collect();
        assert_eq!(resources.join(" "), words);
    }
}
