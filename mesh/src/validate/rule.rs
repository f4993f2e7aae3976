//! What a rule is, and how it reports.

use serde_json::Value;

use crate::diagnostic::Fix;
use crate::edit::FieldEdit;
use crate::resource::Resource;
use crate::resource::walk::{At, Leaf};
use crate::{Diagnostic, Document, Edit, Mesh, Severity};

use super::context::Context;

/// One rule of the table.
#[derive(Debug)]
pub struct Rule {
    /// Stable code.
    pub code: &'static str,
    /// How bad its findings are, unless one says otherwise.
    pub severity: Severity,
    /// What it finds, in a few words.
    pub title: &'static str,
    /// Why that matters, and what Istio and Envoy do.
    pub explanation: &'static str,
    /// Messages of istioctl that say the same.
    pub corresponds_to: &'static [&'static str],
    /// How it looks for it.
    pub(super) check: Check,
    /// Meshes with the findings that they must have; see `fixtures.rs`.
    #[cfg(test)]
    pub(super) fixture: &'static str,
}

#[cfg(test)]
impl Rule {
    /// Meshes with what is found in them.
    pub(crate) fn fixture(&self) -> &'static str {
        self.fixture
    }
}

/// Forms of rules.
#[derive(Debug, Clone, Copy)]
pub(super) enum Check {
    /// Looks at the whole mesh.
    Mesh(fn(&Context<'_>, &mut Report<'_>)),
    /// Looks at every value of a kind, wherever it stands.
    Leaf(fn(&Resource, &At<'_>, Leaf<'_>, &mut Report<'_>)),
}

/// Where a rule puts what it finds.
pub(super) struct Report<'c> {
    pub(super) rule: &'static Rule,
    pub(super) mesh: &'c Mesh,
    pub(super) found: &'c mut Vec<Diagnostic>,
}

impl Report<'_> {
    /// Adds a finding about a field of a resource.
    pub(super) fn add(
        &mut self,
        resource: &Resource,
        at: &At<'_>,
        message: impl Into<String>,
    ) -> Finding<'_> {
        let path = at.to_string();
        let document = self.mesh.document(&resource.key);
        let place = document.and_then(|document| document.place(&path));
        self.push(resource, path, place, message.into())
    }

    /// Whether a field of a resource is written.
    pub(super) fn has(&self, resource: &Resource, at: &At<'_>) -> bool {
        self.mesh.document(&resource.key).is_some_and(|document| document.value(&at.to_string()).is_some())
    }

    /// Adds a finding about a field of a document, which is not always the one that its resource is read from.
    pub(super) fn add_at(&mut self, document: &Document, path: &str, message: String) {
        if let Some(resource) = document.resource() {
            self.push(resource, path.to_owned(), document.place(path), message);
        }
    }

    fn push(
        &mut self,
        resource: &Resource,
        path: String,
        place: Option<crate::diagnostic::Place>,
        message: String,
    ) -> Finding<'_> {
        self.found.push(Diagnostic {
            code: self.rule.code.into(),
            severity: self.rule.severity,
            resource: Some(resource.key.clone()),
            path,
            place,
            message,
            corresponds_to: self.rule.corresponds_to.iter().map(|code| (*code).into()).collect(),
            fix: None,
        });
        Finding(self.found.last_mut())
    }
}

/// A finding that was added, to be refined.
pub(super) struct Finding<'f>(Option<&'f mut Diagnostic>);

impl Finding<'_> {
    /// It is this bad.
    pub(super) fn severity(self, severity: Severity) -> Self {
        self.map(|found| found.severity = severity)
    }

    /// Of the rule's correspondences it has these.
    pub(super) fn corresponds_to(self, codes: &[&'static str]) -> Self {
        self.map(|found| found.corresponds_to = codes.iter().map(|code| (*code).into()).collect())
    }

    /// Writing these fields mends it; `None` removes one.
    pub(super) fn set(self, title: impl Into<String>, fields: Vec<(String, Option<Value>)>) -> Self {
        let Some(key) = self.0.as_ref().and_then(|found| found.resource.clone()) else { return self };
        let fields = fields.into_iter().map(|(path, value)| FieldEdit { path, value }).collect();
        self.fix(title, Edit::SetFields { key, fields })
    }

    /// This edit mends it.
    pub(super) fn fix(self, title: impl Into<String>, edit: Edit) -> Self {
        self.map(|found| found.fix = Some(Fix { title: title.into(), edit }))
    }

    fn map(mut self, change: impl FnOnce(&mut Diagnostic)) -> Self {
        if let Some(found) = self.0.as_deref_mut() {
            change(found);
        }
        self
    }
}
