//! The product page's HTML. Everything that came from another service is escaped.

use std::fmt::Write as _;

use serde_json::Value;

use super::client::Failure;

/// The book.
pub(super) const TITLE: &str = "The Comedy of Errors";
/// What it is about.
pub(super) const SUMMARY: &str = "Two merchants' sons, twins with one name, and their two servants, twins as well, \
    come to the same town on the same day. Wives, goldsmiths and officers of the law take each for the other, until \
    nobody is sure who dined where, who owes what, and who is mad.";

/// What a page shows.
pub(super) struct View<'v> {
    /// The instance that answers.
    pub(super) instance: &'v str,
    /// Who asks.
    pub(super) user: Option<&'v str>,
    pub(super) details: &'v Result<Value, Failure>,
    pub(super) reviews: &'v Result<Value, Failure>,
}

/// The page.
pub(super) fn render(view: &View<'_>) -> String {
    let mut html = String::with_capacity(8 * 1024);
    html.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    let _ = writeln!(
        html,
        "<title>{TITLE} · Bookinfo</title>\n<style>{}</style>\n</head>",
        include_str!("page.css")
    );
    html.push_str("<body>\n<header><strong>Bookinfo</strong> <span>a sample mesh</span>");
    html.push_str(&sign_in(view.user));
    html.push_str("</header>\n<main>\n");
    let _ = writeln!(html, "<h1>{TITLE}</h1>\n<p class=\"summary\">{SUMMARY}</p>\n<div class=\"columns\">");
    section(&mut html, "details", "Book details", view.details, facts);
    section(&mut html, "reviews", "Reviews", view.reviews, opinions);
    html.push_str("</div>\n</main>\n");
    let _ = write!(
        html,
        "<footer>served by <code>{}</code></footer>\n</body>\n</html>\n",
        Escaped(view.instance)
    );
    html
}

fn sign_in(user: Option<&str>) -> String {
    match user {
        Some(user) => {
            format!("<a class=\"user\" href=\"?\">signed in as <b>{}</b> · sign out</a>", Escaped(user))
        }
        None => "<a class=\"user\" href=\"?user=jason\">sign in as jason</a>".to_owned(),
    }
}

/// A part of the page that another service fills, or a friendly word where it did not.
fn section(
    html: &mut String,
    service: &str,
    title: &str,
    answer: &Result<Value, Failure>,
    fill: impl Fn(&mut String, &Value),
) {
    let _ = writeln!(html, "<section id=\"{service}\">\n<h2>{title}</h2>");
    match answer {
        Ok(value) => fill(html, value),
        Err(failure) => {
            let _ = writeln!(
                html,
                "<p class=\"error\" role=\"alert\">Sorry, we cannot show the {service} just now: the service {}. \
                 <a href=\"\">Try again</a></p>",
                failure.reason()
            );
        }
    }
    html.push_str("</section>\n");
}

fn facts(html: &mut String, details: &Value) {
    html.push_str("<dl>\n");
    for (label, key) in [
        ("Author", "author"),
        ("Year", "year"),
        ("Type", "type"),
        ("Pages", "pages"),
        ("Publisher", "publisher"),
        ("Language", "language"),
        ("ISBN", "isbn"),
    ] {
        let _ = writeln!(html, "<dt>{label}</dt><dd>{}</dd>", text(&details[key]));
    }
    html.push_str("</dl>\n");
}

fn opinions(html: &mut String, reviews: &Value) {
    for review in reviews["reviews"].as_array().into_iter().flatten() {
        html.push_str("<figure>\n");
        let rating = &review["rating"];
        if let Some(stars) = rating["stars"].as_u64() {
            let (full, empty) = (stars.min(5), 5 - stars.min(5));
            let color = if rating["color"] == "red" { "red" } else { "black" };
            let repeat = |star: &str, n: u64| star.repeat(usize::try_from(n).unwrap_or_default());
            let _ = writeln!(
                html,
                "<div class=\"stars {color}\" role=\"img\" aria-label=\"{full} of 5 stars, {color}\">{}<i>{}</i></div>",
                repeat("★", full),
                repeat("★", empty)
            );
        } else if rating.is_object() {
            html.push_str(
                "<p class=\"error small\" role=\"alert\">Ratings are not available just now.</p>\n",
            );
        }
        let _ = writeln!(
            html,
            "<blockquote>{}</blockquote>\n<figcaption>{}</figcaption>\n</figure>",
            text(&review["text"]),
            text(&review["reviewer"])
        );
    }
    let _ = writeln!(html, "<p class=\"served\">reviews by <code>{}</code></p>", text(&reviews["podname"]));
}

/// A JSON string or number as escaped text.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => Escaped(text).to_string(),
        Value::Null => "–".to_owned(),
        other => Escaped(&other.to_string()).to_string(),
    }
}

/// Text that may stand in HTML.
struct Escaped<'t>(&'t str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;

    fn page(reviews: &Result<Value, Failure>) -> String {
        let details = Ok(json!({ "author": "<b>", "pages": 200 }));
        render(&View { instance: "productpage-v1", user: None, details: &details, reviews })
    }

    #[test]
    fn stars_have_the_colour_of_their_version() {
        let with = |rating: Value| {
            page(&Ok(json!({ "reviews": [{ "reviewer": "A", "text": "t", "rating": rating }] })))
        };
        assert!(with(json!({ "stars": 4, "color": "red" })).contains("class=\"stars red\""));
        assert!(with(json!({ "stars": 4, "color": "black" })).contains("4 of 5 stars, black"));
        assert!(!with(Value::Null).contains("class=\"stars"));
        assert!(with(json!({ "error": "x" })).contains("Ratings are not available"));
    }

    #[test]
    fn a_failed_service_is_told_of_and_the_rest_is_shown() {
        let html = page(&Err(Failure::Status(StatusCode::SERVICE_UNAVAILABLE)));
        assert!(html.contains("cannot show the reviews just now: the service answered 503"));
        assert!(html.contains("<dd>200</dd>"));
    }

    #[test]
    fn what_services_say_is_escaped() {
        assert!(page(&Ok(json!({ "reviews": [] }))).contains("<dd>&lt;b&gt;</dd>"));
    }
}
