//! Protobuf by hand, where generated types do not do: maps in an order, and messages within messages that are encoded already.

use envoy_types::pb::google::protobuf::Any;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

/// Appends a field that holds bytes: a text or a message.
pub(super) fn append(message: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    encode_key(field, WireType::LengthDelimited, message);
    encode_varint(bytes.len() as u64, message);
    message.extend_from_slice(bytes);
}

/// An entry of a map from names to messages.
pub(super) fn entry(name: &str, value: &Any) -> Vec<u8> {
    let mut entry = Vec::new();
    append(&mut entry, 1, name.as_bytes());
    append(&mut entry, 2, &value.encode_to_vec());
    entry
}
