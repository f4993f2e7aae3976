//! ratings: stars by reviewer.

use http::request::Parts;
use serde_json::json;

use super::answer::{Answer, id_after, json};

/// `GET /ratings/ID`.
pub(super) fn answer(request: &Parts) -> Option<Answer> {
    let id = id_after(request, "/ratings/")?;
    Some(json(&json!({ "id": id, "ratings": { "Reviewer1": 5, "Reviewer2": 4 } })))
}
