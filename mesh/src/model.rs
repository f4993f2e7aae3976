//! A mesh as it was read: its documents in order, each with its place, its text and its resource.
//!
//! Reading never stops at the first problem. What a document says is decided by its text alone, so documents whose text
//! did not change are taken over from an earlier reading.

mod codes;
mod deprecated;
mod document;
mod lenient;
mod resource;

use std::collections::HashMap;
use std::sync::Arc;

use crate::diagnostic::Place;
use crate::resource::{
    DestinationRule, Gateway, Resource, Service, ServiceEntry, Spec, VirtualService,
    service_entry::WorkloadEntry,
};
use crate::{Diagnostic, ResourceKey, RouteKey, Severity, Sources, limits, yaml};

pub use codes::{CODES, Code};
pub use document::Document;
use document::{Body, Budget};

/// All documents of a mesh.
#[derive(Debug, Clone, Default)]
pub struct Mesh {
    documents: Vec<Document>,
    by_key: HashMap<ResourceKey, usize>,
}

/// What reading gives.
#[derive(Debug, Clone, Default)]
pub struct Parsed {
    /// What was understood.
    pub mesh: Mesh,
    /// What is to be said about it, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
}

impl Mesh {
    /// Reads all files that are YAML by their name (`.yaml`, `.yml`, `.json`) or have no extension.
    pub fn parse(sources: &Sources) -> Parsed {
        Self::parse_after(sources, &Self::default())
    }

    /// As [`Mesh::parse`], taking over from `previous` what did not change.
    pub fn parse_after(sources: &Sources, previous: &Self) -> Parsed {
        let known: HashMap<&str, &Arc<Body>> =
            previous.documents.iter().map(|document| (document.body.text.as_str(), &document.body)).collect();
        let mut parsed = Parsed::default();
        let mut budget = Budget::default();
        let mut bytes = 0;
        for (number, (file, text)) in sources.0.iter().filter(|(file, _)| is_yaml(file)).enumerate() {
            bytes += text.len();
            let fits = limits::within("a file", "bytes", limits::FILE_BYTES, text.len())
                .and_then(|()| limits::within("a mesh", "bytes", limits::MESH_BYTES, bytes))
                .and_then(|()| limits::within("a mesh", "files", limits::FILES, number + 1));
            match fits {
                Ok(()) => parsed.read_file(file, text, &known, &mut budget),
                Err(exceeded) => {
                    parsed.diagnostics.push(left_out(file, &exceeded));
                    // Of what is too large the rest may still fit; of too many files one is told.
                    if number >= limits::FILES {
                        break;
                    }
                    bytes -= text.len();
                }
            }
        }
        parsed
    }

    /// All documents that are not empty, by file and place. One that could not be read has no resource.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// The document of a resource. Of one that is there twice, the last, which is what `kubectl apply` leaves.
    pub fn document(&self, key: &ResourceKey) -> Option<&Document> {
        self.by_key.get(key).map(|at| &self.documents[*at])
    }

    /// A resource by its key.
    pub fn resource(&self, key: &ResourceKey) -> Option<&Resource> {
        self.document(key)?.resource()
    }

    /// The VirtualService and the HTTP route that a key names.
    pub fn route(&self, key: &RouteKey) -> Option<(&VirtualService, &crate::resource::HttpRoute)> {
        match &self.resource(&key.resource())?.spec {
            Spec::VirtualService(service) => Some((service, service.http.get(key.index)?)),
            _ => None,
        }
    }

    /// All resources, by file and place. Of one that is there twice, the last.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.documents.iter().enumerate().filter_map(|(at, document)| {
            let resource = document.resource()?;
            (self.by_key.get(&resource.key) == Some(&at)).then_some(resource)
        })
    }

    /// All VirtualServices.
    pub fn virtual_services(&self) -> impl Iterator<Item = (&Resource, &VirtualService)> {
        self.resources().filter_map(|resource| match &resource.spec {
            Spec::VirtualService(spec) => Some((resource, &**spec)),
            _ => None,
        })
    }

    /// All DestinationRules.
    pub fn destination_rules(&self) -> impl Iterator<Item = (&Resource, &DestinationRule)> {
        self.resources().filter_map(|resource| match &resource.spec {
            Spec::DestinationRule(spec) => Some((resource, &**spec)),
            _ => None,
        })
    }

    /// All ServiceEntries.
    pub fn service_entries(&self) -> impl Iterator<Item = (&Resource, &ServiceEntry)> {
        self.resources().filter_map(|resource| match &resource.spec {
            Spec::ServiceEntry(spec) => Some((resource, &**spec)),
            _ => None,
        })
    }

    /// All Gateways.
    pub fn gateways(&self) -> impl Iterator<Item = (&Resource, &Gateway)> {
        self.resources().filter_map(|resource| match &resource.spec {
            Spec::Gateway(spec) => Some((resource, &**spec)),
            _ => None,
        })
    }

    /// All WorkloadEntries.
    pub fn workload_entries(&self) -> impl Iterator<Item = (&Resource, &WorkloadEntry)> {
        self.resources().filter_map(|resource| match &resource.spec {
            Spec::WorkloadEntry(spec) => Some((resource, &**spec)),
            _ => None,
        })
    }

    /// All Services of Kubernetes.
    pub fn services(&self) -> impl Iterator<Item = (&Resource, &Service)> {
        self.resources().filter_map(|resource| match &resource.spec {
            Spec::Service(spec) => Some((resource, &**spec)),
            _ => None,
        })
    }
}

impl Parsed {
    fn read_file(&mut self, file: &str, text: &str, known: &HashMap<&str, &Arc<Body>>, budget: &mut Budget) {
        let file: Arc<str> = file.into();
        for (index, chunk) in yaml::chunks(text).into_iter().enumerate() {
            if chunk.empty {
                continue;
            }
            if !budget.is_left() {
                return;
            }
            let part = text.get(chunk.span.clone()).unwrap_or_default();
            let mut body =
                known.get(part).map_or_else(|| Arc::new(Body::read(part)), |body| Arc::clone(body));
            if let Err(why) = budget.take(&body) {
                body = Arc::new(Body::left_out(part, why));
            }
            let start = self.mesh.documents.len();
            let count = body.items.len().max(1);
            for item in 0..count {
                let (file, body) = (Arc::clone(&file), Arc::clone(&body));
                self.add(Document { file, index, start: chunk.span.start, line: chunk.line, body, item });
            }
            self.diagnostics.extend(self.mesh.documents[start].diagnostics(text, budget));
        }
    }

    fn add(&mut self, document: Document) {
        if let Some(resource) = document.resource() {
            self.mesh.by_key.insert(resource.key.clone(), self.mesh.documents.len());
        }
        self.mesh.documents.push(document);
    }
}

/// A file that is not read.
fn left_out(file: &str, exceeded: &limits::Exceeded) -> Diagnostic {
    Diagnostic {
        code: "MW0009".into(),
        severity: Severity::Error,
        resource: None,
        path: String::new(),
        place: Some(Place { file: file.to_owned(), line: 1, column: 1 }),
        message: format!("The file is left out: {exceeded}."),
        corresponds_to: Vec::new(),
        fix: None,
    }
}

/// Whether a file is read: YAML by its name, or without an extension.
pub(crate) fn is_yaml(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.rsplit_once('.').is_none_or(|(_, extension)| matches!(extension, "yaml" | "yml" | "json"))
}
