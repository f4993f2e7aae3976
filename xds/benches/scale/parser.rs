//! Reads delta responses as they come, without keeping them: a thousand clients in one process hold nothing.

use xds::resource::Kind;

/// A response.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) kind: Option<Kind>,
    pub(crate) nonce: Vec<u8>,
    /// The names of its resources, if they were asked for.
    pub(crate) names: Vec<String>,
}

/// Where it is.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// Bytes of a header or a field that is not complete yet.
    held: Vec<u8>,
    /// How much of the message is left; nothing between messages.
    left: Option<usize>,
    /// How much of the resource is left; nothing outside of one.
    within: Option<usize>,
    skip: usize,
    /// The field whose bytes are collected, and how many.
    field: Option<(u32, usize)>,
    seen: Seen,
    /// Whether names are wanted.
    pub(crate) names: bool,
}

impl Parser {
    /// Reads a piece; `found` gets each response that it completes.
    pub(crate) fn feed(&mut self, mut data: &[u8], mut found: impl FnMut(Seen)) {
        while !data.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(data.len());
                self.skip -= skipped;
                data = self.advance(data, skipped);
            } else if let Some((number, length)) = self.field {
                let taken = (length - self.held.len()).min(data.len());
                self.held.extend_from_slice(&data[..taken]);
                data = self.advance(data, taken);
                if self.held.len() == length {
                    self.keep(number);
                }
            } else {
                self.held.push(data[0]);
                if self.left.is_some() {
                    data = self.advance(data, 1);
                    self.header();
                } else {
                    data = &data[1..];
                    if let [_, length @ ..] = &self.held[..]
                        && let Ok(length) = <[u8; 4]>::try_from(length)
                    {
                        self.left = Some(u32::from_be_bytes(length) as usize);
                        self.held.clear();
                    }
                }
            }
            if self.left == Some(0) && self.skip == 0 {
                self.left = None;
                found(std::mem::take(&mut self.seen));
            }
        }
    }

    fn advance<'d>(&mut self, data: &'d [u8], by: usize) -> &'d [u8] {
        self.left = self.left.map(|left| left - by);
        self.within = self.within.map(|within| within - by).filter(|within| *within > 0);
        &data[by..]
    }

    /// Reads a key and a length, once both are there: all fields of a response have lengths.
    fn header(&mut self) {
        let Some((key, used)) = varint(&self.held) else { return };
        let Some((length, _)) = varint(&self.held[used..]) else { return };
        self.held.clear();
        let wanted = match (self.within.is_some(), key >> 3) {
            (false, 2) => {
                self.within = Some(length);
                return;
            }
            (false, 4 | 5) => true,
            (true, 3) => self.names,
            _ => false,
        };
        if wanted && length > 0 {
            let base = if self.within.is_some() { 100 } else { 0 };
            self.field = Some((base + u32::try_from(key >> 3).unwrap_or_default(), length));
        } else {
            self.skip = length;
        }
    }

    fn keep(&mut self, number: u32) {
        let bytes = std::mem::take(&mut self.held);
        self.field = None;
        match number {
            4 => self.seen.kind = std::str::from_utf8(&bytes).ok().and_then(Kind::of),
            5 => self.seen.nonce = bytes,
            _ => self.seen.names.push(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }
}

fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0)?;
    let value = bytes[..=end].iter().rev().fold(0, |value, byte| value << 7 | usize::from(byte & 0x7f));
    Some((value, end + 1))
}
