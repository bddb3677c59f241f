//! The pieces that lines are made of: names, quoted texts, sets of labels.
//!
//! Each function takes the text and an offset and answers the offset behind the piece. The same
//! functions check a page and, later, make the labels, so that both read the same thing.
//!
//! Prometheus's lexers pass over NUL bytes in some places (within label values, help texts and
//! behind `# `) and stop at them in others; so does this.

use crate::error::{Problem, excerpt, found};

/// What is wrong, and at which offset.
pub(crate) type Refusal = (usize, Problem);

/// The grammar of what stands between braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Braces {
    /// A series of Prometheus's text: blanks between the parts, commas not needed, line breaks
    /// within values.
    Text,
    /// A series of OpenMetrics: no blanks, commas needed, no line breaks within values.
    OpenMetrics,
    /// An exemplar: as OpenMetrics, and no metric name.
    Exemplar,
}

/// A part of what stands between braces, quotes removed, escapes not undone.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'a> {
    /// A quoted metric name.
    MetricName(&'a [u8]),
    /// A label. Its value is UTF-8.
    Label {
        /// Where the label begins.
        at: usize,
        name: &'a [u8],
        value: &'a [u8],
    },
}

const NAME_START: u8 = 1;
const NAME: u8 = 2;
const COLON: u8 = 4;
/// Ends a run of plain bytes within quotes, or has to be looked at.
const SPECIAL: u8 = 8;

const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_alphabetic() || b == b'_' {
            class[byte] |= NAME_START | NAME;
        }
        if b.is_ascii_digit() {
            class[byte] |= NAME;
        }
        if b == b':' {
            class[byte] |= COLON;
        }
        if matches!(b, b'"' | b'\\' | b'\n' | 0) || !b.is_ascii() {
            class[byte] |= SPECIAL;
        }
        byte += 1;
    }
    class
};

#[inline]
fn is(byte: u8, classes: u8) -> bool {
    CLASS[byte as usize] & classes != 0
}

/// Whether a metric's name can begin with `byte`.
#[inline]
pub(crate) fn begins_metric_name(byte: u8) -> bool {
    is(byte, NAME_START | COLON)
}

/// Whether a metric's name goes on with `byte`.
#[inline]
pub(crate) fn continues_metric_name(byte: u8) -> bool {
    is(byte, NAME | COLON)
}

/// The end of the metric name that begins at `at`, whose first byte the caller has checked.
#[inline]
pub(crate) fn metric_name(text: &[u8], at: usize) -> usize {
    run(text, at, NAME | COLON)
}

#[inline]
fn run(text: &[u8], at: usize, classes: u8) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest
        .iter()
        .position(|b| !is(*b, classes))
        .unwrap_or(rest.len())
}

/// The first offset from `at` on that holds neither a space nor a tab.
#[inline]
pub(crate) fn skip_blanks(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at
}

/// The first offset from `at` on that holds no NUL.
#[inline]
pub(crate) fn skip_nuls(text: &[u8], mut at: usize) -> usize {
    while text.get(at) == Some(&0) {
        at += 1;
    }
    at
}

/// What a quoted text may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quoted {
    /// Line breaks may stand in it.
    pub line_breaks: bool,
    /// NULs may stand in it.
    pub nuls: bool,
}

/// The offset behind the quoted text whose opening quote stands at `at`, and whether all of it
/// is ASCII. A backslash takes any byte with it but a line break and a NUL.
#[inline]
pub(crate) fn quoted(text: &[u8], at: usize, allowed: Quoted) -> Result<(usize, bool), Refusal> {
    let open = || (at, Problem::OpenQuote);
    let mut ascii = true;
    let mut i = at + 1;
    loop {
        i += plain_run(&text[i..]);
        match *text.get(i).ok_or_else(open)? {
            b'"' => return Ok((i + 1, ascii)),
            b'\\' => {
                i += 1;
                if allowed.nuls {
                    i = skip_nuls(text, i);
                }
                match text.get(i) {
                    None | Some(b'\n' | 0) => return Err(open()),
                    Some(byte) => ascii &= byte.is_ascii(),
                }
            }
            b'\n' if !allowed.line_breaks => return Err(open()),
            0 if !allowed.nuls => return Err(open()),
            byte => ascii &= byte.is_ascii(),
        }
        i += 1;
    }
}

