//! Envoy's messages as the JSON that Envoy reads, and that people can.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;

/// The descriptions of the messages, compiled by the build script.
static POOL: LazyLock<Option<DescriptorPool>> = LazyLock::new(|| {
    DescriptorPool::decode(&include_bytes!(concat!(env!("OUT_DIR"), "/envoy.bin"))[..]).ok()
});

/// Why a message cannot be written as JSON.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// Its type is none of those that are described.
    #[error("no description of `{0}`")]
    Unknown(String),
    /// It does not fit its description.
    #[error("a message that does not fit its description")]
    Unfit(#[from] prost::DecodeError),
    /// It holds a message of a type that is not described.
    #[error("a message within that cannot be written")]
    Json(#[from] serde_json::Error),
}

/// A message as JSON, with the names of the fields as the documentation has them. Fields of maps are in the order of their names.
pub(crate) fn json<M: Message + prost::Name>(message: &M) -> Result<Value, DescribeError> {
    let name = M::full_name();
    let descriptor = POOL.as_ref().and_then(|pool| pool.get_message_by_name(&name));
    let descriptor = descriptor.ok_or(DescribeError::Unknown(name))?;
    let message = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())?;
    let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    Ok(message.serialize_with_options(serde_json::value::Serializer, &options)?)
}
