//! Secrets of the mesh: certificates and keys that resources name by `credentialName`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::plan::{Secret, TlsClient, TlsServer};
use crate::resource::Spec;
use crate::resource::gateway::ServerTls;
use crate::resource::traffic_policy::{ClientTls, ClientTlsMode};
use crate::{Kind, Mesh, ResourceKey};

/// A Kubernetes Secret: of the type `kubernetes.io/tls` (`tls.crt`, `tls.key`, `ca.crt`), or with Istio's older names
/// (`cert`, `key`, `cacert`). `kubernetes://` before a name and a namespace in it (`ns/name`) are understood.
pub(super) fn secret(mesh: &Mesh, namespace: &str, name: &str) -> Option<Secret> {
    let name = name.strip_prefix("kubernetes://").unwrap_or(name);
    let (namespace, name) = name.split_once('/').unwrap_or((namespace, name));
    let key = ResourceKey::new(Kind::Other("Secret".to_owned()), namespace, name);
    let Spec::Unknown(document) = &mesh.resource(&key)?.spec else { return None };
    let field = |names: [&str; 2]| {
        let plain =
            |name| document.get("stringData")?.get(name)?.as_str().map(|text| text.as_bytes().to_vec());
        let coded = |name| {
            let text: String = document.get("data")?.get(name)?.as_str()?.split_whitespace().collect();
            BASE64_STANDARD.decode(text).ok()
        };
        names.into_iter().find_map(|name| plain(name).or_else(|| coded(name))).unwrap_or_default()
    };
    Some(Secret {
        certificate: field(["tls.crt", "cert"]),
        key: field(["tls.key", "key"]),
        authorities: field(["ca.crt", "cacert"]),
        revoked: field(["ca.crl", "crl"]),
    })
}

/// A gateway's TLS with its secrets.
pub(super) fn server(
    mesh: &Mesh,
    namespace: &str,
    hosts: &[String],
    http: bool,
    settings: &ServerTls,
) -> TlsServer {
    let named = settings.credential_name.iter().filter(|it| !it.is_empty()).chain(&settings.credential_names);
    let beside = named.clone().next().map(|name| format!("{name}-cacert"));
    let authorities = settings.ca_cert_credential_name.clone().filter(|it| !it.is_empty()).or(beside);
    TlsServer {
        hosts: hosts
            .iter()
            .map(|host| host.rsplit('/').next().unwrap_or(host).to_ascii_lowercase())
            .collect(),
        http,
        settings: settings.clone(),
        secrets: named.filter_map(|name| secret(mesh, namespace, name)).collect(),
        authorities: authorities.and_then(|name| secret(mesh, namespace, &name)),
    }
}

/// TLS towards a service with its secret. `ISTIO_MUTUAL` is the mesh's own, between its proxies; here they speak plain text
/// to each other's workloads.
pub(super) fn client(mesh: &Mesh, namespace: &str, settings: &ClientTls) -> Option<Box<TlsClient>> {
    if !matches!(settings.mode, Some(ClientTlsMode::Simple | ClientTlsMode::Mutual)) {
        return None;
    }
    let named = settings.credential_name.as_deref().filter(|name| !name.is_empty());
    let mut found = named.and_then(|name| secret(mesh, namespace, name));
    if let (Some(found), Some(name)) = (&mut found, named)
        && found.authorities.is_empty()
    {
        found.authorities =
            secret(mesh, namespace, &format!("{name}-cacert")).map(|it| it.authorities).unwrap_or_default();
    }
    Some(Box::new(TlsClient { settings: settings.clone(), secret: found, names: Vec::new() }))
}
