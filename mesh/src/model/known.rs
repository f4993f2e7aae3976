//! Documents that were read before, found again by their text.

use std::collections::HashMap;
use std::sync::Arc;

use super::document::{Body, Document};
use crate::Mesh;

/// How many are looked for one by one before an index is worth its time: it takes the whole text of a mesh to make.
const FEW: usize = 16;

/// The documents of an earlier reading.
pub(super) struct Known<'m> {
    documents: &'m [Document],
    by_file: HashMap<&'m str, &'m [Document]>,
    by_text: HashMap<&'m str, &'m Arc<Body>>,
    /// How many were looked for.
    asked: usize,
}

impl<'m> Known<'m> {
    pub(super) fn of(mesh: &'m Mesh) -> Self {
        let files = mesh.documents.chunk_by(|a, b| Arc::ptr_eq(&a.file, &b.file));
        let by_file = files.filter_map(|list| Some((list.first()?.file(), list))).collect();
        Self { documents: &mesh.documents, by_file, by_text: HashMap::new(), asked: 0 }
    }

    /// The name of a file, as its documents have it.
    pub(super) fn file(&self, file: &str) -> Option<Arc<str>> {
        self.by_file.get(file).and_then(|list| list.first()).map(|document| Arc::clone(&document.file))
    }

    /// What is known of the documents of a file, in their order. Most stand where they stood: they are not looked for.
    pub(super) fn bodies(&mut self, file: &str, texts: &[&str]) -> Vec<Option<Arc<Body>>> {
        let mut earlier: Vec<&Arc<Body>> =
            self.by_file.get(file).copied().unwrap_or_default().iter().map(|it| &it.body).collect();
        // A list has many resources in one document.
        earlier.dedup_by(|a, b| Arc::ptr_eq(a, b));
        let same = |(text, body): &(&&str, &&Arc<Body>)| **text == body.text;
        let head = texts.iter().zip(&earlier).take_while(same).count();
        let tail = texts[head..].iter().rev().zip(earlier[head..].iter().rev()).take_while(same).count();
        let middle = texts.len() - tail;
        let behind = earlier.len() - tail;
        let body = |(at, text): (usize, &&str)| {
            if at < head {
                Some(earlier[at])
            } else if at >= middle {
                Some(earlier[at - middle + behind])
            } else {
                self.find(text)
            }
        };
        texts.iter().enumerate().map(body).map(|body| body.cloned()).collect()
    }

    fn find(&mut self, text: &str) -> Option<&'m Arc<Body>> {
        self.asked += 1;
        if self.asked <= FEW {
            return self.documents.iter().map(|it| &it.body).find(|body| body.text == text);
        }
        if self.by_text.is_empty() {
            self.by_text = self.documents.iter().map(|it| (it.body.text.as_str(), &it.body)).collect();
        }
        self.by_text.get(text).copied()
    }
}
