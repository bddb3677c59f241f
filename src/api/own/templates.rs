//! Queries with Grafana's variables in them.
//!
//! What a variable will stand for is not known here: it may be a duration, a name, a number or
//! half a selector. So each is filled in with what its place calls for, and with the next guess
//! where that does not parse; a query counts as right when one filling is. Positions are those
//! of the text as it was written.

use promql::{Expr, ParseError, Span};
use std::ops::Range;

/// Fillings that are tried before the query is called wrong.
const MAX_TRIES: usize = 48;

/// Between brackets a duration stands, and a bare number where a unit follows.
const IN_BRACKETS: &[&str] = &["5m", "5", "5m:1m"];
const DIGITS: &[&str] = &["5"];
const UNIT: &[&str] = &["m"];
const DURATION: &[&str] = &["5m"];
const TIME: &[&str] = &["1", "start()"];
const PART_OF_NAME: &[&str] = &["x"];
const BEFORE_PAREN: &[&str] = &["sum", "rate", "abs", "by", "and", "+", "quantile_over_time"];
const ANY: &[&str] = &[
    "x", "1", "x=\"x\"", "\"x\"", "+", "5m", "by (x)", "[5m]", "",
];

/// What is wrong with a query, in the place where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// `1:5: parse error: …`
    pub(crate) message: String,
    /// Bytes of the query as it was written.
    pub(crate) span: Range<usize>,
    /// From 1.
    pub(crate) line: usize,
    /// In bytes, from 1.
    pub(crate) column: usize,
}

/// Reads a query in which variables may stand.
pub(crate) fn parse(query: &str) -> Result<Expr, Mistake> {
    let holes = holes(query);
    if holes.is_empty() {
        return promql::parse(query).map_err(|error| mistake(query, &error, error.span));
    }
    let mut chosen = vec![0; holes.len()];
    let mut furthest: Option<(usize, Mistake)> = None;
    for _ in 0..MAX_TRIES {
        let filled = Filled::new(query, &holes, &chosen);
        let error = match promql::parse(&filled.text) {
            Ok(expr) => return Ok(expr),
            Err(error) => error,
        };
        let span = filled.original(error.span, query.len());
        let next = next_guess(&holes, &chosen, span);
        // The filling that was understood furthest says best what is wrong.
        if furthest
            .as_ref()
            .is_none_or(|(start, _)| span.start > *start)
        {
            furthest = Some((span.start, mistake(query, &error, span)));
        }
        match next {
            Some(hole) => chosen[hole] += 1,
            None => break,
        }
    }
    Err(furthest.map_or_else(
        || Mistake {
            message: "the query cannot be read".to_owned(),
            span: 0..query.len(),
            line: 1,
            column: 1,
        },
        |(_, mistake)| mistake,
    ))
}

fn mistake(query: &str, error: &ParseError, span: Span) -> Mistake {
    let (line, column) = span.line_and_column(query);
    let placed = ParseError {
        span,
        line,
        column,
        ..error.clone()
    };
    Mistake {
        message: placed.to_string(),
        span: span.start..span.end,
        line,
        column,
    }
}

/// The variable to guess anew after a mistake at `span`: one in that place, the last before it,
/// or any that still has guesses.
fn next_guess(holes: &[Hole], chosen: &[usize], span: Span) -> Option<usize> {
    let open = |hole: &usize| chosen[*hole] + 1 < holes[*hole].guesses.len();
    let all = 0..holes.len();
    let touches =
        |hole: &usize| holes[*hole].place.start <= span.end && span.start <= holes[*hole].place.end;
    all.clone()
        .filter(touches)
        .find(open)
        .or_else(|| {
            all.clone()
                .rev()
                .filter(|hole| holes[*hole].place.end <= span.start)
                .find(open)
        })
        .or_else(|| all.clone().find(open))
}

/// A variable's place, and what may stand there.
struct Hole {
    place: Range<usize>,
    guesses: &'static [&'static str],
}

/// A query with every variable filled in.
struct Filled {
    text: String,
    /// For each hole where it was and where its filling is.
    places: Vec<(Range<usize>, Range<usize>)>,
}

impl Filled {
    fn new(query: &str, holes: &[Hole], chosen: &[usize]) -> Self {
        let mut text = String::with_capacity(query.len());
        let mut places = Vec::with_capacity(holes.len());
        let mut end = 0;
        for (hole, chosen) in holes.iter().zip(chosen) {
            text.push_str(&query[end..hole.place.start]);
            let start = text.len();
            text.push_str(hole.guesses.get(*chosen).copied().unwrap_or_default());
            places.push((hole.place.clone(), start..text.len()));
            end = hole.place.end;
        }
        text.push_str(&query[end..]);
        Self { text, places }
    }

