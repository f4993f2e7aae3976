//! Headers that came in several lines and are one to everything that sees them: matches, hashes, logs, upstreams.

use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};

/// Joins the lines of a request. In HTTP/2 the pieces of a cookie may come by themselves (RFC 9113 § 8.2.3), and are put together
/// again.
pub(crate) fn join(headers: &mut HeaderMap, h2: bool) {
    // Nearly all requests have as many lines as names.
    if headers.len() == headers.keys_len() {
        return;
    }
    let separator = |name: &HeaderName| match name.as_str() {
        "cookie" => h2.then_some("; "),
        name => mesh::route::is_joined(name).then_some(","),
    };
    let several = |name: &&HeaderName| headers.get_all(*name).iter().nth(1).is_some();
    let names: Vec<(HeaderName, &str)> =
        headers.keys().filter(several).filter_map(|name| Some((name.clone(), separator(name)?))).collect();
    for (name, separator) in names {
        let lines: Vec<&[u8]> = headers.get_all(&name).iter().map(HeaderValue::as_bytes).collect();
        // What came as values makes a value.
        if let Ok(joined) = HeaderValue::from_bytes(&lines.join(separator.as_bytes())) {
            headers.insert(name, joined);
        }
    }
}

/// The cookies of a request, whichever lines they came in.
pub(crate) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(fields: &[(&'static str, &'static str)], h2: bool) -> String {
        let pairs = fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers: HeaderMap = pairs.collect();
        join(&mut headers, h2);
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines.join("\n")
    }

    #[test]
    fn lines_are_joined_as_by_envoy() {
        let several = [
            ("accept", "a"),
            ("accept", "b"),
            ("x-role", "x"),
            ("x-role", "admin"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("cookie", "c=3; d=4"),
            ("via", "1"),
        ];
        let rest = "via: 1\nx-role: admin\nx-role: x";
        assert_eq!(joined(&several, true), format!("accept: a,b\ncookie: a=1; b=2; c=3; d=4\n{rest}"));
        assert_eq!(
            joined(&several, false),
            format!("accept: a,b\ncookie: a=1\ncookie: b=2\ncookie: c=3; d=4\n{rest}")
        );
    }
}
