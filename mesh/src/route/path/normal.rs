//! Paths in the form in which rules see them, and in which they are forwarded: as Envoy's `normalize_path`,
//! `merge_slashes` and `path_with_escaped_slashes_action` make them, so that no spelling of a path gets past a rule for it.

use std::borrow::Cow;

use crate::PathNormalization;

/// Why a path is no path that a request can have: the answer is 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A `#`, behind which stands what no client sends.
    #[error("it has a `#`")]
    Fragment,
    /// `%00`.
    #[error("it has a zero byte, `%00`")]
    Zero,
}

/// The path (with its query, which stays as it is) in its normal form. Nothing is allocated for one that has it already.
/// What does not begin with a slash is no path, and stays.
pub fn normalize(path: &str, level: PathNormalization) -> Result<Cow<'_, str>, Refused> {
    let merges = matches!(level, PathNormalization::MergeSlashes | PathNormalization::DecodeAndMergeSlashes);
    let end = match look(path.as_bytes(), merges) {
        Ok(end) if !path.as_bytes()[end..].contains(&b'#') => return Ok(Cow::Borrowed(path)),
        Ok(_) => return Err(Refused::Fragment),
        Err(_) if path.contains('#') => return Err(Refused::Fragment),
        Err(_) => path.find('?').unwrap_or(path.len()),
    };
    if level == PathNormalization::None || !path.starts_with(is_slash) {
        return Ok(Cow::Borrowed(path));
    }
    let (bare, query) = path.split_at(end);
    let mut out = match level {
        PathNormalization::DecodeAndMergeSlashes => resolve(&with_slashes(bare))?,
        _ => resolve(bare)?,
    };
    if merges {
        merge(&mut out);
    }
    out.push_str(query);
    Ok(Cow::Owned(out))
}

/// Where the query begins, if nothing before it may have to be changed; else where the first such thing stands.
fn look(path: &[u8], merges: bool) -> Result<usize, usize> {
    let mut last = 0;
    for (at, &byte) in path.iter().enumerate() {
        match byte {
            b'?' => return Ok(at),
            b'.' if last == b'/' => return Err(at),
            b'/' if merges && last == b'/' => return Err(at),
            _ if !stays(byte) => return Err(at),
            _ => last = byte,
        }
    }
    Ok(path.len())
}

/// Resolves dot segments, backslashes and escapes.
fn resolve(path: &str) -> Result<String, Refused> {
    let bytes = path.as_bytes();
    let mut out = String::with_capacity(path.len() + 8);
    // Where in `out` the last `%` stands that began no escape.
    let mut stray = None;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let dot = dot(&bytes[at..]);
        if dot > 0 {
            at += dot;
            let segment = if out.ends_with('/') { dots(&bytes[at..]) } else { Dots::Name };
            match segment {
                Dots::Name => out.push('.'),
                Dots::Here(taken) => at += taken,
                Dots::Up(taken) => {
                    at += taken;
                    up(&mut out);
                    stray = None;
                }
            }
            continue;
        }
        at += 1;
        match byte {
            b'\\' => out.push('/'),
            b'%' => match escaped(&bytes[at..]) {
                Some(0) => return Err(Refused::Zero),
                Some(plain) if is_unreserved(plain) => {
                    at += 2;
                    out.push(char::from(plain));
                    guard(&mut out, stray, bytes.get(at));
                }
                Some(_) => {
                    out.push_str(&path[at - 1..at + 2]);
                    at += 2;
                }
                None => {
                    stray = Some(out.len());
                    out.push('%');
                }
            },
            0 => return Err(Refused::Zero),
            _ if stays(byte) => out.push(char::from(byte)),
            _ => {
                out.push('%');
                out.extend(
                    [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])),
                );
            }
        }
    }
    Ok(out)
}

/// What dots at the beginning of a segment are, seen from behind the first.
enum Dots {
    /// The beginning of a name.
    Name,
    /// The segment itself, with so many bytes to skip.
    Here(usize),
    /// The one above.
    Up(usize),
}

fn dots(rest: &[u8]) -> Dots {
    let second = dot(rest);
    match (second, rest.get(second)) {
        (0, None) => Dots::Here(0),
        (0, Some(b'/' | b'\\')) => Dots::Here(1),
        (1.., None) => Dots::Up(second),
        (1.., Some(b'/' | b'\\')) => Dots::Up(second + 1),
        _ => Dots::Name,
    }
}

/// How many bytes of a dot the text begins with: it may be escaped.
fn dot(text: &[u8]) -> usize {
    match text {
        [b'.', ..] => 1,
        [b'%', b'2', b'e' | b'E', ..] => 3,
        _ => 0,
    }
}

/// Takes the last segment off a path that ends with a slash.
fn up(path: &mut String) {
    let above = path.strip_suffix('/').and_then(|rest| rest.rfind('/'));
    path.truncate(above.map_or(1, |slash| slash + 1));
}

/// The byte that two digits behind a `%` stand for.
fn escaped(digits: &[u8]) -> Option<u8> {
    let digit =
        |at: usize| char::from(*digits.get(at)?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(0)? << 4 | digit(1)?)
}

/// A `%` that began no escape would begin one with what was decoded just now, and mean something else to whoever decodes
/// the path next: it is escaped itself.
fn guard(out: &mut String, stray: Option<usize>, next: Option<&u8>) {
    let Some(stray) = stray else { return };
    let begins = match &out.as_bytes()[stray + 1..] {
        [one] => one.is_ascii_hexdigit() && next.is_some_and(u8::is_ascii_hexdigit),
        [one, two] => one.is_ascii_hexdigit() && two.is_ascii_hexdigit(),
        _ => false,
    };
    if begins {
        out.insert_str(stray + 1, "25");
    }
}

/// Slashes that are written as escapes, as themselves.
fn with_slashes(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        let slash = match tail.as_bytes() {
            [_, b'2', b'f' | b'F', ..] => Some('/'),
            [_, b'5', b'c' | b'C', ..] => Some('\\'),
            _ => None,
        };
        out.push(slash.unwrap_or('%'));
        rest = &tail[if slash.is_some() { 3 } else { 1 }..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Makes several slashes in a row one. As in Envoy, a path of nothing but slashes keeps two.
fn merge(path: &mut String) {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let end = if path.len() > 1 && path.ends_with('/') { "/" } else { "" };
    *path = format!("/{}{end}", segments.join("/"));
}

fn is_slash(char: char) -> bool {
    matches!(char, '/' | '\\')
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~')
}

/// Whether a byte is the same in the normal form, whatever stands around it (of dots, the one before counts).
fn stays(byte: u8) -> bool {
    const STAYS: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0_u8;
        while byte < 128 {
            table[byte as usize] = byte.is_ascii_graphic()
                && !matches!(
                    byte,
                    b'"' | b'#' | b'%' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
                );
            byte += 1;
        }
        table
    };
    STAYS[usize::from(byte)]
}

#[cfg(test)]
mod tests;
