//! From a kubeconfig to a client: which contexts there are, and a connection to one of them.
//!
//! Kubeconfigs are read as `kubectl` reads them. Nothing is asked of the server yet; [`crate::discover()`] is what speaks first.

mod credentials;
mod environment;
mod kubeconfig;
mod plugin;
mod proxy;

use std::path::PathBuf;
use std::time::Duration;

use http::header::USER_AGENT;
use http::{HeaderValue, Uri};
use jiff::Timestamp;
use kube::client::ClientBuilder;
use kube::config::AuthInfo;
use secrecy::ExposeSecret;
use tower::buffer::BufferLayer;
use tower::timeout::TimeoutLayer;

use self::credentials::{Login, Source};
use self::environment::Environment;
use self::kubeconfig::{Chosen, Loaded};
use self::plugin::Plugin;
use crate::error::{self, Endpoint, Error};

/// Longest wait for a connection to the server, TLS included.
const CONNECT: Duration = Duration::from_secs(10);

/// Longest wait for the head of an answer.
const ANSWER: Duration = Duration::from_secs(30);

/// Longest wait for a program that logs in. A person may have to type a code in a browser meanwhile.
const PLUGIN: Duration = Duration::from_secs(120);

/// Requests that wait for credentials.
const WAITING: usize = 256;

/// Which cluster is meant, and what of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The kubeconfig, where it is not the usual one.
    pub kubeconfig: Option<PathBuf>,
    /// The context, where it is not the current one.
    pub context: Option<String>,
    /// The namespaces to look at; all that may be looked at without any.
    pub namespaces: Vec<String>,
}

/// A context of a kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Its name.
    pub name: String,
    /// The name of its cluster.
    pub cluster: String,
    /// The server's address; none if the kubeconfig does not have the cluster.
    pub server: Option<String>,
    /// The name of its user.
    pub user: Option<String>,
    /// Its namespace, where it is not `default`.
    pub namespace: Option<String>,
    /// Whether it is the current one.
    pub current: bool,
}

/// A way to ask an API server.
#[derive(Clone)]
pub struct Connection {
    /// What asks.
    pub client: kube::Client,
    /// The context; `in-cluster` with a service account.
    pub context: String,
    /// The name of its cluster.
    pub cluster: String,
    /// The name of its user in the kubeconfig.
    pub user: Option<String>,
    /// The server's address.
    pub server: String,
    /// The context's namespace.
    pub namespace: String,
    /// The namespaces to look at; all that may be looked at without any.
    pub namespaces: Vec<String>,
    /// When a certificate that a program got for us ends: a new connection is needed then.
    pub valid_until: Option<Timestamp>,
    /// When the token expires, if it says so itself.
    token_until: Option<Timestamp>,
    endpoint: Endpoint,
}

/// The contexts of the kubeconfig.
pub fn contexts(options: &Options) -> Result<Vec<Context>, Error> {
    match kubeconfig::load(options, &Environment::of_process())? {
        Loaded::Files(config) => Ok(kubeconfig::contexts(&config, options.context.as_deref())),
        Loaded::InCluster => Ok(vec![Context {
            name: kubeconfig::IN_CLUSTER.to_owned(),
            cluster: kubeconfig::IN_CLUSTER.to_owned(),
            server: None,
            user: None,
            namespace: None,
            current: true,
        }]),
    }
}

/// A connection to the cluster that is meant. Programs that log in are run.
pub async fn connect(options: &Options) -> Result<Connection, Error> {
    connect_in(options, &Environment::of_process()).await
}

async fn connect_in(options: &Options, environment: &Environment) -> Result<Connection, Error> {
    let chosen = match kubeconfig::load(options, environment)? {
        Loaded::Files(config) => kubeconfig::choose(&config, options.context.as_deref(), environment)?,
        Loaded::InCluster => kubeconfig::in_cluster(environment)?,
    };
    let endpoint = endpoint(&chosen);
    let Chosen { mut config, context, cluster, user, .. } = chosen;
    let logged_in = log_in(&mut config.auth_info, &context, cluster.as_ref()).await?;
    let token = config.auth_info.token.as_ref().map(|token| token.expose_secret().to_owned());
    let server = endpoint.server.clone();
    let namespace = config.default_namespace.clone();
    let client = client(config, logged_in.login, ANSWER).map_err(|error| match error {
        error @ (kube::Error::InferKubeconfig(_) | kube::Error::Auth(_) | kube::Error::RustlsTls(_)) => {
            Error::Context { context: context.clone(), why: error::words(&error.to_string()) }
        }
        error => error::explain(error, &endpoint),
    })?;
    Ok(Connection {
        client,
        context,
        cluster: chosen.cluster_name,
        user,
        server,
        namespace,
        namespaces: options.namespaces.clone(),
        valid_until: logged_in.valid_until,
        token_until: token.as_deref().and_then(credentials::expiry),
        endpoint,
    })
}

