//! Writing values. The layout is the document's own; scalars are such that readers of YAML 1.1 and 1.2 read them
//! alike.

use serde_json::{Map, Value};

/// How a document lays out its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Columns from a key to the keys of the mapping below it.
    pub(crate) step: usize,
    /// Columns from a key to the dashes of the list below it.
    pub(crate) dash: usize,
    /// Keys by the alphabet alone, as kubectl prints objects.
    pub(crate) by_name: bool,
}

impl Default for Layout {
    /// As kubectl and Istio's documentation write.
    fn default() -> Self {
        Self { step: 2, dash: 0, by_name: false }
    }
}

/// Keys that people expect first, in this order; the others follow by the alphabet.
const FIRST: [&str; 7] = ["apiVersion", "kind", "metadata", "name", "namespace", "hosts", "host"];

/// A whole document, with a line feed at its end.
pub fn document(value: &Value) -> String {
    inline(value).map_or_else(|| block(value, 0, Layout::default()), |scalar| scalar + "\n")
}

/// A whole document with its keys in the order of `kubectl get -o yaml`.
pub fn document_by_name(value: &Value) -> String {
    let layout = Layout { by_name: true, ..Layout::default() };
    inline(value).map_or_else(|| block(value, 0, layout), |scalar| scalar + "\n")
}

/// A value that fits behind a key: a scalar, or an empty collection.
pub(crate) fn inline(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => match whole(number) {
            Some(whole) => whole.to_string(),
            None => self::number(number),
        },
        Value::String(string) => text(string),
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Array(_) | Value::Object(_) => return None,
    })
}

/// `10.0` is written `10`.
fn whole(number: &serde_json::Number) -> Option<i64> {
    let float = number.as_f64().filter(|_| number.is_f64())?;
    // Whole and far from the limits of 64 bits.
    (float.fract() == 0.0 && float.abs() < 1e15).then_some(float as i64)
}

/// A number in digits: readers of YAML 1.1 take `1e22` for text.
pub(crate) fn number(number: &serde_json::Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    let mut text = float.to_string();
    if !text.contains('.') {
        text.push_str(".0");
    }
    text
}

/// Text in quotes: JSON's strings are YAML's, too.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Text as a scalar, in quotes where it might need them.
pub(crate) fn text(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// What some reader of YAML 1.1 or 1.2 takes for a truth or for nothing, in small letters.
const WORDS: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan"];

/// Whether every reader takes it for this very text as it stands. Where that is hard to say it does not.
fn is_plain(text: &str) -> bool {
    let (Some(first), Some(last)) = (text.bytes().next(), text.bytes().last()) else { return false };
    let harmless = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'-' | b'.' | b'/' | b' ' | b',' | b'(' | b')' | b';' | b'+')
    };
    // A colon and a number sign mean something only beside a space.
    let signs = |(at, byte): (usize, u8)| match byte {
        b':' | b'=' | b'~' | b'$' | b'@' | b'*' | b'%' | b'<' | b'>' | b'?' | b'^' | b'|' | b'\\' | b'\''
        | b'&' | b'!' => text.as_bytes().get(at + 1).is_some_and(|next| *next != b' '),
        byte => harmless(byte),
    };
    let begins = match first {
        b'/' => true,
        // Durations and addresses are text everywhere, and `1e3`, `0x1f`, `1:30` or a date are not.
        b'0'..=b'9' => {
            let unit = text.bytes().any(|byte| matches!(byte, b'g'..=b'n' | b'p'..=b'w' | b'y' | b'z'))
                && !text.contains(['-', ':']);
            let address = text.bytes().filter(|byte| *byte == b'.').count() == 3
                && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            unit || address
        }
        first => first.is_ascii_alphabetic() && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text)),
    };
    begins && last != b' ' && last != b':' && text.bytes().enumerate().all(signs)
}

/// Lines of a collection that is not empty, the first one indented like the others, each with its line feed.
pub(crate) fn block(value: &Value, indent: usize, layout: Layout) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) => {
            for (key, value) in ordered(map, layout.by_name) {
                entry(key, value, indent, layout, &mut out);
            }
        }
        Value::Array(items) => {
            for value in items {
                item(value, indent, layout, &mut out);
            }
        }
        _ => {}
    }
    out
}

/// Lines of one entry of a mapping.
pub(crate) fn entry(key: &str, value: &Value, indent: usize, layout: Layout, out: &mut String) {
    out.push_str(&" ".repeat(indent));
    out.push_str(&text(key));
    out.push(':');
    match inline(value) {
        Some(scalar) => {
            out.push(' ');
            out.push_str(&scalar);
            out.push('\n');
        }
        None => {
            out.push('\n');
            out.push_str(&block(value, indent + below(value, layout), layout));
        }
    }
}

/// Lines of one entry of a list.
pub(crate) fn item(value: &Value, indent: usize, layout: Layout, out: &mut String) {
    out.push_str(&" ".repeat(indent));
    out.push_str("- ");
    match inline(value) {
        Some(scalar) => {
            out.push_str(&scalar);
            out.push('\n');
        }
        // The first line goes on behind the dash.
        None => out.push_str(block(value, indent + 2, layout).trim_start_matches(' ')),
    }
}

/// Columns from a key to the collection below it.
pub(crate) fn below(value: &Value, layout: Layout) -> usize {
    if value.is_array() { layout.dash } else { layout.step }
}

