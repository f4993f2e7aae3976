//! Kubeconfigs: which files are read, what they are together, and the context that is chosen. The rules are those of `kubectl`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use http::Uri;
use kube::Config;
use kube::config::{Cluster, Kubeconfig, KubeconfigError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;

use super::environment::Environment;
use super::{Context, Options, proxy};
use crate::error::{Error, Names, words};

/// The name of the context that a service account is.
pub(super) const IN_CLUSTER: &str = "in-cluster";

/// Longest kubeconfig, in bytes.
const SIZE: u64 = 4 << 20;

/// What says where a cluster is.
pub(super) enum Loaded {
    /// Kubeconfigs, merged.
    Files(Box<Kubeconfig>),
    /// This is a pod, and there is no kubeconfig.
    InCluster,
}

/// A context with all that it leads to.
#[derive(Debug)]
pub(super) struct Chosen {
    /// For the client.
    pub(super) config: Config,
    /// The context's name.
    pub(super) context: String,
    /// The cluster's name.
    pub(super) cluster_name: String,
    /// The cluster, for programs that log in.
    pub(super) cluster: Option<Cluster>,
    /// The user's name.
    pub(super) user: Option<String>,
}

/// Reads what there is.
pub(super) fn load(options: &Options, environment: &Environment) -> Result<Loaded, Error> {
    let mut merged = Kubeconfig::default();
    let mut looked = Vec::new();
    let files: Vec<PathBuf> = match (&options.kubeconfig, &environment.kubeconfig) {
        (Some(file), _) => {
            merged = read(file)?.ok_or_else(|| Error::Kubeconfig {
                file: file.clone(),
                why: "there is no such file".to_owned(),
            })?;
            looked.push(format!("--kubeconfig {}", file.display()));
            Vec::new()
        }
        (None, Some(paths)) => {
            looked.push(format!("KUBECONFIG={}", paths.display()));
            std::env::split_paths(paths).filter(|path| !path.as_os_str().is_empty()).collect()
        }
        (None, None) => {
            let file = environment.home.as_ref().map(|home| home.join(".kube/config"));
            looked.push(file.as_ref().map_or("no home folder".to_owned(), |file| file.display().to_string()));
            file.into_iter().collect()
        }
    };
    for file in files {
        // One that is not there is none, as in kubectl: people keep lists of files that come and go.
        if let Some(next) = read(&file)? {
            merged = merged.merge(next).map_err(|error| wrong(&file, &error))?;
        }
    }
    if !merged.contexts.is_empty() || !merged.clusters.is_empty() {
        return Ok(Loaded::Files(Box::new(merged)));
    }
    if environment.service.is_some() && options.context.is_none() && options.kubeconfig.is_none() {
        return Ok(Loaded::InCluster);
    }
    looked.push("no service account of a pod".to_owned());
    Err(Error::NoKubeconfig { looked: looked.join(", ") })
}

/// Reads a file; none if it is not there.
fn read(file: &Path) -> Result<Option<Kubeconfig>, Error> {
    let wrong_file = |why: String| Error::Kubeconfig { file: file.to_owned(), why };
    match fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong_file(error.to_string())),
        Ok(found) if found.is_dir() => return Err(wrong_file("it is a folder".to_owned())),
        Ok(found) if found.len() > SIZE => return Err(wrong_file("it is larger than 4 MB".to_owned())),
        Ok(_) => {}
    }
    let config = Kubeconfig::read_from(file).map_err(|error| wrong(file, &error))?;
    without_empty(&config).map(Some).map_err(|error| wrong_file(error.to_string()))
}

fn wrong(file: &Path, error: &KubeconfigError) -> Error {
    let why = match error {
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        KubeconfigError::Parse(error) => error.to_string(),
        error => error.to_string(),
    };
    Error::Kubeconfig { file: file.to_owned(), why: words(&why) }
}

/// What is empty is not there: `kubectl config` leaves such fields behind, and they mean nothing to it.
fn without_empty(config: &Kubeconfig) -> Result<Kubeconfig, serde_json::Error> {
    let mut value = serde_json::to_value(config)?;
    if value["current-context"] == "" {
        value["current-context"] = Value::Null;
    }
    for (list, inner) in [("clusters", "cluster"), ("users", "user"), ("contexts", "context")] {
        for named in value[list].as_array_mut().into_iter().flatten() {
            if let Some(fields) = named.get_mut(inner).and_then(Value::as_object_mut) {
                // A context without a cluster is one that names none, and is said to be so when it is chosen.
                fields.retain(|key, value| *value != "" || key == "cluster");
            }
        }
    }
    let mut clean: Kubeconfig = serde_json::from_value(value)?;
    // What has no form in JSON.
    for (clean, user) in clean.auth_infos.iter_mut().zip(&config.auth_infos) {
        if let (Some(clean), Some(user)) = (&mut clean.auth_info, &user.auth_info) {
            clean.exec.clone_from(&user.exec);
        }
    }
    Ok(clean)
}

/// All contexts, in the order of the files.
pub(super) fn contexts(config: &Kubeconfig, chosen: Option<&str>) -> Vec<Context> {
    let current = chosen.or(config.current_context.as_deref());
    let contexts = config.contexts.iter().filter_map(|named| Some((named, named.context.as_ref()?)));
    let context = |(named, context): (&kube::config::NamedContext, &kube::config::Context)| Context {
        name: named.name.clone(),
        cluster: context.cluster.clone(),
        server: cluster(config, &context.cluster).and_then(|cluster| cluster.server.clone()),
        user: context.user.clone(),
        namespace: context.namespace.clone(),
        current: current == Some(&named.name),
    };
    contexts.map(context).collect()
}

