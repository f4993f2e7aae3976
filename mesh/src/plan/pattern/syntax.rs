//! Whether a pattern can be read, and how large it is once it is compiled. Both engines say so too, but each in its own words
//! and with a tree of the whole pattern; page and server shall say the same, and the page compiles no pattern.
//!
//! What is accepted is what RE2 and the regex crate have in common. Sizes are counted as RE2 compiles, in instructions.

/// The nesting that the engines allow.
const MOST_NESTED: usize = 250;

/// The highest count of a repetition in RE2, those within each other multiplied.
const MOST_REPEATED: u32 = 1000;

/// The largest program that Envoy takes in a mesh of Istio's (`re2.max_program_size.error_level`).
const LARGEST: usize = 32_768;

/// Instructions of what stands for any character, in UTF-8.
const ANY: usize = 10;

const TOO_LARGE: &str = "compiled it is larger than Envoy takes";
const TOO_OFTEN: &str = "repetitions within each other come to more than 1000 times";

/// The classes that have a name.
const NAMED: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

const UNCLOSED_CLASS: &str = "a `[` is not closed";
const UNCLOSED_GROUP: &str = "a `(` is not closed";
const HEXADECIMAL: &str = "`\\x` needs two hexadecimal digits, or the number of a character in braces";

/// The size of a pattern that is translated into the regex crate's syntax already, or what is wrong with it.
pub(super) fn size(pattern: &str) -> Result<usize, &'static str> {
    let mut reader = Reader { rest: pattern, names: Vec::new() };
    let mut open: Vec<Group> = Vec::new();
    let mut group = Group::default();
    while let Some(char) = reader.next() {
        match char {
            '(' => {
                if !reader.group()? {
                    group.finish();
                    continue;
                }
                open.push(std::mem::take(&mut group));
                if open.len() > MOST_NESTED {
                    return Err("its groups are nested too deeply");
                }
            }
            ')' => {
                let outer = open.pop().ok_or("a `)` closes nothing")?;
                let inner = std::mem::replace(&mut group, outer);
                // Two instructions note where it begins and ends.
                group.add(Atom { size: inner.size() + 2, repeated: inner.repeated() })?;
            }
            '|' => group.alternative(),
            '*' | '+' | '?' | '{' => {
                let times = if char == '{' { reader.count()? } else { Times { copies: 1, repeated: 1 } };
                // Fewest first.
                reader.skip("?");
                group.repeat(times)?;
            }
            '[' => {
                let size = reader.class()?;
                group.add(Atom { size, repeated: 1 })?;
            }
            '\\' => {
                let size = match reader.escape()? {
                    Escaped::Class(size) => size,
                    Escaped::Char(char) => char.len_utf8(),
                    Escaped::Byte(_) | Escaped::Place => 1,
                };
                group.add(Atom { size, repeated: 1 })?;
            }
            '.' => group.add(Atom { size: ANY, repeated: 1 })?,
            char => group.add(Atom { size: char.len_utf8(), repeated: 1 })?,
        }
    }
    match group.size() {
        _ if !open.is_empty() => Err(UNCLOSED_GROUP),
        size if size > LARGEST => Err(TOO_LARGE),
        size => Ok(size),
    }
}

/// What can be repeated.
#[derive(Debug, Clone, Copy)]
struct Atom {
    size: usize,
    /// How often what is within it is repeated, at most.
    repeated: u32,
}

/// What stands before the place of reading.
#[derive(Debug, Clone, Copy, Default)]
enum Last {
    #[default]
    Nothing,
    Atom(Atom),
    /// A repetition, which cannot be repeated again.
    Repetition(Atom),
}

/// How often something is repeated.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// Copies of it in the program.
    copies: usize,
    /// What RE2 multiplies.
    repeated: u32,
}

/// A group, or the whole pattern, as far as it was read.
#[derive(Debug, Default)]
struct Group {
    /// Of what stands before the last.
    size: usize,
    repeated: u32,
    last: Last,
}

