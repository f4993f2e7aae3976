//! What a plain scalar means: YAML's core schema, less all that readers disagree on.

use serde_json::{Number, Value};

/// The value of a plain (unquoted) scalar.
pub(crate) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

/// What a scalar says where it is a number.
pub(crate) fn number(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        // Without the check a sign would pass.
        if let Some(digits) =
            text.strip_prefix(prefix).filter(|digits| digits.chars().all(|c| c.is_digit(radix)))
        {
            return u64::from_str_radix(digits, radix).ok().map(Number::from);
        }
    }
    // `007` is octal to some, decimal to others, and a build number to the one who wrote it.
    if unsigned.len() > 1 && unsigned.starts_with('0') && unsigned.as_bytes()[1].is_ascii_digit() {
        return None;
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    if unsigned.bytes().all(|b| b.is_ascii_digit()) {
        let whole = text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from));
        return whole.ok().or_else(|| float(text));
    }
    is_float(unsigned).then(|| float(text)).flatten()
}

/// A float; `None` beyond all of them.
fn float(text: &str) -> Option<Number> {
    text.parse().ok().and_then(Number::from_f64)
}

/// Digits with one point, and an exponent; a sign is gone already.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{number, resolve};

    #[test]
    fn floats_at_the_limits() {
        for (text, expected) in [
            ("0.0", Some(0.0)),
            ("-1.5", Some(-1.5)),
            ("1e22", Some(1e22)),
            ("123456789012345678901234567890", Some(123_456_789_012_345_680_000_000_000_000.0)),
            ("0.000000000000000000000000000001", Some(1e-30)),
            ("4e-320", Some(4e-320)),
            ("1e-999", Some(0.0)),
            ("1e-99999999999", Some(0.0)),
            ("0e999", Some(0.0)),
            ("1.7e308", Some(1.7e308)),
            ("1e309", None),
            ("1e99999999999", None),
        ] {
            let found = number(text).and_then(|number| number.as_f64());
            let near = |(a, b): (f64, f64)| (a - b).abs() <= b.abs() * 1e-15;
            assert!(found == expected || found.zip(expected).is_some_and(near), "{text}: {found:?}");
        }
    }

    proptest! {
        #[test]
        fn floats_of_few_digits_are_read_exactly(
            digits in 0..1_000_000_000_000_000_u64, point in 0..16_usize, exponent in -6..7_i32
        ) {
            let mut text = format!("{digits:016}");
            text.insert(point, '.');
            let text = format!("{}e{exponent}", text.trim_start_matches('0'));
            let found = number(&text).and_then(|number| number.as_f64());
            prop_assert_eq!(found, text.parse().ok(), "{}", text);
        }

        #[test]
        fn floats_are_read_as_they_are_printed(float in any::<f64>().prop_filter("finite", |float| float.is_finite())) {
            for text in [format!("{float:e}"), format!("{float:.3}")] {
                let found = number(&text).and_then(|number| number.as_f64()).unwrap();
                let exact: f64 = text.parse().unwrap();
                prop_assert!((found - exact).abs() <= exact.abs() * 1e-15, "{} {}", text, found);
            }
        }
    }

    #[test]
    fn resolved() {
        let text = |t: &str| Value::String(t.to_owned());
        let table = [
            ("", Value::Null),
            ("~", Value::Null),
            ("null", Value::Null),
            ("nULL", text("nULL")),
            ("true", json!(true)),
            ("False", json!(false)),
            ("yes", text("yes")),
            ("y", text("y")),
            ("on", text("on")),
            ("off", text("off")),
            ("0", json!(0)),
            ("-0", json!(0)),
            ("+12", json!(12)),
            ("-12", json!(-12)),
            ("007", text("007")),
            ("1_000", text("1_000")),
            ("1:30", text("1:30")),
            ("2001-12-14", text("2001-12-14")),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("0x", text("0x")),
            ("0b1", text("0b1")),
            ("18446744073709551615", json!(u64::MAX)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("1.", json!(1.0)),
            ("1e3", json!(1000.0)),
            ("1e", text("1e")),
            ("1.2.3", text("1.2.3")),
            ("01.5", text("01.5")),
            (".", text(".")),
            (".inf", text(".inf")),
            (".nan", text(".nan")),
            ("v1", text("v1")),
            ("10s", text("10s")),
            ("-", text("-")),
        ];
        for (scalar, expected) in table {
            // "0x" has no digits: from_str_radix refuses it and it falls through to text.
            assert_eq!(resolve(scalar), expected, "{scalar:?}");
        }
    }

    /// The library that other tools of the Kubernetes world read with agrees, options as in the module's head.
    #[test]
    fn as_serde_saphyr() {
        let options = || {
            serde_yaml::options! {
                strict_booleans: true,
                leading_zero_numbers_as_strings: true,
                underscored_numbers_as_strings: true,
            }
        };
        for scalar in [
            "~",
            "null",
            "true",
            "False",
            "yes",
            "y",
            "on",
            "0",
            "+12",
            "-12",
            "007",
            "1_000",
            "1:30",
            "0x1F",
            "0o17",
            "1.5",
            ".5",
            "1e3",
            "v1",
            "10s",
            "2001-12-14",
            "1.2.3",
            "12e03",
            "0.1",
        ] {
            let theirs: Value = serde_yaml::from_str_with_options(scalar, options()).unwrap();
            assert_eq!(resolve(scalar), theirs, "{scalar:?}");
        }
    }
}
