//! Requests as they come over the wire.

use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::core::v3::node::UserAgentVersionType;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use tonic::Status;
use tonic::body::Body;

use super::encode::Protocol;
use super::session::Ask;
use crate::incoming::Incoming;

/// A request for resources.
#[derive(Debug)]
pub(super) struct Request {
    /// Whose, on the first one of a stream.
    pub(super) node: Option<core::Node>,
    /// Of which kind.
    pub(super) type_url: String,
    /// What it says.
    pub(super) ask: Ask,
}

/// The requests of a stream.
#[derive(Debug)]
pub(super) enum Requests {
    /// Of the state of the world.
    World(Incoming<DiscoveryRequest>),
    /// Of what differs.
    Delta(Incoming<DeltaDiscoveryRequest>),
}

impl Requests {
    /// The requests in a body.
    pub(super) fn new(protocol: Protocol, body: Body) -> Self {
        match protocol {
            Protocol::World => Self::World(Incoming::new(body)),
            Protocol::Delta => Self::Delta(Incoming::new(body)),
        }
    }

    /// The next one; nothing when the client has no more. May be given up and asked again.
    pub(super) async fn next(&mut self) -> Result<Option<Request>, Status> {
        Ok(match self {
            Self::World(requests) => requests.next().await?.map(world),
            Self::Delta(requests) => requests.next().await?.map(delta),
        })
    }
}

fn delta(request: DeltaDiscoveryRequest) -> Request {
    let names = |mut names: Vec<String>, locators: Vec<_>| {
        names.extend(locators.into_iter().map(locator));
        names
    };
    Request {
        node: request.node,
        type_url: request.type_url,
        ask: Ask {
            subscribe: names(request.resource_names_subscribe, request.resource_locators_subscribe),
            unsubscribe: names(request.resource_names_unsubscribe, request.resource_locators_unsubscribe),
            initial: request.initial_resource_versions,
            nonce: nonce(&request.response_nonce),
            error: request.error_detail.map(|status| status.message),
        },
    }
}

fn world(request: DiscoveryRequest) -> Request {
    let mut subscribe = request.resource_names;
    subscribe.extend(request.resource_locators.into_iter().map(locator));
    Request {
        node: request.node,
        type_url: request.type_url,
        ask: Ask {
            subscribe,
            nonce: nonce(&request.response_nonce),
            error: request.error_detail.map(|status| status.message),
            ..Ask::default()
        },
    }
}

fn locator(locator: envoy_types::pb::envoy::service::discovery::v3::ResourceLocator) -> String {
    locator.name
}

/// The number of a response; none that was ever sent if it is not ours.
fn nonce(text: &str) -> Option<u64> {
    (!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX))
}

/// The version of a client.
pub(super) fn version(node: &core::Node) -> String {
    match &node.user_agent_version_type {
        Some(UserAgentVersionType::UserAgentVersion(version)) => version.clone(),
        Some(UserAgentVersionType::UserAgentBuildVersion(build)) => {
            let version = build.version.unwrap_or_default();
            format!("{}.{}.{}", version.major_number, version.minor_number, version.patch)
        }
        None => String::new(),
    }
}
