//! One document: where it is, its text, and what was read from it.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::change::{Edit, FieldEdit};
use crate::diagnostic::{Fix, Place};
use crate::limits::{DOCUMENTS, FIX_BYTES, MESH_ALIASED_BYTES, MESH_NODES, PROBLEMS};
use crate::resource::Resource;
use crate::yaml::{self, Path, Problem, Remedy};
use crate::{Diagnostic, ResourceKey, Severity};

use super::codes::Code;
use super::related::Related;
use super::resource::{self, Item};

/// One resource's place in a mesh: a document of a file, or an entry of a document of kind `List`.
#[derive(Debug, Clone)]
pub struct Document {
    pub(super) file: Arc<str>,
    pub(super) index: usize,
    pub(super) start: usize,
    pub(super) line: usize,
    pub(super) body: Arc<Body>,
    pub(super) item: usize,
}

/// What a document's text says, wherever it stands.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) text: String,
    pub(super) read: yaml::Text,
    pub(super) items: Vec<Item>,
    pub(super) problems: Vec<(Option<ResourceKey>, Problem)>,
}

/// What is left of the mesh's budget while its documents are read.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    documents: usize,
    nodes: usize,
    aliased: usize,
    /// Bytes of text in edits that mend findings.
    fixes: usize,
    /// Something had no room.
    over: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            documents: DOCUMENTS,
            nodes: MESH_NODES,
            aliased: MESH_ALIASED_BYTES,
            fixes: FIX_BYTES,
            over: false,
        }
    }
}

impl Budget {
    /// Whether all that came so far had room.
    pub(super) fn is_left(&self) -> bool {
        !self.over
    }

    /// Takes what a document needs; where that is not left, why.
    pub(super) fn take(&mut self, body: &Body) -> Result<(), String> {
        let (count, cost) = (body.items.len().max(1), body.read.cost);
        let lacking = [
            (self.documents, count, "resources", DOCUMENTS),
            (self.nodes, cost.nodes, "keys and values", MESH_NODES),
            (self.aliased, cost.aliased, "bytes from aliases", MESH_ALIASED_BYTES),
        ]
        .into_iter()
        .find(|(left, needed, ..)| needed > left);
        if let Some((.., what, most)) = lacking {
            self.over = true;
            return Err(format!(
                "With this document the mesh has more than {most} {what}; this and all that follows is left out."
            ));
        }
        self.documents -= count;
        self.nodes -= cost.nodes;
        self.aliased -= cost.aliased;
        Ok(())
    }
}

impl Body {
    pub(super) fn read(text: &str) -> Self {
        let mut read = yaml::read(text);
        let mut problems: Vec<_> = read.problems.drain(..).map(|problem| (None, problem)).collect();
        let items = resource::items(&read, &mut problems);
        // A document of one resource is what its syntax errors are about, too.
        if let [item] = items.as_slice() {
            for (key, _) in &mut problems {
                key.get_or_insert_with(|| item.resource.key.clone());
            }
        }
        problems.sort_by_key(|(_, problem)| problem.offset);
        let mut more = read.more;
        problems.iter().skip(PROBLEMS).for_each(|(_, problem)| more.add(problem.severity));
        problems.truncate(PROBLEMS);
        if let Some(severity) = more.worst {
            let message = format!("{} more findings about this document are not shown.", more.count);
            problems.push((None, about_all("MW0008", severity, message)));
        }
        Self { text: text.to_owned(), read, items, problems }
    }

    /// A document for which there is no room.
    pub(super) fn left_out(text: &str, why: String) -> Self {
        let problems = vec![(None, about_all("MW0007", Severity::Error, why))];
        Self { text: text.to_owned(), read: yaml::Text::default(), items: Vec::new(), problems }
    }
}

/// A finding about a whole document.
fn about_all(code: &'static str, severity: Severity, message: String) -> Problem {
    Problem { code, severity, path: Path::default(), offset: 0, message: message.into(), fix: None }
}

impl Document {
    /// The file that it is in.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Its position among the documents of its file, from 0, empty ones counted.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The bytes of the whole document within its file, without the markers around it.
    pub fn span(&self) -> Range<usize> {
        self.start..self.start + self.body.text.len()
    }

    /// The text of the whole document.
    pub fn text(&self) -> &str {
        &self.body.text
    }

    /// The text that the offsets of nodes refer to: as it stands, or as it was repaired to be read.
    pub fn text_for_edits(&self) -> &str {
        self.body.read.repaired.as_deref().unwrap_or(&self.body.text)
    }

    /// The resource; `None` where the document could not be read that far.
    pub fn resource(&self) -> Option<&Resource> {
        self.body.items.get(self.item).map(|item| &item.resource)
    }

    /// What relates the resource to those of other documents.
    pub(crate) fn related(&self) -> Option<&Related> {
        self.body.items.get(self.item).map(|item| &item.related)
    }

