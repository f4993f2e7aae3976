//! Who an Envoy is: what it says of itself when it connects.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Value};
use mesh::Source;

/// The field of a node's metadata under which all of ours is.
pub const METADATA: &str = "meshwright";
/// The longest id, and the longest name in the metadata, in bytes: what Envoys say of themselves is kept and shown.
const LONGEST: usize = 512;

/// An Envoy, as it introduces itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Node {
    /// Its id: one for each process.
    pub id: String,
    /// Whose traffic it routes.
    pub source: Source,
    /// Where it is to listen.
    pub bind: Bind,
}

/// Where an Envoy listens: xDS names the ports, but only the one who starts an Envoy knows which are free.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bind {
    /// The address of listeners that [`Bind::ports`] does not name.
    pub address: IpAddr,
    /// A workload's listener for HTTP to all ports.
    pub http: Option<SocketAddr>,
    /// Where a port of the resources is listened on instead of on [`Bind::address`].
    pub ports: BTreeMap<u16, SocketAddr>,
    /// For how long nothing of a request, its response or an upgraded connection may move; 0 is no limit. This is the server's
    /// to say.
    pub stream_idle: Duration,
}

/// How long a stream may stand still unless something else is said: Envoy's own default.
pub const STREAM_IDLE: Duration = Duration::from_secs(300);

impl Default for Bind {
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            http: None,
            ports: BTreeMap::new(),
            stream_idle: STREAM_IDLE,
        }
    }
}

impl Bind {
    /// Where a port of the resources is listened on.
    pub fn port(&self, port: u16) -> SocketAddr {
        self.ports.get(&port).copied().unwrap_or_else(|| SocketAddr::new(self.address, port))
    }
}

/// Why an Envoy cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The first request carries no node.
    #[error("the first request of a stream says which node it comes from")]
    Absent,
    /// Nobody could read it, and it is kept.
    #[error("the node's {0} has more than {LONGEST} bytes")]
    Long(&'static str),
    /// A field of the metadata is missing or wrong.
    #[error("the node's metadata `{METADATA}.{field}` is {value:?}: {wanted}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it says, empty if nothing.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
}

impl Node {
    /// Reads what an Envoy says of itself.
    pub fn read(node: Option<&core::Node>) -> Result<Self, NodeError> {
        let node = node.ok_or(NodeError::Absent)?;
        let own = node.metadata.as_ref().and_then(|all| match all.fields.get(METADATA)?.kind.as_ref()? {
            Kind::StructValue(own) => Some(own),
            _ => None,
        });
        let text = |field| own.and_then(|own| text_of(own.fields.get(field)?));
        if node.id.len() > LONGEST {
            return Err(NodeError::Long("id"));
        }
        for field in ["workload", "gateway", "address", "http"] {
            if text(field).is_some_and(|text| text.len() > LONGEST) {
                return Err(NodeError::Long(field));
            }
        }
        let source = match (text("workload"), text("gateway")) {
            (Some(name), None) => Source::named("workload", name),
            (None, Some(name)) => Source::named("gateway", name),
            _ => {
                let wanted = "either this or `gateway` names whose traffic the Envoy routes";
                return Err(NodeError::Field { field: "workload", value: String::new(), wanted });
            }
        };
        let mut bind = Bind::default();
        if let Some(address) = text("address") {
            let wanted = "an IP address";
            bind.address = address.parse().map_err(|_error| field_error("address", address, wanted))?;
        }
        if let Some(http) = text("http") {
            bind.http = Some(socket("http", http)?);
        }
        if let Some(Kind::StructValue(ports)) = own.and_then(|own| own.fields.get("ports")?.kind.as_ref()) {
            for (port, at) in &ports.fields {
                let number = port.parse().map_err(|_error| field_error("ports", port, "keys are ports"))?;
                bind.ports.insert(number, socket("ports", text_of(at).unwrap_or_default())?);
            }
        }
        Ok(Self { id: node.id.clone(), source, bind })
    }

