//! Unified diffs between the texts of two revisions.

use std::collections::BTreeSet;

use mesh::Sources;
use similar::TextDiff;

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// The differences of all files, as `diff -u` writes them.
pub fn unified(from: &Sources, to: &Sources) -> String {
    let paths: BTreeSet<_> = from.0.keys().chain(to.0.keys()).collect();
    let mut all = String::new();
    for path in paths {
        let (old, new) = (from.0.get(path), to.0.get(path));
        if old == new {
            continue;
        }
        let name = |side: &str, text: Option<&String>| match text {
            Some(_) => format!("{side}/{path}"),
            None => "/dev/null".to_owned(),
        };
        let [old_name, new_name] = [name("a", old), name("b", new)];
        let empty = String::new();
        let diff = TextDiff::from_lines(old.unwrap_or(&empty), new.unwrap_or(&empty));
        all.push_str(&diff.unified_diff().context_radius(CONTEXT).header(&old_name, &new_name).to_string());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_differ_are_shown() {
        let from: Sources =
            [("a.yaml", "x: 1\ny: 2\n"), ("b.yaml", "same\n"), ("c.yaml", "gone\n")].into_iter().collect();
        let to: Sources =
            [("a.yaml", "x: 1\ny: 3\n"), ("b.yaml", "same\n"), ("d.yaml", "new\n")].into_iter().collect();
        let expected = "--- a/a.yaml\n+++ b/a.yaml\n@@ -1,2 +1,2 @@\n x: 1\n-y: 2\n+y: 3\n\
            --- a/c.yaml\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n--- /dev/null\n+++ b/d.yaml\n@@ -0,0 +1 @@\n+new\n";
        assert_eq!(unified(&from, &to), expected);
    }
}
