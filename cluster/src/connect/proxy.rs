//! Which proxy leads to a server: the one that the kubeconfig names, else the environment's, by the rules of Go's programs.

use std::net::IpAddr;

use http::Uri;
use mesh::plan::Subnet;

use super::environment::Environment;

/// The proxy to a server; none if it is reached directly. An error says what is wrong with the one that is named.
pub(super) fn proxy(
    named: Option<&str>,
    server: &Uri,
    environment: &Environment,
) -> Result<Option<Uri>, String> {
    if let Some(named) = named {
        return parse(named).map(Some).map_err(|why| format!("proxy-url of its cluster {why}"));
    }
    let (name, found) = match server.scheme_str() {
        Some("https") => ("HTTPS_PROXY", &environment.https_proxy),
        _ => ("HTTP_PROXY", &environment.http_proxy),
    };
    match found {
        Some(found) if !direct(server, environment.no_proxy.as_deref()) => {
            parse(found).map(Some).map_err(|why| format!("{name} {why}"))
        }
        _ => Ok(None),
    }
}

/// A proxy's address; without a scheme it is one of HTTP.
fn parse(text: &str) -> Result<Uri, String> {
    let text = text.trim();
    let full = match text.split_once("://") {
        None => format!("http://{text}"),
        // Names are resolved by the proxy either way.
        Some(("socks5h", rest)) => format!("socks5://{rest}"),
        Some(_) => text.to_owned(),
    };
    let uri: Uri = full.parse().map_err(|error| format!("is no address: {error}"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https" | "socks5"), Some(_)) => Ok(uri),
        _ => Err("is none that can be used (http, https or socks5)".to_owned()),
    }
}

/// Whether no proxy of the environment leads to a server: this machine, and what `NO_PROXY` lists.
fn direct(server: &Uri, no_proxy: Option<&str>) -> bool {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']).to_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    let port = server.port_u16().unwrap_or(if server.scheme_str() == Some("http") { 80 } else { 443 });
    no_proxy.unwrap_or_default().split([',', ' ']).any(|entry| matches(entry, &host, address, port))
}

fn matches(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    let entry = entry.trim().to_lowercase();
    if entry.is_empty() {
        return false;
    }
    if entry == "*" {
        return true;
    }
    if let (Some(address), Some(range)) = (address, Subnet::parse(&entry)) {
        return range.contains(address);
    }
    let (name, wanted) = match entry.rsplit_once(':') {
        Some((name, wanted)) if !name.contains(':') => (name, wanted.parse().ok()),
        _ => (entry.as_str(), None),
    };
    if wanted.is_some_and(|wanted: u16| wanted != port) {
        return false;
    }
    let below = name.trim_start_matches('*');
    match below.strip_prefix('.') {
        Some(_) => host.ends_with(below),
        None => {
            host == below
                || host.strip_suffix(below).is_some_and(|rest| address.is_none() && rest.ends_with('.'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_is_read_as_go_reads_it() {
        let cases = [
            ("https://api.example.com:6443", None, false),
            ("https://localhost:6443", None, true),
            ("https://127.0.0.1:6443", None, true),
            ("https://[::1]:6443", None, true),
            ("https://api.example.com", Some("*"), true),
            ("https://api.example.com", Some("example.com"), true),
            ("https://notexample.com", Some("example.com"), false),
            ("https://example.com", Some(".example.com"), false),
            ("https://api.Example.com", Some("other, .example.com"), true),
            ("https://api.example.com", Some("*.example.com"), true),
            ("https://api.example.com:6443", Some("api.example.com:6443"), true),
            ("https://api.example.com:6443", Some("api.example.com:443"), false),
            ("https://10.1.2.3:6443", Some("10.0.0.0/8"), true),
            ("https://10.1.2.3:6443", Some("10.1.2.3"), true),
            ("https://11.1.2.3:6443", Some("10.0.0.0/8,"), false),
            ("https://[fd00::1]:6443", Some("fd00::/8"), true),
        ];
        for (server, no_proxy, expected) in cases {
            assert_eq!(direct(&server.parse().unwrap(), no_proxy), expected, "{server} {no_proxy:?}");
        }
    }

    #[test]
    fn the_kubeconfig_counts_more_than_the_environment() {
        let environment = Environment {
            https_proxy: Some("proxy.corp:3128".to_owned()),
            no_proxy: Some("*".to_owned()),
            ..Environment::default()
        };
        let server = "https://api.example.com".parse().unwrap();
        let found = |named, environment: &Environment| {
            proxy(named, &server, environment).map(|found| found.map(|uri| uri.to_string()))
        };
        assert_eq!(found(None, &environment), Ok(None));
        assert_eq!(found(Some("socks5h://a:1080"), &environment), Ok(Some("socks5://a:1080/".to_owned())));
        let environment = Environment { no_proxy: None, ..environment };
        assert_eq!(found(None, &environment), Ok(Some("http://proxy.corp:3128/".to_owned())));
        assert_eq!(
            found(Some("ftp://a"), &environment),
            Err("proxy-url of its cluster is none that can be used (http, https or socks5)".to_owned())
        );
    }
}
