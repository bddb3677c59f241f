use crate::Error;
use series::TimeRange;

/// Which queries a question stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Values over the time range; also what a query that says nothing means.
    #[default]
    Range,
    /// Values at the end of the time range.
    Instant,
    /// Both, answered side by side.
    Both,
}

impl Kind {
    /// Reads the query's two switches; neither means [`Kind::Range`], as in old dashboards.
    #[must_use]
    pub fn from_switches(range: bool, instant: bool) -> Self {
        match (range, instant) {
            (true, true) => Self::Both,
            (false, true) => Self::Instant,
            (_, false) => Self::Range,
        }
    }
}

/// What a panel, an alert rule or Explore asks, before macros and alignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// PromQL with macros.
    pub expr: String,
    /// Range, instant, or both.
    pub kind: Kind,
    /// "Min step" (`interval` in the query JSON): an interval, a bare number of seconds, one of
    /// the interval macros, or empty.
    pub min_step: String,
    /// `intervalMs` of the query JSON, in milliseconds; 0 where it is missing.
    pub interval_ms: i64,
    /// The interval of Grafana's call (`DataQuery.intervalMS` of the protocol), in milliseconds;
    /// `$__rate_interval` is reckoned from it. 0 where it is missing.
    pub call_interval_ms: i64,
    /// `intervalFactor` of the query JSON; 0 means 1.
    pub interval_factor: i64,
    /// Most points the panel can draw; 0 means 1,500.
    pub max_data_points: i64,
    /// When, in milliseconds since the epoch.
    pub time_range: TimeRange,
    /// `utcOffsetSec`: seconds by which the viewer's clock is ahead of UTC, so that a step of a
    /// day starts at the viewer's midnight.
    pub utc_offset_sec: i64,
    /// How often samples are scraped, in milliseconds: the setting `timeInterval`, or in
    /// embedded mode what the target is scraped at. `None` means
    /// 15 s.
    pub scrape_interval_ms: Option<i64>,
}

/// A question ready for an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Present for [`Kind::Range`] and [`Kind::Both`].
    pub range: Option<RangeQuery>,
    /// Present for [`Kind::Instant`] and [`Kind::Both`].
    pub instant: Option<InstantQuery>,
    /// PromQL without macros.
    pub expr: String,
    /// The final step in milliseconds, greater than zero: `config.interval` of the frames,
    /// `custom.calculatedMinStep` and the `Step:` line of their meta.
    pub step_ms: i64,
}

/// One evaluation per step over a range.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RangeQuery {
    /// PromQL without macros.
    pub expr: String,
    /// First evaluation, in milliseconds since the epoch, on the step's grid.
    pub start_ms: i64,
    /// No evaluation is later; in milliseconds since the epoch, on the step's grid.
    pub end_ms: i64,
    /// Milliseconds between evaluations, greater than zero.
    pub step_ms: i64,
}

/// One evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InstantQuery {
    /// PromQL without macros.
    pub expr: String,
    /// When, in milliseconds since the epoch.
    pub time_ms: i64,
}

impl Question {
    /// Works out step, alignment and macros.
    ///
    /// # Errors
    /// [`Error`] with what is wrong in Min step or the time range.
    pub fn resolve(&self) -> Result<Resolved, Error> {
        Err(Error::OutOfRange { what: "skeleton" })
    }
}
