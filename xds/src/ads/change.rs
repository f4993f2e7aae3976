//! What a stream has to be sent, worked out and encoded once for all streams that have to be sent the same.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::encode;
use super::names::{List, Names, Scope, Steps, routes_of};
use super::recent::Recent;
use crate::resource::{Kind, Resource, Resources};

/// What is shared between the streams of a server.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) nothing: Arc<Resources>,
    pub(super) nobody: Arc<Names>,
    pub(super) steps: Steps,
    changes: Recent<Change>,
}

/// Resources of a kind to send, and what is not there.
#[derive(Debug)]
pub(super) struct Change {
    basis: Basis,
    kind: Kind,
    new: Arc<Resources>,
    /// These are new or others than before.
    pub(super) changed: Vec<Arc<Resource>>,
    /// These of them were there before.
    pub(super) updated: List,
    /// These are not there any longer.
    pub(super) removed: Vec<Arc<Resource>>,
    /// These were asked for and are not there.
    missing: Vec<Arc<str>>,
    delta: OnceLock<Bytes>,
    world: OnceLock<Bytes>,
}

/// What a change was worked out from; for comparing by address, and so that no address is used again while it is kept.
#[derive(Debug)]
enum Basis {
    /// All that differs from these.
    Since(Arc<Resources>),
    /// What of that is asked for.
    Within(Arc<Change>, Arc<Names>),
    /// What was asked for.
    Asked(List),
    /// One stream's own.
    Own,
}

impl Shared {
    /// What of the differences between two states is asked for.
    pub(super) fn change(
        &self,
        kind: Kind,
        old: &Arc<Resources>,
        new: &Arc<Resources>,
        scope: &Scope,
    ) -> Arc<Change> {
        let whole = self.changes.get(
            |it| it.is(kind, new) && matches!(&it.basis, Basis::Since(since) if Arc::ptr_eq(since, old)),
            || Change::between(kind, old, new),
        );
        if scope.all || whole.is_empty() {
            return whole;
        }
        let same = |change: &Arc<Change>, names: &Arc<Names>| {
            Arc::ptr_eq(change, &whole) && Arc::ptr_eq(names, &scope.names)
        };
        self.changes.get(
            |it| matches!(&it.basis, Basis::Within(change, names) if same(change, names)),
            || whole.within(&whole, scope),
        )
    }

    /// The answer to being asked for resources by name.
    pub(super) fn asked(&self, kind: Kind, asked: &List, new: &Arc<Resources>, scope: &Scope) -> Arc<Change> {
        self.changes.get(
            |it| it.is(kind, new) && matches!(&it.basis, Basis::Asked(list) if Arc::ptr_eq(list, asked)),
            || Change::of(Basis::Asked(Arc::clone(asked)), kind, asked.iter(), new, scope),
        )
    }

    /// Forgets what nobody needed lately.
    pub(super) fn sweep(&self) {
        self.changes.sweep();
        self.steps.sweep();
    }
}

impl Change {
    /// The answer to being asked for these, for one stream alone.
    pub(super) fn own(kind: Kind, names: &BTreeSet<Arc<str>>, new: &Arc<Resources>, scope: &Scope) -> Self {
        Self::of(Basis::Own, kind, names.iter(), new, scope)
    }

    /// Nothing.
    pub(super) fn none(kind: Kind, new: &Arc<Resources>) -> Self {
        Self {
            basis: Basis::Own,
            kind,
            new: Arc::clone(new),
            changed: Vec::new(),
            updated: Arc::default(),
            removed: Vec::new(),
            missing: Vec::new(),
            delta: OnceLock::new(),
            world: OnceLock::new(),
        }
    }