impl Connection {
    /// A connection over a client that is there already, as tests have one.
    pub fn over(client: kube::Client, namespaces: Vec<String>) -> Self {
        let name = || "test".to_owned();
        let namespace = client.default_namespace().to_owned();
        let server = "http://test".to_owned();
        let endpoint = Endpoint { context: name(), user: None, server: server.clone(), proxy: None };
        Self {
            client,
            context: name(),
            cluster: name(),
            user: None,
            server,
            namespace,
            namespaces,
            valid_until: None,
            token_until: None,
            endpoint,
        }
    }

    /// What an error of the client means.
    pub fn explain(&self, error: kube::Error) -> Error {
        match error::explain(error, &self.endpoint) {
            Error::Unauthorized { at, .. } => {
                let expired = self.token_until.filter(|until| *until < Timestamp::now());
                Error::Unauthorized { at, expired: expired.map(|when| when.to_string()) }
            }
            error => error,
        }
    }

    /// The server, as messages name it.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Connection").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// How requests get their credentials.
struct LoggedIn {
    /// Where they can change.
    login: Option<Login>,
    /// When the client's certificate ends, if a program got it.
    valid_until: Option<Timestamp>,
}

/// Takes what may change while the program runs out of the client library's hands: it has no limit on the time of a program that
/// logs in, hides what such a program says, and does not read a token anew that the server refused.
async fn log_in(
    auth: &mut AuthInfo,
    context: &str,
    cluster: Option<&kube::config::Cluster>,
) -> Result<LoggedIn, Error> {
    let none = LoggedIn { login: None, valid_until: None };
    if let Some(file) = auth.token_file.take() {
        // What the file has counts more than a token beside it, as in kubectl.
        auth.token = None;
        let source = Source::file(PathBuf::from(file), context);
        source.header().await?;
        return Ok(LoggedIn { login: Some(Login::new(source)), ..none });
    }
    let Some(exec) = auth.exec.take() else { return Ok(none) };
    if auth.token.is_some() || (auth.username.is_some() && auth.password.is_some()) {
        return Ok(none);
    }
    let plugin = Plugin::new(&exec, cluster, context, PLUGIN)?;
    let credentials = plugin.run().await?;
    let valid_until = credentials.certificate.as_ref().and(credentials.until);
    if let Some((certificate, key)) = &credentials.certificate {
        auth.client_certificate_data = Some(base64(certificate));
        auth.client_key_data = Some(base64(key).into());
    }
    let login = credentials.token.is_some().then(|| Login::new(Source::plugin(plugin, &credentials)));
    Ok(LoggedIn { login, valid_until })
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// The client. Nothing is repeated by it: whoever asks knows whether he may ask twice.
fn client(
    mut config: kube::Config,
    login: Option<Login>,
    answer: Duration,
) -> Result<kube::Client, kube::Error> {
    config.connect_timeout = Some(CONNECT);
    config.default_retry = false;
    let agent = HeaderValue::from_static(concat!("meshwright/", env!("CARGO_PKG_VERSION")));
    config.headers.push((USER_AGENT, agent));
    let builder = ClientBuilder::try_from(config)?.with_layer(&TimeoutLayer::new(answer));
    Ok(match login {
        Some(login) => builder.with_layer(&BufferLayer::new(WAITING)).with_layer(&login).build(),
        None => builder.build(),
    })
}

fn endpoint(chosen: &Chosen) -> Endpoint {
    Endpoint {
        context: chosen.context.clone(),
        user: chosen.user.clone(),
        server: address(&chosen.config.cluster_url),
        proxy: chosen.config.proxy_url.as_ref().map(address),
    }
}

/// An address as it is shown: without the password that it may have.
fn address(uri: &Uri) -> String {
    let text = uri.to_string();
    let text = text.trim_end_matches('/');
    match text.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let start = rest[..end].rfind('@').map_or(0, |at| at + 1);
            format!("{scheme}://{}", &rest[start..])
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
