//! The engine of the proxy and the server: fast, and large with it.

use regex::bytes::{Regex, RegexBuilder};
pub(super) use regex::{Error, escape};

/// Each group that is allowed nests up to four kinds of things.
const NEST_LIMIT: u32 = 1_100;

/// Most that an expression keeps of what it worked out while matching, in bytes and for each thread. A mesh may have
/// thousands of expressions.
const CACHE: usize = 128 * 1024;

/// A compiled expression.
#[derive(Clone)]
pub(super) struct Engine(Regex);

impl Engine {
    pub(super) fn new(pattern: &str) -> Result<Self, Error> {
        RegexBuilder::new(pattern)
            .unicode(false)
            .nest_limit(NEST_LIMIT)
            .dfa_size_limit(CACHE)
            .build()
            .map(Self)
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }

    pub(super) fn replace_all(&self, text: &str, substitution: &str) -> String {
        let replaced = self.0.replace_all(text.as_bytes(), substitution.as_bytes());
        String::from_utf8_lossy(&replaced).into_owned()
    }
}
