//! The programs that a cluster is made of.

use std::env;
use std::path::{Path, PathBuf};

use crate::{skipped, tools};

/// The programs, as far as they are there.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where the API server keeps its objects.
    pub etcd: PathBuf,
    /// Kubernetes' API server.
    pub kube_apiserver: PathBuf,
    /// Istio's control plane.
    pub istiod: Option<PathBuf>,
    /// Istio's own custom resource definitions: of the file that `MESHWRIGHT_CRDS` names, else those that the set-up put beside istiod.
    pub crds: Option<PathBuf>,
}

impl Parts {
    /// Those that variables name, else those that the set-up has put into the cache. Without etcd or the API server a test says
    /// that it skips.
    pub fn find() -> Option<Self> {
        let program = |variable, tool, name| {
            let named = env::var_os(variable).map(PathBuf::from).filter(|path| path.is_file());
            named.or_else(|| tools(tool).map(|folder| folder.join(name)).find(|path| path.is_file()))
        };
        let etcd = program("MESHWRIGHT_ETCD", "etcd-", "etcd");
        let server = program("MESHWRIGHT_KUBE_APISERVER", "kube-apiserver-", "kube-apiserver");
        let (Some(etcd), Some(kube_apiserver)) = (etcd, server) else {
            skipped(
                "no Kubernetes (`cargo xtask setup parts` builds etcd and the API server, or says why not)",
            );
            return None;
        };
        let istiod = program("MESHWRIGHT_ISTIOD", "istiod-", "pilot-discovery");
        let beside = istiod.as_deref().and_then(Path::parent).map(|folder| folder.join("crds.yaml"));
        let named = env::var_os("MESHWRIGHT_CRDS").map(PathBuf::from);
        let crds = named.or(beside).filter(|path| path.is_file());
        Some(Self { etcd, kube_apiserver, istiod, crds })
    }
}
