//! What can go wrong between here and an API server, each in one sentence with the next step.

mod explain;

use std::path::PathBuf;
use std::time::Duration;

pub use self::explain::explain;
use crate::permission::Denied;

/// Longest text of somebody else's that is passed on, in characters.
const WORDS: usize = 600;

/// Which server is spoken to, as messages name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The context of the kubeconfig.
    pub context: String,
    /// The user of the kubeconfig; none in a cluster.
    pub user: Option<String>,
    /// The server's address.
    pub server: String,
    /// The proxy on the way to it.
    pub proxy: Option<String>,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing says where a cluster is.
    #[error(
        "there is no kubeconfig (looked at {looked}): name one with --kubeconfig or KUBECONFIG, or run Meshwright inside a cluster"
    )]
    NoKubeconfig {
        /// The places.
        looked: String,
    },
    /// A file is not a kubeconfig.
    #[error("the kubeconfig {} cannot be used: {why}", .file.display())]
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// No context is chosen.
    #[error("the kubeconfig has no current context: choose one with --context ({there})")]
    NoContext {
        /// Those that there are.
        there: Names,
    },
    /// A context that there is not.
    #[error("the kubeconfig has no context `{name}`: choose one with --context ({there})")]
    UnknownContext {
        /// Its name.
        name: String,
        /// Those that there are.
        there: Names,
    },
    /// What a context leads to is not there or cannot be used.
    #[error("the context `{context}` cannot be used: {why}")]
    Context {
        /// Its name.
        context: String,
        /// Why.
        why: String,
    },
    /// What a cluster gives its pods is not all there.
    #[error(
        "this is a pod without the service account that it needs: {why}; set automountServiceAccountToken, or name a kubeconfig with --kubeconfig"
    )]
    ServiceAccount {
        /// Why.
        why: String,
    },
    /// The program that is to log in is not there.
    #[error("the program `{command}`, which the kubeconfig logs in with, is not installed: {}", how_to_get(.hint.as_deref()))]
    PluginMissing {
        /// The program.
        command: String,
        /// What the kubeconfig says of how to get it.
        hint: Option<String>,
    },
    /// It ended with an error.
    #[error("the program `{command}`, which the kubeconfig logs in with, failed ({why}{}): run it by hand or log in again", saying(.said))]
    PluginFailed {
        /// The program.
        command: String,
        /// How it ended.
        why: String,
        /// The last that it wrote to stderr.
        said: String,
    },
    /// It gave no credentials.
    #[error("the program `{command}`, which the kubeconfig logs in with, gave no credentials: {why}")]
    PluginOutput {
        /// The program.
        command: String,
        /// What is wrong with its output.
        why: String,
    },
    /// It did not end.
    #[error("the program `{command}`, which the kubeconfig logs in with, did not end within {} s{}: run it by hand to see what it waits for", .limit.as_secs(), saying(.said))]
    PluginSlow {
        /// The program.
        command: String,
        /// How long it was waited for.
        limit: Duration,
        /// The last that it wrote to stderr.
        said: String,
    },
    /// A token cannot be had.
    #[error("the token of the context `{context}` cannot be used: {why}")]
    Token {
        /// The context.
        context: String,
        /// Why.
        why: String,
    },
    /// The server does not know who asks.
    #[error("the API server {} does not accept the credentials of {}{}: log in again or get a new token", .at.server, .at.who(), since(.expired.as_deref()))]
    Unauthorized {
        /// The server.
        at: Box<Endpoint>,
        /// When the token expired, if it says so itself.
        expired: Option<String>,
    },
    /// The server cannot be reached.
    #[error("the API server {} of the context `{}` cannot be reached{}: {why}", .at.server, .at.context, .at.through())]
    Unreachable {
        /// The server.
        at: Box<Endpoint>,
        /// Why.
        why: Unreachable,
    },
    /// The server's certificate is not trusted.
    #[error("the certificate of the API server {} is not trusted: {why}", .at.server)]
    Certificate {
        /// The server.
        at: Box<Endpoint>,
        /// Why.
        why: Certificate,
    },
    /// What answers is no API server.
    #[error("{} of the context `{}` does not answer as an API server does ({said}): check the address of its cluster in the kubeconfig", .at.server, .at.context)]
    NotKubernetes {
        /// The server.
        at: Box<Endpoint>,
        /// What it answered.
        said: String,
    },
    /// Istio's kinds are not there.
    #[error("the cluster of the context `{}` does not have Istio's kinds: install Istio, or their definitions alone with `meshwright crds | kubectl --context {} apply -f -`", .at.context, .at.context)]
    NoCrds {
        /// The server.
        at: Box<Endpoint>,
    },
    /// Something is not permitted.
    #[error(transparent)]
    Denied(#[from] Box<Denied>),
    /// The server has too much to do.
    #[error("the API server {} has too many requests or is starting ({code}): try again in {} s", .at.server, .wait.as_secs())]
    Busy {
        /// The server.
        at: Box<Endpoint>,
        /// The status of its answer.
        code: u16,
        /// After which time.
        wait: Duration,
    },
    /// The server refuses in words of its own.
    #[error("the API server {} says {code}: {said}", .at.server)]
    Refused {
        /// The server.
        at: Box<Endpoint>,
        /// The status of its answer.
        code: u16,
        /// Its words.
        said: String,
    },
    /// Something else.
    #[error("the API server {} cannot be asked: {why}", .at.server)]
    Other {
        /// The server.
        at: Box<Endpoint>,
        /// Why.
        why: String,
    },
}

