//! The PROXY protocol: what a connection to an endpoint begins with, so that the endpoint knows whose it is.
//!
//! (HAProxy's `proxy-protocol.txt`. Writing it is this short; reading it, which nobody here does, would be a library's work.)

use std::net::{IpAddr, SocketAddr};

use mesh::plan::ProxyHeader;

/// What the second version begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The second version; the connection is the proxy's own.
const LOCAL: u8 = 0x20;
/// The second version; the connection is a client's.
const PROXIED: u8 = 0x21;

/// A client's connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientInfo {
    /// Where it comes from.
    pub(crate) peer: SocketAddr,
    /// Where it came to, or wanted to come to.
    pub(crate) local: SocketAddr,
    /// HTTP/2 is spoken on it.
    pub(crate) h2: bool,
}

/// The header for a client's connection from the first address to the second; without them it is the proxy's own.
pub(crate) fn header(version: ProxyHeader, ends: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    let ends = ends.map(|(from, to)| alike(from, to));
    match (version, ends) {
        (ProxyHeader::V1, None) => b"PROXY UNKNOWN\r\n".to_vec(),
        (ProxyHeader::V1, Some((from, to))) => {
            let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
            let (source, destination) = (from.ip(), to.ip());
            format!("PROXY {family} {source} {destination} {} {}\r\n", from.port(), to.port()).into_bytes()
        }
        (ProxyHeader::V2, None) => [&SIGNATURE[..], &[LOCAL, 0, 0, 0]].concat(),
        (ProxyHeader::V2, Some((from, to))) => {
            let bytes = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            // The family, TCP, and how long the addresses with their ports are.
            let (family, length) = if from.is_ipv4() { (0x11, 12) } else { (0x21, 36) };
            let mut header = [&SIGNATURE[..], &[PROXIED, family, 0, length]].concat();
            header.extend([bytes(from.ip()), bytes(to.ip())].concat());
            header.extend(from.port().to_be_bytes());
            header.extend(to.port().to_be_bytes());
            header
        }
    }
}

/// Addresses of one family: there is no header for two.
fn alike(from: SocketAddr, to: SocketAddr) -> (SocketAddr, SocketAddr) {
    let plain = |it: SocketAddr| SocketAddr::new(it.ip().to_canonical(), it.port());
    let (from, to) = (plain(from), plain(to));
    if from.is_ipv4() == to.is_ipv4() {
        return (from, to);
    }
    let wide = |it: SocketAddr| match it.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), it.port()),
        IpAddr::V6(_) => it,
    };
    (wide(from), wide(to))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::header;
    use mesh::plan::ProxyHeader::{V1, V2};

    fn ends(from: &str, to: &str) -> Option<(SocketAddr, SocketAddr)> {
        Some((from.parse().unwrap(), to.parse().unwrap()))
    }

    #[test]
    fn headers() {
        let v1 = |ends| String::from_utf8(header(V1, ends)).unwrap();
        assert_eq!(v1(ends("1.2.3.4:5", "6.7.8.9:80")), "PROXY TCP4 1.2.3.4 6.7.8.9 5 80\r\n");
        assert_eq!(v1(ends("[::ffff:1.2.3.4]:5", "6.7.8.9:80")), "PROXY TCP4 1.2.3.4 6.7.8.9 5 80\r\n");
        assert_eq!(v1(ends("[::1]:5", "[::2]:80")), "PROXY TCP6 ::1 ::2 5 80\r\n");
        assert_eq!(v1(ends("[::1]:5", "1.2.3.4:80")), "PROXY TCP6 ::1 ::ffff:1.2.3.4 5 80\r\n");
        assert_eq!(v1(None), "PROXY UNKNOWN\r\n");
        let v2 = header(V2, ends("1.2.3.4:5", "6.7.8.9:80"));
        assert_eq!(v2[..12], *b"\x0d\x0a\x0d\x0a\x00\x0d\x0aQUIT\x0a");
        assert_eq!(v2[12..], [0x21, 0x11, 0, 12, 1, 2, 3, 4, 6, 7, 8, 9, 0, 5, 0, 80]);
        let wide = header(V2, ends("[::1]:5", "[::2]:80"));
        assert_eq!((wide[13], wide[15], wide.len()), (0x21, 36, 16 + 36));
        assert_eq!(header(V2, None)[12..], [0x20, 0, 0, 0]);
    }
}
