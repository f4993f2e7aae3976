//! What a fuzzer calls: bodies of requests, read as the server reads them, with all that is then done with them.

use mesh::Sources;

use crate::Delta;
use crate::request::{PostExplain, PostRevision, PostValidate};

/// The body of `POST revisions` on top of a text.
pub fn edits(sources: &Sources, body: &[u8]) {
    if let Ok(request) = serde_json::from_slice::<PostRevision>(body) {
        mesh::fuzz::edits(sources, &request.edits);
    }
}

/// Bodies of questions, and what the page reads of events.
pub fn bodies(body: &[u8]) {
    if let Ok(request) = serde_json::from_slice::<PostExplain>(body) {
        let _ = mesh::explain::fits(&request.source, &request.request);
    }
    if let Ok(PostValidate { sources: Some(sources), .. }) = serde_json::from_slice(body) {
        let _ = sources.fits();
    }
    if let Ok(text) = std::str::from_utf8(body) {
        let _ = serde_json::from_str::<Delta>(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_read_what_is_sent() {
        let sources = Sources::single("a.yaml", "apiVersion: v1\nkind: X\nmetadata: {name: a}\n");
        let body = r#"{"base":1,"edits":[{"type":"set_files","files":[["b.yaml","x"]]},{"type":"set_fields",
            "key":{"kind":"X","namespace":"default","name":"a"},"fields":[{"path":"spec.a","value":[1]}]}]}"#;
        assert!(serde_json::from_str::<PostRevision>(body).is_ok());
        for body in [
            body,
            "",
            "[",
            r#"{"source":{"kind":"workload","namespace":"a","name":"b"},"request":{"host":"x"}}"#,
        ] {
            edits(&sources, body.as_bytes());
            bodies(body.as_bytes());
        }
    }
}
