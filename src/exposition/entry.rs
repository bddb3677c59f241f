use crate::error::{Error, Position};
use crate::format::Format;
use crate::series_text;
use series::{Labels, MetricKind};
use std::borrow::Cow;
use std::ops::Range;

/// One line of a page.
#[derive(Debug, Clone)]
pub enum Entry<'a> {
    /// A `HELP` line. Bytes of the name that are not UTF-8 are replaced by U+FFFD.
    Help {
        /// The metric family.
        family: Cow<'a, str>,
        /// The text, unescaped.
        text: Cow<'a, str>,
    },
    /// A `TYPE` line.
    Type {
        /// The metric family.
        family: Cow<'a, str>,
        /// The type; `untyped` of Prometheus's text is [`MetricKind::Unknown`].
        kind: MetricKind,
    },
    /// A `UNIT` line, which only OpenMetrics has.
    Unit {
        /// The metric family.
        family: Cow<'a, str>,
        /// The unit; may be empty.
        unit: Cow<'a, str>,
    },
    /// A value of a series.
    Sample(Sample<'a>),
    /// Any other comment, `#` included, which only Prometheus's text has.
    Comment(&'a [u8]),
}

/// A value of a series.
#[derive(Debug, Clone)]
pub struct Sample<'a> {
    /// The text of the series up to its value, without the blanks around it: the key of a cache
    /// of series, and what [`Parser::next_expecting`](crate::Parser::next_expecting) takes.
    ///
    /// Equal texts make equal labels under one type of metric; different texts may make equal
    /// labels too (`a{b="c"}` and `a{b="c",}`).
    pub series: &'a [u8],
    /// The value; every NaN is [`NORMAL_NAN`](crate::NORMAL_NAN).
    pub value: f64,
    /// The time that the page gives the sample, in milliseconds since the epoch.
    pub time: Option<i64>,
    /// The exemplar, which only OpenMetrics has.
    pub exemplar: Option<RawExemplar<'a>>,
    /// Whether the series was the expected one, so that only its value was read.
    pub expected: bool,
    pub(crate) page: &'a [u8],
    pub(crate) start: usize,
    pub(crate) format: Format,
    pub(crate) kind: MetricKind,
}

impl Sample<'_> {
    /// Makes the labels, `__name__` among them. The text was checked when it was parsed; what
    /// is left to find is what Prometheus also finds only now.
    ///
    /// As in Prometheus, the bounds `le` of a histogram and `quantile` of a summary are written
    /// anew (`1` as `1.0`), and a label with an empty value is absent, as are all others of its
    /// name. The last `TYPE` line before the sample decides, whatever family it names.
    ///
    /// # Errors
    /// When the metric's name is empty, a name is not UTF-8 or empty, or a label stands twice:
    /// Prometheus refuses the whole page then.
    pub fn labels(&self) -> Result<Labels, Error> {
        series_text::labels(self.series, self.format, self.kind)
            .map_err(|(offset, problem)| Error::at(self.page, self.start + offset, problem))
    }

    /// Where the series' text begins.
    #[must_use]
    pub fn position(&self) -> Position {
        Position::of(self.page, self.start)
    }

    /// The type that the last `TYPE` line before the sample named.
    #[must_use]
    pub fn preceding_kind(&self) -> MetricKind {
        self.kind
    }

    /// The bytes of the page that the series' text takes.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.series.len()
    }
}

/// An exemplar whose labels are not made yet.
#[derive(Debug, Clone)]
pub struct RawExemplar<'a> {
    /// The value; every NaN is [`NORMAL_NAN`](crate::NORMAL_NAN).
    pub value: f64,
    /// The time that the page gives, in milliseconds since the epoch.
    pub time: Option<i64>,
    pub(crate) page: &'a [u8],
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl RawExemplar<'_> {
    /// Makes the exemplar's labels.
    ///
    /// # Errors
    /// When a name is not UTF-8 or empty, or a label stands twice. Prometheus takes the page
    /// nevertheless; such an exemplar is to be left out.
    pub fn labels(&self) -> Result<Labels, Error> {
        series_text::exemplar_labels(&self.page[self.start..self.end])
            .map_err(|(offset, problem)| Error::at(self.page, self.start + offset, problem))
    }

    /// Where the exemplar's labels begin.
    #[must_use]
    pub fn position(&self) -> Position {
        Position::of(self.page, self.start)
    }
}
