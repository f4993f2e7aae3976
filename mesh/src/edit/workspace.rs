//! Texts while edits are made on them: each change is read at once, and its inverse is kept.

use std::ops::Range;

use serde_json::Value;

use crate::model::{Document, Parsed};
use crate::yaml::{self, PatchError, Path, Segment};
use crate::{Mesh, ResourceKey, Sources, limits};

use super::{Edit, EditError};

/// The byte order mark that some editors begin files with.
const MARK: char = '\u{feff}';

/// Sources under change.
pub(super) struct Workspace {
    sources: Sources,
    parsed: Parsed,
    /// Whether `parsed` was read here, diagnostics and all.
    read: bool,
    /// In the order of the edits; undone from the end.
    inverse: Vec<Edit>,
    /// Bytes of text that were read again.
    work: usize,
}

impl Workspace {
    /// `mesh` is what the sources say.
    pub(super) fn new(sources: Sources, mesh: &Mesh) -> Self {
        let parsed = Parsed { mesh: mesh.clone(), diagnostics: Vec::new() };
        Self { sources, parsed, read: false, inverse: Vec::new(), work: 0 }
    }

    /// The mesh as it is now.
    pub(super) fn mesh(&self) -> &Mesh {
        &self.parsed.mesh
    }

    /// The texts, what they say, and the way back.
    pub(super) fn finish(mut self) -> Result<(Sources, Parsed, Vec<Edit>), EditError> {
        if !self.read {
            self.read(0)?;
        }
        self.inverse.reverse();
        Ok((self.sources, self.parsed, self.inverse))
    }

    fn document(&self, key: &ResourceKey) -> Result<Document, EditError> {
        self.mesh().document(key).cloned().ok_or_else(|| EditError::NoResource(key.clone()))
    }

    /// Changes the value of a resource, and its text as little as that needs.
    pub(super) fn change(
        &mut self,
        key: &ResourceKey,
        change: impl FnOnce(&mut Value) -> Result<(), EditError>,
    ) -> Result<(), EditError> {
        let document = self.document(key)?;
        let mut value = document.root_value().clone();
        let resource =
            descend(&mut value, &document.base()).ok_or_else(|| EditError::NoResource(key.clone()))?;
        change(resource)?;
        self.write(key, &document, &value)
    }

    /// Replaces the document of a resource, or its entry in a `List`.
    pub(super) fn replace(&mut self, key: &ResourceKey, yaml: &str) -> Result<(), EditError> {
        let document = self.document(key)?;
        let yaml = one_document(yaml)?;
        // What is JSON stays JSON: programs may read it that know nothing else.
        let rewritten = yaml::is_json(document.text()) && !yaml::is_json(&yaml);
        if document.base().0.is_empty() && !rewritten {
            return self.splice(&document, &yaml);
        }
        let new = yaml::read(&yaml);
        if let Some(problem) = new.problems.first().filter(|_| new.tree.root().is_none()) {
            let source = PatchError::Unreadable(problem.message.clone().into_owned());
            return Err(EditError::Text { key: key.clone(), source });
        }
        let mut value = document.root_value().clone();
        if let Some(entry) = descend(&mut value, &document.base()) {
            *entry = new.value;
        }
        self.write(key, &document, &value)
    }

    /// Adds a document at the end of a file.
    pub(super) fn add(&mut self, file: &str, yaml: &str) -> Result<(), EditError> {
        let mut text = self.sources.0.get(file).cloned().unwrap_or_default();
        if file.ends_with(".json") && (!text.trim().is_empty() || !yaml::is_json(yaml)) {
            return Err(EditError::Json(file.to_owned()));
        }
        let last_is_empty = yaml::chunks(&text).last().is_none_or(|chunk| chunk.empty);
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        if !last_is_empty && !yaml.starts_with("---") {
            text.push_str("---\n");
        }
        text.push_str(yaml);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        self.set_files(vec![(file.to_owned(), Some(text))])
    }

    /// Removes a resource.
    pub(super) fn remove(&mut self, key: &ResourceKey) -> Result<(), EditError> {
        let document = self.document(key)?;
        if let [.., Segment::Index(index)] = document.base().0.as_slice() {
            let mut value = document.root_value().clone();
            if let Some(items) = value.get_mut("items").and_then(Value::as_array_mut) {
                items.remove(*index);
            }
            return self.write(key, &document, &value);
        }
        let text = self.sources.0.get(document.file()).cloned().unwrap_or_default();
        let text = without_document(&text, &document.span());
        self.set_files(vec![(document.file().to_owned(), text)])
    }

    /// Sets whole files.
    pub(super) fn set_files(&mut self, files: Vec<(String, Option<String>)>) -> Result<(), EditError> {
        let bytes = files.iter().filter_map(|(_, text)| text.as_ref()).map(String::len).sum();
        let before = self.sources.patch(files);
        self.inverse.push(Edit::SetFiles { files: before });
        self.read(bytes)
    }

