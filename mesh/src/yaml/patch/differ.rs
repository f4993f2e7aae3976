//! From two values to the splices that lead from one to the other.

use serde_json::{Map, Value};

use super::super::emit::{self, Layout};
use super::super::is_json;
use super::super::tree::{NodeId, NodeKind, Tree};
use super::align::align;
use super::site::{self, Site};
use super::{Splice, same};

/// Compares a tree with a new value and collects splices.
pub(super) struct Differ<'a> {
    text: &'a str,
    tree: &'a Tree,
    layout: Layout,
    /// Whether the text is JSON, and is to stay it.
    strict: bool,
    depth: usize,
    splices: Vec<Splice>,
}

impl<'a> Differ<'a> {
    /// The splices that turn `old` into `new`. Below `depth` levels, what differs is written anew. `None` where the text
    /// is laid out in a way that splices cannot follow.
    pub(super) fn splices(
        text: &'a str,
        tree: &'a Tree,
        old: &Value,
        new: &Value,
        depth: usize,
    ) -> Option<Vec<Splice>> {
        let layout = site::layout(text, tree);
        let strict = is_json(text);
        let mut differ = Self { text, tree, layout, strict, depth, splices: Vec::new() };
        differ.node(Site::Root, tree.root()?, old, new, 0)?;
        Some(differ.splices)
    }

    fn node(&mut self, site: Site, id: NodeId, old: &Value, new: &Value, depth: usize) -> Option<()> {
        if same(old, new) {
            return Some(());
        }
        let tree = self.tree;
        match (&tree.node(id).kind, old, new) {
            (NodeKind::Mapping { entries, flow }, Value::Object(old), Value::Object(new))
                if depth < self.depth =>
            {
                if !entries.iter().any(|(key, _)| self.is_kept(*key, new)) {
                    return self.replace(site, id, &Value::Object(new.clone()));
                }
                let flow = *flow || site == Site::Flow;
                self.mapping(entries, flow, old, new, depth)
            }
            (NodeKind::Sequence { items, flow }, Value::Array(old), Value::Array(new))
                if depth < self.depth =>
            {
                // Of a key that is there twice, `old` is what only one of them says.
                let pairs = if items.len() == old.len() { align(old, new) } else { Vec::new() };
                if pairs.is_empty() {
                    return self.replace(site, id, &Value::Array(new.clone()));
                }
                if *flow || site == Site::Flow {
                    return self.flow_list(items, old, new, &pairs, depth);
                }
                let from = match site {
                    Site::Value { after, .. } | Site::Item { after, .. } => after,
                    Site::Root | Site::Flow => 0,
                };
                let dashes = site::dashes(self.text, tree, items, from)?;
                self.block_list(items, &dashes, old, new, &pairs, depth)
            }
            (NodeKind::Mapping { flow: false, .. }, _, Value::Array(list))
                if list.len() == 1 && same(old, &list[0]) =>
            {
                self.wrap(site, id).or_else(|| self.replace(site, id, new))
            }
            _ => self.replace(site, id, new),
        }
    }

    /// A value within brackets or braces.
    fn flow(&self, value: &Value) -> String {
        if self.strict { emit::strict(value) } else { emit::flow(value) }
    }

    fn flow_entry(&self, key: &str, value: &Value) -> String {
        if self.strict { emit::strict_entry(key, value) } else { emit::flow_entry(key, value) }
    }

    /// Whether a key of the tree is in the new mapping; merge keys stay in any case.
    fn is_kept(&self, key: NodeId, new: &Map<String, Value>) -> bool {
        self.tree.key(key).is_some_and(|name| name == "<<" || new.contains_key(name))
    }

    fn mapping(
        &mut self,
        entries: &[(NodeId, NodeId)],
        flow: bool,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
        depth: usize,
    ) -> Option<()> {
        let tree = self.tree;
        for (key, value) in entries {
            let name = tree.key(*key)?;
            let (Some(old), Some(new)) = (old.get(name), new.get(name)) else { continue };
            let end = tree.node(*key).span.end;
            let site = if flow {
                Site::Flow
            } else {
                let start = tree.node(*key).span.start;
                Site::Value {
                    after: site::after_colon(self.text, end)?,
                    column: site::column(self.text, start),
                }
            };
            self.node(site, *value, old, new, depth + 1)?;
        }
        let kept: Vec<bool> = entries.iter().map(|(key, _)| self.is_kept(*key, new)).collect();
        let has = |name: &str| entries.iter().any(|(key, _)| tree.key(*key) == Some(name));
        // What a merge key brings need not be written.
        let added: Vec<(&String, &Value)> = new
            .iter()
            .filter(|(name, value)| !has(name) && !old.get(*name).is_some_and(|old| same(old, value)))
            .collect();
        let spans: Vec<(usize, usize)> =
            entries.iter().map(|entry| self.entry_span(*entry)).collect::<Option<_>>()?;
        if flow {
            self.remove_flow(&spans, &kept);
            let text: String =
                added.iter().map(|(key, value)| format!(", {}", self.flow_entry(key, value))).collect();
            return self.add_flow(&spans, &kept, text);
        }
        self.remove_lines(&spans, &kept);
        let (first, last) = (spans.first()?, spans.last()?);
        let mut lines = String::new();
        for (key, value) in added {
            emit::entry(key, value, site::column(self.text, first.0), self.layout, &mut lines);
        }
        self.add_lines(site::line_end(self.text, last.1), lines);
        Some(())
    }

