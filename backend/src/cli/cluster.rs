//! Which cluster is meant, as the commands that speak to one take it.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use cluster::Options;

/// Flags that choose a cluster.
#[derive(Debug, Clone, Default, Args)]
pub struct ContextArgs {
    /// Kubeconfig [default: KUBECONFIG, else ~/.kube/config, else the service account of the pod].
    #[arg(long, value_name = "FILE", env = "MESHWRIGHT_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: the current one].
    #[arg(long, value_name = "NAME", env = "MESHWRIGHT_CONTEXT")]
    pub context: Option<String>,
    /// Namespace to look at; may be given more than once [default: all that may be listed].
    #[arg(
        long = "namespace",
        short = 'n',
        value_name = "NAME",
        env = "MESHWRIGHT_NAMESPACE",
        value_delimiter = ','
    )]
    pub namespaces: Vec<String>,
}

impl ContextArgs {
    /// What they say.
    pub fn options(&self) -> Options {
        Options {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            namespaces: self.namespaces.iter().filter(|name| !name.is_empty()).cloned().collect(),
        }
    }
}

/// Flags of commands that may have their mesh from a cluster.
#[derive(Debug, Clone, Default, Args)]
pub struct ClusterArgs {
    /// Takes the mesh from a Kubernetes cluster with Istio's kinds, and applies changes there.
    #[arg(long, conflicts_with = "mesh", env = "MESHWRIGHT_CLUSTER")]
    pub cluster: bool,
    /// Which cluster.
    #[command(flatten)]
    pub context: ContextArgs,
}

impl ClusterArgs {
    /// The cluster that is meant; none without --cluster.
    ///
    /// # Errors
    /// When a cluster is described that is not asked for.
    pub fn options(&self) -> anyhow::Result<Option<Options>> {
        let options = self.context.options();
        if !self.cluster && options != Options::default() {
            bail!("--kubeconfig, --context and --namespace say which cluster is meant: give --cluster too");
        }
        Ok(self.cluster.then_some(options))
    }
}
