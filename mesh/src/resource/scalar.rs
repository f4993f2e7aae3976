//! Scalars of the API that keep what was written.

use std::time::Duration;

/// A duration as Istio writes it: Go's form, `1h30m`, `1.5s`, `250ms`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct DurationString(pub String);

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// A number without one of Go's units.
    #[error("a unit is missing or unknown: ns, us, ms, s, m and h are known")]
    Unit,
    /// No number where one must be.
    #[error("a number is missing")]
    Number,
    /// Less than nothing.
    #[error("it is negative")]
    Negative,
    /// More than 64 bits of nanoseconds.
    #[error("it is too long")]
    TooLong,
}

impl DurationString {
    /// A duration of whole milliseconds, in its shortest form: `10s`, `1.5s`, `250ms`.
    pub fn from_millis(millis: u64) -> Self {
        if millis > 0 && millis < 1000 {
            return Self(format!("{millis}ms"));
        }
        let (seconds, rest) = (millis / 1000, millis % 1000);
        if rest == 0 {
            return Self(format!("{seconds}s"));
        }
        let fraction = format!("{rest:03}");
        Self(format!("{seconds}.{}s", fraction.trim_end_matches('0')))
    }

    /// Its length. The grammar is that of Go's `time.ParseDuration`.
    pub fn parse(&self) -> Result<Duration, DurationError> {
        let text = self.0.strip_prefix('+').unwrap_or(&self.0);
        if text.starts_with('-') {
            return Err(DurationError::Negative);
        }
        if text == "0" {
            return Ok(Duration::ZERO);
        }
        if text.is_empty() {
            return Err(DurationError::Empty);
        }
        let mut nanos = 0_u128;
        let mut rest = text;
        while !rest.is_empty() {
            let (number, after) = rest.split_at(number_length(rest));
            let (unit, after) = after.split_at(unit_length(after));
            nanos = nanos.saturating_add(scaled(number, unit_nanos(unit)?)?);
            rest = after;
        }
        // Go counts nanoseconds in 63 bits.
        let nanos = i64::try_from(nanos).map_err(|_| DurationError::TooLong)?;
        Ok(Duration::from_nanos(nanos.unsigned_abs()))
    }
}

impl std::fmt::Display for DurationString {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn number_length(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len())
}

fn unit_length(text: &str) -> usize {
    text.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(text.len())
}

fn unit_nanos(unit: &str) -> Result<u128, DurationError> {
    Ok(match unit {
        "ns" => 1,
        // The micro sign and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err(DurationError::Unit),
    })
}

/// `number` (digits with at most one point) times `unit`, cut off below a nanosecond.
fn scaled(number: &str, unit: u128) -> Result<u128, DurationError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::Number);
    }
    let parse = |digits: &str| match digits {
        "" => Ok(0),
        // More digits than this overflow in any unit.
        _ if digits.len() > 24 => Err(DurationError::TooLong),
        _ => digits.parse::<u128>().map_err(|_| DurationError::Number),
    };
    // Digits beyond the twelfth are below a nanosecond even of an hour.
    let fraction = fraction.get(..12).unwrap_or(fraction);
    let below = parse(fraction)? * unit / 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
    Ok(parse(whole)?.saturating_mul(unit).saturating_add(below))
}

messages! {
    /// A percentage: `value: 0.1` is one in a thousand.
    Percent {
        /// 0 to 100.
        value: Option<f64>,
    }
}

impl Percent {
    /// A percentage of this value.
    pub fn new(value: f64) -> Self {
        Self { value: Some(value), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::{DurationError, DurationString};

    #[test]
    fn durations() {
        let table: &[(&str, Result<u64, DurationError>)] = &[
            ("10s", Ok(10_000_000_000)),
            ("1.5s", Ok(1_500_000_000)),
            ("1h2m3s", Ok(3_723_000_000_000)),
            ("250ms", Ok(250_000_000)),
            (".5s", Ok(500_000_000)),
            ("1.s", Ok(1_000_000_000)),
            ("0", Ok(0)),
            ("0s", Ok(0)),
            ("+1s", Ok(1_000_000_000)),
            ("1us", Ok(1_000)),
            ("1\u{b5}s", Ok(1_000)),
            ("0.3333333333333333333h", Ok(1_199_999_999_998)),
            ("", Err(DurationError::Empty)),
            ("10", Err(DurationError::Unit)),
            ("10 s", Err(DurationError::Unit)),
            ("1d", Err(DurationError::Unit)),
            ("s", Err(DurationError::Number)),
            (".s", Err(DurationError::Number)),
            ("1.2.3s", Err(DurationError::Number)),
            ("-1s", Err(DurationError::Negative)),
            ("9999999999h", Err(DurationError::TooLong)),
            ("99999999999999999999999999999s", Err(DurationError::TooLong)),
        ];
        for (text, expected) in table {
            let nanos = DurationString((*text).to_owned()).parse().map(|d| d.as_nanos());
            assert_eq!(nanos, expected.map(u128::from), "{text}");
        }
    }

    #[test]
    fn shortest_form() {
        for (millis, text) in [
            (0, "0s"),
            (1, "1ms"),
            (999, "999ms"),
            (1000, "1s"),
            (1500, "1.5s"),
            (15_000, "15s"),
            (1001, "1.001s"),
        ] {
            assert_eq!(DurationString::from_millis(millis).0, text);
            assert_eq!(DurationString(text.to_owned()).parse().unwrap().as_millis(), u128::from(millis));
        }
    }
}
