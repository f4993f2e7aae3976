//! Who owns which field of an object, by what the server keeps of it (`managedFields`), and what that means for who writes next.

mod sentence;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::MANAGER;
use crate::object::Object;
use crate::patch::Operation;
use crate::write::{self, Call};

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
            Self::KubectlServerSide => "kubectl (server-side apply)",
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
    /// Who owns a field, `/spec/http`, or what it is a part of: all that wrote it last with what is there now.
    pub fn of(managed: &[ManagedFieldsEntry], pointer: &str) -> Vec<Self> {
        owned(managed, pointer).into_iter().map(|(_, owner)| owner).collect()
    }

    fn who(entry: &ManagedFieldsEntry) -> Self {
        let manager = entry.manager.clone().unwrap_or_default();
        let applies = entry.operation.as_deref() == Some("Apply");
        Self { tool: Tool::of(&manager, applies), applies, manager }
    }

    /// What the next write of this owner does to a field that Meshwright changes.
    pub fn next_write(&self) -> NextWrite {
        match self.tool {
            Tool::Meshwright => NextWrite::Nothing,
            Tool::ArgoRollouts | Tool::Flagger => NextWrite::Steers,
            // Both force where they apply on the server's side.
            Tool::ArgoCd | Tool::Flux => NextWrite::Overwrites,
            _ if self.applies => NextWrite::Conflicts,
            Tool::KubectlClientSide | Tool::Helm => NextWrite::Overwrites,
            Tool::Other => NextWrite::Unknown,
            Tool::Kubectl | Tool::KubectlServerSide | Tool::Kiali | Tool::Istiod => NextWrite::Nothing,
        }
    }
}

/// What becomes of a changed field when its former owner writes next, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NextWrite {
    /// It does not write by itself.
    Nothing,
    /// It is not known what it does.
    Unknown,
    /// It is refused with a conflict.
    Conflicts,
    /// It overwrites the change without a word.
    Overwrites,
    /// It steers the field all the time.
    Steers,
}

/// What a call takes from others.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The field, `spec.http`; empty for a whole object.
    pub field: String,
    /// From whom.
    pub from: Vec<Owner>,
    /// The worst that their next writes do.
    pub next_write: NextWrite,
    /// The same in words, a sentence for each of them.
    pub sentence: String,
}

/// What a call takes from whom. `former` owned what this program changed before.
pub fn taken(object: &Object, former: &[ManagedFieldsEntry], call: &Call) -> Vec<Taken> {
    let paths: Vec<&str> = match call {
        Call::Apply(_) => Vec::new(),
        Call::Patch(operations) => {
            let writes = operations.iter().filter(|it| !matches!(it, Operation::Test { .. }));
            writes.map(Operation::path).filter(|path| *path != write::VERSION).collect()
        }
        Call::Delete(_) => vec![""],
    };
    let mut all: Vec<(String, Vec<Owner>)> = Vec::new();
    for path in paths {
        let mut now = owned(&object.managed, path);
        if now.iter().any(|(_, owner)| owner.tool == Tool::Meshwright) {
            now.extend(owned(former, path));
        }
        for (field, owner) in now.into_iter().filter(|(_, owner)| owner.tool != Tool::Meshwright) {
            match all.iter_mut().find(|(known, _)| *known == field) {
                Some((_, owners)) if owners.contains(&owner) => {}
                Some((_, owners)) => owners.push(owner),
                None => all.push((field, vec![owner])),
            }
        }
    }
    let of = belongs_to(object);
    let told = all.into_iter().map(|(field, from)| {
        let field = write::field(&field);
        let next_write = from.iter().map(Owner::next_write).max().unwrap_or(NextWrite::Nothing);
        let mut sentences: Vec<String> = Vec::new();
        for said in from.iter().map(|owner| sentence::of(&field, owner, of.as_ref())) {
            if !sentences.contains(&said) {
                sentences.push(said);
            }
        }
        Taken { field, from, next_write, sentence: sentences.join(" ") }
    });
    told.collect()
}

/// The owners of what is at a path, each with the field that it owns there.
fn owned(managed: &[ManagedFieldsEntry], path: &str) -> Vec<(String, Owner)> {
    let mut all = Vec::new();
    let entries = managed.iter().filter(|it| it.subresource.as_deref().unwrap_or_default().is_empty());
    for entry in entries {
        let field = entry.fields_v1.as_ref().and_then(|fields| field_of(&fields.0, path));
        if let Some(field) = field {
            let owner = (field, Owner::who(entry));
            if !all.contains(&owner) {
                all.push(owner);
            }
        }
    }
    all
}

/// The field of a set of fields that a path names, or is within; `None` where the set has none.
fn field_of(fields: &Value, path: &str) -> Option<String> {
    let mut at = fields;
    let mut found = String::new();
    for part in path.split('/').skip(1) {
        match at.get(format!("f:{}", part.replace("~1", "/").replace("~0", "~"))) {
            Some(next) => {
                at = next;
                found = format!("{found}/{part}");
            }
            // A list is one field; so is what has no fields of its own.
            None if !found.is_empty() && is_one(at) => return Some(found),
            None => return None,
        }
    }
    Some(found)
}

fn is_one(fields: &Value) -> bool {
    let of_list = |name: &String| ["k:", "v:", "i:"].iter().any(|it| name.starts_with(it));
    fields.as_object().is_none_or(|fields| fields.is_empty() || fields.keys().any(of_list))
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

#[cfg(test)]
mod tests;
