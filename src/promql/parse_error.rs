use crate::span::Span;
use std::fmt;

/// Why a text is no query, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The text that is at fault; empty at the end of the query.
    pub span: Span,
    /// The line of the span's first byte, from 1.
    pub line: usize,
    /// The column of the span's first byte in its line, in bytes from 1.
    pub column: usize,
    /// What was found and what was expected.
    pub message: String,
    /// What may have been meant, where that can be guessed, such as `rate`.
    pub suggestion: Option<String>,
}

impl ParseError {
    pub(crate) fn new(query: &str, span: Span, message: impl Into<String>) -> Self {
        let (line, column) = span.line_and_column(query);
        Self {
            span,
            line,
            column,
            message: message.into(),
            suggestion: None,
        }
    }
}

/// `1:5: parse error: unknown function with name "rat" (did you mean "rate"?)`
impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            column,
            message,
            ..
        } = self;
        write!(f, "{line}:{column}: parse error: {message}")?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, " (did you mean {suggestion:?}?)")?;
        }
        Ok(())
    }
}

impl std::error::Error for ParseError {}

/// The candidate nearest to `word`, when it is near enough to be a slip of the fingers: at most
/// a third of the letters changed, added, left out or swapped.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    // Longer words are no slips of ours, and the distance costs their product.
    if word.len() > 64 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(3)) / 3)
        // Of equals, one that only lacks its end is likelier than one with another letter.
        .min_by_key(|(distance, candidate)| (*distance, !candidate.starts_with(&word)))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["rad", "rate", "irate", "increase", "sum", "avg"];
        assert_eq!(nearest("rat", known), Some("rate"));
        assert_eq!(nearest("Rate", known), Some("rate"));
        assert_eq!(nearest("incraese", known), Some("increase"));
        assert_eq!(nearest("smu", known), Some("sum"));
        assert_eq!(nearest("histogram", known), None);
    }
}
