//! A document as nodes with their places in the text.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, StructureStyle};

use super::path::{Path, Segment};
use crate::limits::{DEPTH, NODES};

/// A node's number within its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId(u32);

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its bytes in the text: from its first character (tags and anchors are before it) to after its last. Empty for a
    /// value that is not there.
    pub span: Range<usize>,
    /// What it is.
    pub kind: NodeKind,
    /// Whether an anchor or a tag stands before it.
    pub decorated: bool,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// No value where one may be.
    Missing,
    /// A scalar that may mean a number, a truth value or nothing.
    Plain(String),
    /// Text: quoted, in a block, or by its tag.
    Text {
        /// Decoded.
        text: String,
        /// In a block, by `|` or `>`.
        block: bool,
    },
    /// Stands for an earlier node.
    Alias(NodeId),
    /// An alias of nothing: almost always a `*` that should have been quoted. With the `*`.
    Dangling(String),
    /// A list.
    Sequence {
        /// Its entries.
        items: Vec<NodeId>,
        /// In brackets.
        flow: bool,
    },
    /// A mapping.
    Mapping {
        /// Keys and values in order, doubled keys too.
        entries: Vec<(NodeId, NodeId)>,
        /// In braces.
        flow: bool,
    },
}

/// The nodes of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    nodes: Vec<Node>,
    root: Option<NodeId>,
}

/// Why a text has no nodes.
#[derive(Debug, Clone)]
pub enum Unreadable {
    /// It is not YAML; in the words of the parser.
    Syntax(Box<ScanError>),
    /// It is nested more deeply than [`DEPTH`].
    Deep,
    /// It has more nodes than [`NODES`].
    Large,
}

impl Tree {
    /// Parses the text of one document.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let options = granit_parser::options! {
            emit_unresolved_aliases: true,
            flow_nesting_limit: DEPTH,
            block_nesting_limit: DEPTH,
        };
        let mut builder = Builder { text, ..Builder::default() };
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) = event.map_err(|error| match error.kind() {
                ErrorKind::RecursionLimitExceeded => Unreadable::Deep,
                _ => Unreadable::Syntax(Box::new(error)),
            })?;
            builder.event(event, span);
            if builder.tree.nodes.len() > NODES {
                return Err(Unreadable::Large);
            }
        }
        Ok(builder.tree)
    }

    /// The root; `None` in a document of comments.
    pub fn root(&self) -> Option<NodeId> {
        self.root
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// How many nodes it has.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether it has none: that of a document of comments.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All nodes, children after the start of their parents.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    /// The node, or the one that it is an alias of.
    pub fn resolved(&self, id: NodeId) -> NodeId {
        match self.node(id).kind {
            NodeKind::Alias(target) => target,
            _ => id,
        }
    }

    /// The text of a key.
    pub fn key(&self, id: NodeId) -> Option<&str> {
        match &self.node(self.resolved(id)).kind {
            NodeKind::Plain(text) | NodeKind::Text { text, .. } | NodeKind::Dangling(text) => Some(text),
            NodeKind::Missing => Some(""),
            _ => None,
        }
    }

    /// The key and the value of a mapping's entry. Of a key that is there twice the last counts.
    pub fn entry(&self, mapping: NodeId, key: &str) -> Option<(NodeId, NodeId)> {
        match &self.node(self.resolved(mapping)).kind {
            NodeKind::Mapping { entries, .. } => {
                entries.iter().rev().find(|(id, _)| self.key(*id) == Some(key)).copied()
            }
            _ => None,
        }
    }

    /// The node that a segment leads to.
    pub fn child(&self, id: NodeId, segment: &Segment) -> Option<NodeId> {
        match (segment, &self.node(self.resolved(id)).kind) {
            (Segment::Key(key), NodeKind::Mapping { .. }) => self.entry(id, key).map(|(_, value)| value),
            (Segment::Index(index), NodeKind::Sequence { items, .. }) => items.get(*index).copied(),
            _ => None,
        }
    }

    /// The node that a path leads to.
    pub fn get(&self, path: &Path) -> Option<NodeId> {
        path.0.iter().try_fold(self.root?, |id, segment| self.child(id, segment))
    }

    /// The offset of what a path names, or of its nearest ancestor that is there: the key of a mapping's entry, the
    /// entry of a list.
    pub fn offset(&self, path: &Path) -> usize {
        let Some(mut id) = self.root else { return 0 };
        let mut offset = self.node(id).span.start;
        for segment in &path.0 {
            let Some(child) = self.child(id, segment) else { break };
            offset = match segment {
                Segment::Key(key) => self.entry(id, key).map_or(offset, |(key, _)| self.node(key).span.start),
                Segment::Index(_) => self.node(child).span.start,
            };
            id = child;
        }
        offset
    }
}

