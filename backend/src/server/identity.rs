//! What a mesh is called, where its log is kept, and how the page is reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use sha2::{Digest, Sha256};

/// The sample's name.
const SAMPLE: &str = "bookinfo";

/// A mesh is called as its folder.
pub(super) fn name(folder: Option<&Path>) -> String {
    let Some(folder) = folder else { return SAMPLE.to_owned() };
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    whole.file_name().map_or_else(|| "mesh".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Where the log of a mesh is kept unless the operator says so: `~/.local/share/meshwright/shop-1a2b3c4d`. Folders of the same
/// name have logs of their own. `None` without a home folder.
pub(super) fn data_folder(name: &str, folder: Option<&Path>) -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?.data_dir().join("meshwright");
    let Some(folder) = folder else { return Some(base.join(name)) };
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    Some(base.join(format!("{name}-{}", short(whole.as_os_str().as_encoded_bytes()))))
}

/// Where the log of a cluster's mesh is kept unless the operator says so: a server and what is looked at there have a log of their own.
pub(super) fn cluster_folder(context: &str, server: &str, namespaces: &[String]) -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?.data_dir().join("meshwright");
    let whole = format!("{server}\n{}", namespaces.join("\n"));
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '-' };
    let name: String = context.chars().map(plain).take(60).collect();
    Some(base.join(format!("cluster-{}-{}", name.trim_start_matches('.'), short(whole.as_bytes()))))
}

/// Some letters that stand for a text.
fn short(text: &[u8]) -> String {
    Sha256::digest(text).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// The page's address. Who listens everywhere is reached on loopback from here.
pub(super) fn url(address: SocketAddr, token: Option<&str>) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let address = SocketAddr::new(ip, address.port());
    match token {
        Some(token) => format!("http://{address}/?token={token}"),
        None => format!("http://{address}/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_the_same_name_have_logs_of_their_own() {
        let [one, other] = ["/srv/a/shop", "/srv/b/shop"].map(Path::new);
        assert_eq!(name(Some(one)), "shop");
        assert_ne!(data_folder("shop", Some(one)), data_folder("shop", Some(other)));
        assert_eq!(data_folder("shop", Some(one)), data_folder("shop", Some(one)));
    }

    #[test]
    fn urls() {
        for (address, token, expected) in [
            ("127.0.0.1:7080", None, "http://127.0.0.1:7080/"),
            ("0.0.0.0:80", Some("abc"), "http://127.0.0.1:80/?token=abc"),
            ("[::]:80", None, "http://[::1]:80/"),
        ] {
            assert_eq!(url(address.parse().unwrap(), token), expected);
        }
    }
}
