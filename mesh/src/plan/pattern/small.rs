//! The engine of the page: small, and slow with it. It has no Unicode tables, as the other one uses none; beyond ASCII
//! `.` is a character here and a byte there.

pub(super) use regex_lite::{Error, escape};
use regex_lite::{Regex, RegexBuilder};

/// As the other engine's.
const NEST_LIMIT: u32 = 1_100;

/// A compiled expression.
#[derive(Clone)]
pub(super) struct Engine(Regex);

impl Engine {
    pub(super) fn new(pattern: &str) -> Result<Self, Error> {
        RegexBuilder::new(pattern).nest_limit(NEST_LIMIT).build().map(Self)
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    pub(super) fn replace_all(&self, text: &str, substitution: &str) -> String {
        self.0.replace_all(text, substitution).into_owned()
    }
}
