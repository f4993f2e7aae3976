//! What the process was started with, as far as it says where a cluster is. Tests have another one.

use std::ffi::OsString;
use std::path::PathBuf;

/// Where a pod finds its service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Variables and folders.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    /// `KUBECONFIG`.
    pub(super) kubeconfig: Option<OsString>,
    /// The user's home.
    pub(super) home: Option<PathBuf>,
    /// `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`, which pods have.
    pub(super) service: Option<(String, String)>,
    /// Where a pod finds its service account.
    pub(super) service_account: PathBuf,
    /// `HTTPS_PROXY`.
    pub(super) https_proxy: Option<String>,
    /// `HTTP_PROXY`.
    pub(super) http_proxy: Option<String>,
    /// `NO_PROXY`.
    pub(super) no_proxy: Option<String>,
}

impl Environment {
    /// That of this process.
    pub(super) fn of_process() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let either = |name: &str| text(name).or_else(|| text(&name.to_lowercase()));
        let service = text("KUBERNETES_SERVICE_HOST").zip(text("KUBERNETES_SERVICE_PORT"));
        Self {
            kubeconfig: std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty()),
            home: std::env::home_dir().filter(|home| !home.as_os_str().is_empty()),
            service,
            service_account: PathBuf::from(SERVICE_ACCOUNT),
            https_proxy: either("HTTPS_PROXY"),
            http_proxy: either("HTTP_PROXY"),
            no_proxy: either("NO_PROXY"),
        }
    }
}