/// A value within brackets or braces, on one line.
pub fn flow(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries: Vec<_> =
                ordered(map, false).into_iter().map(|(key, value)| flow_entry(key, value)).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::String(string) => flow_text(string),
        scalar => inline(scalar).unwrap_or_default(),
    }
}

/// A value as JSON on one line, with the blanks that [`flow`] has.
pub(crate) fn strict(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(strict).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries: Vec<_> =
                ordered(map, false).into_iter().map(|(key, value)| strict_entry(key, value)).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::String(string) => quoted(string),
        scalar => inline(scalar).unwrap_or_default(),
    }
}

/// One entry of a mapping as JSON.
pub(crate) fn strict_entry(key: &str, value: &Value) -> String {
    format!("{}: {}", quoted(key), strict(value))
}

/// One entry of a mapping in braces.
pub(crate) fn flow_entry(key: &str, value: &Value) -> String {
    format!("{}: {}", flow_text(key), flow(value))
}

fn flow_text(string: &str) -> String {
    let scalar = text(string);
    // Commas and brackets end a plain scalar here and are harmless elsewhere.
    if scalar.contains([',', '[', ']', '{', '}', ':']) && !scalar.starts_with(['"', '\'']) {
        quoted(string)
    } else {
        scalar
    }
}

fn ordered(map: &Map<String, Value>, by_name: bool) -> Vec<(&String, &Value)> {
    let first = if by_name { &[][..] } else { &FIRST[..] };
    let mut entries: Vec<_> = map.iter().collect();
    // By name behind those, whatever order the map happens to keep: what is written must not depend on features of others.
    entries
        .sort_by_key(|(key, _)| (first.iter().position(|first| first == key).unwrap_or(first.len()), *key));
    entries
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{Layout, block, document, flow, text};
    use crate::yaml::read;

    /// Words that readers of YAML 1.1 or 1.2 take for something else.
    const AWKWARD: [&str; 34] = [
        "",
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "true",
        "null",
        "~",
        "1",
        "1.0",
        "1e3",
        "1_000",
        "0x1F",
        "0o17",
        "017",
        "1:30",
        "2001-12-14",
        ".5",
        ".inf",
        "*.foo.com",
        "&a",
        "!t",
        "@a",
        "`a",
        "%a",
        "- a",
        "a: b",
        "a #b",
        " a",
        "a ",
        "=",
        "<<",
    ];

    #[test]
    fn awkward_text_comes_back() {
        for string in
            AWKWARD.into_iter().chain(["a\nb", "a\tb", "\u{e9}", "it's", "\"", "{a}", "[a", "a, b", "a:b"])
        {
            let value = json!({ "a": [string], "b": { string: string } });
            assert_eq!(read(&document(&value)).value, value, "{string:?}");
            assert_eq!(read(&flow(&value)).value, value, "{}", flow(&value));
            let theirs: Value = serde_yaml::from_str(&document(&value)).unwrap();
            assert_eq!(theirs, value, "{string:?}");
        }
    }

    #[test]
    fn awkward_text_is_quoted() {
        for string in AWKWARD {
            assert!(text(string).starts_with(['"', '\'']), "{}", text(string));
        }
    }

    #[test]
    fn plain_text_stays_plain() {
        for string in [
            "v1",
            "10s",
            "1.5s",
            "100ms",
            "10.0.0.1",
            "/reviews",
            "reviews.prod.svc.cluster.local",
            "a:b",
            "two words",
        ] {
            assert_eq!(text(string), string);
        }
    }

    proptest! {
        #[test]
        fn text_is_what_all_readers_take_it_for(string in "[ -~\\t\u{e9}]{0,12}|[0-9.:_xobe+T-]{1,8}|[a-zA-Z]{1,5}") {
            let value = json!({ "a": string });
            prop_assert_eq!(&read(&document(&value)).value, &value);
            let theirs: Value = serde_yaml::from_str(&document(&value)).unwrap();
            prop_assert_eq!(&theirs, &value);
            prop_assert_eq!(&read(&flow(&value)).value, &value);
        }

        // The library does the same, and is content with quotes in fewer places.
        #[test]
        fn quotes_where_another_has_them(string in "[ -~]{0,12}|[0-9.:_xobe+T-]{1,8}|[a-zA-Z]{1,5}") {
            let theirs = serde_yaml::to_string(&string).unwrap();
            if theirs.starts_with(['"', '\'', '|', '>']) {
                prop_assert!(text(&string).starts_with('"'), "{}", text(&string));
            }
        }
    }

    #[test]
    fn layout() {
        let value = json!({
            "spec": { "http": [{ "name": "a", "match": [{ "uri": { "prefix": "/" } }] }, 1], "hosts": [] },
            "kind": "X", "n": [[1, 2], [3]], "w": 10.0, "f": 0.1,
        });
        let compact = "\
kind: X
f: 0.1
\"n\":
- - 1
  - 2
- - 3
spec:
  hosts: []
  http:
  - name: a
    match:
    - uri:
        prefix: /
  - 1
w: 10
";
        assert_eq!(document(&value), compact);
        let wide = "\
a:
    b:
      - c:
            d: 1
";
        let value = json!({ "a": { "b": [{ "c": { "d": 1 } }] } });
        assert_eq!(block(&value, 0, Layout { step: 4, dash: 2, by_name: false }), wide);
    }
}
