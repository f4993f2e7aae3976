//! What Envoys ask, answer and write down, as messages on streams of the xDS server.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use envoy_types::pb::envoy::service::accesslog::v3::{StreamAccessLogsMessage, StreamAccessLogsResponse};
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use prost::Message;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use xds::ads::{Client, Options, Server, SnapshotSource};
use xds::resource::{Kind, Resource, Snapshot};

/// A stream that has been said all to ends in this time, or it hangs.
const LONG: Duration = Duration::from_secs(10);
/// Messages of one input, at most.
const MESSAGES: usize = 16;

/// The services whose streams take what outsiders say.
const DELTA: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
const WORLD: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
const LOGS: &str = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";

/// The same few resources for whoever asks.
struct Everyone(watch::Sender<Arc<Snapshot>>);

impl SnapshotSource for Everyone {
    fn subscribe(&self, _client: &Client) -> Result<watch::Receiver<Arc<Snapshot>>, String> {
        Ok(self.0.subscribe())
    }
}

struct Running {
    runtime: Runtime,
    channel: Channel,
}

static SERVER: LazyLock<Running> =
    LazyLock::new(|| start().unwrap_or_else(|error| panic!("the xDS server does not start: {error}")));

fn start() -> Result<Running, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut snapshot = Snapshot::new(1);
    for kind in Kind::ALL {
        let named = |name: &str| (Arc::from(name), Arc::new(Resource::new(kind, name, b"x".to_vec())));
        snapshot.set(kind, Arc::new(["a", "b", "r/h"].map(named).into_iter().collect()));
    }
    let (sink, mut logs) = xds::als::channel(64);
    let options = Options { logs: Some(sink), ..Options::default() };
    let address = runtime.block_on(async {
        let listener = xds::ads::listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.local_addr()?;
        let worlds = Arc::new(Everyone(watch::Sender::new(Arc::new(snapshot))));
        tokio::spawn(Server::new(worlds, options).serve(listener, CancellationToken::new()));
        tokio::spawn(async move { while logs.next().await.is_some() {} });
        Ok::<_, std::io::Error>(address)
    })?;
    let channel = runtime.block_on(Endpoint::try_from(format!("http://{address}"))?.connect())?;
    Ok(Running { runtime, channel })
}

/// Says some messages on a stream and reads what comes: the first byte chooses the service, and each message has its length before
/// it, in two bytes.
///
/// # Panics
/// Where a stream does not end although all has been said.
pub fn xds(data: &[u8]) {
    let Some((&first, mut rest)) = data.split_first() else { return };
    let mut pieces = Vec::new();
    while let ([high, low, more @ ..], true) = (rest, pieces.len() < MESSAGES) {
        let size = usize::from(u16::from_be_bytes([*high, *low])).min(more.len());
        let (piece, more) = more.split_at(size);
        pieces.push(piece);
        rest = more;
    }
    match first % 3 {
        0 => say::<DeltaDiscoveryRequest, DeltaDiscoveryResponse>(DELTA, &pieces),
        1 => say::<DiscoveryRequest, DiscoveryResponse>(WORLD, &pieces),
        _ => say::<StreamAccessLogsMessage, StreamAccessLogsResponse>(LOGS, &pieces),
    }
}

fn say<Q, A>(path: &'static str, pieces: &[&[u8]])
where
    Q: Message + Default + Send + Sync + 'static,
    A: Message + Default + Send + Sync + 'static,
{
    let messages: Vec<Q> =
        pieces.iter().filter_map(|&piece| Q::decode(Bytes::copy_from_slice(piece)).ok()).collect();
    let talk = async {
        let mut grpc = tonic::client::Grpc::new(SERVER.channel.clone());
        if grpc.ready().await.is_err() {
            panic!("the xDS server takes no stream any more");
        }
        let codec = tonic_prost::ProstCodec::<Q, A>::default();
        let path = PathAndQuery::from_static(path);
        let request = tonic::Request::new(tokio_stream::iter(messages));
        let Ok(answers) = grpc.streaming(request, path, codec).await else { return };
        let mut answers = answers.into_inner();
        while let Ok(Some(_)) = answers.message().await {}
    };
    let ended = SERVER.runtime.block_on(async { tokio::time::timeout(LONG, talk).await });
    assert!(ended.is_ok(), "the stream does not end");
}
