//! reviews: what readers say. v1 knows no stars, v2 asks ratings and shows black ones, v3 red ones.

use std::time::Duration;

use http::request::Parts;
use serde_json::{Value, json};

use super::answer::{Answer, Context, id_after, json};
use super::client::Failure;

/// The colour of a version's stars.
#[derive(Debug, Clone, Copy)]
pub(super) enum Color {
    Black,
    Red,
}

impl Color {
    fn as_str(self) -> &'static str {
        match self {
            Self::Black => "black",
            Self::Red => "red",
        }
    }

    /// How long it waits for ratings. The 10 s of black are longer than productpage waits in all: a mistake to be found
    /// with a fault, kept on purpose.
    fn timeout(self) -> Duration {
        match self {
            Self::Black => Duration::from_secs(10),
            Self::Red => Duration::from_millis(2500),
        }
    }
}

/// Who says what.
const REVIEWS: [(&str, &str); 2] = [
    (
        "Reviewer1",
        "Two pairs of twins, one long day, and not a dull page. I laughed on the train and missed my stop.",
    ),
    (
        "Reviewer2",
        "Fast, silly and very well made. The plot is thin next to the later plays, and nobody will mind.",
    ),
];

/// `GET /reviews/ID`.
pub(super) async fn answer(context: &Context, request: &Parts, stars: Option<Color>) -> Option<Answer> {
    let id = id_after(request, "/reviews/")?;
    let ratings = match stars {
        None => None,
        Some(color) => Some((color, ratings(context, request, id, color).await)),
    };
    let reviews: Vec<Value> = REVIEWS
        .iter()
        .map(|(reviewer, text)| {
            let mut review = json!({ "reviewer": reviewer, "text": text });
            match &ratings {
                None => {}
                Some((color, Ok(stars))) => {
                    review["rating"] = json!({ "stars": stars[reviewer], "color": color.as_str() });
                }
                Some((_, Err(failure))) => {
                    review["rating"] = json!({ "error": format!("ratings {}", failure.reason()) });
                }
            }
            review
        })
        .collect();
    Some(json(&json!({ "id": id, "podname": context.name, "reviews": reviews })))
}

/// Stars by reviewer.
async fn ratings(context: &Context, request: &Parts, id: &str, color: Color) -> Result<Value, Failure> {
    let path = format!("/ratings/{id}");
    let mut answer = context.client.get("ratings:9080", &path, &request.headers, color.timeout()).await?;
    Ok(answer["ratings"].take())
}
