//! JSON, read into values and written from them.
//!
//! serde_json does the same, with tables for floating-point numbers that take eight kilobytes of the page: no compression
//! makes them smaller. Here powers of ten are multiplied, and numbers are printed by the standard library's printer, which
//! the page has anyway.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

use crate::yaml;

/// The nesting that serde_json allows.
const MOST_NESTED: usize = 128;

/// Why a text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not JSON at byte {0}")]
pub struct JsonError(usize);

/// Reads a value. Of numbers it takes all that YAML does.
pub fn read(text: &str) -> Result<Value, JsonError> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0).filter(|_| reader.sign().is_none());
    value.ok_or(JsonError(reader.at))
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is not space; it is left where it is.
    fn sign(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    /// Goes on behind this sign.
    fn expect(&mut self, sign: u8) -> Option<()> {
        (self.sign()? == sign).then(|| self.at += 1)
    }

    /// All bytes from here that are of a kind.
    fn all(&mut self, kind: impl Fn(u8) -> bool) -> &'t str {
        let start = self.at;
        while self.byte().is_some_and(&kind) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    fn value(&mut self, nested: usize) -> Option<Value> {
        if nested > MOST_NESTED {
            return None;
        }
        Some(match self.sign()? {
            b'"' => Value::String(self.string()?),
            b'[' => {
                let mut items = Vec::new();
                self.entries(b']', &mut |reader| {
                    items.push(reader.value(nested + 1)?);
                    Some(())
                })?;
                Value::Array(items)
            }
            b'{' => {
                let mut map = Map::new();
                self.entries(b'}', &mut |reader| {
                    reader.sign();
                    let key = reader.string()?;
                    reader.expect(b':')?;
                    map.insert(key, reader.value(nested + 1)?);
                    Some(())
                })?;
                Value::Object(map)
            }
            b'a'..=b'z' => match self.all(|byte| byte.is_ascii_lowercase()) {
                "null" => Value::Null,
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => return None,
            },
            _ => {
                let number = self.all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
                Value::Number(yaml::number(number)?)
            }
        })
    }

    /// What stands between brackets, with commas.
    fn entries(&mut self, end: u8, entry: &mut dyn FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        if self.sign()? != end {
            loop {
                entry(self)?;
                if self.sign()? != b',' {
                    break;
                }
                self.at += 1;
            }
        }
        self.expect(end)
    }

    fn string(&mut self) -> Option<String> {
        (self.byte()? == b'"').then_some(())?;
        let mut string = String::new();
        loop {
            self.at += 1;
            string.push_str(self.all(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)));
            match self.byte()? {
                b'"' => break,
                b'\\' => {
                    self.at += 1;
                    string.push(self.escape()?);
                }
                _ => return None,
            }
        }
        self.at += 1;
        Some(string)
    }

    /// The character that an escape means; the last byte of it is left where it is.
    fn escape(&mut self) -> Option<char> {
        Some(match self.byte()? {
            b'b' => '\x08',
            b'f' => '\x0c',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            sign @ (b'"' | b'\\' | b'/') => sign.into(),
            b'u' => {
                let first = self.unit()?;
                let units = if (0xD800..0xDC00).contains(&first) {
                    self.at += 1;
                    (self.byte()? == b'\\').then(|| self.at += 1)?;
                    [first, self.unit()?]
                } else {
                    [first, 0]
                };
                char::decode_utf16(units).next()?.ok()?
            }
            _ => return None,
        })
    }

    /// Four hexadecimal digits behind a `u`.
    fn unit(&mut self) -> Option<u16> {
        let digits = self.text.get(self.at + 1..self.at + 5).filter(|_| self.byte() == Some(b'u'))?;
        self.at += 4;
        // The standard library would take a sign.
        let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| hexadecimal)
    }
}

/// Writes a value, without any space.
pub fn write(value: &Value) -> String {
    let mut out = String::new();
    append(value, &mut out);
    out
}

fn append(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&self::number(number)),
        Value::String(text) => quote(text, out),
        Value::Array(items) => {
            let mut before = '[';
            for item in items {
                out.push(before);
                append(item, out);
                before = ',';
            }
            out.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        Value::Object(map) => {
            let mut before = '{';
            for (key, value) in map {
                out.push(before);
                quote(key, out);
                out.push(':');
                append(value, out);
                before = ',';
            }
            out.push_str(if map.is_empty() { "{}" } else { "}" });
        }
    }
}

/// A number in digits, without an exponent.
pub(crate) fn number(number: &Number) -> String {
    if let Some(whole) = number.as_u64() {
        return whole.to_string();
    }
    if let Some(whole) = number.as_i64() {
        return whole.to_string();
    }
    // Every number is one of the three.
    let mut text = number.as_f64().unwrap_or_default().to_string();
    if !text.contains('.') {
        text.push_str(".0");
    }
    text
}

/// A text in quotes, which YAML reads alike.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::new();
    quote(text, &mut out);
    out
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..' ' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(char));
            }
            _ => out.push(char),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1_000_000..1_000_000_i32).prop_map(|whole| Value::from(f64::from(whole) / 1024.0)),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..4).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_reads_and_writes_what_serde_json_does(value in any_value()) {
            prop_assert_eq!(read(&value.to_string()), Ok(value.clone()));
            prop_assert_eq!(read(&format!("{value:#}")), Ok(value.clone()));
            prop_assert_eq!(serde_json::from_str::<Value>(&write(&value)).unwrap(), value);
        }

        #[test]
        fn no_text_is_too_much_for_it(text in any::<String>(), json in r#"[\[\]{}",:\\ue1-3 a-f.+-]{0,30}"#) {
            let _ = read(&text);
            // What serde_json takes, this one does; it may take more numbers.
            if let Ok(value) = serde_json::from_str::<Value>(&json) {
                prop_assert_eq!(read(&json), Ok(value));
            }
        }
    }

    #[test]
    fn escapes() {
        let text = r#" "a\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t" "#;
        assert_eq!(read(text), Ok(json!("aé😀\"\\/\x08\x0c\n\r\t")));
        assert_eq!(write(&json!("é\"\\\n\r\t\x01")), r#""é\"\\\n\r\t\u0001""#);
    }

    #[test]
    fn what_is_not_json_is_refused_where_it_stands() {
        for (text, at) in [
            ("", 0),
            ("{", 1),
            ("[1,]", 3),
            ("[1 2]", 3),
            ("{1:2}", 1),
            (r#"{"a" 1}"#, 5),
            ("nul", 3),
            ("1 1", 2),
            ("\"a", 2),
            ("\"\n\"", 1),
            (r#""\ud800""#, 7),
            (r#""\x""#, 2),
        ] {
            assert_eq!(read(text), Err(JsonError(at)), "{text}");
        }
        assert!(read(&"[".repeat(1000)).is_err());
        assert!(read(&format!("{}{}", "[".repeat(100), "]".repeat(100))).is_ok());
    }
}