    /// From the start of the key to the end of the value.
    fn entry_span(&self, (key, value): (NodeId, NodeId)) -> Option<(usize, usize)> {
        let (key, value) = (&self.tree.node(key).span, &self.tree.node(value).span);
        let colon = site::after_colon(self.text, key.end).unwrap_or(key.end);
        Some((key.start, value.end.max(colon)))
    }

    fn block_list(
        &mut self,
        items: &[NodeId],
        dashes: &[usize],
        old: &[Value],
        new: &[Value],
        pairs: &[(usize, usize)],
        depth: usize,
    ) -> Option<()> {
        let first = *dashes.first()?;
        let indent = site::column(self.text, first);
        let spans: Vec<(usize, usize)> = items
            .iter()
            .zip(dashes)
            .map(|(item, dash)| (*dash, self.tree.node(*item).span.end.max(dash + 1)))
            .collect();
        for (a, b) in pairs {
            let site = Site::Item { after: dashes[*a] + 1, column: site::column(self.text, dashes[*a]) };
            self.node(site, items[*a], &old[*a], &new[*b], depth + 1)?;
        }
        let mut before: Option<usize> = None;
        let mut lines = String::new();
        let mut pairs_left = pairs.iter();
        let mut next = pairs_left.next();
        for (at, value) in new.iter().enumerate() {
            if next.is_some_and(|(_, b)| *b == at) {
                self.insert_items(before, &spans, std::mem::take(&mut lines), indent);
                before = next.map(|(a, _)| *a);
                next = pairs_left.next();
            } else {
                emit::item(value, indent, self.layout, &mut lines);
            }
        }
        self.insert_items(before, &spans, lines, indent);
        let kept: Vec<bool> = (0..items.len()).map(|at| pairs.iter().any(|(a, _)| *a == at)).collect();
        self.remove_lines(&spans, &kept);
        Some(())
    }

    /// Inserts lines of a list behind an entry, or before the first.
    fn insert_items(
        &mut self,
        before: Option<usize>,
        spans: &[(usize, usize)],
        lines: String,
        indent: usize,
    ) {
        if lines.is_empty() {
            return;
        }
        match (before, spans.first()) {
            (Some(at), _) => self.add_lines(site::line_end(self.text, spans[at].1), lines),
            (None, Some((dash, _))) if site::leads_line(self.text, *dash) => {
                let start = site::comments_start(self.text, *dash, 0);
                self.add_lines(start, lines);
            }
            // `- - a`: the first inner dash is not the first on its line.
            (None, Some((dash, _))) => {
                let text = format!("{}{}", lines.trim_start_matches(' '), " ".repeat(indent));
                self.splices.push(Splice { range: *dash..*dash, text });
            }
            (None, None) => {}
        }
    }

    fn flow_list(
        &mut self,
        items: &[NodeId],
        old: &[Value],
        new: &[Value],
        pairs: &[(usize, usize)],
        depth: usize,
    ) -> Option<()> {
        for (a, b) in pairs {
            self.node(Site::Flow, items[*a], &old[*a], &new[*b], depth + 1)?;
        }
        let spans: Vec<(usize, usize)> = items
            .iter()
            .map(|item| self.tree.node(*item).span.clone())
            .map(|span| (span.start, span.end))
            .collect();
        let kept: Vec<bool> = (0..items.len()).map(|at| pairs.iter().any(|(a, _)| *a == at)).collect();
        let mut before: Option<usize> = None;
        for (at, value) in new.iter().enumerate() {
            if let Some((a, _)) = pairs.iter().find(|(_, b)| *b == at) {
                before = Some(*a);
                continue;
            }
            let (offset, text) = match before {
                Some(a) => (spans[a].1, format!(", {}", self.flow(value))),
                None => (spans.first()?.0, format!("{}, ", self.flow(value))),
            };
            self.splices.push(Splice { range: offset..offset, text });
        }
        self.remove_flow(&spans, &kept);
        Some(())
    }

    /// Takes entries in brackets or braces out, each with one comma.
    fn remove_flow(&mut self, spans: &[(usize, usize)], kept: &[bool]) {
        let Some(last_kept) = kept.iter().rposition(|kept| *kept) else { return };
        for at in 0..last_kept {
            if !kept[at] {
                self.splices.push(Splice { range: spans[at].0..spans[at + 1].0, text: String::new() });
            }
        }
        if let Some((_, end)) = spans.last().filter(|_| last_kept + 1 < spans.len()) {
            self.splices.push(Splice { range: spans[last_kept].1..*end, text: String::new() });
        }
    }