    /// Reads the texts again, of which so many bytes are new.
    fn read(&mut self, new: usize) -> Result<(), EditError> {
        self.sources.fits()?;
        // What is known is found again by its text, which takes a small part of the time that reading does.
        let known = self.sources.0.values().map(String::len).sum::<usize>() / 16;
        self.work += new + known;
        limits::within("the texts that a request's edits read", "bytes", limits::EDIT_WORK, self.work)?;
        self.parsed = Mesh::parse_after(&self.sources, &self.parsed.mesh);
        self.read = true;
        Ok(())
    }

    /// Writes the value of a whole document into its text.
    fn write(&mut self, key: &ResourceKey, document: &Document, value: &Value) -> Result<(), EditError> {
        let text = yaml::update(document.text(), value)
            .map_err(|source| EditError::Text { key: key.clone(), source })?;
        if text == document.text() {
            return Ok(());
        }
        self.splice(document, &text)
    }

    /// Puts another text in the place of a document. The way back is one document where that is certain, so that undoing
    /// on top of others' changes leaves theirs alone.
    fn splice(&mut self, document: &Document, text: &str) -> Result<(), EditError> {
        let file = document.file().to_owned();
        let before = self.sources.0.get(&file).cloned().unwrap_or_default();
        let span = document.span();
        let mut text = fitted(text, span.start > 0, span.end < before.len());
        if span.start == 0 && before.starts_with(MARK) && !text.starts_with(MARK) {
            text.insert(0, MARK);
        }
        let mut after = before.clone();
        after.replace_range(span, &text);
        self.sources.0.insert(file.clone(), after);
        // It was read once to be changed, and once to see that it says what it should.
        self.read(3 * text.len())?;
        let undo = match self.key_at(document).filter(|_| document.base().0.is_empty()) {
            Some(key) => Edit::ReplaceResource { key, yaml: document.text().to_owned() },
            None => Edit::SetFiles { files: vec![(file, Some(before))] },
        };
        self.inverse.push(undo);
        Ok(())
    }

    /// The key that the resource in a document's place has now, where that document is what the key leads to.
    fn key_at(&self, document: &Document) -> Option<ResourceKey> {
        let same_place =
            |other: &&Document| other.file() == document.file() && other.index() == document.index();
        let key = &self.mesh().documents().iter().find(same_place)?.resource()?.key;
        self.mesh().document(key).filter(|found| same_place(found) && found.base().0.is_empty())?;
        Some(key.clone())
    }
}

fn descend<'v>(value: &'v mut Value, path: &Path) -> Option<&'v mut Value> {
    path.0.iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => value.get_mut(key),
        Segment::Index(index) => value.get_mut(*index),
    })
}

/// The text of the one document in a text, without markers.
fn one_document(yaml: &str) -> Result<String, EditError> {
    let chunks = yaml::chunks(yaml);
    if chunks.len() == 1 {
        return Ok(yaml.to_owned());
    }
    let full: Vec<_> = chunks.iter().filter(|chunk| !chunk.empty).collect();
    match full.as_slice() {
        [one] => Ok(yaml.get(one.span.clone()).unwrap_or_default().to_owned()),
        several => Err(EditError::NotOneDocument(several.len())),
    }
}

/// A document's text between the markers that are or are not around it.
fn fitted(text: &str, after_marker: bool, before_marker: bool) -> String {
    let first = text.split(['\n', '\r']).next().unwrap_or_default();
    // Behind `---` a block needs a line of its own; comments and braces may stay.
    let leads = first.trim().is_empty()
        || first.starts_with([' ', '\t']) && first.trim_start().starts_with(['#', '{', '[']);
    let mut fitted = String::with_capacity(text.len() + 2);
    if after_marker && !leads {
        fitted.push('\n');
    }
    fitted.push_str(text);
    if before_marker && !fitted.ends_with(['\n', '\r']) {
        fitted.push('\n');
    }
    fitted
}

/// A file's text without one document and one of the markers around it; `None` when no other document is in it.
fn without_document(text: &str, span: &Range<usize>) -> Option<String> {
    let others = yaml::chunks(text).into_iter().any(|chunk| !chunk.empty && chunk.span != *span);
    if !others {
        return None;
    }
    let (before, after) = (text.get(..span.start)?, text.get(span.end..)?);
    if before.is_empty() {
        // The first: the marker behind it goes with it.
        let rest = after.get(3..).unwrap_or_default();
        let rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix(['\n', '\r'])).unwrap_or(rest);
        return Some(if text.starts_with(MARK) { format!("{MARK}{rest}") } else { rest.to_owned() });
    }
    Some(format!("{}{after}", before.get(..before.len() - 3)?))
}
