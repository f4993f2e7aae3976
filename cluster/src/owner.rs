//! Who owns which field of an object, by what the server keeps of it (`managedFields`), and what that means for who writes next.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::MANAGER;
use crate::object::Object;

/// Who owns a field.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// The field manager, as it names itself.
    pub manager: String,
    /// The tool that it belongs to.
    pub tool: Tool,
    /// Whether it declares what it wants (server-side apply), or wrote once.
    pub applies: bool,
}

/// Tools that write Istio's resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    /// This program.
    Meshwright,
    /// `kubectl apply --server-side`.
    KubectlServerSide,
    /// `kubectl apply`.
    KubectlClientSide,
    /// `kubectl edit`, `patch` and the like.
    Kubectl,
    /// Helm.
    Helm,
    /// Argo CD.
    ArgoCd,
    /// Flux.
    Flux,
    /// Kiali.
    Kiali,
    /// Istio's control plane.
    Istiod,
    /// The rollouts-controller.
    ArgoRollouts,
    /// Flagger.
    Flagger,
    /// Another one.
    Other,
}

impl Tool {
    /// The tool of a field manager.
    fn of(manager: &str, applies: bool) -> Self {
        match manager {
            MANAGER => Self::Meshwright,
            "kubectl" if applies => Self::KubectlServerSide,
            "kubectl-client-side-apply" | "kubectl-last-applied" => Self::KubectlClientSide,
            "argocd-controller" | "argocd-application-controller" | "argocd" => Self::ArgoCd,
            "kustomize-controller" | "helm-controller" | "flux" | "flux-client-side-apply" => Self::Flux,
            "pilot-discovery" | "istiod" => Self::Istiod,
            "rollouts-controller" | "argo-rollouts" => Self::ArgoRollouts,
            other if other.starts_with("kubectl") => Self::Kubectl,
            other if other.to_ascii_lowercase().starts_with("helm") => Self::Helm,
            other if other.starts_with("kiali") => Self::Kiali,
            other if other.starts_with("flagger") => Self::Flagger,
            _ => Self::Other,
        }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Meshwright => "Meshwright",
            Self::KubectlServerSide => "kubectl apply --server-side",
            Self::KubectlClientSide => "kubectl apply",
            Self::Kubectl => "kubectl",
            Self::Helm => "Helm",
            Self::ArgoCd => "Argo CD",
            Self::Flux => "Flux",
            Self::Kiali => "Kiali",
            Self::Istiod => "istiod",
            Self::ArgoRollouts => "Argo Rollouts",
            Self::Flagger => "Flagger",
            Self::Other => "another program",
        }
    }
}

impl Owner {
    /// Who owns a field, `/spec/http`: all that wrote it last with what is there now.
    pub fn of(object: &Object, pointer: &str) -> Vec<Self> {
        let mut all = Vec::new();
        for entry in &object.managed {
            if !entry.subresource.as_deref().unwrap_or_default().is_empty() {
                continue;
            }
            let Some(fields) = &entry.fields_v1 else { continue };
            if !has(&fields.0, pointer) {
                continue;
            }
            let manager = entry.manager.clone().unwrap_or_default();
            let applies = entry.operation.as_deref() == Some("Apply");
            let tool = Tool::of(&manager, applies);
            let owner = Self { tool, applies, manager };
            if !all.contains(&owner) {
                all.push(owner);
            }
        }
        all
    }

    /// What the next write of this owner does to a field that Meshwright changes.
    pub fn next_write(&self) -> NextWrite {
        match self.tool {
            Tool::Meshwright => NextWrite::Nothing,
            Tool::ArgoRollouts | Tool::Flagger => NextWrite::Steers,
            Tool::ArgoCd | Tool::Flux if !self.applies => NextWrite::Overwrites,
            _ if self.applies => NextWrite::Conflicts,
            Tool::KubectlClientSide | Tool::Helm => NextWrite::Overwrites,
            _ => NextWrite::Nothing,
        }
    }
}

/// What becomes of a changed field when its former owner writes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NextWrite {
    /// It does not write by itself.
    Nothing,
    /// It is refused with a conflict.
    Conflicts,
    /// It overwrites the change without a word.
    Overwrites,
    /// It steers the field all the time.
    Steers,
}

/// Whether a set of fields has one, or something in it.
fn has(fields: &Value, pointer: &str) -> bool {
    let mut at = fields;
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        match at.get(format!("f:{part}")) {
            Some(next) => at = next,
            // A list is one field, or its entries have owners of their own.
            None => return false,
        }
    }
    true
}

/// What of an application or a release an object belongs to, by its labels and annotations: «Argo CD application shop».
pub fn belongs_to(object: &Object) -> Option<(Tool, String)> {
    let text = |part: &str, name: &str| {
        object.value["metadata"][part].get(name).and_then(Value::as_str).map(str::to_owned)
    };
    if let Some(id) = text("annotations", "argocd.argoproj.io/tracking-id") {
        let application =
            id.split(':').next().unwrap_or_default().rsplit('_').next().unwrap_or_default().to_owned();
        return Some((Tool::ArgoCd, application));
    }
    if let Some(name) = text("labels", "kustomize.toolkit.fluxcd.io/name")
        .or_else(|| text("labels", "helm.toolkit.fluxcd.io/name"))
    {
        return Some((Tool::Flux, name));
    }
    if let Some(name) = text("annotations", "meta.helm.sh/release-name") {
        return Some((Tool::Helm, name));
    }
    let owners = object.value["metadata"]["ownerReferences"].as_array();
    let canary = owners.into_iter().flatten().find(|it| it["kind"] == "Canary");
    if let Some(name) = canary.and_then(|it| it["name"].as_str()) {
        return Some((Tool::Flagger, name.to_owned()));
    }
    // Argo CD marks objects by this label unless it is told another way; so do many charts, so it needs its manager beside.
    let of_argo =
        object.managed.iter().any(|it| it.manager.as_deref().is_some_and(|it| it.starts_with("argocd")));
    text("labels", "app.kubernetes.io/instance").filter(|_| of_argo).map(|name| (Tool::ArgoCd, name))
}
