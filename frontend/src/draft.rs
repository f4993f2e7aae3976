//! The draft: edits that were made and not yet applied, with their undo and redo. Pure.

use std::sync::Arc;

use mesh::{Edit, Sources};

/// What a draft was made on.
#[derive(Debug, Clone, PartialEq)]
pub struct Base {
    /// The revision; 0 until loaded.
    pub number: u64,
    /// Its files.
    pub sources: Arc<Sources>,
}

/// Edits on top of a revision.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Draft {
    edits: Vec<Edit>,
    undo: Vec<Vec<Edit>>,
    redo: Vec<Vec<Edit>>,
    /// The edits before a gesture that has not ended: a drag is one step of undo.
    gesture: Option<Vec<Edit>>,
}

impl Draft {
    /// The edits, in the order in which they apply.
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// Nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// There is a step to take back.
    pub fn can_undo(&self) -> bool {
        !self.undo.is_empty()
    }

    /// There is a step to do again.
    pub fn can_redo(&self) -> bool {
        !self.redo.is_empty()
    }

    /// A gesture has begun and not ended.
    pub fn in_gesture(&self) -> bool {
        self.gesture.is_some()
    }

    /// Adds an edit as one step. An edit of the same thing that is the last on it is replaced.
    pub fn put(&mut self, edit: Edit) {
        self.drag(edit);
        self.release();
    }

    /// Adds an edit while a gesture lasts; the step ends with [`Draft::release`].
    pub fn drag(&mut self, edit: Edit) {
        if self.gesture.is_none() {
            self.gesture = Some(self.edits.clone());
        }
        replace(&mut self.edits, edit);
    }

    /// Ends a gesture. Returns whether it changed anything.
    pub fn release(&mut self) -> bool {
        match self.gesture.take() {
            Some(before) if before != self.edits => {
                self.undo.push(before);
                self.redo.clear();
                true
            }
            _ => false,
        }
    }

    /// Takes the edit at a position out, as one step.
    pub fn remove(&mut self, position: usize) {
        self.release();
        if position < self.edits.len() {
            self.step(|edits| {
                edits.remove(position);
            });
        }
    }

    /// Drops all edits, as one step.
    pub fn discard(&mut self) {
        self.release();
        if !self.edits.is_empty() {
            self.step(Vec::clear);
        }
    }

    /// Keeps the edits for which `keep` holds, without a step: for edits that turned out to change nothing.
    pub fn retain(&mut self, keep: impl FnMut(&Edit) -> bool) {
        self.edits.retain(keep);
    }

    /// Takes the last step back. Returns whether there was one.
    pub fn undo(&mut self) -> bool {
        self.release();
        self.undo.pop().is_some_and(|before| {
            self.redo.push(std::mem::replace(&mut self.edits, before));
            true
        })
    }

    /// Does the step again that was taken back last. Returns whether there was one.
    pub fn redo(&mut self) -> bool {
        self.release();
        self.redo.pop().is_some_and(|after| {
            self.undo.push(std::mem::replace(&mut self.edits, after));
            true
        })
    }

    /// These edits were applied: they go, and the steps are forgotten. What came since stays, even in the place of one of them.
    pub fn applied(&mut self, sent: &[Edit]) {
        take_out(&mut self.edits, sent);
        self.undo.clear();
        self.redo.clear();
        if let Some(before) = &mut self.gesture {
            take_out(before, sent);
        }
    }

    /// Edits that do the same on another revision stand in the place of all. The steps were of the one before.
    pub fn rebased(&mut self, edits: Vec<Edit>) {
        *self = Self { edits, ..Self::default() };
    }

    /// Puts other edits in the place of all, as one step: with those of an earlier page.
    pub fn replace_all(&mut self, edits: Vec<Edit>) {
        self.release();
        if self.edits != edits {
            self.step(|now| *now = edits);
        }
    }

    fn step(&mut self, change: impl FnOnce(&mut Vec<Edit>)) {
        self.undo.push(self.edits.clone());
        self.redo.clear();
        change(&mut self.edits);
    }
}

/// Takes each of these edits out once.
fn take_out(edits: &mut Vec<Edit>, sent: &[Edit]) {
    for edit in sent {
        if let Some(at) = edits.iter().position(|other| other == edit) {
            edits.remove(at);
        }
    }
}

/// Puts an edit in the place of the one that it supersedes. Only the last edit of a thing may be replaced, and only when
/// nothing after it could depend on it: a change of text ends the search.
fn replace(edits: &mut Vec<Edit>, edit: Edit) {
    if let Some(last) = edits.last_mut()
        && same_field(last, &edit)
    {
        *last = edit;
        return;
    }
    let slot = slot(&edit);
    let found = edits
        .iter()
        .rposition(|other| slot.is_some() && self::slot(other) == slot)
        .filter(|at| edits[at + 1..].iter().all(|later| self::slot(later).is_some()));
    match found {
        Some(position) => edits[position] = edit,
        None => edits.push(edit),
    }
}

/// Both set the same single field of a resource, and no entry of a list, which would move the others.
fn same_field(one: &Edit, other: &Edit) -> bool {
    let (Edit::SetFields { key, fields }, Edit::SetFields { key: of, fields: others }) = (one, other) else {
        return false;
    };
    key == of
        && matches!((&fields[..], &others[..]), ([a], [b]) if a.path == b.path && !a.path.ends_with(']'))
}

