//! Regular expressions as the resources write them: RE2's syntax, ASCII classes, matched against the whole string.
//!
//! The regex crate speaks nearly RE2's language. What differs is translated: braces that repeat nothing and brackets
//! within classes are literal in RE2, set operations do not exist there, and `\Q…\E` does.

use std::fmt;

use serde::{Serialize, Serializer};

pub(crate) use budget::Patterns;
use engine::Engine;

// The page matches the few requests that a person asks about, so it has the engine that is small; the proxy has the fast one.
#[cfg_attr(target_family = "wasm", path = "pattern/small.rs")]
#[cfg_attr(not(target_family = "wasm"), path = "pattern/fast.rs")]
mod engine;
// The tests hold the two against each other.
mod budget;
#[cfg(all(test, not(target_family = "wasm")))]
#[path = "pattern/small.rs"]
mod small;
mod syntax;

/// Longest pattern that Istio accepts, in bytes.
const MAX_LENGTH: usize = 1024;

/// A compiled regular expression that knows how it was written.
#[derive(Clone)]
pub struct Pattern {
    source: String,
    engine: Engine,
}

/// Why a pattern cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// Over 1,024 bytes.
    #[error("the pattern is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// Not a regular expression.
    #[error("not a regular expression: {0}")]
    Syntax(&'static str),
    /// Over the size that the engine allows once it is compiled.
    #[error("not a usable regular expression: {0}")]
    Engine(#[from] engine::Error),
}

impl Pattern {
    /// Compiles a pattern that whole texts are compared with.
    pub fn new(source: &str) -> Result<Self, PatternError> {
        // Looked at alone first: `a)(b` must not become valid by what is put around it.
        Self::check(source)?;
        Self::compiled(source, &format!(r"\A(?:{})\z", translate(source)))
    }

    /// Compiles a pattern that is looked for within texts, to be replaced.
    pub fn within(source: &str) -> Result<Self, PatternError> {
        Self::check(source)?;
        Self::compiled(source, &translate(source))
    }

    fn compiled(source: &str, translated: &str) -> Result<Self, PatternError> {
        Ok(Self { source: source.to_owned(), engine: Engine::new(translated)? })
    }

    /// What [`Pattern::new`] would say, without the work of compiling: for validation, which reads thousands. How large the
    /// pattern is once it is compiled, in RE2's instructions.
    pub fn check(source: &str) -> Result<usize, PatternError> {
        if source.len() > MAX_LENGTH {
            return Err(PatternError::TooLong);
        }
        syntax::size(&translate(source)).map_err(PatternError::Syntax)
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether the text matches: all of it, for a pattern that was made for that.
    pub fn matches(&self, text: &str) -> bool {
        self.engine.is_match(text)
    }

    /// Replaces every match within the text by a substitution in the regex crate's form (`${1}`).
    pub fn replace(&self, text: &str, substitution: &str) -> String {
        self.engine.replace_all(text, substitution)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.source)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

/// A substitution of `uriRegexRewrite` in the regex crate's form: `\1` becomes `${1}`, `\\` a backslash. `None` when a
/// group is named that a pattern cannot have (RE2 knows `\0` to `\9`).
pub fn substitution(rewrite: &str) -> Option<String> {
    let mut out = String::with_capacity(rewrite.len() + 8);
    let mut chars = rewrite.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next()? {
                digit @ '0'..='9' => {
                    out.push_str("${");
                    out.push(digit);
                    out.push('}');
                }
                '\\' => out.push('\\'),
                _ => return None,
            },
            '$' => out.push_str("$$"),
            other => out.push(other),
        }
    }
    Some(out)
}

/// RE2's syntax in the regex crate's.
fn translate(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 8);
    let mut rest = source;
    // Whether the scan is within `[…]`, and whether nothing stands in it yet: a `]` there is literal.
    let (mut class, mut first) = (false, false);
    while let Some(char) = rest.chars().next() {
        let tail = &rest[char.len_utf8()..];
        let was_first = std::mem::take(&mut first);
        match char {
            '\\' => {
                if let Some(quoted) = tail.strip_prefix('Q') {
                    let (text, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
                    out.push_str(&engine::escape(text));
                    rest = after;
                    continue;
                }
                let escaped = tail.chars().next().map_or(0, char::len_utf8);
                out.push_str(&rest[..1 + escaped]);
                rest = &tail[escaped..];
                continue;
            }
            '[' if !class => {
                class = true;
                first = true;
                out.push('[');
                if let Some(after) = tail.strip_prefix('^') {
                    out.push('^');
                    rest = after;
                    continue;
                }
            }
            '[' if tail.starts_with(':') => match tail.find(":]") {
                Some(end) => {
                    out.push_str(&rest[..end + 3]);
                    rest = &tail[end + 2..];
                    continue;
                }
                None => out.push_str(r"\["),
            },
            '[' => out.push_str(r"\["),
            ']' if class && was_first => out.push_str(r"\]"),
            ']' if class => {
                class = false;
                out.push(']');
            }
            '&' | '~' if class => {
                out.push('\\');
                out.push(char);
            }
            // `--` is a set operation here, and a range that ends or begins with `-` in RE2.
            '-' if class && tail.starts_with('-') => out.push_str(r"\-"),
            '{' if !class && !repeats(tail) => out.push_str(r"\{"),
            other => out.push(other),
        }
        rest = tail;
    }
    out
}

/// Whether what follows a `{` makes it a repetition: `2}`, `2,}` or `2,3}`.
fn repeats(tail: &str) -> bool {
    let Some((count, _)) = tail.split_once('}') else { return false };
    let (low, high) = count.split_once(',').unwrap_or((count, ""));
    !low.is_empty() && [low, high].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_text_must_match() {
        for (pattern, text, expected) in [
            ("/api/v[0-9]+", "/api/v12", true),
            ("/api/v[0-9]+", "/api/v12/x", false),
            ("a|ab", "ab", true),
            (r"\d+", "12", true),
            // An Arabic digit: classes are ASCII.
            (r"\d", "\u{661}", false),
            ("(?i)jason", "JASON", true),
            (".*", "", true),
            (r"/users/{id}", "/users/{id}", true),
            ("a{2,3}", "aaa", true),
            ("[[]", "[", true),
            ("[]a]", "]", true),
            ("[^]]", "x", true),
            ("[a&&b]", "&", true),
            ("[[:alpha:]]+", "abc", true),
            (r"\Qa.b\E+", "a.bb", true),
            (r"\Qa.b\E", "axb", false),
            (r"\/a\-b", "/a-b", true),
            ("[a-z--]", "-", true),
        ] {
            let compiled = Pattern::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert_eq!(compiled.matches(text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn both_engines_agree() {
        let patterns = [
            "/api/v[0-9]+",
            "a|ab",
            r"\d+",
            "(?i)jason",
            ".*",
            r"/users/{id}",
            "a{2,3}",
            "[[]",
            "[]a]",
            "[^]]",
            "[a&&b]",
            "[[:alpha:]]+",
            r"\Qa.b\E+",
            r"\/a\-b",
            "[a-z--]",
            "(a|b)*?c",
            r"\bfoo\b",
            r"^(?P<x>\w+)\.(.*)$",
            "(?s).+",
            "(?U)a+",
            r"\x41",
            "[\\w-]+",
            "*",
            "(",
            "a)(b",
            "[",
            r"(?=x)",
            r"(a)\1",
            "a{3,2}",
            "x**",
            "(?z)a",
            r"\pN",
        ];
        let texts = [
            "",
            "a",
            "ab",
            "abc",
            "aaa",
            "/api/v12",
            "12",
            "JASON",
            "/users/{id}",
            "[",
            "]",
            "&",
            "a.bb",
            "/a-b",
            "-",
            "foo",
            "foo.bar",
            "A",
            "x\ny",
            "abcabc",
        ];
        for pattern in patterns {
            let translated = translate(pattern);
            let (fast, small) = (Engine::new(&translated), small::Engine::new(&translated));
            assert_eq!(fast.is_ok(), small.is_ok(), "{pattern}");
            // What RE2 refuses besides is refused before.
            assert!(fast.is_ok() || syntax::size(&translated).is_err(), "{pattern}");
            let (Ok(fast), Ok(small)) = (fast, small) else { continue };
            for text in texts {
                assert_eq!(fast.is_match(text), small.is_match(text), "{pattern} on {text}");
                let replaced = |it: String| (pattern, text, it);
                assert_eq!(
                    replaced(fast.replace_all(text, "<${0}|${1}>")),
                    replaced(small.replace_all(text, "<${0}|${1}>"))
                );
            }
        }
        assert_eq!(engine::escape("a.b*[-]é"), small::escape("a.b*[-]é"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in ["*", "(", "a)(b", "[", r"(?=x)", r"(a)\1", "(a{1000}){1000}", "(a{1000}){2}", "a**"] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
        assert!(Pattern::new(&"a".repeat(1025)).is_err());
        // What is allowed compiles, the largest of it too.
        for pattern in ["(?:.{100}a){10}", &"[a-z]{1000}".repeat(16), &"(a|b){500}".repeat(10)] {
            assert!(Pattern::check(pattern).is_ok() && Pattern::new(pattern).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn groups_are_substituted() {
        for (pattern, rewrite, path, expected) in [
            ("^/service/([^/]+)(/.*)$", r"\2/instance/\1", "/service/foo/v1/api", "/v1/api/instance/foo"),
            ("one", "two", "/xxx/one/yyy/one/zzz", "/xxx/two/yyy/two/zzz"),
            ("^(.*?)one(.*)$", r"\1two\2", "/xxx/one/yyy/one/zzz", "/xxx/two/yyy/one/zzz"),
            ("(?i)/xxx/", "/yyy/", "/aaa/XxX/bbb", "/aaa/yyy/bbb"),
            ("a", "$1", "/a", "/$1"),
        ] {
            let form = substitution(rewrite).unwrap();
            assert_eq!(Pattern::within(pattern).unwrap().replace(path, &form), expected, "{pattern}");
        }
        assert_eq!(substitution(r"\x"), None);
    }
}