    /// The same as an Envoy's bootstrap says it.
    pub fn metadata(&self) -> serde_json::Value {
        let [kind, namespace, name] = self.source.parts();
        let mut own =
            serde_json::json!({ kind: format!("{namespace}/{name}"), "address": self.bind.address });
        if let Some(http) = self.bind.http {
            own["http"] = http.to_string().into();
        }
        if !self.bind.ports.is_empty() {
            let ports = self.bind.ports.iter().map(|(port, at)| (port.to_string(), at.to_string().into()));
            own["ports"] = serde_json::Value::Object(ports.collect());
        }
        serde_json::json!({ METADATA: own })
    }
}

fn text_of(value: &Value) -> Option<&str> {
    match value.kind.as_ref()? {
        Kind::StringValue(text) => Some(text),
        _ => None,
    }
}

fn socket(field: &'static str, text: &str) -> Result<SocketAddr, NodeError> {
    text.parse().map_err(|_error| field_error(field, text, "an address with a port, as in 127.0.0.1:15001"))
}

fn field_error(field: &'static str, value: &str, wanted: &'static str) -> NodeError {
    NodeError::Field { field, value: value.to_owned(), wanted }
}

/// JSON as protobuf's `Struct` has it.
pub fn structure(json: &serde_json::Value) -> Struct {
    let fields = json.as_object().into_iter().flatten();
    Struct { fields: fields.map(|(name, value)| (name.clone(), self::value(value))).collect() }
}

fn value(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(it) => Kind::BoolValue(*it),
        Json::Number(it) => Kind::NumberValue(it.as_f64().unwrap_or_default()),
        Json::String(it) => Kind::StringValue(it.clone()),
        Json::Array(list) => Kind::ListValue(envoy_types::pb::google::protobuf::ListValue {
            values: list.iter().map(value).collect(),
        }),
        Json::Object(_) => Kind::StructValue(structure(json)),
    };
    Value { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_read_as_they_are_written() {
        let namespace = "shop".to_owned();
        for (source, bind) in [
            (Source::Workload { namespace: namespace.clone(), name: "a".to_owned() }, Bind::default()),
            (
                Source::Gateway { namespace, name: "g".to_owned() },
                Bind {
                    address: "0.0.0.0".parse().unwrap(),
                    http: Some("127.0.0.1:15001".parse().unwrap()),
                    ports: BTreeMap::from([(3306, "[::1]:4000".parse().unwrap())]),
                    ..Bind::default()
                },
            ),
        ] {
            let node = Node { id: "it".to_owned(), source, bind };
            let metadata = structure(&node.metadata());
            let said = core::Node { id: "it".to_owned(), metadata: Some(metadata), ..core::Node::default() };
            assert_eq!(Node::read(Some(&said)).unwrap(), node);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (own, part) in [
            (serde_json::json!({}), "either this or `gateway`"),
            (serde_json::json!({"workload": "a", "gateway": "b"}), "either this or `gateway`"),
            (serde_json::json!({"workload": "a", "http": "127.0.0.1"}), "`meshwright.http` is \"127.0.0.1\""),
            (serde_json::json!({"workload": "a", "address": "x"}), "an IP address"),
            (serde_json::json!({"workload": "a", "ports": {"x": "127.0.0.1:1"}}), "keys are ports"),
        ] {
            let metadata = Some(structure(&serde_json::json!({ METADATA: own })));
            let error = Node::read(Some(&core::Node { metadata, ..core::Node::default() })).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
        assert!(matches!(Node::read(None), Err(NodeError::Absent)));
        let long = "x".repeat(LONGEST + 1);
        let own = serde_json::json!({ METADATA: { "workload": long.as_str() } });
        let node = core::Node { metadata: Some(structure(&own)), ..core::Node::default() };
        assert!(matches!(Node::read(Some(&node)), Err(NodeError::Long("workload"))));
        assert!(matches!(Node::read(Some(&core::Node { id: long, ..node })), Err(NodeError::Long("id"))));
    }
}
