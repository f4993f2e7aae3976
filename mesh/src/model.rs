//! A mesh as it was read: its documents in order, each with its place, its text and its resource.
//!
//! Reading never stops at the first problem. What a document says is decided by its text alone, so documents whose text
//! did not change are taken over from an earlier reading.

mod codes;
mod deprecated;
mod document;
mod known;
mod lenient;
mod related;
mod resource;
mod unread;

use std::collections::{HashMap, HashSet};
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
use known::Known;
pub(crate) use related::{Names, Related};

/// All documents of a mesh.
#[derive(Debug, Clone, Default)]
pub struct Mesh {
    documents: Vec<Document>,
    /// Where each resource is. Shared by meshes that have the same ones at the same places.
    by_key: Arc<HashMap<ResourceKey, usize>>,
    /// Some resource is there twice.
    doubles: bool,
}

/// How two meshes differ.
#[derive(Debug)]
pub struct Changes<'m> {
    /// Documents that the earlier alone has.
    pub gone: Vec<&'m Document>,
    /// Documents that the later alone has.
    pub come: Vec<&'m Document>,
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
    ///
    /// What cannot be understood is said, and the rest is there all the same:
    ///
    /// ```
    /// use mesh::{Mesh, Sources};
    ///
    /// let sources = Sources::single(
    ///     "mesh.yaml",
    ///     "
    /// apiVersion: networking.istio.io/v1
    /// kind: VirtualService
    /// metadata: {name: reviews}
    /// spec:
    ///   hosts: [reviews]
    ///   http: [{route: [{destination: {host: reviews}, weight: many}]}]
    /// ",
    /// );
    /// let parsed = Mesh::parse(&sources);
    /// assert_eq!(parsed.mesh.documents().len(), 1);
    /// assert_eq!(parsed.diagnostics[0].path, "spec.http[0].route[0].weight");
    /// ```
    pub fn parse(sources: &Sources) -> Parsed {
        Self::parse_after(sources, &Self::default())
    }

    /// As [`Mesh::parse`], taking over from `previous` what did not change.
    pub fn parse_after(sources: &Sources, previous: &Self) -> Parsed {
        let mut known = Known::of(previous);
        let mut parsed = Parsed::default();
        let mut budget = Budget::default();
        let mut bytes = 0;
        for (number, (file, text)) in sources.0.iter().filter(|(file, _)| is_yaml(file)).enumerate() {
            bytes += text.len();
            let fits = limits::within("a file", "bytes", limits::FILE_BYTES, text.len())
                .and_then(|()| limits::within("a mesh", "bytes", limits::MESH_BYTES, bytes))
                .and_then(|()| limits::within("a mesh", "files", limits::FILES, number + 1));
            match fits {
                Ok(()) => parsed.read_file(file, text, &mut known, &mut budget),
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
        parsed.mesh.index(previous);
        parsed
    }

    /// Notes where each resource is.
    fn index(&mut self, previous: &Self) {
        fn key(document: &Document) -> Option<&ResourceKey> {
            document.resource().map(|resource| &resource.key)
        }
        let pairs = || self.documents.iter().zip(&previous.documents);
        if self.documents.len() == previous.documents.len()
            && pairs().all(|(new, old)| new.same(old) || key(new) == key(old))
        {
            (self.by_key, self.doubles) = (Arc::clone(&previous.by_key), previous.doubles);
            return;
        }
        let mut by_key = HashMap::with_capacity(self.documents.len());
        for (at, document) in self.documents.iter().enumerate() {
            if let Some(key) = key(document) {
                self.doubles |= by_key.insert(key.clone(), at).is_some();
            }
        }
        self.by_key = Arc::new(by_key);
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

    /// Whether some resource is there twice.
    pub(crate) fn has_doubles(&self) -> bool {
        self.doubles
    }

    /// What an earlier mesh has that this one has not, and the other way round; `None` where the texts alone do not say what counts:
    /// a resource is there twice.
    pub fn changes<'m>(&'m self, before: &'m Self) -> Option<Changes<'m>> {
        if self.doubles || before.doubles {
            return None;
        }
        let (old, new) = (&*before.documents, &*self.documents);
        let same = |(a, b): &(&Document, &Document)| a.same(b);
        let head = old.iter().zip(new).take_while(same).count();
        let (old, new) = (&old[head..], &new[head..]);
        let tail = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
        let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
        let without = |these: &'m [Document], others: &'m [Document]| {
            let others: HashSet<_> = others.iter().map(Document::identity).collect();
            these.iter().filter(|it| !others.contains(&it.identity())).collect()
        };
        Some(Changes { gone: without(old, new), come: without(new, old) })
    }

    /// Resources whose documents are not the same text as in an earlier mesh, or are in one of the two alone.
    pub fn changed<'m>(&'m self, before: &'m Self) -> Vec<&'m ResourceKey> {
        let same = |key: &&ResourceKey| match (before.document(key), self.document(key)) {
            (Some(before), Some(now)) => before.same(now),
            _ => false,
        };
        let gone = before.by_key.keys().filter(|key| !self.by_key.contains_key(*key));
        let mut changed: Vec<_> = self.by_key.keys().filter(|key| !same(key)).chain(gone).collect();
        changed.sort();
        changed
    }

    /// All resources, by file and place. Of one that is there twice, the last.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.documents.iter().enumerate().filter_map(|(at, document)| {
            let resource = document.resource()?;
            (!self.doubles || self.by_key.get(&resource.key) == Some(&at)).then_some(resource)
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
    fn read_file(&mut self, file: &str, text: &str, known: &mut Known<'_>, budget: &mut Budget) {
        let chunks = yaml::chunks(text);
        let parts = chunks.iter().filter(|chunk| !chunk.empty).map(|chunk| &text[chunk.span.clone()]);
        let mut bodies = known.bodies(file, &parts.collect::<Vec<_>>()).into_iter();
        let file = known.file(file).unwrap_or_else(|| file.into());
        for (index, chunk) in chunks.into_iter().enumerate() {
            if chunk.empty {
                continue;
            }
            if !budget.is_left() {
                return;
            }
            let part = &text[chunk.span.clone()];
            let mut body = bodies.next().flatten().unwrap_or_else(|| Arc::new(Body::read(part)));
            if let Err(why) = budget.take(&body) {
                body = Arc::new(Body::left_out(part, why));
            }
            let start = self.mesh.documents.len();
            let count = body.items.len().max(1);
            for item in 0..count {
                let (file, body) = (Arc::clone(&file), Arc::clone(&body));
                let (start, line) = (chunk.span.start, chunk.line);
                self.mesh.documents.push(Document { file, index, start, line, body, item });
            }
            self.diagnostics.extend(self.mesh.documents[start].diagnostics(text, budget));
        }
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