/// What an edit sets: two edits with the same slot leave only the later one's mark. `None` for edits of text.
fn slot(edit: &Edit) -> Option<(u8, String)> {
    let route = |kind: u8, target: &mesh::edit::RouteTarget, extra: &str| {
        let target = match target {
            mesh::edit::RouteTarget::Route(key) => format!("{}/{}/{}", key.namespace, key.name, key.index),
            mesh::edit::RouteTarget::Service(host) => host.clone(),
            mesh::edit::RouteTarget::Tcp(key) => format!("{}/{}/tcp{}", key.namespace, key.name, key.index),
            mesh::edit::RouteTarget::Tls(key) => format!("{}/{}/tls{}", key.namespace, key.name, key.index),
        };
        Some((kind, format!("{target}|{extra}")))
    };
    match edit {
        Edit::SetWeights { target, .. } => route(0, target, ""),
        // Taking such a fault out removes a route that another edit may have made: both must stay.
        Edit::InjectFault { target, only: Some(only), fault: Some(_), .. } => {
            route(1, target, &format!("{}:{}", only.name, only.value))
        }
        Edit::InjectFault { target, only: None, .. } => route(1, target, ""),
        Edit::SetTimeout { target, .. } => route(2, target, ""),
        Edit::SetRetries { target, .. } => route(3, target, ""),
        Edit::InjectFault { .. }
        | Edit::SetFields { .. }
        | Edit::ReplaceResource { .. }
        | Edit::AddResource { .. }
        | Edit::RemoveResource { .. }
        | Edit::SetFiles { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use mesh::edit::RouteTarget;

    use super::*;

    fn timeout(host: &str, millis: u64) -> Edit {
        Edit::SetTimeout { target: RouteTarget::Service(host.into()), millis: Some(millis) }
    }

    #[test]
    fn an_edit_of_the_same_thing_replaces() {
        let mut draft = Draft::default();
        draft.put(timeout("a", 1));
        draft.put(timeout("b", 2));
        draft.put(timeout("a", 3));
        assert_eq!(draft.edits(), [timeout("a", 3), timeout("b", 2)]);
    }

    #[test]
    fn a_field_that_is_typed_again_is_one_edit() {
        let set = |path: &str, value: u32| Edit::SetFields {
            key: mesh::ResourceKey::new(mesh::Kind::DestinationRule, "default", "a"),
            fields: vec![mesh::edit::FieldEdit { path: path.into(), value: Some(value.into()) }],
        };
        let mut draft = Draft::default();
        for edit in [set("x", 1), set("x", 2), set("y", 1), set("x", 3), set("z[0]", 1), set("z[0]", 2)] {
            draft.put(edit);
        }
        assert_eq!(draft.edits(), [set("x", 2), set("y", 1), set("x", 3), set("z[0]", 1), set("z[0]", 2)]);
    }

    #[test]
    fn a_drag_is_one_step() {
        let mut draft = Draft::default();
        for millis in 1..9 {
            draft.drag(timeout("a", millis));
        }
        assert!(draft.release());
        assert!(!draft.release());
        assert!(draft.undo());
        assert!(draft.is_empty());
        assert!(!draft.undo());
        assert!(draft.redo());
        assert_eq!(draft.edits(), [timeout("a", 8)]);
    }

    #[test]
    fn a_new_step_forgets_redo() {
        let mut draft = Draft::default();
        draft.put(timeout("a", 1));
        draft.undo();
        draft.put(timeout("b", 1));
        assert!(!draft.can_redo());
    }

    #[test]
    fn removing_and_discarding_can_be_undone() {
        let mut draft = Draft::default();
        draft.put(timeout("a", 1));
        draft.put(timeout("b", 1));
        draft.remove(0);
        assert_eq!(draft.edits(), [timeout("b", 1)]);
        draft.discard();
        assert!(draft.is_empty());
        draft.undo();
        draft.undo();
        assert_eq!(draft.edits().len(), 2);
    }

    #[test]
    fn what_came_while_applying_stays() {
        let mut draft = Draft::default();
        draft.put(timeout("a", 1));
        draft.put(timeout("b", 1));
        draft.applied(&[timeout("a", 1)]);
        assert_eq!(draft.edits(), [timeout("b", 1)]);
        assert!(!draft.can_undo());
    }

    #[test]
    fn what_stands_for_an_edit_under_way_stays() {
        let mut draft = Draft::default();
        draft.put(timeout("a", 1));
        let sent = draft.edits().to_vec();
        draft.put(timeout("a", 2));
        draft.applied(&sent);
        assert_eq!(draft.edits(), [timeout("a", 2)]);
        // All thrown away meanwhile, and something new made.
        let sent = draft.edits().to_vec();
        draft.discard();
        draft.put(timeout("c", 1));
        draft.applied(&sent);
        assert_eq!(draft.edits(), [timeout("c", 1)]);
    }

    #[test]
    fn other_edits_in_the_place_of_all_are_one_step() {
        let mut draft = Draft::default();
        draft.put(timeout("a", 1));
        draft.replace_all(vec![timeout("a", 1), timeout("b", 1)]);
        assert_eq!(draft.edits().len(), 2);
        draft.undo();
        assert_eq!(draft.edits(), [timeout("a", 1)]);
    }
}
