use std::fmt;

/// A place in a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, counted from 1.
    pub line: usize,
    /// The byte within the line, counted from 1 (bytes, not characters, so that it can be
    /// looked up in a page that is not UTF-8).
    pub column: usize,
}

impl Position {
    /// The place of the byte `offset` of `page`; offsets behind the end count as the end.
    #[must_use]
    pub fn of(page: &[u8], offset: usize) -> Self {
        let before = &page[..offset.min(page.len())];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        Self {
            line: memchr::memchr_iter(b'\n', before).count() + 1,
            column: before.len() - line_start + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a page is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {problem}")]
pub struct Error {
    /// Where the text stops making sense.
    pub position: Position,
    /// What is wrong there.
    pub problem: Problem,
}

impl Error {
    pub(crate) fn at(page: &[u8], offset: usize, problem: Problem) -> Self {
        Self {
            position: Position::of(page, offset),
            problem,
        }
    }
}

/// What is wrong with a page. Texts of the page are cut to [`Problem::EXCERPT`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Something else had to stand here.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What may stand here, in words.
        expected: &'static str,
        /// What does, quoted, or "the end of the line" or "of the page".
        found: String,
    },
    /// A quoted text does not end on its line or page, or holds a byte that it may not hold.
    #[error("the quoted text that begins here is not closed")]
    OpenQuote,
    /// A number is none, or is beyond what 64 bits of floating point hold.
    #[error("{what} {text:?} is not a decimal number, Inf or NaN, or is out of range")]
    Number {
        /// Which number: "value", "timestamp", "exemplar value", "exemplar timestamp".
        what: &'static str,
        /// What stands in its place.
        text: String,
    },
    /// A timestamp is NaN or infinite, or does not fit 64 bits.
    #[error("{what} {text:?} is not a point in time")]
    Timestamp {
        /// Which one: "timestamp" or "exemplar timestamp".
        what: &'static str,
        /// What stands in its place.
        text: String,
    },
    /// A `TYPE` line names no type of this format.
    #[error("{text:?} is not a metric type of {format}")]
    Type {
        /// The word in the type's place.
        text: String,
        /// The format's name.
        format: &'static str,
    },
    /// A unit has to be the end of its metric's name, behind an underscore.
    #[error("unit {unit:?} does not end the name of metric {metric:?} behind an underscore")]
    Unit {
        /// The unit.
        unit: String,
        /// The metric's name.
        metric: String,
    },
    /// A text that has to be UTF-8 is not.
    #[error("the {0} is not valid UTF-8")]
    NotUtf8(&'static str),
    /// Braces without a metric name before or within.
    #[error("the series has no metric name")]
    NoName,
    /// A second metric name within the braces.
    #[error("the series has a second metric name")]
    SecondName,
    /// A quoted label name of no characters.
    #[error("a label name is empty")]
    EmptyLabelName,
    /// A label stands twice.
    #[error("label {0:?} stands twice")]
    RepeatedLabel(String),
    /// The page of an OpenMetrics target was cut off.
    #[error("the page does not end with \"# EOF\"")]
    NoEof,
    /// Something stands behind `# EOF`.
    #[error("there is text behind \"# EOF\"")]
    AfterEof,
}

impl Problem {
    /// The longest piece of a page that an error repeats, in bytes.
    pub const EXCERPT: usize = 60;
}

/// At most [`Problem::EXCERPT`] bytes of `text`, readable.
pub(crate) fn excerpt(text: &[u8]) -> String {
    let cut = &text[..text.len().min(Problem::EXCERPT)];
    let mut readable = String::from_utf8_lossy(cut).into_owned();
    if cut.len() < text.len() {
        readable.push('…');
    }
    readable
}

/// What stands at `offset`, up to the next blank, in words.
pub(crate) fn found(page: &[u8], offset: usize) -> String {
    let rest = page.get(offset..).unwrap_or_default();
    match rest.first() {
        None => "the end of the page".into(),
        Some(b'\n') => "the end of the line".into(),
        Some(b' ') => "a space".into(),
        Some(_) => {
            let end = rest
                .iter()
                .position(|b| matches!(b, b' ' | b'\n'))
                .unwrap_or(rest.len());
            format!("{:?}", excerpt(&rest[..end]))
        }
    }
}