    fn add_flow(&mut self, spans: &[(usize, usize)], kept: &[bool], text: String) -> Option<()> {
        let offset = spans.get(kept.iter().rposition(|kept| *kept)?)?.1;
        self.splices.push(Splice { range: offset..offset, text });
        Some(())
    }

    /// Takes the lines of entries of a block out.
    fn remove_lines(&mut self, spans: &[(usize, usize)], kept: &[bool]) {
        let text = self.text;
        let mut at = 0;
        while at < spans.len() {
            let (start, end) = spans[at];
            if kept[at] {
                at += 1;
            } else if site::leads_line(text, start) {
                let range = site::line_start(text, start)..site::line_end(text, end);
                self.splices.push(Splice { range, text: String::new() });
                at += 1;
            } else {
                // Behind a dash: the next entry that stays moves up. Comments between the two are its own and stay.
                let Some(next) = (at..spans.len()).find(|at| kept[*at]) else { return };
                let until = spans[next].0;
                let between = text.get(site::line_end(text, spans[next - 1].1)..until).unwrap_or_default();
                let kept_comments = if between.contains('#') {
                    format!("{}\n{}", between.trim(), " ".repeat(site::column(text, start)))
                } else {
                    String::new()
                };
                self.splices.push(Splice { range: start..until, text: kept_comments });
                at = next;
            }
        }
    }

    /// Inserts whole lines at the start of a line, or at the end of a text that ends without a line feed.
    fn add_lines(&mut self, offset: usize, lines: String) {
        if lines.is_empty() {
            return;
        }
        let open_end = offset == self.text.len() && !self.text.is_empty() && !self.text.ends_with('\n');
        let text = if open_end { format!("\n{}", lines.trim_end_matches('\n')) } else { lines };
        self.splices.push(Splice { range: offset..offset, text });
    }

    /// Writes a node anew.
    fn replace(&mut self, site: Site, id: NodeId, new: &Value) -> Option<()> {
        let node = self.tree.node(id);
        let span = node.span.clone();
        let (after, indent) = match site {
            Site::Flow => {
                self.splices.push(Splice { range: span, text: self.flow(new) });
                return Some(());
            }
            Site::Root if self.strict => {
                self.splices.push(Splice { range: span, text: emit::strict(new) });
                return Some(());
            }
            Site::Root => {
                let text = emit::inline(new).unwrap_or_else(|| emit::block(new, 0, self.layout));
                self.splices.push(Splice { range: span, text: text.trim_end_matches('\n').to_owned() });
                return Some(());
            }
            Site::Value { after, column } => (after, column + emit::below(new, self.layout)),
            Site::Item { after, column } => (after, column + 2),
        };
        let is_block = match &node.kind {
            NodeKind::Sequence { flow, .. } | NodeKind::Mapping { flow, .. } => !flow,
            NodeKind::Text { block, .. } => *block,
            _ => false,
        };
        let inline = emit::inline(new);
        if let (false, Some(scalar)) = (is_block, &inline) {
            let (range, text) = match node.kind {
                NodeKind::Missing if !node.decorated => (after..after, format!(" {scalar}")),
                _ => (span, scalar.clone()),
            };
            self.splices.push(Splice { range, text });
            return Some(());
        }
        if node.decorated {
            // The anchor or the tag is between the colon and the node; the next larger node is written anew.
            return None;
        }
        let (comment, end) =
            if is_block { (site::comment(self.text, after), span.end) } else { ("", span.end.max(after)) };
        let text = match (inline, site) {
            (Some(scalar), _) => format!(" {scalar}{comment}"),
            (None, Site::Item { .. }) => {
                format!(" {}", emit::block(new, indent, self.layout).trim_start_matches(' '))
            }
            (None, _) => format!("{comment}\n{}", emit::block(new, indent, self.layout)),
        };
        self.splices.push(Splice { range: after..end, text: text.trim_end_matches('\n').to_owned() });
        Some(())
    }

    /// A mapping below a key becomes a list with it as the only entry: its lines move right, its comments with them.
    fn wrap(&mut self, site: Site, id: NodeId) -> Option<()> {
        let (Site::Value { column, .. }, NodeKind::Mapping { entries, .. }) =
            (site, &self.tree.node(id).kind)
        else {
            return None;
        };
        let first = self.tree.node(entries.first()?.0).span.start;
        if !site::leads_line(self.text, first) || self.tree.node(id).decorated {
            return None;
        }
        let (start, end) = (site::line_start(self.text, first), self.tree.node(id).span.end);
        let shift = (column + self.layout.dash + 2).saturating_sub(site::column(self.text, first));
        let mut text = site::moved(self.text, start..end, shift);
        let dash = (first - start + shift).checked_sub(2)?;
        text.replace_range(dash..=dash, "-");
        self.splices.push(Splice { range: start..end, text });
        Some(())
    }
}
