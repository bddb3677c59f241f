//! The pieces of JSON that are read at once. Every function takes bytes and a position, and
//! answers `Ok(None)` when the bytes end before the piece does.

use super::number::{self, is_number_byte};
use std::borrow::Cow;

/// What is wrong, and where in the bytes at hand.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) reason: Cow<'static, str>,
}

impl Fault {
    pub(super) fn new(at: usize, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            at,
            reason: reason.into(),
        }
    }

    /// What stands at `at` is not what should.
    pub(super) fn expected(bytes: &[u8], at: usize, what: &str) -> Self {
        let found = match bytes.get(at) {
            Some(byte) if byte.is_ascii_graphic() => format!("{:?}", char::from(*byte)),
            Some(byte) => format!("byte 0x{byte:02x}"),
            None => "the end".to_owned(),
        };
        Self::new(at, format!("expected {what}, found {found}"))
    }
}

pub(super) type Piece<T> = Result<Option<(T, usize)>, Fault>;

/// The first position from `at` on that is no white space.
#[inline]
pub(super) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The position of the next quote or backslash.
#[inline]
pub(super) fn find_quote(bytes: &[u8], mut at: usize) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(word) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(word.try_into().ok()?);
        // A byte that is zero after the exclusive or borrows from its eighth bit.
        let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
        let found = zeros(word ^ (ONES * b'"' as u64)) | zeros(word ^ (ONES * b'\\' as u64));
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    rest.iter()
        .position(|b| matches!(b, b'"' | b'\\'))
        .map(|found| at + found)
}

/// A string: where its text begins and ends, whether it holds escapes, and where it ends with
/// its closing quote.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) escaped: bool,
}

#[inline]
pub(super) fn raw_string(bytes: &[u8], at: usize) -> Piece<Raw> {
    match bytes.get(at) {
        None => return Ok(None),
        Some(b'"') => {}
        Some(_) => return Err(Fault::expected(bytes, at, "a string")),
    }
    let start = at + 1;
    let mut from = start;
    let mut escaped = false;
    loop {
        let Some(found) = find_quote(bytes, from) else {
            return Ok(None);
        };
        if bytes[found] == b'"' {
            let raw = Raw {
                start,
                end: found,
                escaped,
            };
            return Ok(Some((raw, found + 1)));
        }
        escaped = true;
        from = found + 2;
    }
}

/// A string with its escapes resolved.
pub(super) fn string(bytes: &[u8], at: usize) -> Piece<Cow<'_, str>> {
    let Some((raw, end)) = raw_string(bytes, at)? else {
        return Ok(None);
    };
    Ok(Some((text(bytes, raw)?, end)))
}

/// The text of a string.
pub(super) fn text(bytes: &[u8], raw: Raw) -> Result<Cow<'_, str>, Fault> {
    let inner = &bytes[raw.start..raw.end];
    let inner = std::str::from_utf8(inner)
        .map_err(|error| Fault::new(raw.start + error.valid_up_to(), "invalid UTF-8"))?;
    if !raw.escaped {
        return Ok(Cow::Borrowed(inner));
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(backslash) = rest.find('\\') {
        out.push_str(&rest[..backslash]);
        let at = raw.end - (rest.len() - backslash);
        let fault = || Fault::new(at, "an escape that JSON does not know");
        rest = &rest[backslash + 1..];
        let letter = rest.bytes().next().ok_or_else(fault)?;
        out.push(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = hex4(&rest[1..]).ok_or_else(fault)?;
                rest = &rest[5..];
                let low = rest
                    .strip_prefix("\\u")
                    .and_then(hex4)
                    .filter(|low| (0xdc00..0xe000).contains(low));
                match (first, low) {
                    (0xd800..0xdc00, Some(low)) => {
                        rest = &rest[6..];
                        let code = 0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00);
                        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    // Half a pair is no character; Go puts the replacement character too.
                    _ => out.push(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)),
                }
                continue;
            }
            _ => return Err(fault()),
        });
        rest = &rest[1..];
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}

fn hex4(text: &str) -> Option<u32> {
    let digits = text.as_bytes().get(..4)?;
    digits.iter().try_fold(0, |sum, digit| {
        Some(sum * 16 + char::from(*digit).to_digit(16)?)
    })
}

