//! Responses as bytes: the resources, which streams share, and before them what is each stream's own.
//!
//! The generated types hold each resource as bytes of their own, and would copy all of them for every stream.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use envoy_types::pb::google::protobuf::Any;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use crate::resource::{Kind, Resource};

/// Which of the two ways a stream has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Each response has all that there is, or all that was asked for.
    World,
    /// Each response has what is new and what is gone.
    Delta,
}

/// The resources and absences of a `DeltaDiscoveryResponse`.
pub(super) fn delta(kind: Kind, resources: &[Arc<Resource>], missing: &[Arc<str>]) -> Bytes {
    let lengths = resources.iter().map(|it| (any_len(&it.body), resource_len(it)));
    let lengths: Vec<(usize, usize)> = lengths.collect();
    let size = lengths.iter().map(|(_, length)| field_len(*length)).sum::<usize>()
        + missing.iter().map(|name| 2 * field_len(name.len()) + 2).sum::<usize>();
    let mut out = BytesMut::with_capacity(size);
    for (resource, (any, length)) in resources.iter().zip(lengths) {
        header(2, length, &mut out);
        bytes(1, version(resource).as_bytes(), &mut out);
        header(2, any, &mut out);
        put_any(&resource.body, &mut out);
        bytes(3, resource.name.as_bytes(), &mut out);
    }
    for name in missing {
        // A virtual host that is not there is answered by one without a body, for Envoy to let go the request that waits for it.
        if kind == Kind::VirtualHost {
            header(2, 2 * field_len(name.len()), &mut out);
            bytes(3, name.as_bytes(), &mut out);
            bytes(4, name.as_bytes(), &mut out);
        } else {
            bytes(6, name.as_bytes(), &mut out);
        }
    }
    out.freeze()
}

/// The removals of a `DeltaDiscoveryResponse`.
pub(super) fn removed<'a>(names: impl Iterator<Item = &'a Arc<str>>) -> Bytes {
    let mut out = BytesMut::new();
    for name in names {
        bytes(6, name.as_bytes(), &mut out);
    }
    out.freeze()
}

/// The resources of a `DiscoveryResponse`.
pub(super) fn world(resources: &[Arc<Resource>]) -> Bytes {
    let size = resources.iter().map(|it| field_len(any_len(&it.body))).sum();
    let mut out = BytesMut::with_capacity(size);
    for resource in resources {
        header(2, any_len(&resource.body), &mut out);
        put_any(&resource.body, &mut out);
    }
    out.freeze()
}

/// The fields that are not resources: both responses have the same.
pub(super) fn head(kind: Kind, revision: u64, nonce: u64, out: &mut BytesMut) {
    bytes(1, revision.to_string().as_bytes(), out);
    bytes(4, kind.type_url().as_bytes(), out);
    bytes(5, nonce.to_string().as_bytes(), out);
}

/// A resource's version as it is written.
pub(super) fn version(resource: &Resource) -> String {
    format!("{:016x}", resource.version)
}

fn resource_len(resource: &Resource) -> usize {
    field_len(16) + field_len(any_len(&resource.body)) + field_len(resource.name.len())
}

fn any_len(any: &Any) -> usize {
    field_len(any.type_url.len()) + field_len(any.value.len())
}

fn put_any(any: &Any, out: &mut BytesMut) {
    bytes(1, any.type_url.as_bytes(), out);
    bytes(2, &any.value, out);
}

/// The length of a field with a length, with a number below 16.
fn field_len(length: usize) -> usize {
    1 + encoded_len_varint(length as u64) + length
}

fn bytes(field: u32, value: &[u8], out: &mut BytesMut) {
    header(field, value.len(), out);
    out.put_slice(value);
}

fn header(field: u32, length: usize, out: &mut BytesMut) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(length as u64, out);
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::service::discovery::v3 as discovery;
    use prost::Message;

    use super::*;

    #[test]
    fn responses_are_read_as_they_are_written() {
        let bytes = vec![7; 300];
        let resource = Arc::new(Resource::new(Kind::Cluster, "a", bytes));
        let mut out = BytesMut::new();
        head(Kind::Cluster, 12, 3, &mut out);
        let body = delta(Kind::Cluster, &[Arc::clone(&resource)], &["b".into()]);
        out.put(body);
        assert_eq!(
            discovery::DeltaDiscoveryResponse::decode(out).unwrap(),
            discovery::DeltaDiscoveryResponse {
                system_version_info: "12".to_owned(),
                resources: vec![discovery::Resource {
                    name: "a".to_owned(),
                    version: format!("{:016x}", resource.version),
                    resource: Some(resource.body.clone()),
                    ..discovery::Resource::default()
                }],
                type_url: Kind::Cluster.type_url().to_owned(),
                removed_resources: vec!["b".to_owned()],
                nonce: "3".to_owned(),
                ..discovery::DeltaDiscoveryResponse::default()
            }
        );

        let mut out = BytesMut::new();
        head(Kind::Cluster, 12, 3, &mut out);
        out.put(world(&[Arc::clone(&resource)]));
        assert_eq!(
            discovery::DiscoveryResponse::decode(out).unwrap(),
            discovery::DiscoveryResponse {
                version_info: "12".to_owned(),
                resources: vec![resource.body.clone()],
                type_url: Kind::Cluster.type_url().to_owned(),
                nonce: "3".to_owned(),
                ..discovery::DiscoveryResponse::default()
            }
        );
    }

    #[test]
    fn a_virtual_host_that_is_not_there_is_said_to_be_nothing() {
        let body = delta(Kind::VirtualHost, &[], &["routes/host".into()]);
        let response = discovery::DeltaDiscoveryResponse::decode(body).unwrap();
        let [host] = &response.resources[..] else { panic!("{response:?}") };
        assert_eq!((&*host.name, &host.aliases[..]), ("routes/host", &["routes/host".to_owned()][..]));
        assert_eq!(host.resource, None);
    }
}
