//! What is believed of a request before anything is decided about it: at a gateway only what the proxy sees itself.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use mesh::plan::Subnet;
use mesh::route::edge::{PREFIX, is_for_insiders};

use crate::headers::{
    CLIENT_CERTIFICATE, EXTERNAL_ADDRESS, FORWARDED_FOR, FORWARDED_PROTO, INTERNAL, REQUEST_ID,
    forwarded_for, request_id,
};
use crate::request::client::Client;
use crate::request::inbound::scheme;

/// Takes off a gateway's request what its client may not say, and says what is known of the client.
///
/// As Envoy does it: a client that comes through others is external, whatever its address, and an external request begins here,
/// so it gets a new id.
pub(crate) fn sanitize(
    headers: &mut HeaderMap,
    client: &Client,
    internal: &[Subnet],
    random: impl FnOnce() -> u128,
) {
    // One look at the names is cheaper than one at the map for each of them.
    let (mut envoys, mut through, mut certified) = (false, false, false);
    for name in headers.keys() {
        match name.as_str() {
            "x-forwarded-for" => through = true,
            "x-forwarded-client-cert" => certified = true,
            name => envoys |= name.starts_with(PREFIX),
        }
    }
    let within =
        !through && !internal.is_empty() && internal.iter().any(|network| network.contains(client.peer.ip()));
    if envoys {
        if within {
            headers.remove(INTERNAL);
        } else {
            let refused = headers.keys().filter(|name| is_for_insiders(name.as_str())).cloned();
            let refused: Vec<HeaderName> = refused.collect();
            refused.iter().for_each(|name| drop(headers.remove(name)));
        }
    }
    headers.reserve(ROOM);
    if through {
        forwarded_for(headers, &client.peer_shown);
    } else {
        headers.insert(FORWARDED_FOR, client.peer_shown.clone());
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme(client.secured.is_some())));
    match client.secured.as_ref().and_then(|secured| secured.certificate.as_ref()) {
        Some(certificate) => drop(headers.insert(CLIENT_CERTIFICATE, certificate.clone())),
        None if certified => drop(headers.remove(CLIENT_CERTIFICATE)),
        None => {}
    }
    if within {
        headers.insert(INTERNAL, HeaderValue::from_static("true"));
    } else {
        headers.insert(EXTERNAL_ADDRESS, client.peer_shown.clone());
    }
    if !within || !headers.contains_key(REQUEST_ID) {
        headers.insert(REQUEST_ID, request_id(random()));
    }
}

/// For the headers that a request gets here and on its way.
const ROOM: usize = 9;