    /// A stretch of the filled text as one of the query as it was written.
    fn original(&self, span: Span, length: usize) -> Span {
        let at = |position: usize, is_end: bool| {
            let before = self
                .places
                .iter()
                .rev()
                .find(|(_, filled)| filled.start <= position);
            match before {
                None => position,
                Some((hole, filled)) if position < filled.end => {
                    if is_end && position > filled.start {
                        hole.end
                    } else {
                        hole.start
                    }
                }
                Some((hole, filled)) => hole.end + (position - filled.end),
            }
            .min(length)
        };
        let start = at(span.start, false);
        Span::new(start, at(span.end, true).max(start))
    }
}

/// Finds the variables: `$name`, `${name}`, `${name.field:format}`, `[[name:format]]`.
fn holes(query: &str) -> Vec<Hole> {
    let bytes = query.as_bytes();
    let mut holes: Vec<Hole> = Vec::new();
    let mut quote = None;
    let mut brackets = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        if let Some(length) = variable(&query[at..]) {
            let place = at..at + length;
            let guesses = if quote.is_some() {
                PART_OF_NAME
            } else {
                guesses(query, &place, brackets > 0)
            };
            holes.push(Hole { place, guesses });
            at += length;
            continue;
        }
        let byte = bytes[at];
        at += 1;
        match (quote, byte) {
            // An escape cannot end a text; between backquotes there are none.
            (Some(b'"' | b'\''), b'\\') => at += 1,
            (Some(open), byte) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'' | b'`') => quote = Some(byte),
            (None, b'#') => {
                at = query
                    .get(at..)
                    .and_then(|rest| rest.find('\n'))
                    .map_or(bytes.len(), |line| at + line);
            }
            (None, b'[') => brackets += 1,
            (None, b']') => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        // Whole characters only, also behind an escape.
        while at < bytes.len() && !query.is_char_boundary(at) {
            at += 1;
        }
    }
    holes
}

/// The length of the variable at the start of `text`.
fn variable(text: &str) -> Option<usize> {
    let name = |text: &str| {
        text.bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
            .count()
    };
    if let Some(rest) = text.strip_prefix("[[") {
        let name = name(rest);
        let after = rest[name..].strip_prefix(':').unwrap_or(&rest[name..]);
        let end = after.find("]]")?;
        let format = &after[..end];
        let plain = format
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_');
        return (name > 0 && plain).then(|| text.len() - after.len() + end + 2);
    }
    let rest = text.strip_prefix('$')?;
    if let Some(braced) = rest.strip_prefix('{') {
        let name = name(braced);
        let after = &braced[name..];
        let ends = after.starts_with(['}', ':', '.']);
        let end = after.find('}')?;
        return (name > 0 && ends).then_some(2 + name + end + 1);
    }
    let name = name(rest);
    (name > 0).then_some(1 + name)
}

/// What may stand in a place outside of texts.
fn guesses(query: &str, place: &Range<usize>, in_brackets: bool) -> &'static [&'static str] {
    let before = &query[..place.start];
    let after = &query[place.end..];
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let touches_before = before.ends_with(is_part);
    let touches_after = after.starts_with(is_part);
    if in_brackets {
        return if before.ends_with(|c: char| c.is_ascii_digit()) {
            UNIT
        } else if after.starts_with(|c: char| c.is_ascii_alphabetic()) {
            DIGITS
        } else {
            IN_BRACKETS
        };
    }
    if touches_before || touches_after {
        return PART_OF_NAME;
    }
    let before = before.trim_end();
    if before.ends_with('@') {
        return TIME;
    }
    let word_start = before
        .rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .map_or(0, |at| at + 1);
    let word = before.get(word_start..).unwrap_or_default();
    if word.eq_ignore_ascii_case("offset") || before.to_ascii_lowercase().ends_with("offset -") {
        return DURATION;
    }
    let after = after.trim_start();
    let next_word = after
        .find(|c: char| !c.is_ascii_alphabetic())
        .map_or(after, |end| &after[..end]);
    if after.starts_with('(') || matches!(next_word, "by" | "without") {
        return BEFORE_PAREN;
    }
    ANY
}

#[cfg(test)]
mod tests;
