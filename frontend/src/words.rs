//! Figures and durations as people read them. Pure.

use std::time::Duration;

/// `0`, `0.4`, `62`, `1,204`.
pub fn rate(rps: f64) -> String {
    if rps <= 0.0 {
        "0".to_owned()
    } else if rps < 9.95 {
        trim(format!("{rps:.1}"))
    } else {
        grouped(rounded(rps))
    }
}

/// A count in few letters: `3,204`, `12.3k`, `156k`, `2.1M`.
pub fn count(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "rounded to three digits anyway")]
    let scaled = |unit: u64| count as f64 / unit as f64;
    match count {
        ..10_000 => grouped(count),
        10_000..99_950 => format!("{}k", trim(format!("{:.1}", scaled(1_000)))),
        99_950..999_500 => format!("{:.0}k", scaled(1_000)),
        _ => format!("{}M", trim(format!("{:.1}", scaled(1_000_000)))),
    }
}

/// A count with thousands apart: `3,204`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Milliseconds as `0.3 ms`, `9 ms`, `7.0 s`; an em dash without any.
pub fn latency(millis: Option<f64>) -> String {
    match millis {
        None => "–".to_owned(),
        Some(millis) if millis < 9.95 => format!("{} ms", trim(format!("{millis:.1}"))),
        Some(millis) if millis < 999.5 => format!("{millis:.0} ms"),
        Some(millis) => format!("{:.1} s", millis / 1000.0),
    }
}

/// A share from 0 to 1 as `50.6%`; whole where `digits` is 0.
pub fn percent(share: f64, digits: usize) -> String {
    format!("{:.digits$}%", share * 100.0)
}

/// A success rate: `100%` only when nothing failed.
pub fn success(share: Option<f64>) -> String {
    match share {
        None => "–".to_owned(),
        Some(share) if share >= 1.0 => "100%".to_owned(),
        Some(share) => format!("{:.1}%", (share * 1000.0).floor() / 10.0),
    }
}

/// Milliseconds of a setting: `7 s`, `500 ms`, `1.5 s`, `2 min`.
pub fn millis(millis: u64) -> String {
    if millis >= 60_000 && millis.is_multiple_of(60_000) {
        format!("{} min", millis / 60_000)
    } else if millis >= 1000 && millis.is_multiple_of(100) {
        #[expect(clippy::cast_precision_loss, reason = "settings are far below 2^52 ms")]
        let seconds = millis as f64 / 1000.0;
        format!("{} s", trim(format!("{seconds:.1}")))
    } else {
        format!("{millis} ms")
    }
}

/// Milliseconds as seconds to type: `0.25`.
pub fn seconds(millis: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "settings are far below 2^52 ms")]
    let seconds = millis as f64 / 1000.0;
    seconds.to_string()
}

/// As [`millis`].
pub fn duration(duration: Duration) -> String {
    millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// What is left of a time: `4:12`, `1:02:09`.
pub fn remaining(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{rest:02}") } else { format!("{minutes}:{rest:02}") }
}

/// Percentage of a setting: `10%`, `0.5%`.
pub fn percentage(percent: f64) -> String {
    format!("{}%", trim(format!("{percent:.2}")))
}

/// `1 change`, `2 changes`.
pub fn plural(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

fn trim(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are positive and small")]
fn rounded(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_stay_short() {
        for (number, words) in [
            (0, "0"),
            (4_706, "4,706"),
            (12_345, "12.3k"),
            (99_960, "100k"),
            (155_991, "156k"),
            (2_080_000, "2.1M"),
        ] {
            assert_eq!(count(number), words);
        }
    }

    #[test]
    fn figures() {
        for (value, text) in [
            (0.0, "0"),
            (0.44, "0.4"),
            (3.0, "3"),
            (62.4, "62"),
            (1203.7, "1,204"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(rate(value), text);
        }
        for (value, text) in [
            (None, "–"),
            (Some(0.31), "0.3 ms"),
            (Some(9.4), "9.4 ms"),
            (Some(312.2), "312 ms"),
            (Some(7004.0), "7.0 s"),
        ] {
            assert_eq!(latency(value), text);
        }
        for (value, text) in [(None, "–"), (Some(1.0), "100%"), (Some(0.9996), "99.9%"), (Some(0.5), "50.0%")]
        {
            assert_eq!(success(value), text);
        }
    }

    #[test]
    fn durations() {
        for (value, text) in [
            (7000, "7 s"),
            (1500, "1.5 s"),
            (1234, "1234 ms"),
            (250, "250 ms"),
            (120_000, "2 min"),
            (90_000, "90 s"),
        ] {
            assert_eq!(millis(value), text);
        }
        for (value, text) in [(252, "4:12"), (3729, "1:02:09"), (0, "0:00"), (-3, "0:00"), (5, "0:05")] {
            assert_eq!(remaining(value), text);
        }
        assert_eq!(percentage(10.0), "10%");
        assert_eq!(percentage(0.5), "0.5%");
        assert_eq!(plural(1, "change", "changes"), "1 change");
    }
}
