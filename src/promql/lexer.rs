//! Text into tokens. The parser says in which surroundings it reads, because braces and brackets
//! have words of their own, as in Prometheus's lexer.

use crate::span::Span;
use crate::syntax::Text;

/// What a token is; what belongs to it stands in the text at its span.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    End,
    /// A word that may be a keyword, a function or a metric's name.
    Word,
    Number(f64),
    /// Milliseconds.
    Duration(i64),
    String(Text),
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    At,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Caret,
    Assign,
    EqualEqual,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    TrimUpper,
    TrimLower,
    RegexMatch,
    RegexNotMatch,
}

/// Where the parser reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Outside of braces and brackets.
    Expression,
    /// Between `{` and `}`.
    Braces,
    /// Between `[` and `]`.
    Brackets,
}

/// What is wrong with the text at a place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LexError {
    pub(crate) span: Span,
    pub(crate) message: String,
}

/// Reads the token at `position` or behind the spaces and comments there.
pub(crate) fn next_token(
    text: &str,
    position: usize,
    mode: Mode,
) -> Result<(Token, Span), LexError> {
    let start = skip_blank(text, position);
    let rest = &text[start..];
    let Some(first) = rest.chars().next() else {
        return Ok((Token::End, Span::new(start, start)));
    };
    let token = |token, length| Ok((token, Span::new(start, start + length)));
    let error = |length: usize, message: String| {
        Err(LexError {
            span: Span::new(start, start + length),
            message,
        })
    };
    let second = rest[first.len_utf8()..].chars().next();
    match first {
        '"' | '\'' | '`' => return string(text, start),
        '{' => return token(Token::LeftBrace, 1),
        '}' => return token(Token::RightBrace, 1),
        ',' => return token(Token::Comma, 1),
        '=' if mode == Mode::Braces => {
            return if second == Some('~') {
                token(Token::RegexMatch, 2)
            } else if second == Some('=') {
                error(
                    2,
                    "unexpected \"==\" in label matching, expected one of =, !=, =~, !~".into(),
                )
            } else {
                token(Token::Assign, 1)
            };
        }
        '!' => {
            return match second {
                Some('=') => token(Token::NotEqual, 2),
                Some('~') if mode == Mode::Braces => token(Token::RegexNotMatch, 2),
                Some(c) => error(1, format!("unexpected character after '!': {c:?}")),
                None => error(1, "unexpected end of input after '!'".into()),
            };
        }
        c if is_letter(c) && mode == Mode::Braces => {
            return token(Token::Word, word_length(rest, false));
        }
        c if mode == Mode::Braces => {
            return error(
                c.len_utf8(),
                format!("unexpected character inside braces: {c:?}"),
            );
        }
        _ => {}
    }
    match (first, second) {
        ('(', _) => token(Token::LeftParen, 1),
        (')', _) => token(Token::RightParen, 1),
        ('[', _) => token(Token::LeftBracket, 1),
        (']', _) => token(Token::RightBracket, 1),
        ('@', _) => token(Token::At, 1),
        ('+', _) => token(Token::Plus, 1),
        ('-', _) => token(Token::Minus, 1),
        ('*', _) => token(Token::Star, 1),
        ('/', _) => token(Token::Slash, 1),
        ('%', _) => token(Token::Percent, 1),
        ('^', _) => token(Token::Caret, 1),
        ('=', Some('=')) => token(Token::EqualEqual, 2),
        ('=', Some('~')) => error(
            2,
            "unexpected character after '=': '~' (=~ compares labels, inside braces)".into(),
        ),
        ('=', _) => token(Token::Assign, 1),
        ('<', Some('=')) => token(Token::LessEqual, 2),
        ('<', Some('/')) => token(Token::TrimUpper, 2),
        ('<', _) => token(Token::Less, 1),
        ('>', Some('=')) => token(Token::GreaterEqual, 2),
        ('>', Some('/')) => token(Token::TrimLower, 2),
        ('>', _) => token(Token::Greater, 1),
        (':', _) if mode == Mode::Brackets => token(Token::Colon, 1),
        (c, next)
            if c.is_ascii_digit() || (c == '.' && next.is_some_and(|n| n.is_ascii_digit())) =>
        {
            number(text, start)
        }
        (c, _) if is_letter(c) || c == ':' => {
            let length = word_length(rest, mode == Mode::Expression);
            let word = &rest[..length];
            if word.eq_ignore_ascii_case("inf") {
                token(Token::Number(f64::INFINITY), length)
            } else if word.eq_ignore_ascii_case("nan") {
                token(Token::Number(f64::NAN), length)
            } else {
                token(Token::Word, length)
            }
        }
        (c, _) => error(c.len_utf8(), format!("unexpected character: {c:?}")),
    }
}

