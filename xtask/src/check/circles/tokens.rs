//! The paths in a module's text. It is no parser of Rust: just enough to tell code from comments, texts and tests.

use std::collections::{BTreeMap, BTreeSet};

/// What a module's paths say.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// Paths of what the module uses, other than by re-exporting it.
    pub(super) used: BTreeSet<Vec<String>>,
    /// What it re-exports: the name, and the path behind it.
    pub(super) exported: BTreeMap<String, Vec<String>>,
}

/// Reads them.
pub(super) fn paths(text: &str) -> Paths {
    let tokens = without_tests(&tokens(text));
    let mut found = Paths::default();
    let mut at = 0;
    while at < tokens.len() {
        let before = at.checked_sub(1).map_or("", |before| tokens[before]);
        if tokens[at] == "use" {
            // `pub use`, `pub(crate) use`
            let exported = ["pub", ")"].contains(&before);
            at += 1;
            let mut leaves = Vec::new();
            tree(&tokens, &mut at, &[], &mut leaves);
            for (path, name) in leaves {
                if exported {
                    found.exported.insert(name, path);
                } else {
                    found.used.insert(path);
                }
            }
        } else if ["crate", "super"].contains(&tokens[at]) && before != "::" {
            let mut path = vec![tokens[at].to_owned()];
            while tokens.get(at + 1) == Some(&"::") && tokens.get(at + 2).is_some_and(|next| is_name(next)) {
                path.push(tokens[at + 2].to_owned());
                at += 2;
            }
            // Alone, it says for whom something is public.
            if path.len() > 1 {
                found.used.insert(path);
            }
        }
        at += 1;
    }
    found
}

/// The leaves of `a::{b, c::d as e}`: each path, and the name that it gets.
fn tree(tokens: &[&str], at: &mut usize, above: &[String], leaves: &mut Vec<(Vec<String>, String)>) {
    let mut path = above.to_vec();
    while let Some(token) = tokens.get(*at) {
        match *token {
            "::" => {}
            "{" => {
                *at += 1;
                while tokens.get(*at).is_some_and(|token| *token != "}") {
                    tree(tokens, at, &path, leaves);
                    // The comma behind it.
                    *at += usize::from(tokens.get(*at) == Some(&","));
                }
                *at += 1;
                return;
            }
            name if is_name(name) && name != "as" => {
                // `self` in braces is what the braces stand behind.
                if name != "self" || path.is_empty() {
                    path.push(name.to_owned());
                }
            }
            "*" => {}
            _ => break,
        }
        *at += 1;
    }
    let mut name = path.last().cloned().unwrap_or_default();
    if tokens.get(*at) == Some(&"as") {
        name = tokens.get(*at + 1).map_or(name, |alias| (*alias).to_owned());
        *at += 2;
    }
    leaves.push((path, name));
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// All but the items that are there for tests only.
fn without_tests<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].starts_with(&["#", "[", "cfg", "(", "test", ")", "]"]) {
            let mut depth = 0;
            while at < tokens.len() {
                match tokens[at] {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 && ["}", ";"].contains(&tokens[at - 1]) {
                    break;
                }
            }
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    kept
}

/// Names, `::` and single signs; comments and literals are left out.
fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_text(rest) {
            length
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' {
            character(rest)
        } else if is_name(rest) || first.is_ascii_digit() {
            let length = rest.find(|next: char| !next.is_alphanumeric() && next != '_').unwrap_or(rest.len());
            found.push(&rest[..length]);
            length
        } else {
            let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            if !first.is_whitespace() {
                found.push(&rest[..length]);
            }
            length
        };
        rest = &rest[length..];
    }
    found
}

/// The length of `r#"…"#`, if it is one.
fn raw_text(text: &str) -> Option<usize> {
    let start = text.strip_prefix('b').unwrap_or(text).strip_prefix('r')?;
    let hashes = start.len() - start.trim_start_matches('#').len();
    let body = start[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(text.len() - body.len() + length)
}

/// The length of a literal to its closing quote.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, next) in text.char_indices().skip(1) {
        if next == quote && !escaped {
            return at + 1;
        }
        escaped = next == '\\' && !escaped;
    }
    text.len()
}

/// The length of `'x'`; a lifetime is its apostrophe alone.
fn character(text: &str) -> usize {
    let mut chars = text.chars().skip(1);
    let (first, second) = (chars.next(), chars.next());
    if first == Some('\\') || second == Some('\'') { quoted(text, '\'') } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        #[track_caller]
        fn check(text: &str, used: &[&str], exported: &[(&str, &str)]) {
            let found = paths(text);
            let join = |path: &Vec<String>| path.join("::");
            assert_eq!(found.used.iter().map(join).collect::<Vec<_>>(), used, "{text}");
            let exports: Vec<_> =
                found.exported.iter().map(|(name, path)| (name.as_str(), join(path))).collect();
            let expected: Vec<_> = exported.iter().map(|(name, path)| (*name, (*path).to_owned())).collect();
            assert_eq!(exports, expected, "{text}");
        }
        check("use crate::a::{self, b::C as D, e::*,};", &["crate::a", "crate::a::b::C", "crate::a::e"], &[]);
        check("pub(crate) use self::a::B as C; pub use d::E;", &[], &[("C", "self::a::B"), ("E", "d::E")]);
        check("fn f(x: &'a super::X) -> char { '\\'' } // crate::no", &["super::X"], &[]);
        check(
            "const A: &str = r#\"crate::no \"#; const B: char = '\"'; use super::super::y;",
            &["super::super::y"],
            &[],
        );
        check("#[cfg(test)] use crate::no; /* crate::no */ const C: &str = \"\\\" crate::no\";", &[], &[]);
    }
}