/// Why a server cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// Nothing listens.
    #[error("nothing listens there (connection refused); check that it runs, and its port")]
    Refused,
    /// Its name is not known.
    #[error("its name cannot be resolved; check the name, and the network or VPN that knows it")]
    Dns,
    /// It does not answer.
    #[error("it does not answer in time; check the network, a firewall or a VPN")]
    Timeout,
    /// The way to it is cut.
    #[error("the connection was closed ({0}); check what stands in between, and try again")]
    Closed(String),
    /// The proxy does not lead there.
    #[error("the proxy does not let through ({0}); check proxy-url of the cluster, HTTPS_PROXY and NO_PROXY")]
    Proxy(String),
    /// It speaks something else.
    #[error("it does not speak TLS; check whether its address is to begin with http://")]
    NoTls,
    /// Something else.
    #[error("{0}")]
    Other(String),
}

/// Why a certificate is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Certificate {
    /// Its authority is not known.
    #[error(
        "it comes from an authority that is not that of the cluster in the kubeconfig; check certificate-authority-data there"
    )]
    UnknownAuthority,
    /// It is for another name.
    #[error(
        "it is for {0} and not for this address; use such a name, or set tls-server-name in the kubeconfig"
    )]
    Name(Names),
    /// It is too old.
    #[error("it has expired; renew it on the server, or check this machine's clock")]
    Expired,
    /// It is too new.
    #[error("it is not valid yet; check this machine's clock")]
    NotYet,
    /// Something else.
    #[error("{0}; check certificate-authority-data in the kubeconfig")]
    Other(String),
}

/// Names in a message, which may be many.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names(pub Vec<String>);

impl std::fmt::Display for Names {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 20;
        if self.0.is_empty() {
            return out.write_str("there is none");
        }
        let shown: Vec<&str> = self.0.iter().take(SHOWN).map(String::as_str).collect();
        out.write_str(&shown.join(", "))?;
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(out, " and {more} more"),
        }
    }
}

impl Error {
    /// YAML that an administrator applies to grant what is not permitted.
    pub fn role(&self) -> Option<String> {
        match self {
            Self::Denied(denied) => Some(denied.role()),
            _ => None,
        }
    }

    /// Whether the same may go well a while later, without anybody's doing.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Busy { .. } | Self::Other { .. })
            || matches!(self, Self::Refused { code, .. } if *code >= 500)
    }
}

impl Endpoint {
    fn who(&self) -> String {
        match &self.user {
            Some(user) => format!("the user `{user}` (context `{}`)", self.context),
            None => format!("the context `{}`", self.context),
        }
    }

    fn through(&self) -> String {
        self.proxy.as_ref().map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default()
    }
}

fn how_to_get(hint: Option<&str>) -> String {
    hint.map_or_else(|| "install it, or put its folder on PATH".to_owned(), words)
}

fn saying(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(", it says: {said}") }
}

fn since(when: Option<&str>) -> String {
    when.map(|when| format!(" (its token expired at {when})")).unwrap_or_default()
}

/// Somebody else's words on one line, and not too many of them: the last, where programs say what is wrong.
pub(crate) fn words(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    match line.char_indices().rev().nth(WORDS - 1) {
        Some((start, _)) if start > 0 => format!("…{}", &line[start..]),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_words_are_one_line_and_bounded() {
        assert_eq!(words(" a\n\tb \u{1b}[31mred "), "a b [31mred");
        let long = words(&"ä".repeat(5000));
        assert_eq!(long.chars().count(), WORDS + 1);
    }

    #[test]
    fn many_names_are_counted() {
        let names = Names((0..25).map(|n| n.to_string()).collect());
        assert!(names.to_string().ends_with("18, 19 and 5 more"), "{names}");
        assert_eq!(Names::default().to_string(), "there is none");
    }
}
