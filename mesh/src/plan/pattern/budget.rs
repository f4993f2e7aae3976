//! What all regular expressions of a mesh may come to together, and the store that compiles each of them once.
//!
//! One expression is bounded by what Envoy takes, which is a megabyte and more when it is compiled. Without a bound on all of
//! them together a revision of a thousand would end the process that compiles it, and every one that starts with it.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use super::Pattern;
use crate::resource::VirtualService;

/// Instructions of all expressions together; some tens of megabytes. Ten thousand rules with an expression each fit in.
const MOST: usize = 1_000_000;

/// The expressions of a mesh.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    beyond: HashSet<String>,
    /// By what was written, and whether whole texts are compared.
    made: RefCell<HashMap<(String, bool), Option<Pattern>>>,
}

impl Patterns {
    /// Adds up the expressions of a mesh, in its order. Those that are beyond the budget are never compiled.
    pub(crate) fn of<'m>(services: impl Iterator<Item = &'m VirtualService>) -> Self {
        let mut left = MOST;
        let mut seen: HashSet<String> = HashSet::new();
        let mut beyond = HashSet::new();
        for service in services {
            for route in &service.http {
                route.expressions(&mut |source| {
                    if !seen.insert(source.to_owned()) {
                        return;
                    }
                    match Pattern::check(source).map(|size| left.checked_sub(size)) {
                        Ok(Some(rest)) => left = rest,
                        Ok(None) => drop(beyond.insert(source.to_owned())),
                        // What cannot be read costs nothing.
                        Err(_) => {}
                    }
                });
            }
        }
        Self { beyond, made: RefCell::default() }
    }

    /// Whether some are beyond what all of them may come to.
    pub(crate) fn any_beyond(&self) -> bool {
        !self.beyond.is_empty()
    }

    /// Whether an expression is beyond what all of them may come to.
    pub(crate) fn is_beyond(&self, source: &str) -> bool {
        self.beyond.contains(source)
    }

    /// An expression that whole texts are compared with; `None` where it cannot be read or is beyond the budget.
    pub(crate) fn whole(&self, source: &str) -> Option<Pattern> {
        self.get(source, true)
    }

    /// An expression that is looked for within texts.
    pub(crate) fn within(&self, source: &str) -> Option<Pattern> {
        self.get(source, false)
    }

    fn get(&self, source: &str, whole: bool) -> Option<Pattern> {
        let make = || {
            let make = if whole { Pattern::new } else { Pattern::within };
            if self.is_beyond(source) { None } else { make(source).ok() }
        };
        self.made.borrow_mut().entry((source.to_owned(), whole)).or_insert_with(make).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::{Mesh, Sources};

    fn of(mesh: &Mesh) -> Patterns {
        Patterns::of(mesh.virtual_services().map(|(_, service)| service))
    }

    /// A mesh of so many rules, each with an expression of its own of some 30,000 instructions or of a few.
    fn mesh(large: usize, small: usize) -> Mesh {
        let mut text =
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [a.com]\n  http:\n"
                .to_owned();
        for n in 0..large {
            let _ = writeln!(
                text,
                "  - match: [{{uri: {{regex: '/l{n}(?:[a-z]{{900}}){}'}}}}]\n    route: [{{destination: {{host: a.com}}}}]",
                "(?:[a-z]{900})".repeat(32)
            );
        }
        for n in 0..small {
            let _ = writeln!(
                text,
                "  - match: [{{uri: {{regex: '/s{n}/[^/]+/.*'}}}}]\n    route: [{{destination: {{host: a.com}}}}]"
            );
        }
        Mesh::parse(&Sources::single("a.yaml", text)).mesh
    }

    #[test]
    fn all_expressions_share_a_budget() {
        let mesh = mesh(1200, 10);
        let patterns = of(&mesh);
        let mut fit = 0;
        for (_, service) in mesh.virtual_services() {
            for route in &service.http {
                route.expressions(&mut |source| fit += usize::from(!patterns.is_beyond(source)));
            }
        }
        // Of the large ones 33; what is small still fits in behind them.
        assert_eq!(fit, 33 + 10);
        assert_eq!(of(&self::mesh(0, 10_000)).beyond.len(), 0);
    }

    #[test]
    fn an_expression_is_compiled_once_and_only_within_the_budget() {
        let patterns = Patterns { beyond: HashSet::from(["b+".to_owned()]), made: RefCell::default() };
        assert!(patterns.whole("a+").is_some_and(|it| it.matches("aa") && !it.matches("ba")));
        assert!(patterns.within("a+").is_some_and(|it| it.replace("ba", "c") == "bc"));
        assert!(patterns.whole("b+").is_none() && patterns.whole("(").is_none());
        assert_eq!(patterns.made.borrow().len(), 4);
        assert!(patterns.whole("a+").is_some());
        assert_eq!(patterns.made.borrow().len(), 4);
    }
}
