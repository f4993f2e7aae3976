//! Protocols of service ports.

/// What is spoken on a port of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PortProtocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/2 in plain text, gRPC among it.
    Http2,
    /// Nobody says: the proxy looks, and treats it as HTTP where it is.
    Auto,
    /// TLS, whatever is within.
    Tls,
    /// Any other TCP.
    Tcp,
    /// UDP, which a mesh leaves alone.
    Udp,
}

impl PortProtocol {
    /// Reads `protocol` of a ServiceEntry's or Gateway's port.
    pub fn parse(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "http" | "http_proxy" => Self::Http,
            "http2" | "grpc" | "grpc-web" | "grpc-web-text" => Self::Http2,
            "https" | "tls" => Self::Tls,
            "tcp" | "mongo" | "mysql" | "redis" | "hbone" => Self::Tcp,
            "udp" => Self::Udp,
            _ => Self::Auto,
        }
    }

    /// The protocol of a Kubernetes port, by `appProtocol`, the name's first part, or the well-known ports of protocols
    /// in which the server speaks first.
    pub fn of_kubernetes(port: u16, name: &str, protocol: &str, app_protocol: Option<&str>) -> Self {
        if protocol.eq_ignore_ascii_case("udp") {
            return Self::Udp;
        }
        match app_protocol {
            Some("kubernetes.io/h2c") => return Self::Http2,
            Some("kubernetes.io/ws") => return Self::Http,
            Some("kubernetes.io/wss") => return Self::Tls,
            Some(named) if Self::parse(named) != Self::Auto => return Self::parse(named),
            _ => {}
        }
        let named = match name.to_ascii_lowercase() {
            web if web == "grpc-web" || web.starts_with("grpc-web-") => Self::Http2,
            other => Self::parse(other.split('-').next().unwrap_or("")),
        };
        match (named, port) {
            (Self::Auto, 25 | 53 | 3306 | 27017) => Self::Tcp,
            (named, _) => named,
        }
    }

    /// Whether requests on the port are routed.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Http2 | Self::Auto)
    }
}