impl Group {
    fn add(&mut self, atom: Atom) -> Result<(), &'static str> {
        self.finish();
        self.last = Last::Atom(atom);
        if self.size > LARGEST { Err(TOO_LARGE) } else { Ok(()) }
    }

    fn alternative(&mut self) {
        self.finish();
        self.size += 1;
    }

    fn repeat(&mut self, times: Times) -> Result<(), &'static str> {
        let atom = match self.last {
            Last::Atom(atom) => atom,
            Last::Nothing => return Err("a repetition has nothing to repeat"),
            Last::Repetition(_) => return Err("a repetition cannot be repeated without a group around it"),
        };
        let repeated = atom.repeated.saturating_mul(times.repeated);
        if repeated > MOST_REPEATED {
            return Err(TOO_OFTEN);
        }
        let size = atom.size.saturating_mul(times.copies).saturating_add(1);
        self.last = Last::Repetition(Atom { size, repeated });
        if self.size() > LARGEST { Err(TOO_LARGE) } else { Ok(()) }
    }

    fn finish(&mut self) {
        if let Last::Atom(atom) | Last::Repetition(atom) = std::mem::take(&mut self.last) {
            self.size = self.size.saturating_add(atom.size);
            self.repeated = self.repeated.max(atom.repeated);
        }
    }

    fn size(&self) -> usize {
        match self.last {
            Last::Nothing => self.size,
            Last::Atom(atom) | Last::Repetition(atom) => self.size.saturating_add(atom.size),
        }
    }

    fn repeated(&self) -> u32 {
        match self.last {
            Last::Nothing => self.repeated.max(1),
            Last::Atom(atom) | Last::Repetition(atom) => self.repeated.max(atom.repeated).max(1),
        }
    }
}

struct Reader<'p> {
    rest: &'p str,
    /// The groups that have names.
    names: Vec<&'p str>,
}

/// What an escape stands for.
enum Escaped {
    Char(char),
    /// A byte that is no character by itself.
    Byte(u8),
    /// With its size.
    Class(usize),
    Place,
}

