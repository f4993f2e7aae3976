//! The names that a stream asks for. Streams that ask for the same share one set.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::recent::Recent;
use crate::resource::{Kind, Resources};

/// A set of names.
pub(super) type Names = BTreeSet<Arc<str>>;

/// A list of names.
pub(super) type List = Arc<[Arc<str>]>;

/// The name that stands for all resources of a kind.
pub(super) const ALL: &str = "*";

/// What a stream asks for.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    /// All resources of the kind.
    pub(super) all: bool,
    /// These. A virtual host's routes' name stands for all virtual hosts of the routes.
    pub(super) names: Arc<Names>,
}

impl Scope {
    /// Whether a resource was asked for.
    pub(super) fn covers(&self, kind: Kind, name: &str) -> bool {
        let routes = || (kind == Kind::VirtualHost).then(|| routes_of(name)).flatten();
        self.all || self.names.contains(name) || routes().is_some_and(|routes| self.names.contains(routes))
    }
}

/// The name of the routes that a virtual host belongs to.
pub(super) fn routes_of(virtual_host: &str) -> Option<&str> {
    virtual_host.rsplit_once('/').map(|(routes, _)| routes)
}

/// One change of what is asked for.
#[derive(Debug)]
pub(super) struct Step {
    from: Arc<Names>,
    how: How,
    /// What is asked for after it.
    pub(super) names: Arc<Names>,
    /// What is to be answered.
    pub(super) asked: List,
}

/// How a request says what is asked for; its lists are in order and without `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum How {
    /// These more and those no more.
    Differ {
        /// All of these are answered, known or not.
        subscribe: Vec<String>,
        /// These are not asked for any longer.
        unsubscribe: Vec<String>,
    },
    /// These and no others; what is new among them is answered.
    Exactly(Vec<String>),
}

/// The newest changes.
#[derive(Debug, Default)]
pub(super) struct Steps(Recent<Step>);

impl Steps {
    /// Does one. Names that resources have are shared with them.
    pub(super) fn step(&self, from: &Arc<Names>, how: &How, resources: &Resources) -> Arc<Step> {
        let known = |name: &str| match resources.get_key_value(name) {
            Some((name, _)) => Arc::clone(name),
            None => name.into(),
        };
        self.0.get(
            |step| Arc::ptr_eq(&step.from, from) && step.how == *how,
            || {
                let (names, asked) = match how {
                    How::Differ { subscribe, unsubscribe } => {
                        let mut names = Names::clone(from);
                        for name in unsubscribe {
                            names.remove(name.as_str());
                        }
                        let asked: Vec<_> = subscribe.iter().map(|name| known(name)).collect();
                        names.extend(asked.iter().cloned());
                        (names, asked)
                    }
                    How::Exactly(all) => {
                        let names: Names = all.iter().map(|name| known(name)).collect();
                        let asked = names.difference(from).cloned().collect();
                        (names, asked)
                    }
                };
                Step { from: Arc::clone(from), how: how.clone(), names: Arc::new(names), asked: asked.into() }
            },
        )
    }

    /// Forgets what nobody needed lately.
    pub(super) fn sweep(&self) {
        self.0.sweep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[track_caller]
    fn check(from: &str, how: &How, names: &str, asked: &str) {
        let from: Arc<Names> = Arc::new(from.split_whitespace().map(Arc::from).collect());
        let steps = Steps::default();
        let step = steps.step(&from, how, &Resources::default());
        let joined = |names: &[Arc<str>]| names.join(" ");
        assert_eq!(joined(&step.names.iter().cloned().collect::<Vec<_>>()), names);
        assert_eq!(joined(&step.asked), asked);
        assert!(Arc::ptr_eq(&step, &steps.step(&from, how, &Resources::default())), "streams share a step");
    }

    #[test]
    fn steps_are_worked_out_once() {
        let differ = |more, less| How::Differ { subscribe: words(more), unsubscribe: words(less) };
        check("", &differ("a b", ""), "a b", "a b");
        check("a b", &differ("b c", "a"), "b c", "b c");
        check("a b", &differ("", "a x"), "b", "");
        check("a", &differ("a", "a"), "a", "a");
        check("a b", &How::Exactly(words("b c")), "b c", "c");
        check("a b", &How::Exactly(vec![]), "", "");
    }

    #[test]
    fn a_scope_covers_what_was_asked_for() {
        let scope = |all, names: &[&str]| Scope {
            all,
            names: Arc::new(names.iter().map(|name| Arc::from(*name)).collect()),
        };
        for (scope, kind, name, covers) in [
            (scope(true, &[]), Kind::Cluster, "a", true),
            (scope(false, &["a"]), Kind::Cluster, "a", true),
            (scope(false, &["a"]), Kind::Cluster, "b", false),
            (scope(false, &["a"]), Kind::Cluster, "a/b", false),
            (scope(false, &["a"]), Kind::VirtualHost, "a/b", true),
            (scope(false, &["a/b"]), Kind::VirtualHost, "a/b", true),
            (scope(false, &["a/b"]), Kind::VirtualHost, "a/c", false),
        ] {
            assert_eq!(scope.covers(kind, name), covers, "{scope:?} {kind:?} {name}");
        }
    }
}
