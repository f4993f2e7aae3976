//! Whether a pattern can be read. Both engines say so too, but each in its own words and with a tree of the whole
//! pattern; page and server shall say the same, and the page compiles no pattern.
//!
//! What is accepted is what RE2 and the regex crate have in common.

/// The nesting that the engines allow.
const MOST_NESTED: usize = 250;

/// The highest count of a repetition in RE2.
const MOST_REPEATED: u32 = 1000;

/// The classes that have a name.
const NAMED: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

const UNCLOSED_CLASS: &str = "a `[` is not closed";
const UNCLOSED_GROUP: &str = "a `(` is not closed";
const HEXADECIMAL: &str = "`\\x` needs two hexadecimal digits, or the number of a character in braces";

/// What is wrong with a pattern that is translated into the regex crate's syntax already.
pub(super) fn check(pattern: &str) -> Result<(), &'static str> {
    let mut reader = Reader { rest: pattern, names: Vec::new() };
    let mut open = 0;
    // Whether there is something before the place of reading that can be repeated.
    let mut repeatable = false;
    while let Some(char) = reader.next() {
        repeatable = match char {
            '(' => {
                open += usize::from(reader.group()?);
                if open > MOST_NESTED {
                    return Err("its groups are nested too deeply");
                }
                false
            }
            ')' if open == 0 => return Err("a `)` closes nothing"),
            ')' => {
                open -= 1;
                true
            }
            '|' => false,
            '*' | '+' | '?' | '{' if !repeatable => return Err("a repetition has nothing to repeat"),
            '*' | '+' | '?' | '{' => {
                if char == '{' {
                    reader.count()?;
                }
                // Fewest first.
                reader.skip("?");
                true
            }
            '[' => {
                reader.class()?;
                true
            }
            '\\' => {
                reader.escape()?;
                true
            }
            _ => true,
        };
    }
    if open > 0 { Err(UNCLOSED_GROUP) } else { Ok(()) }
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
    Class,
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
    fn count(&mut self) -> Result<(), &'static str> {
        let count = self.until('}').unwrap_or_default();
        let (least, most) = count.split_once(',').unwrap_or((count, count));
        let most = if most.is_empty() { Ok(MOST_REPEATED) } else { most.parse::<u32>() };
        match (least.parse::<u32>(), most) {
            (Ok(least), Ok(most)) if least <= most && most <= MOST_REPEATED => Ok(()),
            _ => Err("the counts of a repetition are at most 1000, the lower one first"),
        }
    }

    /// What is behind a backslash.
    fn escape(&mut self) -> Result<Escaped, &'static str> {
        let Some(char) = self.next() else { return Err("there is nothing behind the last `\\`") };
        Ok(match char {
            'd' | 's' | 'w' | 'D' | 'S' | 'W' => Escaped::Class,
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

    /// A class, behind its bracket. A `]` that comes first has a backslash by now.
    fn class(&mut self) -> Result<(), &'static str> {
        self.skip("^");
        while !self.skip("]") {
            if self.skip("[") {
                self.named()?;
                continue;
            }
            let low = self.item()?;
            // At the end it stands for itself.
            if self.rest.starts_with("-]") || !self.skip("-") {
                continue;
            }
            match (low, self.item()?) {
                (Some(low), Some(high)) if low <= high => {}
                _ => return Err("a range between brackets goes from one character up to another"),
            }
        }
        Ok(())
    }

    /// A class by its name, behind its own bracket. Any other bracket has a backslash by now.
    fn named(&mut self) -> Result<(), &'static str> {
        self.skip(":");
        let name = self.until(':').ok_or(UNCLOSED_CLASS)?;
        if NAMED.contains(&name.strip_prefix('^').unwrap_or(name)) && self.skip("]") {
            return Ok(());
        }
        Err("a class between `[:` and `:]` is not known")
    }

    /// What else stands between brackets: a character, by its code, or a class.
    fn item(&mut self) -> Result<Option<u32>, &'static str> {
        let char = match self.next().ok_or(UNCLOSED_CLASS)? {
            '\\' => match self.escape()? {
                Escaped::Char(char) => char,
                Escaped::Byte(byte) => return Ok(Some(byte.into())),
                Escaped::Class => return Ok(None),
                Escaped::Place => return Err("what stands for a place cannot stand between brackets"),
            },
            char => char,
        };
        // Requests are matched byte by byte.
        if char.is_ascii() { Ok(Some(char.into())) } else { Err("only ASCII can stand between brackets") }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::translate;
    use super::*;

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
            prop_assert_eq!(ours.is_ok(), regex_crate(&translated), "{} {:?}", translated, ours);
        }
    }
}