    /// Whether nothing differs.
    pub(super) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty()
    }

    /// The resources as a delta response has them.
    pub(super) fn delta(&self) -> Bytes {
        self.delta.get_or_init(|| encode::delta(self.kind, &self.changed, &self.missing)).clone()
    }

    /// The resources as a response of the state of the world has them.
    pub(super) fn world(&self) -> Bytes {
        self.world.get_or_init(|| encode::world(&self.changed)).clone()
    }

    fn is(&self, kind: Kind, new: &Arc<Resources>) -> bool {
        self.kind == kind && Arc::ptr_eq(&self.new, new)
    }

    fn between(kind: Kind, old: &Arc<Resources>, new: &Arc<Resources>) -> Self {
        let mut change = Self { basis: Basis::Since(Arc::clone(old)), ..Self::none(kind, new) };
        let mut updated = Vec::new();
        let (mut olds, mut news) = (old.iter().peekable(), new.iter().peekable());
        loop {
            let order = match (olds.peek(), news.peek()) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some((old, _)), Some((new, _))) => old.cmp(new),
            };
            let before = if order.is_le() { olds.next() } else { None };
            let after = if order.is_ge() { news.next() } else { None };
            match (before, after) {
                (Some((_, before)), Some((_, after)))
                    if Arc::ptr_eq(before, after) || before.version == after.version => {}
                (before, Some((name, after))) => {
                    if before.is_some() {
                        updated.push(Arc::clone(name));
                    }
                    change.changed.push(Arc::clone(after));
                }
                (Some((_, before)), None) => change.removed.push(Arc::clone(before)),
                (None, None) => break,
            }
        }
        change.updated = updated.into();
        change
    }

    fn within(&self, whole: &Arc<Self>, scope: &Scope) -> Self {
        let covered = |it: &&Arc<Resource>| scope.covers(self.kind, &it.name);
        Self {
            basis: Basis::Within(Arc::clone(whole), Arc::clone(&scope.names)),
            changed: self.changed.iter().filter(covered).cloned().collect(),
            updated: self.updated.iter().filter(|name| scope.covers(self.kind, name)).cloned().collect(),
            removed: self.removed.iter().filter(covered).cloned().collect(),
            ..Self::none(self.kind, &self.new)
        }
    }

    fn of<'a>(
        basis: Basis,
        kind: Kind,
        names: impl Iterator<Item = &'a Arc<str>>,
        new: &Arc<Resources>,
        scope: &Scope,
    ) -> Self {
        let mut change = Self { basis, ..Self::none(kind, new) };
        let mut seen = BTreeSet::new();
        for name in names {
            if let Some(resource) = new.get(name) {
                if seen.insert(name.as_ref()) {
                    change.changed.push(Arc::clone(resource));
                }
            } else if kind != Kind::VirtualHost
                || routes_of(name).is_some_and(|routes| scope.names.contains(routes))
            {
                change.missing.push(Arc::clone(name));
            } else {
                // The name of routes: Envoy asks with it for all of their virtual hosts, of which there may be none.
                let first: Arc<str> = format!("{name}/").into();
                let hosts = new.range(Arc::clone(&first)..).take_while(|(host, _)| host.starts_with(&*first));
                for (host, resource) in hosts.filter(|(host, _)| !host[first.len()..].contains('/')) {
                    if seen.insert(host.as_ref()) {
                        change.changed.push(Arc::clone(resource));
                    }
                }
            }
        }
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(kind: Kind, text: &str) -> Arc<Resources> {
        let resource = |word: &str| {
            let (name, bytes) = word.split_once('=').unwrap();
            let resource = Resource::new(kind, name, bytes.as_bytes().to_vec());
            (Arc::clone(&resource.name), Arc::new(resource))
        };
        Arc::new(text.split_whitespace().map(resource).collect())
    }

    fn scope(text: &str) -> Scope {
        let names = text.split_whitespace().filter(|name| *name != "*").map(Arc::from).collect();
        Scope { all: text.contains('*'), names: Arc::new(names) }
    }

    fn names(resources: &[Arc<Resource>]) -> String {
        resources.iter().map(|it| it.name.as_ref()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_differs_and_is_asked_for() {
        let shared = Shared::default();
        for (old, new, asked, changed, updated, removed) in [
            ("a=1 b=1", "a=1 b=1", "*", "", "", ""),
            ("", "a=1 b=1", "*", "a b", "", ""),
            ("a=1 b=1 d=1", "a=2 c=1 d=1", "*", "a c", "a", "b"),
            ("a=1 b=1 d=1", "a=2 c=1 d=1", "a d", "a", "a", ""),
            ("a=1 b=1 d=1", "a=2 c=1 d=1", "b", "", "", "b"),
            ("a=1 b=1", "", "*", "", "", "a b"),
        ] {
            let (old, new) = (map(Kind::Cluster, old), map(Kind::Cluster, new));
            let scope = scope(asked);
            let change = shared.change(Kind::Cluster, &old, &new, &scope);
            assert_eq!(names(&change.changed), changed);
            assert_eq!(change.updated.join(" "), updated);
            assert_eq!(names(&change.removed), removed);
            assert!(Arc::ptr_eq(&change, &shared.change(Kind::Cluster, &old, &new, &scope)), "it is shared");
        }
    }

    #[test]
    fn what_is_asked_for_and_not_there() {
        for (kind, new, subscribed, asked, changed, missing) in [
            (Kind::Endpoints, "a=1", "a b", "a b", "a", "b"),
            (Kind::VirtualHost, "r/a=1 r/b=1 r/x/c=1 s/a=1", "r", "r", "r/a r/b", ""),
            (Kind::VirtualHost, "r/a=1 s/a=1", "r r/a", "r r/a", "r/a", ""),
            (Kind::VirtualHost, "r/a=1", "r r/c", "r/c", "", "r/c"),
            (Kind::VirtualHost, "", "r", "r", "", ""),
        ] {
            let asked: BTreeSet<Arc<str>> = asked.split_whitespace().map(Arc::from).collect();
            let change = Change::own(kind, &asked, &map(kind, new), &scope(subscribed));
            assert_eq!(names(&change.changed), changed);
            assert_eq!(change.missing.join(" "), missing);
        }
    }
}
