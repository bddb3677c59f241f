use crate::{Exemplar, Extras, Labels, Metadata, Result, Sample};

/// A series within one [`TargetAppender`]: an index that is good until the appender goes or the
/// series is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesRef(pub u32);

/// Where samples are written.
pub trait Appender: Send + Sync {
    /// Opens a target: the place of samples that are scraped together and so share their time.
    ///
    /// `target` identifies it across restarts (its labels before relabelling of metrics). Two
    /// open appenders of one target are allowed and write side by side.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when nothing can be written now.
    fn target(&self, target: &Labels) -> Result<Box<dyn TargetAppender>>;

    /// Writes series with times of their own, of any age within the store's bounds, as remote
    /// write brings them. When this returns, the samples counted as stored are on disk.
    ///
    /// # Errors
    /// [`crate::Error::Limit`] or [`crate::Error::Unavailable`]; nothing was written then.
    fn write(&self, series: &[WriteSeries]) -> Result<Appended>;
}

/// Samples of one series in one write. Most bring one, which needs no memory of its own.
pub type FewSamples = smallvec::SmallVec<[Sample; 1]>;

/// One series of a remote write.
#[derive(Debug, Clone, PartialEq)]
pub struct WriteSeries {
    /// The whole label set, `__name__` included.
    pub labels: Labels,
    /// Samples, increasing in time.
    pub samples: FewSamples,
    /// Exemplars, increasing in time.
    pub exemplars: Vec<Exemplar>,
    /// What the sender says of the metric.
    pub metadata: Option<Metadata>,
    /// Native histograms, at other times than `samples`, and start times of `samples`.
    pub extras: Option<Box<Extras>>,
}

/// Where the samples of one target are written, scrape by scrape.
pub trait TargetAppender: Send {
    /// Makes a series known. The same labels give the same reference.
    ///
    /// # Errors
    /// [`crate::Error::Limit`] when the store holds as many series as it may.
    fn series(&mut self, labels: &Labels) -> Result<SeriesRef>;

    /// Forgets a series that is not going to be written again; its samples stay.
    fn release(&mut self, series: SeriesRef);

    /// Writes one scrape as a whole. When this returns, what it counts as stored is on disk.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] (a full disk, a closed store): nothing was written then.
    fn append(&mut self, scrape: &ScrapeRows<'_>) -> Result<Appended>;
}

/// One scrape.
#[derive(Debug, Clone, Copy)]
pub struct ScrapeRows<'a> {
    /// When the scrape began, in milliseconds since the epoch; the time of all `rows`.
    pub time: i64,
    /// Samples at `time`. Stale markers are rows with [`crate::STALE_NAN`].
    pub rows: &'a [(SeriesRef, f64)],
    /// Samples to which the page gave a time of their own.
    pub own: &'a [OwnRow],
    /// Exemplars.
    pub exemplars: &'a [ExemplarRow],
    /// Metric families whose metadata is new or changed since the last scrape, by family name.
    pub metadata: &'a [(String, Metadata)],
}

/// A sample with a time of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OwnRow {
    /// The series.
    pub series: SeriesRef,
    /// The time that the page gave, and the value.
    pub sample: Sample,
}

/// An exemplar of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct ExemplarRow {
    /// The series.
    pub series: SeriesRef,
    /// The exemplar; a page that gave no time gets the scrape's.
    pub exemplar: Exemplar,
}

/// What became of the samples handed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Appended {
    /// Written: numbers and native histograms.
    pub stored: u64,
    /// Native histograms among them.
    pub histograms: u64,
    /// Equal to a sample that was already there (same time, same value): not an error.
    pub duplicate: u64,
    /// Same time as a stored sample but another value: rejected.
    pub conflicting: u64,
    /// Older than the series's last sample and beyond the out-of-order window: rejected.
    pub out_of_order: u64,
    /// Beyond retention, or too far in the future: rejected.
    pub out_of_bounds: u64,
    /// Exemplars kept.
    pub exemplars: u64,
}