/// A collection that is not closed yet.
struct Open {
    id: NodeId,
    children: Vec<NodeId>,
}

#[derive(Default)]
struct Builder<'t> {
    text: &'t str,
    tree: Tree,
    open: Vec<Open>,
    anchors: HashMap<usize, NodeId>,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) {
        let bytes = span.byte_range().unwrap_or_default();
        match event {
            Event::Alias(anchor) => {
                // The parser knows only anchors that came before.
                let kind = self.anchors.get(&anchor).map_or(NodeKind::Missing, |id| NodeKind::Alias(*id));
                self.leaf(bytes, kind, 0, false);
            }
            Event::UnresolvedAlias(name) => {
                self.leaf(bytes, NodeKind::Dangling(format!("*{name}")), 0, false);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tagged_text = tag.as_ref().is_some_and(|tag| {
                    tag.core_suffix() == Some("str") || (tag.handle().is_empty() && tag.suffix() == "!")
                });
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let bytes = if block { self.trimmed(bytes) } else { bytes };
                let kind = match style {
                    ScalarStyle::Plain if tagged_text && bytes.is_empty() => {
                        NodeKind::Text { text: String::new(), block: false }
                    }
                    ScalarStyle::Plain if bytes.is_empty() => NodeKind::Missing,
                    ScalarStyle::Plain if !tagged_text => NodeKind::Plain(text.into_owned()),
                    _ => NodeKind::Text { text: text.into_owned(), block },
                };
                self.leaf(bytes, kind, anchor, tag.is_some());
            }
            Event::SequenceStart(style, anchor, tag) => {
                let flow = style == StructureStyle::Flow;
                self.start(bytes, NodeKind::Sequence { items: Vec::new(), flow }, anchor, tag.is_some());
            }
            Event::MappingStart(style, anchor, tag) => {
                let flow = style == StructureStyle::Flow;
                self.start(bytes, NodeKind::Mapping { entries: Vec::new(), flow }, anchor, tag.is_some());
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(&bytes),
            _ => {}
        }
    }

    /// A block scalar's span runs to the next token; its text ends with its last line.
    fn trimmed(&self, bytes: Range<usize>) -> Range<usize> {
        let length = self.text.get(bytes.clone()).unwrap_or_default().trim_end().len();
        bytes.start..bytes.start + length
    }

    fn add(&mut self, span: Range<usize>, kind: NodeKind, anchor: usize, tagged: bool) -> NodeId {
        // Texts of more than 4 GB do not get this far.
        let id = NodeId(u32::try_from(self.tree.nodes.len()).unwrap_or(u32::MAX));
        self.tree.nodes.push(Node { span, kind, decorated: anchor != 0 || tagged });
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        match self.open.last_mut() {
            Some(open) => open.children.push(id),
            None => self.tree.root = self.tree.root.or(Some(id)),
        }
        id
    }

    fn leaf(&mut self, span: Range<usize>, kind: NodeKind, anchor: usize, tagged: bool) {
        self.add(span, kind, anchor, tagged);
    }

    fn start(&mut self, span: Range<usize>, kind: NodeKind, anchor: usize, tagged: bool) {
        let id = self.add(span, kind, anchor, tagged);
        self.open.push(Open { id, children: Vec::new() });
    }

    fn end(&mut self, bytes: &Range<usize>) {
        let Some(Open { id, children }) = self.open.pop() else { return };
        let last_end = children.iter().map(|child| self.tree.node(*child).span.end).max();
        let node = &mut self.tree.nodes[id.0 as usize];
        let is_flow = match &mut node.kind {
            NodeKind::Sequence { items, flow } => {
                *items = children;
                *flow
            }
            NodeKind::Mapping { entries, flow } => {
                *entries = children.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
                *flow
            }
            _ => true,
        };
        // The end of a block is told only when the next token comes; what follows its last child is not of it.
        node.span.end = if is_flow { bytes.end } else { last_end.unwrap_or(bytes.end) };
    }
}
