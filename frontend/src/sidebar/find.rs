//! The grammar of Find: words and conditions, all of which must hold. Pure.
//!
//! `reviews` is a part of a name, of a host or a whole version; `rps>50` (`rps > 50` too) compares a figure: `rps`, `errors` (in
//! percent) or `p95` (in milliseconds); `fault`, `errors`, `ejected`, `unhealthy` and `limit` alone ask whether there are any; `-word`
//! asks for the opposite.

use api::AlertKind;

/// What Find sees of a row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Candidate<'a> {
    /// Its short name.
    pub name: &'a str,
    /// Its host, or namespace and name.
    pub host: &'a str,
    /// Names of its versions.
    pub versions: Vec<&'a str>,
    /// Requests per second.
    pub rps: f64,
    /// Share of failed requests, in percent.
    pub errors: f64,
    /// Milliseconds.
    pub p95: f64,
    /// A fault acts on it.
    pub fault: bool,
    /// Kinds of alert behind it.
    pub alerts: Vec<AlertKind>,
}

/// A parsed query.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Query(Vec<Term>);

#[derive(Debug, Clone, PartialEq)]
struct Term {
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Text(String),
    Fault,
    Errors,
    Alert(AlertKind),
    Compare(Figure, Operator, f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Figure {
    Rps,
    Errors,
    P95,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

const OPERATORS: [(&str, Operator); 5] = [
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("=", Operator::Equal),
];

impl Query {
    /// Parses; what is not a condition is a word to look for, so there is no wrong query.
    pub fn parse(text: &str) -> Self {
        Self(words(&text.to_ascii_lowercase()).iter().map(|word| term(word)).collect())
    }

    /// Everything matches.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All terms hold.
    pub fn matches(&self, candidate: &Candidate<'_>) -> bool {
        self.0.iter().all(|term| term.test.holds(candidate) != term.negated)
    }
}

/// Splits at spaces, and joins what stands around an operator: `rps > 50` is one word.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let starts = word.starts_with(['<', '>', '=']);
        match words.last_mut() {
            Some(last) if starts || last.ends_with(['<', '>', '=']) => last.push_str(word),
            _ => words.push(word.to_owned()),
        }
    }
    words
}

fn term(word: &str) -> Term {
    match word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
        Some(rest) => Term { negated: true, test: test(rest) },
        None => Term { negated: false, test: test(word) },
    }
}

fn test(word: &str) -> Test {
    match word {
        "fault" | "faults" => return Test::Fault,
        "error" | "errors" => return Test::Errors,
        "ejected" => return Test::Alert(AlertKind::Ejected),
        "unhealthy" => return Test::Alert(AlertKind::Unhealthy),
        "unreachable" => return Test::Alert(AlertKind::Unreachable),
        "limit" | "limits" => return Test::Alert(AlertKind::Overflow),
        _ => {}
    }
    compare(word).unwrap_or_else(|| Test::Text(word.to_owned()))
}

fn compare(word: &str) -> Option<Test> {
    let (sign, operator) =
        OPERATORS.iter().filter(|(sign, _)| word.contains(sign)).max_by_key(|(sign, _)| sign.len())?;
    let (figure, value) = word.split_once(sign)?;
    let figure = match figure {
        "rps" => Figure::Rps,
        "error" | "errors" => Figure::Errors,
        "p95" => Figure::P95,
        _ => return None,
    };
    let value = value.trim_end_matches('%').trim_end_matches("ms");
    let value = value.parse().ok().filter(|value: &f64| value.is_finite())?;
    Some(Test::Compare(figure, *operator, value))
}

impl Test {
    fn holds(&self, candidate: &Candidate<'_>) -> bool {
        match self {
            Self::Text(text) => {
                candidate.name.to_ascii_lowercase().contains(text)
                    || candidate.host.to_ascii_lowercase().contains(text)
                    || candidate.versions.iter().any(|version| version.to_ascii_lowercase() == *text)
            }
            Self::Fault => candidate.fault,
            Self::Errors => candidate.errors > 0.0,
            Self::Alert(kind) => candidate.alerts.contains(kind),
            Self::Compare(figure, operator, value) => {
                let figure = match figure {
                    Figure::Rps => candidate.rps,
                    Figure::Errors => candidate.errors,
                    Figure::P95 => candidate.p95,
                };
                match operator {
                    Operator::Less => figure < *value,
                    Operator::LessOrEqual => figure <= *value,
                    Operator::Equal => (figure - value).abs() < 0.05,
                    Operator::GreaterOrEqual => figure >= *value,
                    Operator::Greater => figure > *value,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds() {
        let reviews = Candidate {
            name: "reviews",
            host: "reviews.default.svc.cluster.local",
            versions: vec!["v1", "v3"],
            rps: 60.0,
            errors: 2.0,
            p95: 120.0,
            fault: true,
            alerts: vec![AlertKind::Ejected],
        };
        let quiet = Candidate { name: "details", host: "details.default", rps: 5.0, ..Candidate::default() };
        for (query, busy, still) in [
            ("", true, true),
            ("reviews", true, false),
            ("REV", true, false),
            ("default", true, true),
            ("v3", true, false),
            ("v", true, false),
            ("rps>50", true, false),
            ("rps > 50", true, false),
            ("rps >50", true, false),
            ("rps> 50", true, false),
            ("rps<=5", false, true),
            ("rps = 5", false, true),
            ("p95>=120ms", true, false),
            ("errors", true, false),
            ("errors > 1%", true, false),
            ("errors>3", false, false),
            ("fault", true, false),
            ("-fault", false, true),
            ("ejected", true, false),
            ("-ejected", false, true),
            ("unhealthy", false, false),
            ("limit", false, false),
            ("reviews rps>50 fault", true, false),
            ("reviews rps>100", false, false),
            ("rps>many", false, false),
            (">", false, false),
            ("-", false, false),
        ] {
            let query_ = Query::parse(query);
            assert_eq!((query_.matches(&reviews), query_.matches(&quiet)), (busy, still), "{query}");
        }
    }
}