/// Whether `text` can stand as a label's name without quotes.
pub(crate) fn is_plain_label(text: &str) -> bool {
    text.starts_with(is_letter) && word_length(text, false) == text.len()
}

fn skip_blank(text: &str, mut position: usize) -> usize {
    let bytes = text.as_bytes();
    loop {
        match bytes.get(position) {
            Some(b' ' | b'\t' | b'\n' | b'\r') => position += 1,
            Some(b'#') => {
                while bytes
                    .get(position)
                    .is_some_and(|b| *b != b'\n' && *b != b'\r')
                {
                    position += 1;
                }
            }
            _ => return position,
        }
    }
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn word_length(text: &str, colons: bool) -> usize {
    text.bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_' || (colons && *b == b':'))
        .count()
}

/// A number or a duration: the longest run of characters that either may hold is taken, and then
/// has to be one of the two.
fn number(text: &str, start: usize) -> Result<(Token, Span), LexError> {
    let bytes = &text.as_bytes()[start..];
    let hexadecimal = matches!(bytes, [b'0', b'x' | b'X', ..]);
    let mut length = 0;
    while let Some(byte) = bytes.get(length) {
        let sign_of_exponent = matches!(byte, b'+' | b'-')
            && !hexadecimal
            && length > 0
            && matches!(bytes[length - 1], b'e' | b'E')
            && bytes.get(length + 1).is_some_and(u8::is_ascii_digit);
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || sign_of_exponent {
            length += 1;
        } else {
            break;
        }
    }
    let span = Span::new(start, start + length);
    let word = &text[start..start + length];
    if let Some(value) = parse_number(word) {
        return Ok((Token::Number(value), span));
    }
    let looks_like_duration = word.ends_with(|c: char| c.is_ascii_lowercase());
    match series::parse_duration(word) {
        Ok(0) if !looks_like_duration => {}
        Ok(milliseconds) => return Ok((Token::Duration(milliseconds), span)),
        Err(series::DurationError::OutOfRange(_)) => {
            return Err(LexError {
                span,
                message: format!("duration out of range: {word:?}"),
            });
        }
        Err(series::DurationError::Malformed(_)) => {}
    }
    Err(LexError {
        span,
        message: format!("bad number or duration syntax: {word:?}"),
    })
}

/// A number as Go reads it: whole numbers with the prefixes 0x, 0b, 0o and 0 and with
/// underscores between digits, or decimal fractions with exponents.
fn parse_number(word: &str) -> Option<f64> {
    parse_whole(word).map(|n| n as f64).or_else(|| {
        let decimal = word
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
        if decimal { word.parse().ok() } else { None }
    })
}

fn parse_whole(word: &str) -> Option<i64> {
    let lower = word.to_ascii_lowercase();
    let (digits, radix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (&lower[..], 10),
    };
    // Underscores stand singly between digits, or behind a prefix.
    let digits = if radix == 10 {
        digits
    } else {
        digits.strip_prefix('_').unwrap_or(digits)
    };
    if digits.is_empty()
        || digits.starts_with('_')
        || digits.ends_with('_')
        || digits.contains("__")
        || digits.starts_with(['+', '-'])
    {
        return None;
    }
    i64::from_str_radix(&digits.replace('_', ""), radix).ok()
}

fn string(text: &str, start: usize) -> Result<(Token, Span), LexError> {
    let rest = &text[start..];
    let error = |at: usize, end: usize, message: &str| LexError {
        span: Span::new(at, end.max(at)),
        message: message.to_owned(),
    };
    let quote = rest.chars().next().unwrap_or('"');
    if quote == '`' {
        let Some(length) = rest[1..].find('`') else {
            return Err(error(start, text.len(), "unterminated raw string"));
        };
        let bytes = rest.as_bytes()[1..=length].to_vec();
        return Ok((
            Token::String(Text(bytes)),
            Span::new(start, start + length + 2),
        ));
    }
    let mut bytes = Vec::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            c if c == quote => {
                return Ok((Token::String(Text(bytes)), Span::new(start, start + at + 1)));
            }
            '\n' => return Err(error(start, start + at, "unterminated quoted string")),
            '\\' => {
                let at = start + at;
                let unterminated = || error(at, text.len(), "escape sequence not terminated");
                let (_, kind) = characters.next().ok_or_else(unterminated)?;
                let plain = match kind {
                    'a' => Some(7),
                    'b' => Some(8),
                    'f' => Some(12),
                    'n' => Some(b'\n'),
                    'r' => Some(b'\r'),
                    't' => Some(b'\t'),
                    'v' => Some(11),
                    '\\' => Some(b'\\'),
                    c if c == quote => Some(quote as u8),
                    _ => None,
                };
                if let Some(byte) = plain {
                    bytes.push(byte);
                    continue;
                }
                let (mut code, digits, radix) = match kind {
                    '0'..='7' => (kind as u32 - '0' as u32, 2, 8),
                    'x' => (0, 2, 16),
                    'u' => (0, 4, 16),
                    'U' => (0, 8, 16),
                    other => {
                        return Err(error(
                            at,
                            at + 1 + other.len_utf8(),
                            &format!("unknown escape sequence \\{other}"),
                        ));
                    }
                };
                for _ in 0..digits {
                    let (_, c) = characters.next().ok_or_else(unterminated)?;
                    let digit = c.to_digit(radix).ok_or_else(|| {
                        error(
                            at,
                            at + 2,
                            &format!("illegal character {c:?} in escape sequence"),
                        )
                    })?;
                    code = code.wrapping_mul(radix).wrapping_add(digit);
                }
                if matches!(kind, 'u' | 'U') {
                    let c = char::from_u32(code).ok_or_else(|| {
                        error(
                            at,
                            at + 2,
                            "escape sequence is an invalid Unicode code point",
                        )
                    })?;
                    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                } else {
                    let byte = u8::try_from(code)
                        .map_err(|_| error(at, at + 2, "escape sequence is above one byte"))?;
                    bytes.push(byte);
                }
            }
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Err(error(start, text.len(), "unterminated quoted string"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number_of(text: &str) -> Option<f64> {
        match next_token(text, 0, Mode::Expression) {
            Ok((Token::Number(value), span)) if span.end == text.len() => Some(value),
            _ => None,
        }
    }

    #[test]
    fn numbers_read_as_go_reads_them() {
        for (text, value) in [
            ("1", 1.0),
            ("0x1F", 31.0),
            ("0755", 493.0),
            ("089", 89.0),
            ("1_000", 1000.0),
            ("1e3", 1000.0),
            ("1e-3", 0.001),
            (".5", 0.5),
            ("5.", 5.0),
            ("0b101", 5.0),
        ] {
            assert_eq!(number_of(text), Some(value), "{text}");
        }
        for text in ["1_", "1__0", "0x", "1.5_0", "2.5.", "1e"] {
            assert_eq!(number_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_colon_belongs_to_a_word_only_outside_of_brackets() {
        assert_eq!(
            next_token("a:b", 0, Mode::Expression).map(|(_, s)| s.end),
            Ok(3)
        );
        assert_eq!(
            next_token(":1m", 0, Mode::Brackets),
            Ok((Token::Colon, Span::new(0, 1)))
        );
    }

    #[test]
    fn escapes_give_bytes() {
        let read = |text| match next_token(text, 0, Mode::Expression) {
            Ok((Token::String(text), _)) => Some(text.0),
            _ => None,
        };
        assert_eq!(
            read(r#""\xFF\377\u00e9\n""#),
            Some(b"\xff\xff\xc3\xa9\n".to_vec())
        );
        assert_eq!(read(r"'it\'s'"), Some(b"it's".to_vec()));
        assert_eq!(read(r"`\n`"), Some(b"\\n".to_vec()));
        assert_eq!(read("\"a\nb\""), None);
        assert_eq!(read(r#""\c""#), None);
        assert_eq!(read(r#""\ud800""#), None);
        assert_eq!(read(r#""\777""#), None);
    }
}