/// The bytes of a number. They are complete only when something stands behind them.
pub(super) fn number(bytes: &[u8], at: usize) -> Piece<&[u8]> {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some(length) = rest.iter().position(|b| !is_number_byte(*b)) else {
        return Ok(None);
    };
    if length == 0 {
        return Err(Fault::expected(bytes, at, "a number"));
    }
    Ok(Some((&rest[..length], at + length)))
}

/// A time as a number of seconds, behind white space, in milliseconds.
pub(super) fn time(bytes: &[u8], at: usize) -> Piece<i64> {
    let start = skip_space(bytes, at);
    if start >= bytes.len() {
        return Ok(None);
    }
    let Some((text, end)) = number(bytes, start)? else {
        return Ok(None);
    };
    let time = number::time(text).ok_or_else(|| Fault::new(start, "not a time"))?;
    Ok(Some((time, end)))
}

/// A value as a number or a string, behind white space.
pub(super) fn value(bytes: &[u8], at: usize) -> Piece<f64> {
    let start = skip_space(bytes, at);
    let parsed = match bytes.get(start) {
        None => None,
        Some(b'"') => {
            string(bytes, start)?.map(|(text, end)| (number::value(text.as_bytes()), end))
        }
        Some(_) => number(bytes, start)?.map(|(text, end)| (number::value(text), end)),
    };
    let Some((value, end)) = parsed else {
        return Ok(None);
    };
    let value = value.ok_or_else(|| Fault::new(start, "not a number"))?;
    Ok(Some((value, end)))
}

/// `null`, `true`, `false`, a number or a string: where it ends.
pub(super) fn skip_scalar(bytes: &[u8], at: usize) -> Piece<()> {
    let word = match bytes.get(at) {
        None => return Ok(None),
        Some(b'"') => return Ok(raw_string(bytes, at)?.map(|(_, end)| ((), end))),
        Some(b'n') => "null",
        Some(b't') => "true",
        Some(b'f') => "false",
        Some(_) => {
            return match number(bytes, at) {
                Ok(found) => Ok(found.map(|(_, end)| ((), end))),
                Err(_) => Err(Fault::expected(bytes, at, "a value")),
            };
        }
    };
    let rest = &bytes[at..];
    if rest.len() < word.len() {
        return if word.as_bytes().starts_with(rest) {
            Ok(None)
        } else {
            Err(Fault::expected(bytes, at, "a value"))
        };
    }
    if rest.starts_with(word.as_bytes()) {
        Ok(Some(((), at + word.len())))
    } else {
        Err(Fault::expected(bytes, at, "a value"))
    }
}

/// Any value: where it ends. Brackets are counted and not told apart.
pub(super) fn skip_value(bytes: &[u8], mut at: usize) -> Piece<()> {
    let mut depth = 0usize;
    loop {
        at = match bytes.get(at) {
            None => return Ok(None),
            Some(b'{' | b'[') => {
                depth += 1;
                at + 1
            }
            Some(b'}' | b']') if depth > 0 => {
                depth -= 1;
                at + 1
            }
            Some(b',' | b':' | b' ' | b'\n' | b'\r' | b'\t') if depth > 0 => {
                at += 1;
                continue;
            }
            Some(_) => match skip_scalar(bytes, at)? {
                Some(((), end)) => end,
                None => return Ok(None),
            },
        };
        if depth == 0 {
            return Ok(Some(((), at)));
        }
    }
}

/// Exactly this punctuation mark, behind white space: where it ends.
pub(super) fn mark(bytes: &[u8], at: usize, mark: u8) -> Piece<()> {
    let at = skip_space(bytes, at);
    match bytes.get(at) {
        None => Ok(None),
        Some(found) if *found == mark => Ok(Some(((), at + 1))),
        Some(_) => Err(Fault::expected(
            bytes,
            at,
            &format!("'{}'", char::from(mark)),
        )),
    }
}

/// `"name" :` in front of a value.
#[inline]
pub(super) fn key(bytes: &[u8], at: usize) -> Piece<Raw> {
    if !matches!(bytes.get(at), None | Some(b'"')) {
        return Err(Fault::expected(bytes, at, "a key in quotes"));
    }
    let Some((raw, end)) = raw_string(bytes, at)? else {
        return Ok(None);
    };
    let colon = skip_space(bytes, end);
    match bytes.get(colon) {
        None => Ok(None),
        Some(b':') => Ok(Some((raw, colon + 1))),
        Some(_) => Err(Fault::expected(bytes, colon, "':'")),
    }
}
