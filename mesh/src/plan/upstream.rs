//! What few clusters ask for on the way to their endpoints. It is read out of the merged policy when a data plane asks: the
//! page never does, and carries nothing of it.

use std::net::Ipv6Addr;
use std::time::Duration;

use serde_json::Value;

use super::ClusterPolicy;
use crate::resource::DurationString;

/// How long the answer to a ping of HTTP/2 may take unless the policy says it.
const ANSWER: Duration = Duration::from_secs(20);

/// A version of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyHeader {
    /// A line of text.
    V1,
    /// Bytes.
    V2,
}

/// A tunnel through the endpoints, which take connections on by HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// Host and port that are asked for.
    pub authority: String,
    /// By `POST` rather than `CONNECT`.
    pub post: bool,
}

impl ClusterPolicy {
    /// The header that connections begin with (`proxyProtocol`).
    pub fn proxy_header(&self) -> Option<ProxyHeader> {
        let asked = self.raw.get("proxyProtocol")?;
        Some(if asked["version"] == "V2" { ProxyHeader::V2 } else { ProxyHeader::V1 })
    }

    /// The tunnel that connections go through (`tunnel`).
    pub fn tunnel(&self) -> Option<Tunnel> {
        let asked = self.raw.get("tunnel")?;
        let (host, port) = (asked["targetHost"].as_str()?, asked["targetPort"].as_u64()?);
        let host = if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
        Some(Tunnel { authority: format!("{host}:{port}"), post: asked["protocol"] == "POST" })
    }

    /// How often connections of HTTP/2 are asked whether they live, and how long they have for the answer
    /// (`http2KeepAlive`).
    pub fn pings(&self) -> Option<(Duration, Duration)> {
        let asked = self.raw.get("connectionPool")?.get("http")?.get("http2KeepAlive")?;
        let time = |value: &Value| {
            let text = DurationString(value.as_str()?.to_owned());
            text.parse().ok().filter(|time: &Duration| !time.is_zero())
        };
        Some((time(&asked["interval"])?, time(&asked["timeout"]).unwrap_or(ANSWER)))
    }
}
