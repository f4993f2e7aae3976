//! details: facts about a book, and the catalogue outside of the mesh that knows its ISBN.

use std::time::Duration;

use http::request::Parts;
use serde_json::json;

use super::answer::{Answer, Context, id_after, json};

/// One request in so many asks the catalogue; the others use what is known.
const CATALOGUE_ONCE_IN: u64 = 20;

/// `GET /details/ID`.
pub(super) async fn answer(context: &Context, request: &Parts) -> Option<Answer> {
    let id = id_after(request, "/details/")?;
    if context.pace.once_in(CATALOGUE_ONCE_IN) {
        // The facts are good enough without it, so a failure is seen on the graph and not on the page.
        let timeout = Duration::from_secs(2);
        let _ = context.client.get("books.example.com", "/isbn/1234567890", &request.headers, timeout).await;
    }
    Some(json(&json!({
        "id": id,
        "author": "William Shakespeare",
        "year": 1594,
        "type": "paperback",
        "pages": 200,
        "publisher": "Meshwright Press",
        "language": "English",
        "isbn": "1234567890",
    })))
}

/// `GET /isbn/ISBN` at books.example.com.
pub(super) fn catalogue(request: &Parts) -> Option<Answer> {
    let isbn = id_after(request, "/isbn/")?;
    Some(json(&json!({ "isbn": isbn, "title": "The Comedy of Errors" })))
}
