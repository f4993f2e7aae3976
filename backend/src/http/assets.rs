//! The UI's files: from the binary, or in debug builds from `frontend/dist`.

mod media;
mod page;

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use axum::extract::Request;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use sha2::{Digest, Sha256};

use super::guard;
use super::problem::Failure;

/// Path, bytes and whether these are compressed with brotli.
type Embedded = (&'static str, &'static [u8], bool);

/// What `build.rs` found; empty in debug builds.
const EMBEDDED: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/ui.rs"));
/// Where debug builds find the UI.
const DIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../frontend/dist");

/// One file.
#[derive(Debug, Clone)]
pub(super) struct File {
    plain: Bytes,
    brotli: Option<Bytes>,
    media: &'static str,
    etag: HeaderValue,
    cache: &'static str,
}

/// All files.
#[derive(Debug, Clone)]
pub(super) enum Ui {
    /// In the binary.
    Embedded(Arc<HashMap<&'static str, File>>),
    /// On disk, read at each request.
    Disk(PathBuf),
    /// Nowhere: it was not built.
    Missing,
}

impl Ui {
    /// The UI of this build.
    pub(super) fn load() -> Self {
        if !EMBEDDED.is_empty() {
            let files = EMBEDDED.iter().map(|embedded| (embedded.0, unpack(embedded))).collect();
            Self::Embedded(Arc::new(files))
        } else if cfg!(debug_assertions) {
            Self::Disk(DIST.into())
        } else {
            Self::Missing
        }
    }

    /// Texts of the scripts within the page; Trunk writes one that starts the wasm.
    pub(super) fn inline_scripts(&self) -> Vec<String> {
        let page = self.file("index.html").map(|file| file.plain).unwrap_or_default();
        page::inline_scripts(&String::from_utf8_lossy(&page))
    }

    /// Answers with the page at `/` and the files beside it.
    pub(super) async fn serve(self, request: Request) -> Response {
        let path = request.uri().path().trim_start_matches('/');
        let file = if path.is_empty() { self.file("index.html") } else { self.file(path) };
        let read = [Method::GET, Method::HEAD].contains(request.method());
        if read
            && path.is_empty()
            && let Some(answer) = enter(request.uri())
        {
            return answer;
        }
        match file.filter(|_| read) {
            Some(file) => file.answer(request.headers()),
            None if read && path.is_empty() => Html(page::NOT_BUILT).into_response(),
            None => {
                Failure::new(StatusCode::NOT_FOUND, format!("there is nothing at /{path}")).into_response()
            }
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "only builds for developers read the page's files from disk"
    )]
    fn file(&self, path: &str) -> Option<File> {
        match self {
            Self::Embedded(files) => files.get(path).cloned(),
            Self::Disk(root) => {
                // Only names: no `..`, no drive, no root.
                let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
                let bytes = inside.then(|| std::fs::read(root.join(path)).ok()).flatten()?;
                Some(File::new(path, bytes.into(), None))
            }
            Self::Missing => None,
        }
    }
}

impl File {
    fn new(path: &str, plain: Bytes, brotli: Option<Bytes>) -> Self {
        let etag = format!("\"{}\"", &URL_SAFE_NO_PAD.encode(Sha256::digest(&plain))[..22]);
        let cache = if media::hashed(path) { "public, max-age=31536000, immutable" } else { "no-cache" };
        Self {
            plain,
            brotli,
            media: media::of(path),
            // Base64 between quotes is a header value.
            etag: HeaderValue::try_from(etag).unwrap_or(HeaderValue::from_static("\"\"")),
            cache,
        }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let mut response = if headers.get(header::IF_NONE_MATCH) == Some(&self.etag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            match self.brotli.as_ref().filter(|_| media::accepts_brotli(headers)) {
                Some(brotli) => ([(header::CONTENT_ENCODING, "br")], brotli.clone()).into_response(),
                None => self.plain.clone().into_response(),
            }
        };
        let answer = response.headers_mut();
        answer.insert(header::ETAG, self.etag.clone());
        answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(self.cache));
        answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media));
        if self.brotli.is_some() {
            answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        response
    }
}

/// A file from the binary. What is compressed is kept both ways: browsers take brotli, `curl` does not.
fn unpack(&(path, bytes, compressed): &Embedded) -> File {
    let bytes = Bytes::from_static(bytes);
    if !compressed {
        return File::new(path, bytes, None);
    }
    let mut plain = Vec::new();
    // `build.rs` wrote it; a file that does not read back is served empty, and the tests of the release see it.
    if let Err(error) = brotli::Decompressor::new(bytes.as_ref(), 4096).read_to_end(&mut plain) {
        tracing::error!(path, %error, "embedded file is damaged");
    }
    File::new(path, plain.into(), Some(bytes))
}

/// Leads `/?token=…` to `/`, with the token in a cookie.
fn enter(uri: &Uri) -> Option<Response> {
    let (cookie, location) = guard::cookie(uri)?;
    let headers = [(header::SET_COOKIE, cookie), (header::LOCATION, location)];
    Some((StatusCode::SEE_OTHER, headers).into_response())
}