/// How many bytes from the start need no look within quotes.
#[inline]
fn plain_run(text: &[u8]) -> usize {
    text.iter()
        .position(|b| is(*b, SPECIAL))
        .unwrap_or(text.len())
}

/// Reads what stands between braces, from behind the opening one to behind the closing one,
/// and shows each part to `visit`. `named` says whether the metric's name stood before the
/// brace. Answers the end and whether there is a name now.
///
/// The values are checked to be UTF-8; the names are not, since Prometheus looks at them only
/// when it makes the labels.
#[inline]
pub(crate) fn braces<'a>(
    text: &'a [u8],
    mut at: usize,
    grammar: Braces,
    mut named: bool,
    mut visit: impl FnMut(Part<'a>),
) -> Result<(usize, bool), Refusal> {
    let blanks = |at| match grammar {
        Braces::Text => skip_blanks(text, at),
        Braces::OpenMetrics | Braces::Exemplar => at,
    };
    let name_quotes = Quoted {
        line_breaks: grammar != Braces::Exemplar,
        nuls: false,
    };
    let value_quotes = Quoted {
        line_breaks: grammar == Braces::Text,
        nuls: grammar != Braces::Exemplar,
    };
    let wrong = |at, expected| {
        let found = found(text, at);
        Err((at, Problem::Expected { expected, found }))
    };
    loop {
        at = blanks(at);
        let name_at = at;
        let mut name_is_quoted = false;
        let name = match text.get(at) {
            Some(b'}') => return Ok((at + 1, named)),
            Some(b'"') => {
                (at, _) = quoted(text, at, name_quotes)?;
                name_is_quoted = true;
                &text[name_at + 1..at - 1]
            }
            Some(&byte) if is(byte, NAME_START) => {
                at = run(text, at, NAME);
                &text[name_at..at]
            }
            _ => return wrong(at, "a label name or \"}\""),
        };
        at = blanks(at);
        match text.get(at) {
            Some(b'=') => at += 1,
            Some(b',' | b'}') if name_is_quoted && grammar != Braces::Exemplar => {
                if named {
                    return Err((name_at, Problem::SecondName));
                }
                named = true;
                visit(Part::MetricName(name));
                if text[at] == b',' {
                    at += 1;
                }
                continue;
            }
            _ => return wrong(at, "\"=\" behind the label name"),
        }
        let value_at = match blanks(at) {
            same if same == at => at,
            // Prometheus's lexer is in the midst of a label value here and passes over NULs.
            after_blanks => skip_nuls_and_blanks(text, after_blanks),
        };
        if text.get(value_at) != Some(&b'"') {
            return wrong(value_at, "a quoted label value");
        }
        let (end, ascii) = quoted(text, value_at, value_quotes)?;
        let value = &text[value_at + 1..end - 1];
        if !ascii && std::str::from_utf8(value).is_err() {
            return Err((value_at, Problem::NotUtf8("label value")));
        }
        visit(Part::Label {
            at: name_at,
            name,
            value,
        });
        at = end;
        if value_quotes.nuls {
            at = skip_nuls(text, at);
        }
        at = blanks(at);
        match text.get(at) {
            Some(b',') => at += 1,
            Some(b'}') => {}
            _ if grammar == Braces::Text => {}
            _ => return wrong(at, "\",\" or \"}\" behind the label value"),
        }
    }
}

fn skip_nuls_and_blanks(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | 0)) {
        at += 1;
    }
    at
}

/// The error for a number that is none.
#[cold]
pub(crate) fn no_number(what: &'static str, at: usize, token: &[u8]) -> Refusal {
    let text = excerpt(token);
    (at, Problem::Number { what, text })
}
