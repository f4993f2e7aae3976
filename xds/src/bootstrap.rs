//! What an Envoy is started with: a file that says where the server is, or one that says all by itself.

use std::net::SocketAddr;

use envoy_types::pb::envoy::config::bootstrap::v3 as envoy;
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::Secret;
use mesh::Plan;
use prost::Message;
use serde_json::{Value, json};

use crate::describe::{self, DescribeError};
use crate::node::{Bind, Node};
use crate::resource::{Kind, Snapshot};
use crate::translate::{Delivery, SERVER, translate};

/// Where a server is, and how Envoys get to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its address.
    pub address: SocketAddr,
    /// What it is shown, beyond loopback.
    pub token: Option<String>,
    /// Its authorities, in PEM: it is spoken to within TLS.
    pub authorities: Option<String>,
    /// Certificate and key that it is shown, in files.
    pub certificate: Option<(String, String)>,
}

impl Server {
    /// A server without a guard, which is one on loopback.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, token: None, authorities: None, certificate: None }
    }
}

/// A path with a fragment loses it, as in the built-in proxy and in Istio; Envoy by itself refuses such a request.
const FRAGMENTS: &str = "envoy.reloadable_features.http_reject_path_with_fragment";

/// The bootstrap of an Envoy that asks a server. `admin` is where Envoy's own pages are.
pub fn dynamic(node: &Node, server: &Server, admin: SocketAddr) -> Value {
    let ads = json!({"resource_api_version": "V3", "ads": {}});
    // An Envoy that finds no server, or none that knows it, asks again in a second at most; by itself it would wait up to 30.
    let again = json!({"retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"}});
    let mut service = json!({"envoy_grpc": {"cluster_name": SERVER, "retry_policy": again}});
    if let Some(token) = &server.token {
        service["initial_metadata"] = json!([{"key": "authorization", "value": format!("Bearer {token}")}]);
    }
    json!({
        "node": {"id": node.id, "cluster": SERVER, "metadata": node.metadata()},
        "admin": {"address": address(admin)},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": true,
                "grpc_services": [service],
            },
            "cds_config": ads,
            "lds_config": ads,
        },
        "static_resources": {"clusters": [own_cluster(server)]},
        "layered_runtime": runtime(),
    })
}

fn runtime() -> Value {
    json!({"layers": [{"name": "meshwright", "static_layer": {FRAGMENTS: false}}]})
}

fn own_cluster(server: &Server) -> Value {
    const HTTP: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    // A server that has gone silently is noticed in seconds, so that Envoy looks for it again.
    let keepalive = json!({"connection_keepalive": {"interval": "5s", "timeout": "5s"}});
    let mut options = json!({"explicit_http_config": {"http2_protocol_options": keepalive}});
    options["@type"] = json!(format!("type.googleapis.com/{HTTP}"));
    let mut cluster = json!({
        "name": SERVER,
        "type": "STATIC",
        "connect_timeout": "5s",
        "typed_extension_protocol_options": {HTTP: options},
        "load_assignment": {
            "cluster_name": SERVER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(server.address)}}]}],
        },
    });
    if let Some(authorities) = &server.authorities {
        let mut context = json!({
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": {
                "validation_context": {"trusted_ca": {"filename": authorities}},
                "alpn_protocols": ["h2"],
            },
        });
        if let Some((certificate, key)) = &server.certificate {
            context["common_tls_context"]["tls_certificates"] = json!([{
                "certificate_chain": {"filename": certificate},
                "private_key": {"filename": key},
            }]);
        }
        cluster["transport_socket"] = json!({"name": "envoy.transport_sockets.tls", "typed_config": context});
    }
    cluster
}

fn address(at: SocketAddr) -> Value {
    json!({"socket_address": {"address": at.ip(), "port_value": at.port()}})
}

/// A bootstrap that holds all that a plan says, for an Envoy that asks nobody.
pub fn fixed(plan: &Plan, bind: &Bind, admin: Option<SocketAddr>) -> Result<Value, DescribeError> {
    let snapshot = translate(plan, bind, Delivery::Static);
    let resources = envoy::bootstrap::StaticResources {
        listeners: decoded(&snapshot, Kind::Listener)?,
        clusters: decoded(&snapshot, Kind::Cluster)?,
        secrets: decoded::<Secret>(&snapshot, Kind::Secret)?,
    };
    let admin = admin.map(|at| envoy::Admin {
        address: Some(core::Address {
            address: Some(core::address::Address::SocketAddress(core::SocketAddress {
                address: at.ip().to_string(),
                port_specifier: Some(core::socket_address::PortSpecifier::PortValue(at.port().into())),
                ..Default::default()
            })),
        }),
        ..Default::default()
    });
    let made = envoy::Bootstrap { static_resources: Some(resources), admin, ..Default::default() };
    let mut made = describe::json(&made)?;
    made["layered_runtime"] = runtime();
    Ok(made)
}

fn decoded<M: Message + Default>(snapshot: &Snapshot, kind: Kind) -> Result<Vec<M>, DescribeError> {
    let all = snapshot.of(kind).values().map(|resource| M::decode(resource.body.value.as_slice()));
    Ok(all.collect::<Result<_, _>>()?)
}
