//! Values of a tree, with a budget that stops alias bombs.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::Severity;

use super::emit;
use super::path::Path;
use super::problem::{Problem, Remedy};
use super::repair::placeholder;
use super::scalar;
use super::tree::{NodeId, NodeKind, Tree};

/// Nodes of one document after all aliases are put in place. Ten times the largest object that Kubernetes stores.
const MAX_NODES: usize = 200_000;
/// Levels, aliases put in place.
const MAX_DEPTH: usize = 200;

/// The value of the whole document, and what is wrong with it.
pub(crate) fn value(tree: &Tree, problems: &mut Vec<Problem>) -> Value {
    let mut reader = Reader { tree, problems, left: MAX_NODES, exhausted: false };
    let value = tree.root().map_or(Value::Null, |root| reader.node(root, &Path::default(), 0));
    if reader.exhausted {
        reader.problems.push(Problem {
            code: "MW0005",
            severity: Severity::Error,
            path: Path::default(),
            offset: 0,
            message: "The document's aliases expand to more than it may hold; it is left out.".into(),
            fix: None,
        });
        return Value::Null;
    }
    value
}

struct Reader<'a> {
    tree: &'a Tree,
    problems: &'a mut Vec<Problem>,
    left: usize,
    exhausted: bool,
}

impl Reader<'_> {
    fn node(&mut self, id: NodeId, path: &Path, depth: usize) -> Value {
        if self.left == 0 || depth > MAX_DEPTH {
            self.exhausted = true;
            return Value::Null;
        }
        self.left -= 1;
        let tree = self.tree;
        match &tree.node(id).kind {
            NodeKind::Missing => Value::Null,
            NodeKind::Plain(text) if text == "..." => {
                self.problems.push(placeholder(tree.node(id).span.start, path.clone()));
                Value::Null
            }
            NodeKind::Plain(text) => scalar::resolve(text),
            NodeKind::Text { text, .. } => Value::String(text.clone()),
            NodeKind::Dangling(text) => {
                self.problems.push(dangling(text, &tree.node(id).span, path));
                Value::String(text.clone())
            }
            NodeKind::Alias(target) => self.node(*target, path, depth + 1),
            NodeKind::Sequence { items, .. } => Value::Array(
                items
                    .iter()
                    .enumerate()
                    .map(|(at, item)| self.node(*item, &path.index(at), depth + 1))
                    .collect(),
            ),
            NodeKind::Mapping { entries, .. } => Value::Object(self.mapping(entries, path, depth)),
        }
    }

    fn mapping(&mut self, entries: &[(NodeId, NodeId)], path: &Path, depth: usize) -> Map<String, Value> {
        let mut map = Map::new();
        for (key, value) in entries {
            let offset = self.tree.node(*key).span.start;
            let Some(name) = self.tree.key(*key) else {
                self.problem("MW0004", path, offset, "A key must be text; this one is left out.".to_owned());
                continue;
            };
            if name == "<<" && matches!(self.tree.node(*key).kind, NodeKind::Plain(_)) {
                continue;
            }
            let at = path.key(name);
            let value = self.node(*value, &at, depth + 1);
            if map.insert(name.to_owned(), value).is_some() {
                let message =
                    format!("`{name}` is there twice; the last one counts here, and kubectl refuses both.");
                self.problem("MW0003", &at, offset, message);
            }
        }
        self.merge(entries, path, depth, &mut map);
        map
    }

    /// `<<: *base`: what the mapping does not have itself, as kubectl reads it.
    fn merge(
        &mut self,
        entries: &[(NodeId, NodeId)],
        path: &Path,
        depth: usize,
        map: &mut Map<String, Value>,
    ) {
        for (key, value) in entries {
            if !matches!(&self.tree.node(*key).kind, NodeKind::Plain(text) if text == "<<") {
                continue;
            }
            let bases = match self.node(*value, path, depth + 1) {
                Value::Array(bases) => bases,
                base => vec![base],
            };
            for base in bases {
                let Value::Object(base) = base else { continue };
                for (name, value) in base {
                    map.entry(name).or_insert(value);
                }
            }
        }
    }

    fn problem(&mut self, code: &'static str, path: &Path, offset: usize, message: String) {
        self.problems.push(Problem {
            code,
            severity: Severity::Error,
            path: path.clone(),
            offset,
            message: message.into(),
            fix: None,
        });
    }
}

/// An alias of nothing is almost always a wildcard that should be in quotes.
fn dangling(text: &str, span: &Range<usize>, path: &Path) -> Problem {
    let quoted = emit::text(text);
    Problem {
        code: "MW0010",
        severity: Severity::Warning,
        path: path.clone(),
        offset: span.start,
        message: format!(
            "`{text}` without quotes is an alias in YAML, and nothing has that name: kubectl refuses it; it is read as \
             text. Write {quoted}."
        )
        .into(),
        fix: Some((format!("Write {quoted}").into(), Remedy::Text(span.clone(), quoted))),
    }
}
