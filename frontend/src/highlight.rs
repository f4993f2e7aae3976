//! A light highlighter of YAML: enough for reading, line by line. Pure.

/// What a piece of a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// Space, punctuation, plain scalars.
    Plain,
    /// A mapping's key.
    Key,
    /// A quoted string.
    Text,
    /// A number, `true`, `false` or `null`.
    Number,
    /// A comment.
    Comment,
    /// `---`, `-`, anchors, tags, `|` and `>`.
    Mark,
}

impl Token {
    /// The class of its span.
    pub fn class(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Key => "y-key",
            Self::Text => "y-text",
            Self::Number => "y-number",
            Self::Comment => "y-comment",
            Self::Mark => "y-mark",
        }
    }
}

/// The pieces of a line, in order; joined they are the line.
pub fn line(text: &str) -> Vec<(Token, &str)> {
    let mut pieces = Vec::new();
    let indent = text.len() - text.trim_start_matches(' ').len();
    push(&mut pieces, Token::Plain, &text[..indent]);
    let mut rest = &text[indent..];
    if rest.starts_with("---") || rest == "..." {
        push(&mut pieces, Token::Mark, rest);
        return pieces;
    }
    while rest == "-" || rest.starts_with("- ") {
        let after = rest[1..].trim_start_matches(' ');
        push(&mut pieces, Token::Mark, &rest[..rest.len() - after.len()]);
        rest = after;
    }
    if let Some(end) = key_end(rest) {
        push(&mut pieces, Token::Key, &rest[..end]);
        push(&mut pieces, Token::Plain, &rest[end..=end]);
        rest = &rest[end + 1..];
    }
    value(&mut pieces, rest);
    pieces
}

/// Position of the colon that ends a key at the start of `text`.
fn key_end(text: &str) -> Option<usize> {
    if text.starts_with(['#', '{', '[', '|', '>', '&', '*', '!']) {
        return None;
    }
    let from = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => text[1..].find(quote)? + 2,
        _ => 0,
    };
    let bytes = text.as_bytes();
    (from..bytes.len()).find(|at| bytes[*at] == b':' && matches!(bytes.get(at + 1), None | Some(b' ')))
}

fn value<'a>(pieces: &mut Vec<(Token, &'a str)>, text: &'a str) {
    let mut rest = text;
    let mut spaced = true;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '#' if spaced => {
                push(pieces, Token::Comment, rest);
                return;
            }
            '"' | '\'' => rest[1..].find(first).map_or(rest.len(), |at| at + 2),
            ' ' | '{' | '}' | '[' | ']' | ',' => first.len_utf8(),
            _ => rest.find([' ', ',', '{', '}', '[', ']']).unwrap_or(rest.len()),
        };
        let piece = &rest[..end];
        push(pieces, kind(piece, first), piece);
        spaced = first == ' ';
        rest = &rest[end..];
    }
}

fn kind(piece: &str, first: char) -> Token {
    match piece {
        _ if first == '"' || first == '\'' => Token::Text,
        "true" | "false" | "null" | "~" => Token::Number,
        "|" | ">" | "|-" | ">-" => Token::Mark,
        _ if matches!(first, '&' | '*' | '!') => Token::Mark,
        _ if piece.ends_with(':') => Token::Key,
        _ if first.is_ascii_digit()
            && piece.bytes().all(|byte| byte.is_ascii_digit() || b"._-".contains(&byte)) =>
        {
            Token::Number
        }
        _ => Token::Plain,
    }
}

fn push<'a>(pieces: &mut Vec<(Token, &'a str)>, token: Token, text: &'a str) {
    if text.is_empty() {
        return;
    }
    pieces.push((token, text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        use Token::{Comment, Key, Mark, Number, Plain, Text};
        for (text, expected) in [
            ("", vec![]),
            ("---", vec![(Mark, "---")]),
            ("kind: Gateway", vec![(Key, "kind"), (Plain, ":"), (Plain, " "), (Plain, "Gateway")]),
            (
                "  - weight: 25 # quarter",
                vec![
                    (Plain, "  "),
                    (Mark, "- "),
                    (Key, "weight"),
                    (Plain, ":"),
                    (Plain, " "),
                    (Number, "25"),
                    (Plain, " "),
                    (Comment, "# quarter"),
                ],
            ),
            ("- \"*.foo.com\"", vec![(Mark, "- "), (Text, "\"*.foo.com\"")]),
            ("# all", vec![(Comment, "# all")]),
            ("uri: a#b", vec![(Key, "uri"), (Plain, ":"), (Plain, " "), (Plain, "a#b")]),
            ("- *.foo", vec![(Mark, "- "), (Mark, "*.foo")]),
        ] {
            assert_eq!(line(text), expected, "{text}");
        }
    }

    #[test]
    fn nothing_is_lost() {
        for text in
            ["a: {b: 1, c: [x, 'y']}", "  key: \"open", "日本: ü # ö", "a:b: c", "'k y': v", "- - a: 1", "'"]
        {
            let joined: String = line(text).into_iter().map(|(_, piece)| piece).collect();
            assert_eq!(joined, text);
        }
    }
}
