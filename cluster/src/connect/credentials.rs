//! Credentials that change while the program runs: the token in a file, and what a program gives that logs in. They are renewed
//! before they end, and after the server has refused them.

use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine as _;
use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use kube::client::Body;
use tokio::sync::Mutex;
use tower::{BoxError, Layer, Service};

use super::plugin::{Credentials, Plugin};
use crate::error::Error;

/// How long the token of a file is used before the file is read again.
const FILE: SignedDuration = SignedDuration::from_secs(60);

/// How long before their end credentials are renewed: requests take a while, and clocks differ.
const BEFORE: SignedDuration = SignedDuration::from_secs(30);

/// Largest file of a token, in bytes.
const SIZE: u64 = 1 << 20;

/// Where credentials come from, and those that are used now.
pub(super) struct Source {
    from: From,
    now: Mutex<Option<Held>>,
}

enum From {
    File { path: PathBuf, context: String },
    Plugin(Plugin),
}

/// Credentials in use.
struct Held {
    header: HeaderValue,
    /// When they are to be renewed; only after a refusal without it.
    until: Option<Timestamp>,
}

impl Source {
    /// A file with a token.
    pub(super) fn file(path: PathBuf, context: &str) -> Self {
        Self { from: From::File { path, context: context.to_owned() }, now: Mutex::new(None) }
    }

    /// A program, with what it gave just now.
    pub(super) fn plugin(plugin: Plugin, credentials: &Credentials) -> Self {
        let held = held(&plugin, credentials).ok();
        Self { from: From::Plugin(plugin), now: Mutex::new(held) }
    }

    /// The header that requests need. Whoever comes while credentials are renewed waits for them.
    pub(super) async fn header(&self) -> Result<HeaderValue, Error> {
        let mut now = self.now.lock().await;
        if let Some(held) = &*now
            && held.until.is_none_or(|until| Timestamp::now() + BEFORE < until)
        {
            return Ok(held.header.clone());
        }
        match self.renewed().await {
            Ok(held) => Ok(now.insert(held).header.clone()),
            // A file that has gone or is just being written: its last token may still be good, as kubectl has it.
            Err(error) => match (&self.from, &mut *now) {
                (From::File { .. }, Some(held)) => {
                    held.until = Some(Timestamp::now() + FILE);
                    Ok(held.header.clone())
                }
                _ => Err(error),
            },
        }
    }

    async fn renewed(&self) -> Result<Held, Error> {
        match &self.from {
            From::File { path, context } => {
                let token = read(path).await.map_err(|why| Error::Token { context: context.clone(), why })?;
                let header = bearer(&token).map_err(|why| Error::Token { context: context.clone(), why })?;
                Ok(Held { header, until: Some(Timestamp::now() + FILE) })
            }
            From::Plugin(plugin) => held(plugin, &plugin.run().await?),
        }
    }

    /// The server did not accept these credentials: the next request gets others.
    async fn refused(&self, header: &HeaderValue) {
        let mut now = self.now.lock().await;
        if let Some(held) = &mut *now
            && held.header == *header
        {
            held.until = Some(Timestamp::UNIX_EPOCH);
        }
    }
}

fn held(plugin: &Plugin, credentials: &Credentials) -> Result<Held, Error> {
    let token =
        credentials.token.as_deref().ok_or_else(|| plugin.no_credentials("it has no token any more"))?;
    let header = bearer(token).map_err(|why| plugin.no_credentials(&why))?;
    Ok(Held { header, until: credentials.until })
}

async fn read(path: &PathBuf) -> Result<String, String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", path.display());
    let found = tokio::fs::metadata(path).await.map_err(wrong)?;
    if found.len() > SIZE {
        return Err(format!("{} is larger than 1 MB", path.display()));
    }
    let token = tokio::fs::read_to_string(path).await.map_err(wrong)?;
    match token.trim() {
        "" => Err(format!("{} is empty", path.display())),
        token => Ok(token.to_owned()),
    }
}

fn bearer(token: &str) -> Result<HeaderValue, String> {
    let header = HeaderValue::try_from(format!("Bearer {}", token.trim()));
    let mut header = header.map_err(|_| "it has characters that no token has".to_owned())?;
    header.set_sensitive(true);
    Ok(header)
}

/// When a token expires, if it says so itself, as JSON Web Tokens do.
pub(super) fn expiry(token: &str) -> Option<Timestamp> {
    let claims = token.split('.').nth(1)?;
    let claims =
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    Timestamp::from_second(claims.get("exp")?.as_i64()?).ok()
}

/// Gives each request its credentials.
#[derive(Clone)]
pub(super) struct Login(Arc<Source>);

impl Login {
    /// From a source.
    pub(super) fn new(source: Source) -> Self {
        Self(Arc::new(source))
    }
}

impl<S> Layer<S> for Login {
    type Service = LoggedIn<S>;

    fn layer(&self, inner: S) -> Self::Service {
        LoggedIn { inner, source: self.0.clone() }
    }
}

/// A service whose requests have credentials.
#[derive(Clone)]
pub(super) struct LoggedIn<S> {
    inner: S,
    source: Arc<Source>,
}

impl<S, B> Service<Request<Body>> for LoggedIn<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    B: Send,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // The one that is ready is this one; its clone has yet to become so.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let source = self.source.clone();
        Box::pin(async move {
            let header = source.header().await?;
            request.headers_mut().insert(AUTHORIZATION, header.clone());
            let response = inner.call(request).await?;
            if response.status() == StatusCode::UNAUTHORIZED {
                source.refused(&header).await;
            }
            Ok(response)
        })
    }
}
