//! `START_TIME`: a time in UTC, in the form that its argument says.

use std::time::Duration;

/// A form of times: text, and what is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeFormat(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    /// Seconds since 1970.
    Epoch,
    /// So many digits behind the second.
    Fraction(usize),
}

/// Istio's and Envoy's form of times, to the millisecond.
const DEFAULT: &str = "%Y-%m-%dT%H:%M:%S.%3fZ";

impl TimeFormat {
    /// A form in the words of `strftime`; the usual one where it is empty. `None`: it has words that are not known here.
    pub fn new(format: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut chars = if format.is_empty() { DEFAULT } else { format }.chars();
        let text = |pieces: &mut Vec<Piece>, text: &str| match pieces.last_mut() {
            Some(Piece::Text(before)) => before.push_str(text),
            _ => pieces.push(Piece::Text(text.to_owned())),
        };
        while let Some(char) = chars.next() {
            if char != '%' {
                text(&mut pieces, char.encode_utf8(&mut [0; 4]));
                continue;
            }
            let piece = match chars.next()? {
                'Y' => Piece::Year,
                'm' => Piece::Month,
                'd' => Piece::Day,
                'H' => Piece::Hour,
                'M' => Piece::Minute,
                'S' => Piece::Second,
                's' => Piece::Epoch,
                'f' => Piece::Fraction(9),
                digits @ '1'..='9' if chars.next() == Some('f') => {
                    Piece::Fraction(digits.to_digit(10)? as usize)
                }
                'z' => Piece::Text("+0000".to_owned()),
                'Z' => Piece::Text("UTC".to_owned()),
                '%' => Piece::Text("%".to_owned()),
                'F' => {
                    pieces.extend(Self::new("%Y-%m-%d")?.0);
                    continue;
                }
                'T' => {
                    pieces.extend(Self::new("%H:%M:%S")?.0);
                    continue;
                }
                _ => return None,
            };
            match piece {
                Piece::Text(it) => text(&mut pieces, &it),
                other => pieces.push(other),
            }
        }
        Some(Self(pieces))
    }

    /// Writes a time, counted from 1970.
    pub(super) fn write(&self, time: Duration, out: &mut Vec<u8>) {
        let seconds = time.as_secs();
        let (year, month, day) = date(seconds / 86_400);
        for piece in &self.0 {
            let text = match piece {
                Piece::Text(text) => text.clone(),
                Piece::Year => format!("{year:04}"),
                Piece::Month => format!("{month:02}"),
                Piece::Day => format!("{day:02}"),
                Piece::Hour => format!("{:02}", seconds / 3600 % 24),
                Piece::Minute => format!("{:02}", seconds / 60 % 60),
                Piece::Second => format!("{:02}", seconds % 60),
                Piece::Epoch => seconds.to_string(),
                Piece::Fraction(digits) => format!("{:09}", time.subsec_nanos())[..*digits].to_owned(),
            };
            out.extend_from_slice(text.as_bytes());
        }
    }
}

/// The date of a day, counted from 1970: in cycles of 400 years, of which each has as many days, that begin with March.
fn date(days: u64) -> (u64, u64, u64) {
    const CYCLE: u64 = 146_097;
    let shifted = days + 719_468;
    let (cycle, day) = (shifted / CYCLE, shifted % CYCLE);
    let year = (day - day / 1460 + day / 36_524 - day / (CYCLE - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (cycle * 400 + year + next, month, day)
}
