//! Clients that ask as Envoys do, take everything, and keep nothing.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use h2::SendStream;
use http::{Method, Request};
use prost::Message;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use xds::node::{Bind, Node};
use xds::resource::Kind;

use crate::parser::{Parser, Seen};
use crate::{Failure, made};

/// What all clients of a process share.
struct Known {
    /// The clusters that there were when they started.
    clusters: HashSet<String>,
    /// The request for the endpoints of all of them.
    endpoints: Bytes,
    /// The request for the routes.
    routes: Bytes,
}

/// Runs clients until the one who started them ends. The file has the names of endpoints and, after a line, of routes.
pub(crate) async fn run(address: SocketAddr, count: usize, names: &Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(names)?;
    let (clusters, routes) = text.split_once("---\n").ok_or("the file of names has two parts")?;
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let known = Arc::new(Known {
        clusters: lines(clusters).into_iter().collect(),
        endpoints: subscribe(Kind::Endpoints, lines(clusters)),
        routes: subscribe(Kind::Routes, lines(routes)),
    });
    let clients: Vec<_> = (0..count)
        .map(|number| {
            let known = Arc::clone(&known);
            tokio::spawn(async move {
                if let Err(error) = client(address, number, &known).await {
                    eprintln!("client {number}: {error}");
                }
            })
        })
        .collect();
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    clients.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}

async fn client(address: SocketAddr, number: usize, known: &Known) -> Result<(), Failure> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(1 << 18).initial_connection_window_size(1 << 18);
    let (mut sender, connection) = builder.handshake(tcp).await?;
    tokio::spawn(connection);
    let path = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())?;
    let (response, mut requests) = sender.send_request(request, false)?;
    let node = Node { id: format!("client-{number}"), source: made::source(), bind: Bind::default() };
    let node = core::Node {
        id: node.id.clone(),
        metadata: Some(xds::node::structure(&node.metadata())),
        user_agent_name: "bench".to_owned(),
        ..core::Node::default()
    };
    let first = DeltaDiscoveryRequest {
        node: Some(node),
        type_url: Kind::Cluster.type_url().to_owned(),
        ..DeltaDiscoveryRequest::default()
    };
    requests.send_data(frame(&first), false)?;
    let mut body = response.await?.into_body();
    let (mut parser, mut asked) = (Parser::default(), HashSet::new());
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        let mut seen = Vec::new();
        parser.feed(&data, |it| seen.push(it));
        for seen in seen {
            answer(&seen, known, &mut asked, &mut requests)?;
            // Of the first clusters it is known what they are called.
            parser.names |= seen.kind == Some(Kind::Cluster);
        }
    }
    Err("the server has ended the stream".into())
}

/// Takes a response, and asks for what Envoy would ask for then.
fn answer(
    seen: &Seen,
    known: &Known,
    asked: &mut HashSet<Kind>,
    requests: &mut SendStream<Bytes>,
) -> Result<(), Failure> {
    let kind = seen.kind.ok_or("a response of no kind")?;
    match kind {
        Kind::Cluster if asked.insert(Kind::Endpoints) => {
            requests.send_data(known.endpoints.clone(), false)?
        }
        Kind::Cluster => {
            let new = seen.names.iter().filter(|name| !known.clusters.contains(*name));
            let new: Vec<String> = new.cloned().collect();
            if !new.is_empty() {
                requests.send_data(subscribe(Kind::Endpoints, new), false)?;
            }
        }
        Kind::Endpoints if asked.insert(Kind::Listener) => {
            requests.send_data(subscribe(Kind::Listener, Vec::new()), false)?;
        }
        Kind::Listener if asked.insert(Kind::Routes) => requests.send_data(known.routes.clone(), false)?,
        Kind::Routes if asked.insert(Kind::VirtualHost) => {
            requests.send_data(subscribe(Kind::VirtualHost, Vec::new()), false)?;
        }
        _ => {}
    }
    let ack = DeltaDiscoveryRequest {
        type_url: kind.type_url().to_owned(),
        response_nonce: String::from_utf8(seen.nonce.clone())?,
        ..DeltaDiscoveryRequest::default()
    };
    requests.send_data(frame(&ack), false)?;
    Ok(())
}

fn subscribe(kind: Kind, names: Vec<String>) -> Bytes {
    frame(&DeltaDiscoveryRequest {
        type_url: kind.type_url().to_owned(),
        resource_names_subscribe: names,
        ..DeltaDiscoveryRequest::default()
    })
}

fn frame(request: &DeltaDiscoveryRequest) -> Bytes {
    let length = request.encoded_len();
    let mut out = BytesMut::with_capacity(5 + length);
    out.put_u8(0);
    out.put_u32(u32::try_from(length).unwrap_or_default());
    // There is room for it.
    let _ = request.encode(&mut out);
    out.freeze()
}