fn cluster<'a>(config: &'a Kubeconfig, name: &str) -> Option<&'a Cluster> {
    config.clusters.iter().find(|named| named.name == name)?.cluster.as_ref()
}

/// The context that is meant.
pub(super) fn choose(
    config: &Kubeconfig,
    name: Option<&str>,
    environment: &Environment,
) -> Result<Chosen, Error> {
    let there = || Names(config.contexts.iter().map(|named| named.name.clone()).collect());
    let name =
        name.or(config.current_context.as_deref()).ok_or_else(|| Error::NoContext { there: there() })?;
    let context = config.contexts.iter().find(|named| named.name == name);
    let context = context
        .and_then(|named| named.context.clone())
        .ok_or_else(|| Error::UnknownContext { name: name.to_owned(), there: there() })?;
    let unusable = |why: String| Error::Context { context: name.to_owned(), why };
    let Some(cluster) = cluster(config, &context.cluster).cloned() else {
        return Err(unusable(format!("the kubeconfig does not have its cluster `{}`", context.cluster)));
    };
    let auth = context.user.as_ref().map(|user| {
        let found = config.auth_infos.iter().find(|named| named.name == *user);
        found
            .and_then(|named| named.auth_info.clone())
            .ok_or_else(|| unusable(format!("the kubeconfig does not have its user `{user}`")))
    });
    let auth = auth.transpose()?.unwrap_or_default();

    let server =
        server(&cluster, auth.client_certificate.is_some() || auth.client_certificate_data.is_some());
    let mut client = Config::new(server.map_err(unusable)?);
    if let Some(namespace) = context.namespace {
        client.default_namespace = namespace;
    }
    client.root_cert = authority(&cluster).map_err(unusable)?;
    client.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    client.tls_server_name.clone_from(&cluster.tls_server_name);
    client.proxy_url =
        proxy::proxy(cluster.proxy_url.as_deref(), &client.cluster_url, environment).map_err(unusable)?;
    client.auth_info = auth;
    Ok(Chosen {
        config: client,
        context: name.to_owned(),
        cluster_name: context.cluster,
        cluster: Some(cluster),
        user: context.user,
    })
}

/// A cluster's address. Without a scheme it is https where anything is said about TLS.
fn server(cluster: &Cluster, certificate: bool) -> Result<Uri, String> {
    let Some(server) = &cluster.server else { return Err("its cluster has no server".to_owned()) };
    let secure = certificate
        || cluster.insecure_skip_tls_verify == Some(true)
        || cluster.certificate_authority.is_some()
        || cluster.certificate_authority_data.is_some();
    let full = match server.contains("://") {
        true => server.clone(),
        false => format!("{}://{server}", if secure { "https" } else { "http" }),
    };
    let uri: Uri = full.parse().map_err(|error| format!("its server `{server}` is no address: {error}"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(_)) => Ok(uri),
        _ => Err(format!("its server `{server}` is no address of http or https")),
    }
}

/// The authorities that the server's certificate may come from; those of the system if none is named.
fn authority(cluster: &Cluster) -> Result<Option<Vec<Vec<u8>>>, String> {
    let pem = match (&cluster.certificate_authority_data, &cluster.certificate_authority) {
        (Some(data), _) => base64::engine::general_purpose::STANDARD
            .decode(data)
            .map_err(|error| format!("certificate-authority-data of its cluster is no base64: {error}"))?,
        (None, Some(file)) => fs::read(file).map_err(|error| {
            format!("certificate-authority {file} of its cluster cannot be read: {error}")
        })?,
        (None, None) => return Ok(None),
    };
    certificates(&pem).map(Some).map_err(|why| format!("certificate-authority of its cluster {why}"))
}

fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(pem).map(|found| found.map(|der| der.as_ref().to_vec())).collect();
    match found {
        Ok(found) if found.is_empty() => Err("has no certificate in PEM".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(format!("is no PEM: {error}")),
    }
}

/// The service account of this pod.
pub(super) fn in_cluster(environment: &Environment) -> Result<Chosen, Error> {
    let unusable = |why: String| Error::ServiceAccount { why };
    let read = |name: &str| {
        let file = environment.service_account.join(name);
        fs::read_to_string(&file).map_err(|error| unusable(format!("{}: {error}", file.display())))
    };
    let (host, port) = environment.service.as_ref().ok_or_else(|| unusable("no service".to_owned()))?;
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let address = format!("https://{host}:{port}");
    let mut config =
        Config::new(address.parse().map_err(|error| unusable(format!("{address} is no address: {error}")))?);
    let ca = read("ca.crt")?;
    config.root_cert = Some(certificates(ca.as_bytes()).map_err(|why| unusable(format!("ca.crt {why}")))?);
    config.root_cert_file = Some(environment.service_account.join("ca.crt"));
    let namespace = read("namespace")?.trim().to_owned();
    if !namespace.is_empty() {
        config.default_namespace = namespace;
    }
    let token = environment.service_account.join("token");
    config.auth_info.token_file = Some(token.to_string_lossy().into_owned());
    Ok(Chosen {
        config,
        context: IN_CLUSTER.to_owned(),
        cluster_name: IN_CLUSTER.to_owned(),
        cluster: None,
        user: None,
    })
}
