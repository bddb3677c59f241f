use std::any::Any;

use crate::{Exemplar, Extras, Interrupt, Labels, Matcher, Metadata, Result, TimeRange, Workers};

/// Where samples and their labels are read.
pub trait SeriesSource: Send + Sync {
    /// The series that fulfil all `matchers` and may have samples in `range`.
    ///
    /// The set is a fixed view: what is written or compacted later does not change it. A large
    /// one is put together by `workers`.
    ///
    /// # Errors
    /// [`crate::Error`] when the index cannot be read or the work was interrupted.
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        interrupt: &Interrupt,
        workers: &dyn Workers,
    ) -> Result<Box<dyn SeriesSet>>;

    /// The names of all labels of the series asked for, sorted.
    ///
    /// # Errors
    /// As [`SeriesSource::select`].
    fn label_names(
        &self,
        query: &LabelQuery<'_>,
        interrupt: &Interrupt,
    ) -> Result<Limited<Vec<String>>>;

    /// The values of the label `name` of the series asked for, sorted.
    ///
    /// # Errors
    /// As [`SeriesSource::select`].
    fn label_values(
        &self,
        name: &str,
        query: &LabelQuery<'_>,
        interrupt: &Interrupt,
    ) -> Result<Limited<Vec<String>>>;

    /// The label sets of the series asked for, sorted.
    ///
    /// # Errors
    /// As [`SeriesSource::select`].
    fn series(&self, query: &LabelQuery<'_>, interrupt: &Interrupt)
    -> Result<Limited<Vec<Labels>>>;

    /// Exemplars of the series that fulfil one of `selectors`, by series, in order of time.
    ///
    /// # Errors
    /// As [`SeriesSource::select`].
    fn exemplars(
        &self,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        interrupt: &Interrupt,
    ) -> Result<Vec<SeriesExemplars>>;

    /// Metadata by metric family, sorted by name; with `metric` only of that one.
    fn metadata(&self, metric: Option<&str>) -> Vec<(String, Vec<Metadata>)>;
}

/// Which series a question about labels is about.
#[derive(Debug, Clone, Copy)]
pub struct LabelQuery<'a> {
    /// A series counts when it fulfils all matchers of one of these; none means every series.
    pub selectors: &'a [Vec<Matcher>],
    /// When the series must have samples, as coarsely as the index knows it.
    pub range: TimeRange,
    /// Most entries to give back; `None` for all.
    pub limit: Option<usize>,
}

/// A list that may have been cut at a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limited<T> {
    /// The entries.
    pub entries: T,
    /// Whether there were more.
    pub truncated: bool,
}

/// Exemplars of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesExemplars {
    /// The series.
    pub labels: Labels,
    /// Its exemplars, increasing in time.
    pub exemplars: Vec<Exemplar>,
}

/// Series that were selected, to be read in any order and from any thread.
///
/// Series that are scraped together share a *timeline*: one column of times, of which each run
/// of a series's values covers a piece. Whoever evaluates reads a timeline once, does what
/// depends on times alone (the edges of windows) once, and then reads the values of its series.
pub trait SeriesSet: Send + Sync {
    /// How many series there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The labels of a series; `series` is below [`SeriesSet::len`]. Series stand in the order
    /// of their labels, none twice.
    fn labels(&self, series: usize) -> &Labels;

    /// At most so many samples will be read for a series; for bounds, before reading.
    fn sample_bound(&self, series: usize) -> usize;

    /// How many timelines there are.
    fn timelines(&self) -> usize;

    /// Replaces `times` by the timeline's column: milliseconds since the epoch, strictly
    /// increasing. It may begin before and end after the range asked for.
    ///
    /// # Errors
    /// [`crate::Error`] when the bytes cannot be read.
    fn read_times(&self, timeline: usize, times: &mut Vec<i64>) -> Result<()>;

    /// Replaces `columns` by the values of a series, in order of time.
    ///
    /// # Errors
    /// [`crate::Error`] when the bytes cannot be read. A damaged chunk is no error: its samples
    /// are missing and [`SeriesSet::warnings`] says so.
    fn read(&self, series: usize, columns: &mut Columns) -> Result<()>;

    /// Whether any series may have [`Extras`]; where not, they need not be read.
    fn has_extras(&self) -> bool {
        false
    }

    /// Replaces `extras` by the native histograms and start times of a series.
    ///
    /// # Errors
    /// As [`SeriesSet::read`].
    fn read_extras(&self, series: usize, extras: &mut Extras) -> Result<()> {
        let _ = series;
        extras.clear();
        Ok(())
    }

    /// What could not be read so far, in words for a person.
    fn warnings(&self) -> Vec<String>;
}

/// The values of one series: runs that follow each other in time, and their values end to end.
#[derive(Debug, Default)]
pub struct Columns {
    /// The values of all runs, one run behind the other. Stale markers are among them.
    pub values: Vec<f64>,
    /// Where the values stand in time. Almost always one run.
    pub runs: Vec<Run>,
    /// What a set keeps with who reads from it.
    pub kept: Kept,
}

impl Columns {
    /// Empties values and runs, keeping their memory.
    pub fn clear(&mut self) {
        self.values.clear();
        self.runs.clear();
    }
}

/// What a set keeps with a reader between one series and the next, of a type that it alone knows.
#[derive(Debug, Default)]
pub struct Kept(Option<Box<dyn Any + Send + Sync>>);

impl Kept {
    /// What was put here, or a new one where that was nothing of this type.
    #[must_use]
    pub fn take<T: Any + Send + Sync + Default>(&mut self) -> Box<T> {
        let kept = self.0.take().and_then(|kept| kept.downcast().ok());
        kept.unwrap_or_default()
    }

    /// Keeps it for the next series.
    pub fn put<T: Any + Send + Sync>(&mut self, kept: Box<T>) {
        self.0 = Some(kept);
    }
}

/// Consecutive rows of one timeline in which a series has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Which timeline.
    pub timeline: usize,
    /// The first row of that timeline's column.
    pub row: usize,
    /// How many rows.
    pub len: usize,
    /// Known to hold no value below the one before it and no NaN: a counter without a restart.
    /// `false` means unknown.
    pub never_decreases: bool,
    /// Known to hold no NaN, and so no stale marker. `false` means unknown.
    pub no_nan: bool,
}
