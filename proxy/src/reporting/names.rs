//! Names that observations are counted under: those of the mesh, and those that clients make up.
//!
//! Whatever is counted by a name keeps it: counters, windows, metrics, events. The operator chooses the names of the mesh, so
//! there are as many as he wants. Anybody can make up others, so [`Names`] keeps those within one bound for the whole process and for
//! all time; the rest is counted together.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use mesh::Source;

/// Who is asked for at a gateway that has no such host. A gateway's clients may be anybody, so Istio does not believe their `Host`
/// either (`disable_host_header_fallback`): its metrics say `unknown`.
const UNKNOWN: &str = "unknown";
/// All names that a workload's requests made up beyond the bound.
const OTHER: &str = "other";

/// A name that something is counted under. Clones share their text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// A name that the mesh has: its operator chose it. What a client says goes through [`Names::of_client`].
    pub fn of_mesh(name: &str) -> Self {
        Self(name.into())
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// The names that clients made up, as far as they are told apart. None is ever forgotten: else each would be let in again, and what is
/// counted by it would grow.
#[derive(Debug, Default)]
pub struct Names(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    names: HashSet<(Arc<Source>, Name)>,
    bytes: usize,
}

impl Names {
    /// So many names are told apart, each for each source that it was said to.
    pub const MOST: usize = 100;
    /// So many bytes they have together.
    pub const BYTES: usize = 8 * 1024;
    /// The longest one: a name of DNS and a port.
    pub const LONGEST: usize = 260;

    /// The name that what a client asked a source for is counted under, where the mesh has no such host.
    pub fn of_client(&self, source: &Arc<Source>, name: &str) -> Name {
        if matches!(**source, Source::Gateway { .. }) {
            return Name::of_mesh(UNKNOWN);
        }
        if name.len() > Self::LONGEST {
            return Name::of_mesh(OTHER);
        }
        let key = (Arc::clone(source), Name::of_mesh(name));
        // Each entry is whole, whatever became of the thread that made it.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.names.contains(&key) {
            let bytes = known.bytes + name.len();
            if known.names.len() == Self::MOST || bytes > Self::BYTES {
                return Name::of_mesh(OTHER);
            }
            known.bytes = bytes;
            known.names.insert(key.clone());
        }
        key.1
    }

    /// Whether a name is one that clients made up.
    pub fn has(&self, source: &Arc<Source>, name: &Name) -> bool {
        let known = |all: &Known| all.names.contains(&(Arc::clone(source), name.clone()));
        matches!(&**name, UNKNOWN | OTHER) || known(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(name: &str) -> Arc<Source> {
        Arc::new(Source::Workload { namespace: "default".to_owned(), name: name.to_owned() })
    }

    #[test]
    fn what_clients_of_a_gateway_say_is_not_believed() {
        let gateway = Source::Gateway { namespace: "default".to_owned(), name: "in".to_owned() };
        assert_eq!(&*Names::default().of_client(&Arc::new(gateway), "a.test"), "unknown");
    }

    #[test]
    fn names_are_bounded_in_number_for_all_sources_together() {
        let names = Names::default();
        for number in 0..Names::MOST {
            let name = format!("{number}.test");
            assert_eq!(&*names.of_client(&workload(if number % 2 == 0 { "a" } else { "b" }), &name), name);
        }
        let said = |source, name| names.of_client(&workload(source), name).to_string();
        assert_eq!(
            [said("a", "more.test"), said("a", "0.test"), said("b", "0.test")],
            ["other", "0.test", "other"]
        );
    }

    #[test]
    fn names_are_bounded_in_bytes() {
        let names = Names::default();
        let source = workload("a");
        let long = |number: usize| format!("{number:0>width$}", width = Names::LONGEST);
        let kept =
            (0..Names::MOST).filter(|&number| *names.of_client(&source, &long(number)) == *long(number));
        assert_eq!(kept.count(), Names::BYTES / Names::LONGEST);
        assert_eq!(&*names.of_client(&source, &"x".repeat(Names::LONGEST + 1)), "other");
    }
}
