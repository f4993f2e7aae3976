//! Values of a tree, with a budget that stops alias bombs.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::Severity;
use crate::limits::{ALIASED_BYTES, ALIASED_NODES, DEPTH, KEY_BYTES, PROBLEMS};

use super::path::{Path, Segment};
use super::problem::{More, Problem, Remedy, deep, left_out};
use super::repair::placeholder;
use super::tree::{NodeId, NodeKind, Tree};
use super::{emit, scalar};

/// What a document takes of the mesh's budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Nodes, aliases put in place.
    pub(crate) nodes: usize,
    /// Bytes of text that aliases add.
    pub(crate) aliased: usize,
}

/// The value of the whole document with its cost, and what is wrong with it.
pub(crate) fn value(tree: &Tree, problems: &mut Vec<Problem>, more: &mut More) -> (Value, Cost) {
    let (path, added) = (Vec::new(), Cost::default());
    let mut reader = Reader { tree, problems, more, path, aliases: 0, added, over: None };
    let value = tree.root().map_or(Value::Null, |root| reader.node(root));
    let Reader { added, over, .. } = reader;
    if let Some(over) = over {
        problems.push(over);
        return (Value::Null, Cost { nodes: tree.len(), aliased: 0 });
    }
    (value, Cost { nodes: tree.len() + added.nodes, ..added })
}

/// A step of the way to the node that is read.
#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
    /// What an alias stands for, and what a merge key brings, is where they are.
    Here,
}

struct Reader<'a> {
    tree: &'a Tree,
    problems: &'a mut Vec<Problem>,
    more: &'a mut More,
    path: Vec<Step<'a>>,
    /// Aliases on the way.
    aliases: usize,
    /// By aliases.
    added: Cost,
    /// Why the document is left out.
    over: Option<Problem>,
}

impl<'a> Reader<'a> {
    fn at(&self) -> Path {
        let segments = self.path.iter().filter_map(|step| match step {
            Step::Key(key) => Some(Segment::Key((*key).to_owned())),
            Step::Index(index) => Some(Segment::Index(*index)),
            Step::Here => None,
        });
        Path(segments.collect())
    }

    fn below(&mut self, step: Step<'a>, id: NodeId) -> Value {
        self.path.push(step);
        let value = self.node(id);
        self.path.pop();
        value
    }

    fn node(&mut self, id: NodeId) -> Value {
        if self.path.len() >= DEPTH {
            self.over.get_or_insert_with(deep);
        }
        let tree = self.tree;
        let kind = &tree.node(id).kind;
        self.added.nodes += usize::from(self.aliases > 0);
        if let (NodeKind::Plain(text) | NodeKind::Text { text, .. }, true) = (kind, self.aliases > 0) {
            self.aliased(text);
        }
        if self.added.nodes > ALIASED_NODES {
            self.over.get_or_insert_with(expands);
        }
        if self.over.is_some() {
            return Value::Null;
        }
        match kind {
            NodeKind::Missing => Value::Null,
            NodeKind::Plain(text) if text == "..." => {
                self.add(Severity::Warning, |at| placeholder(tree.node(id).span.start, at));
                Value::Null
            }
            NodeKind::Plain(text) => scalar::resolve(text),
            NodeKind::Text { text, .. } => Value::String(text.clone()),
            NodeKind::Dangling(text) => {
                self.add(Severity::Warning, |at| dangling(text, &tree.node(id).span, at));
                Value::String(text.clone())
            }
            NodeKind::Alias(target) => {
                self.aliases += 1;
                let value = self.below(Step::Here, *target);
                self.aliases -= 1;
                value
            }
            NodeKind::Sequence { items, .. } => Value::Array(
                items.iter().enumerate().map(|(at, item)| self.below(Step::Index(at), *item)).collect(),
            ),
            NodeKind::Mapping { entries, .. } => Value::Object(self.mapping(entries)),
        }
    }

    /// Counts text that aliases add.
    fn aliased(&mut self, text: &str) {
        self.added.aliased += text.len();
        if self.added.aliased > ALIASED_BYTES {
            self.over.get_or_insert_with(expands);
        }
    }

    fn mapping(&mut self, entries: &'a [(NodeId, NodeId)]) -> Map<String, Value> {
        let mut map = Map::new();
        for (key, value) in entries {
            if self.over.is_some() {
                return map;
            }
            let key_node = self.tree.node(*key);
            let offset = key_node.span.start;
            let Some(name) = self.tree.key(*key) else {
                self.problem("MW0004", offset, "A key must be text; this one is left out.".to_owned());
                continue;
            };
            if name.len() > KEY_BYTES {
                let message = format!("A key may have {KEY_BYTES} bytes at most; this one is left out.");
                self.problem("MW0004", offset, message);
                continue;
            }
            if name == "<<" && matches!(key_node.kind, NodeKind::Plain(_)) {
                continue;
            }
            if self.aliases > 0 || matches!(key_node.kind, NodeKind::Alias(_)) {
                self.aliased(name);
            }
            let value = self.below(Step::Key(name), *value);
            if map.insert(name.to_owned(), value).is_some() {
                let message = format!(
                    "`{name}` is set twice; the last one is used here, but kubectl rejects the document."
                );
                self.path.push(Step::Key(name));
                self.problem("MW0003", offset, message);
                self.path.pop();
            }
        }
        self.merge(entries, &mut map);
        map
    }

    /// `<<: *base`: what the mapping does not have itself, as kubectl reads it.
    fn merge(&mut self, entries: &'a [(NodeId, NodeId)], map: &mut Map<String, Value>) {
        for (key, value) in entries {
            if !matches!(&self.tree.node(*key).kind, NodeKind::Plain(text) if text == "<<") {
                continue;
            }
            let bases = match self.below(Step::Here, *value) {
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

    fn problem(&mut self, code: &'static str, offset: usize, message: String) {
        self.add(Severity::Error, |path| Problem {
            code,
            severity: Severity::Error,
            path,
            offset,
            message: message.into(),
            fix: None,
        });
    }

    /// Tells of a problem here, unless there are so many that they are only counted.
    fn add(&mut self, severity: Severity, problem: impl FnOnce(Path) -> Problem) {
        if self.problems.len() < PROBLEMS {
            self.problems.push(problem(self.at()));
        } else {
            self.more.add(severity);
        }
    }
}

fn expands() -> Problem {
    let message =
        "The document's aliases expand to more than a document may hold; it is left out.".to_owned();
    left_out("MW0005", 0, message)
}

/// An alias of nothing is almost always a wildcard that should be in quotes.
fn dangling(text: &str, span: &Range<usize>, path: Path) -> Problem {
    let quoted = emit::text(text);
    Problem {
        code: "MW0010",
        severity: Severity::Warning,
        path,
        offset: span.start,
        message: format!(
            "`{text}` without quotes is a YAML alias without an anchor, which kubectl rejects; it is read as \
             text. Write {quoted}."
        )
        .into(),
        fix: Some((format!("Write {quoted}").into(), Remedy::Text(span.clone(), quoted))),
    }
}
