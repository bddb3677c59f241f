use crate::interval::{parse_interval, round_to_nice};
use crate::macros::{self, Values};
use crate::{Error, align};
use series::TimeRange;

/// The number of points of a panel that does not say how many it can draw.
pub const DEFAULT_MAX_DATA_POINTS: i64 = 1_500;

/// How often samples are scraped where no setting says.
pub const DEFAULT_SCRAPE_INTERVAL_MS: i64 = 15_000;

/// Prometheus answers no range query with more points per series.
const SAFE_POINTS: i64 = 11_000;

/// `$__rate_interval` is at least so many scrapes, so that a rate survives a missing one.
const RATE_INTERVAL_SCRAPES: i64 = 4;

const NANOS_PER_MS: i128 = 1_000_000;

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
    /// Most points the panel can draw; 0 means [`DEFAULT_MAX_DATA_POINTS`].
    pub max_data_points: i64,
    /// When, in milliseconds since the epoch.
    pub time_range: TimeRange,
    /// `utcOffsetSec`: seconds by which the viewer's clock is ahead of UTC, so that a step of a
    /// day starts at the viewer's midnight.
    pub utc_offset_sec: i64,
    /// How often samples are scraped, in milliseconds: the setting `timeInterval`, or in
    /// embedded mode what the target is scraped at. `None` means
    /// [`DEFAULT_SCRAPE_INTERVAL_MS`].
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
    /// What `$__interval` stood for, in milliseconds, before it was cut to one unit.
    pub interval_ms: i64,
    /// What `$__rate_interval` stood for, in milliseconds.
    pub rate_interval_ms: i64,
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
    /// Works out step, alignment and macros (query contract, "Step", "Macros", "Alignment").
    ///
    /// A range of no length is one evaluation.
    ///
    /// # Errors
    /// [`Error`] with what is wrong in Min step or the time range.
    pub fn resolve(&self) -> Result<Resolved, Error> {
        let TimeRange { start, end } = self.time_range;
        if end < start {
            return Err(Error::Reversed { start, end });
        }
        let range_ms = i128::from(end) - i128::from(start);
        let steps = self.steps(range_ms)?;
        let expr = macros::replace(
            &self.expr,
            &Values {
                interval_ms: steps.interval_ms,
                rate_interval_ms: steps.rate_interval_ms,
                range_ms,
            },
        );
        let range = match self.kind {
            Kind::Instant => None,
            Kind::Range | Kind::Both => Some(RangeQuery {
                expr: expr.clone(),
                start_ms: align(start, steps.step_ms, self.utc_offset_sec)?,
                end_ms: align(end, steps.step_ms, self.utc_offset_sec)?,
                step_ms: steps.step_ms,
            }),
        };
        let instant = match self.kind {
            Kind::Range => None,
            Kind::Instant | Kind::Both => Some(InstantQuery {
                expr: expr.clone(),
                time_ms: end,
            }),
        };
        Ok(Resolved {
            range,
            instant,
            expr,
            step_ms: steps.step_ms,
            interval_ms: steps.interval_ms,
            rate_interval_ms: steps.rate_interval_ms,
        })
    }

    fn steps(&self, range_ms: i128) -> Result<Steps, Error> {
        let scrape_ms = self
            .scrape_interval_ms
            .unwrap_or(DEFAULT_SCRAPE_INTERVAL_MS);
        if scrape_ms < 0 {
            return Err(Error::NotPositive {
                what: "scrape interval",
                text: format!("{scrape_ms} ms"),
            });
        }
        let min_step = MinStep::read(&self.min_step)?;
        let min_ms = match min_step {
            MinStep::Interval(ms) => ms,
            _ if self.interval_ms > 0 => self.interval_ms,
            _ => scrape_ms,
        };

        let points = match self.max_data_points {
            0 => DEFAULT_MAX_DATA_POINTS,
            points => points,
        };
        let range_ns = range_ms * NANOS_PER_MS;
        let per_point_ns = range_ns / i128::from(points);
        let calculated_ms = if per_point_ns < i128::from(min_ms) * NANOS_PER_MS {
            min_ms
        } else {
            round_to_nice(per_point_ns)
        };
        let interval_ms = calculated_ms.max(round_to_nice(range_ns / i128::from(SAFE_POINTS)));

        if min_step == MinStep::RateInterval {
            let step_ms = rate_interval(interval_ms, scrape_ms)?;
            return Ok(Steps {
                step_ms,
                interval_ms: step_ms,
                rate_interval_ms: step_ms,
            });
        }
        let step_ms = interval_ms
            .checked_mul(self.interval_factor.max(1))
            .ok_or(Error::OutOfRange { what: "step" })?;
        // The panel's own interval and not the step goes into the rate interval, and a Min step
        // takes the place of the scrape interval.
        let call_interval_ms = match self.call_interval_ms {
            0 => self.interval_ms,
            ms => ms,
        };
        let rate_scrape_ms = match min_step {
            MinStep::Interval(ms) => ms,
            MinStep::StepInterval => step_ms,
            MinStep::Unset | MinStep::RateInterval => scrape_ms,
        };
        Ok(Steps {
            step_ms,
            // Grafana's Prometheus data source 13.1.7 fills in the step after the factor.
            interval_ms: step_ms,
            rate_interval_ms: rate_interval(call_interval_ms.max(0), rate_scrape_ms.max(0))?,
        })
    }
}

struct Steps {
    step_ms: i64,
    interval_ms: i64,
    rate_interval_ms: i64,
}

/// `max(interval + scrape, 4 × scrape)`, all in milliseconds.
fn rate_interval(interval_ms: i64, scrape_ms: i64) -> Result<i64, Error> {
    let shortest = scrape_ms.checked_mul(RATE_INTERVAL_SCRAPES);
    interval_ms
        .checked_add(scrape_ms)
        .zip(shortest)
        .map(|(sum, shortest)| sum.max(shortest))
        .ok_or(Error::OutOfRange {
            what: "rate interval",
        })
}

/// What stands under Min step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MinStep {
    /// Nothing, or `0s`, which Grafana writes for nothing.
    Unset,
    /// Milliseconds; zero or less means that there is no minimum.
    Interval(i64),
    /// `$__interval` or `$__interval_ms`.
    StepInterval,
    /// `$__rate_interval` or `$__rate_interval_ms`: the step is the rate interval.
    RateInterval,
}

impl MinStep {
    fn read(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        Ok(match macros::sole_macro(text) {
            Some("__interval" | "__interval_ms") => Self::StepInterval,
            Some("__rate_interval" | "__rate_interval_ms") => Self::RateInterval,
            _ if text.is_empty() || text == "0s" => Self::Unset,
            _ => Self::Interval(parse_interval(text)?),
        })
    }
}

#[cfg(test)]
mod tests;