impl<'p> Reader<'p> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    fn skip(&mut self, text: &str) -> bool {
        let after = self.rest.strip_prefix(text);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// What stands before `end`, and goes on behind it.
    fn until(&mut self, end: char) -> Option<&'p str> {
        let (before, after) = self.rest.split_once(end)?;
        self.rest = after;
        Some(before)
    }

    /// The head of a group. `false`: it is none, but flags for what follows.
    fn group(&mut self) -> Result<bool, &'static str> {
        if !self.skip("?") {
            return Ok(true);
        }
        if ["=", "!", "<=", "<!"].iter().any(|look| self.rest.starts_with(look)) {
            return Err("there is no look-ahead and no look-behind");
        }
        if self.skip("P<") || self.skip("<") {
            let name = self.until('>').ok_or(UNCLOSED_GROUP)?;
            let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if !name.bytes().all(word) || name.bytes().next().is_none_or(|first| first.is_ascii_digit()) {
                return Err("the name of a group needs letters, digits and underscores");
            }
            if self.names.contains(&name) {
                return Err("two groups have the same name");
            }
            self.names.push(name);
            return Ok(true);
        }
        let end = self.rest.find([':', ')']).ok_or(UNCLOSED_GROUP)?;
        let (flags, end) = (&self.rest.as_bytes()[..end], &self.rest[end..]);
        let group = end.starts_with(':');
        self.rest = &end[1..];
        let known = |(at, flag): (usize, &u8)| b"imsU-".contains(flag) && !flags[at + 1..].contains(flag);
        if !flags.iter().enumerate().all(known) || flags.ends_with(b"-") || (flags.is_empty() && !group) {
            return Err(
                "the flags of a group are some of `i`, `m`, `s`, `U` and then, behind a `-`, those that end",
            );
        }
        Ok(group)
    }

    /// A repetition's count, behind its brace.
    fn count(&mut self) -> Result<Times, &'static str> {
        let count = self.until('}').unwrap_or_default();
        let (least, most) = count.split_once(',').unwrap_or((count, count));
        let read = |text: &str| text.parse::<u32>().ok().filter(|number| *number <= MOST_REPEATED);
        // Without an upper end one copy more repeats itself.
        let times = match (read(least), read(most)) {
            (Some(least), None) if most.is_empty() => Some((least + 1, least)),
            (Some(least), Some(most)) if least <= most => Some((most, most)),
            _ => None,
        };
        let (copies, repeated) =
            times.ok_or("the counts of a repetition are at most 1000, the lower one first")?;
        Ok(Times { copies: copies as usize, repeated: repeated.max(1) })
    }

    /// What is behind a backslash.
    fn escape(&mut self) -> Result<Escaped, &'static str> {
        let Some(char) = self.next() else { return Err("there is nothing behind the last `\\`") };
        Ok(match char {
            'd' | 's' | 'w' => Escaped::Class(4),
            'D' | 'S' | 'W' => Escaped::Class(ANY + 4),
            'A' | 'z' | 'b' | 'B' => Escaped::Place,
            'a' => Escaped::Char('\x07'),
            'f' => Escaped::Char('\x0c'),
            'n' => Escaped::Char('\n'),
            'r' => Escaped::Char('\r'),
            't' => Escaped::Char('\t'),
            'v' => Escaped::Char('\x0b'),
            'x' => self.hexadecimal().ok_or(HEXADECIMAL)?,
            '0'..='9' => return Err("there are no back-references"),
            'p' | 'P' => return Err("classes of Unicode are not known"),
            _ if char.is_ascii() && !char.is_ascii_alphanumeric() && !matches!(char, '<' | '>') => {
                Escaped::Char(char)
            }
            _ => return Err("a `\\` stands before what is no sign and no known letter"),
        })
    }

    fn hexadecimal(&mut self) -> Option<Escaped> {
        let braces = self.skip("{");
        let digits = if braces { self.until('}')? } else { self.rest.get(..2)? };
        // The standard library would take a sign.
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let code = u32::from_str_radix(digits, 16).ok()?;
        if braces {
            return char::from_u32(code).map(Escaped::Char);
        }
        self.rest = &self.rest[2..];
        u8::try_from(code).ok().map(Escaped::Byte)
    }

    /// A class, behind its bracket, and its size. A `]` that comes first has a backslash by now.
    fn class(&mut self) -> Result<usize, &'static str> {
        let mut size = if self.skip("^") { ANY } else { 0 };
        while !self.skip("]") {
            size += 1;
            if self.skip("[") {
                size += self.named()?;
                continue;
            }
            let (low, more) = self.item()?;
            size += more;
            // At the end it stands for itself.
            if self.rest.starts_with("-]") || !self.skip("-") {
                continue;
            }
            match (low, self.item()?.0) {
                (Some(low), Some(high)) if low <= high => {}
                _ => return Err("a range between brackets goes from one character up to another"),
            }
        }
        Ok(size)
    }

    /// A class by its name, behind its own bracket, and its size. Any other bracket has a backslash by now.
    fn named(&mut self) -> Result<usize, &'static str> {
        self.skip(":");
        let name = self.until(':').ok_or(UNCLOSED_CLASS)?;
        let inverted = name.starts_with('^');
        if NAMED.contains(&name.strip_prefix('^').unwrap_or(name)) && self.skip("]") {
            return Ok(if inverted { ANY + 4 } else { 4 });
        }
        Err("a class between `[:` and `:]` is not known")
    }

    /// What else stands between brackets: a character, by its code, or a class with its size.
    fn item(&mut self) -> Result<(Option<u32>, usize), &'static str> {
        let char = match self.next().ok_or(UNCLOSED_CLASS)? {
            '\\' => match self.escape()? {
                Escaped::Char(char) => char,
                Escaped::Byte(byte) => return Ok((Some(byte.into()), 0)),
                Escaped::Class(size) => return Ok((None, size)),
                Escaped::Place => return Err("what stands for a place cannot stand between brackets"),
            },
            char => char,
        };
        // Requests are matched byte by byte.
        if char.is_ascii() {
            Ok((Some(char.into()), 0))
        } else {
            Err("only ASCII can stand between brackets")
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::translate;
    use super::*;

    fn check(pattern: &str) -> Result<(), &'static str> {
        size(pattern).map(drop)
    }

    fn regex_crate(pattern: &str) -> bool {
        regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).is_ok()
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (pattern, expected) in [
            ("a)(b", "a `)` closes nothing"),
            ("(a", UNCLOSED_GROUP),
            ("(?i", UNCLOSED_GROUP),
            ("(?P<a", UNCLOSED_GROUP),
            ("*", "a repetition has nothing to repeat"),
            ("a|+", "a repetition has nothing to repeat"),
            ("a{3,2}", "the counts of a repetition are at most 1000, the lower one first"),
            ("a{1001}", "the counts of a repetition are at most 1000, the lower one first"),
            ("(?=x)", "there is no look-ahead and no look-behind"),
            ("(?<!x)", "there is no look-ahead and no look-behind"),
            (r"(a)\1", "there are no back-references"),
            ("(?P<1a>x)", "the name of a group needs letters, digits and underscores"),
            ("(?P<a>x)(?P<a>y)", "two groups have the same name"),
            (
                "(?z)a",
                "the flags of a group are some of `i`, `m`, `s`, `U` and then, behind a `-`, those that end",
            ),
            (r"a\", "there is nothing behind the last `\\`"),
            (r"\y", "a `\\` stands before what is no sign and no known letter"),
            (r"\x{110000}", HEXADECIMAL),
            (r"\xg0", HEXADECIMAL),
            (r"\pN", "classes of Unicode are not known"),
            ("[a", UNCLOSED_CLASS),
            ("[z-a]", "a range between brackets goes from one character up to another"),
            (r"[a-\d]", "a range between brackets goes from one character up to another"),
            (r"[\b]", "what stands for a place cannot stand between brackets"),
            ("[[:foo:]]", "a class between `[:` and `:]` is not known"),
            ("[é]", "only ASCII can stand between brackets"),
            (&"(".repeat(251), "its groups are nested too deeply"),
            ("(a{1000}){1000}", TOO_OFTEN),
            ("(a{1000}){2}", TOO_OFTEN),
            ("((a{10}){10}b){11}", TOO_OFTEN),
            ("(a{2,}){501}", TOO_OFTEN),
            ("(?:.{100}abc){40}", TOO_OFTEN),
            (&"[a-z]{1000}".repeat(40), TOO_LARGE),
            (&".{1000}".repeat(4), TOO_LARGE),
            ("a**", "a repetition cannot be repeated without a group around it"),
            ("a{2}{3}", "a repetition cannot be repeated without a group around it"),
            ("a+??", "a repetition cannot be repeated without a group around it"),
        ] {
            assert_eq!(check(&translate(pattern)), Err(expected), "{pattern}");
        }
    }

    #[test]
    fn what_only_the_regex_crate_knows_is_refused() {
        for pattern in [r"\<a", r"a\>", r"\u0041", "(?x)a b", "(?R)a", "a{1001}"] {
            assert!(regex_crate(&translate(pattern)), "{pattern}");
            assert!(check(&translate(pattern)).is_err(), "{pattern}");
        }
    }

    #[test]
    fn what_fits_is_allowed() {
        for (pattern, expected) in [
            ("abc", 3),
            ("/api/v[0-9]+", 6 + 1 + 1),
            (".*", ANY + 1),
            ("(a{500}){2}", 2 * (501 + 2) + 1),
            ("(a|b)c", 1 + 1 + 1 + 2 + 1),
            ("(?:a{1000})(?:b{1000})", 2 * (1001 + 2)),
            ("a{0,1000}", 1001),
            ("(a+)*", 1 + 1 + 2 + 1),
            ("[^/]+", ANY + 1 + 1),
        ] {
            assert_eq!(size(&translate(pattern)), Ok(expected), "{pattern}");
        }
        assert_eq!(check(&format!("{}a{}", "(".repeat(250), ")".repeat(250))), Ok(()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn the_regex_crate_agrees(pattern in proptest::collection::vec(proptest::sample::select(vec![
            "a", "b", "é", "-", "^", "$", ".", "|", "(", ")", "[", "]", "{", "}", "{2}", "{2,}", "{3,2}", "*", "+", "?",
            "(?i)", "(?:", "(?P<x>", "(?<y>", "(?s-m)", "(?-i:", "(?i-", "[^", "[[:alpha:]]", "[:^digit:]", "\\", "\\d", "\\W",
            "\\b", "\\n", "\\x41", "\\x{e9}", "\\xe9", "\\Q", "\\E", "\\.", "&&", "~~", "--", "1", ",", ":", " ", "#", "/",
        ]), 0..9)) {
            let translated = translate(&pattern.concat());
            let ours = check(&translated);
            // RE2 repeats no repetition.
            let stacked = ours == Err("a repetition cannot be repeated without a group around it");
            prop_assert!(stacked || ours.is_ok() == regex_crate(&translated), "{} {:?}", translated, ours);
        }
    }
}
