//! The syntax of values with command operators: `%NAME%`, `%NAME(argument)%`, `%NAME(argument):length%`, and `%%` for a
//! percent sign.

/// A piece of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'v> {
    /// Text; a percent sign is one.
    Text(&'v str),
    /// A command operator.
    Command {
        /// In capitals.
        name: &'v str,
        /// What stands in its parentheses.
        argument: Option<&'v str>,
        /// How much of it is wanted.
        length: Option<usize>,
        /// All of it, with the percent signs.
        text: &'v str,
    },
    /// A percent sign that begins no command, with the rest of the value.
    Broken(&'v str),
}

/// The pieces of a value.
pub(crate) fn tokens(value: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = value;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (token, length) = next(rest);
        rest = &rest[length..];
        Some(token)
    })
}

/// The first piece of a text, and how long it is.
fn next(text: &str) -> (Token<'_>, usize) {
    let Some(after) = text.strip_prefix('%') else {
        let end = text.find('%').unwrap_or(text.len());
        return (Token::Text(&text[..end]), end);
    };
    if after.starts_with('%') {
        return (Token::Text("%"), 2);
    }
    command(text).unwrap_or((Token::Broken(text), text.len()))
}

fn command(text: &str) -> Option<(Token<'_>, usize)> {
    let after = &text[1..];
    let end = after.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))?;
    let (name, mut rest) = after.split_at(end);
    let mut argument = None;
    if let Some(inner) = rest.strip_prefix('(') {
        let (inside, behind) = inner.split_once(')')?;
        argument = Some(inside);
        rest = behind;
    }
    let mut length = None;
    if let Some(behind) = rest.strip_prefix(':') {
        let end = behind.find(|c: char| !c.is_ascii_digit())?;
        length = Some(behind[..end].parse().ok()?);
        rest = &behind[end..];
    }
    let left = rest.strip_prefix('%')?.len();
    let whole = text.len() - left;
    let token = Token::Command { name, argument, length, text: &text[..whole] };
    (!name.is_empty()).then_some((token, whole))
}