    /// Whether another document is the same text, wherever it stands.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }

    /// The same of two documents that are the same text.
    pub(crate) fn identity(&self) -> (usize, usize) {
        (Arc::as_ptr(&self.body).addr(), self.item)
    }

    /// Whether another document stands at the same place.
    pub(crate) fn same_place(&self, other: &Self) -> bool {
        self.start == other.start && self.line == other.line && self.file == other.file
    }

    /// Where the resource is in the document: empty, or `items[n]` in a `List`.
    pub fn base(&self) -> Path {
        self.body.items.get(self.item).map(|item| item.path.clone()).unwrap_or_default()
    }

    /// The value at a path of the resource, as written: unknown fields, and values of the wrong type, too.
    pub fn value(&self, path: &str) -> Option<&Value> {
        let path = self.base().join(&Path::parse(path)?);
        path.0.iter().try_fold(&self.body.read.value, |value, segment| match segment {
            yaml::Segment::Key(key) => value.get(key),
            yaml::Segment::Index(index) => value.get(index),
        })
    }

    /// The value of the whole document.
    pub fn root_value(&self) -> &Value {
        &self.body.read.value
    }

    /// The nodes of the document.
    pub fn tree(&self) -> &yaml::Tree {
        &self.body.read.tree
    }

    /// Where a field of the resource is, or its nearest ancestor that is there. `None` for what is not a path.
    pub fn place(&self, path: &str) -> Option<Place> {
        let path = self.base().join(&Path::parse(path)?);
        Some(self.place_of(self.body.read.tree.offset(&path)))
    }

    /// Where a byte of the document's text is.
    pub fn place_of(&self, offset: usize) -> Place {
        let text = self.text_for_edits();
        let offset = if text.is_char_boundary(offset) { offset } else { text.len() };
        let all = self.body.read.lines(&self.body.text);
        let lines = all.starts.partition_point(|start| *start <= offset);
        let line_start = lines.checked_sub(1).map_or(0, |line| all.starts[line]);
        let before = text.get(line_start..offset).unwrap_or_default();
        let mut column = if all.ascii { before.len() } else { before.chars().count() } + 1;
        // The first line goes on behind the marker.
        if lines == 0 && self.start > 0 {
            column += 3;
        }
        Place { file: self.file.to_string(), line: self.line + lines, column }
    }

    /// What reading this document, with all its entries, had to say. `file_text` is the text of its file.
    pub(super) fn diagnostics(&self, file_text: &str, budget: &mut Budget) -> Vec<Diagnostic> {
        let mut fits = |remedy: &Remedy| {
            // What mends a field is small; what mends a text has all of it.
            let bytes = if matches!(remedy, Remedy::Fields(_)) { 0 } else { file_text.len() };
            let left = budget.fixes.checked_sub(bytes);
            budget.fixes = left.unwrap_or(budget.fixes);
            left.is_some()
        };
        let diagnostic = |(key, problem): &(Option<ResourceKey>, Problem)| Diagnostic {
            code: problem.code.into(),
            severity: problem.severity,
            resource: key.clone(),
            path: problem.path.to_string(),
            place: Some(self.place_of(problem.offset)),
            message: problem.message.clone().into_owned(),
            corresponds_to: Code::corresponds_to(problem.code).iter().map(|code| (*code).into()).collect(),
            fix: problem.fix.as_ref().filter(|(_, remedy)| fits(remedy)).map(|(title, remedy)| Fix {
                title: title.clone().into_owned(),
                edit: self.mending(key.as_ref(), remedy, file_text),
            }),
        };
        self.body.problems.iter().map(diagnostic).collect()
    }

    /// The edit that a remedy is.
    fn mending(&self, key: Option<&ResourceKey>, remedy: &Remedy, file_text: &str) -> Edit {
        let text = match (remedy, key) {
            (Remedy::Fields(fields), Some(key)) => {
                let field = |(path, value): &(Path, Option<Value>)| FieldEdit {
                    path: path.to_string(),
                    value: value.clone(),
                };
                return Edit::SetFields { key: key.clone(), fields: fields.iter().map(field).collect() };
            }
            (Remedy::Text(range, with), _) => {
                let mut text = self.text_for_edits().to_owned();
                text.replace_range(range.clone(), with);
                text
            }
            _ => self.text_for_edits().to_owned(),
        };
        match key {
            // An entry of a list is not a document of its own.
            Some(key) if self.base().0.is_empty() => Edit::ReplaceResource { key: key.clone(), yaml: text },
            _ => {
                let span = self.span();
                let before = file_text.get(..span.start).unwrap_or_default();
                let after = file_text.get(span.end..).unwrap_or_default();
                Edit::SetFiles {
                    files: vec![(self.file.to_string(), Some(format!("{before}{text}{after}")))],
                }
            }
        }
    }
}
