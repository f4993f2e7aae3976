//! The page: the scripts within it, and the one that stands in for it.

/// Shown where the UI was not built.
pub(super) const NOT_BUILT: &str = include_str!("not_built.html");

/// Texts of the `<script>` elements that have no `src`, as a browser hashes them.
pub(super) fn inline_scripts(page: &str) -> Vec<String> {
    let mut scripts = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find("<script") {
        rest = &rest[at..];
        let Some(open) = rest.find('>') else { break };
        let (tag, after) = rest.split_at(open + 1);
        let Some(close) = after.find("</script") else { break };
        let has_source = tag.split_ascii_whitespace().any(|part| part.starts_with("src="));
        if !has_source && close > 0 {
            scripts.push(after[..close].to_owned());
        }
        rest = &after[close..];
    }
    scripts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_within_the_page() {
        let page = "<head><script type=\"module\">\nimport x;\n</script><script src=\"/sw.js\"></script>\
            <script>y</script><script>unclosed";
        assert_eq!(inline_scripts(page), ["\nimport x;\n", "y"]);
    }
}
