//! What a file's name and a request's headers say about how it is served.

use http::{HeaderMap, header};

/// The media type.
pub(super) fn of(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Whether some part of the path carries the hash of its content, as Trunk writes it (`frontend-3f9a1c2b7d84e6a0_bg.wasm`), so that
/// the file never changes under its name.
pub(super) fn hashed(path: &str) -> bool {
    path.split(['/', '.', '_']).any(|part| {
        part.rsplit_once('-').is_some_and(|(_, hash)| {
            hash.len() >= 15
                && hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        })
    })
}

/// Whether the client takes brotli.
pub(super) fn accepts_brotli(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            name.trim().eq_ignore_ascii_case("br")
                && weight.trim().trim_start_matches("q=").parse() != Ok(0.0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_hashes() {
        for (path, expected) in [
            ("frontend-3f9a1c2b7d84e6a0_bg.wasm", true),
            ("frontend-3f9a1c2b7d84e6a0.js", true),
            ("snippets/wasm-streams-58ea10c8cf7b06a1/inline0.js", true),
            ("index.html", false),
            ("sw.js", false),
            ("icon-512.png", false),
            ("a-facade.css", false),
        ] {
            assert_eq!(hashed(path), expected, "{path}");
        }
    }

    #[test]
    fn brotli_is_sent_to_those_who_take_it() {
        for (value, expected) in [
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0", true),
            ("gzip;q=0.5,BR", true),
            ("br;q=0", false),
            ("gzip", false),
            ("brr", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value.parse().unwrap())]);
            assert_eq!(accepts_brotli(&headers), expected, "{value}");
        }
    }
}
