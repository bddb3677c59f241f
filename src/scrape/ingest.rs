//! Turns one target's pages into rows and hands them to its appender.
//!
//! The order of things follows Prometheus's scrape loop (`scrape/scrape.go` of 3.12): a page
//! counts as a whole or not at all, a page that does not count is an empty page with `up` 0,
//! and what was there before and is not any more is marked stale.

mod cache;
mod families;
mod reading;
mod synthetic;

use crate::error::milliseconds;
use crate::{Error, Result};
use cache::{Cache, Known, PageExemplar, Place};
use exposition::{Entry, Format, Parser};
use families::Families;
pub use reading::Reading;
use series::{
    Appended, Exemplar, ExemplarRow, Labels, Metadata, OwnRow, STALE_NAN, Sample, ScrapeRows,
    SeriesRef, TargetAppender,
};
use std::collections::HashMap;
use std::time::Duration;
use synthetic::Synthetic;

/// A sample further than this ahead of its scrape is refused (Prometheus `maxAheadTime`).
const AHEAD: Duration = Duration::from_secs(600);

/// What came of a scrape.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Why the page does not count.
    pub error: Option<Error>,
    /// Samples on the page.
    pub scraped: u64,
    /// Samples that relabelling left.
    pub kept: u64,
    /// Series that were not known before.
    pub added: u64,
    /// Samples left out because their series had one already.
    pub repeated: u64,
    /// Samples left out because their time is too far ahead.
    pub ahead: u64,
    /// Series left out because the appender holds as many as it may.
    pub refused: u64,
    /// Why they were refused.
    pub refusal: Option<series::Error>,
    /// What the appender says.
    pub appended: Appended,
    /// Series of the target that are live now, without the synthetic ones.
    pub live: usize,
}

/// One target's appender and what is known of its pages: the part of a scrape that needs no
/// network, for the loop of a target and for whoever has a page already.
///
/// Its work blocks: it parses, and the appender may wait for the disk.
pub struct Ingest {
    target: Box<dyn TargetAppender>,
    reading: Reading,
    format: Format,
    cache: Cache,
    families: Families,
    synthetic: Synthetic,
    rows: Vec<(SeriesRef, f64)>,
    own: Vec<OwnRow>,
    exemplars: Vec<ExemplarRow>,
}

/// A sample of a line that was not known before.
struct NewLine<'p> {
    text: &'p [u8],
    /// `None` where the series is dropped.
    labels: Option<Labels>,
    samples: Vec<(f64, Option<i64>)>,
    exemplar: Option<PageExemplar>,
    /// How many rows stood before it.
    rows_before: usize,
}

/// A line that is new on a page, and where its neighbours stand.
#[derive(Default)]
struct NewLines<'p> {
    lines: Vec<NewLine<'p>>,
    by_text: HashMap<&'p [u8], u32>,
    links: Vec<(Place, Place)>,
}

impl Ingest {
    /// Nothing is known of the target's pages yet.
    #[must_use]
    pub fn new(target: Box<dyn TargetAppender>, reading: Reading) -> Self {
        Self {
            target,
            reading,
            format: Format::default(),
            cache: Cache::default(),
            families: Families::default(),
            synthetic: Synthetic::default(),
            rows: Vec::new(),
            own: Vec::new(),
            exemplars: Vec::new(),
        }
    }

    /// Understands series differently from now on. Those that go by it are marked stale with
    /// the next scrape.
    pub fn set_reading(&mut self, reading: Reading) {
        if !reading.agrees_with(&self.reading) {
            let target = &mut self.target;
            self.cache
                .forget_all_lines(|reference| target.release(reference));
        }
        self.reading = reading;
    }

    /// Writes one scrape that began at `time` (milliseconds since the epoch): a page with its
    /// format, or why there is none. `elapsed` says how long the scrape took, asked when the
    /// page has been read.
    ///
    /// # Errors
    /// [`Error::Store`] when nothing was written; the next scrape then makes up for what this
    /// one had to mark.
    pub fn scrape(
        &mut self,
        page: Result<(&[u8], Format)>,
        time: i64,
        elapsed: impl FnOnce() -> Duration,
    ) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        self.begin_pass();
        let read = page.and_then(|(page, format)| self.read_page(page, format, time, &mut outcome));
        let whole = match read {
            Ok(whole) => whole,
            Err(Error::Store(error)) => return Err(Error::Store(error)),
            Err(error) => {
                outcome.error = Some(error);
                // A page that does not count is an empty page.
                self.begin_pass();
                false
            }
        };
        self.mark_vanished();
        self.rows_of_report(&outcome, elapsed());
        let mut metadata = if whole {
            self.families.changes()
        } else {
            Vec::new()
        };
        metadata.extend(self.synthetic.metadata());
        outcome.appended = self.append(time, &metadata)?;
        self.synthetic.described = true;
        let target = &mut self.target;
        self.cache
            .commit(whole, |reference| target.release(reference));
        if whole {
            self.families.commit();
        }
        outcome.live = self.cache.live();
        Ok(outcome)
    }

    /// Marks everything stale at `time`, the synthetic series too: the target is gone.
    ///
    /// # Errors
    /// [`Error::Store`] when nothing was written.
    pub fn end(&mut self, time: i64) -> Result<Appended> {
        self.begin_pass();
        self.mark_vanished();
        let synthetic = self.synthetic.references.iter().flatten();
        self.rows
            .extend(synthetic.map(|reference| (*reference, STALE_NAN)));
        if self.rows.is_empty() {
            return Ok(Appended::default());
        }
        let appended = self.append(time, &[])?;
        let target = &mut self.target;
        self.cache
            .commit(false, |reference| target.release(reference));
        Ok(appended)
    }

    fn begin_pass(&mut self) {
        self.cache.begin();
        self.families.begin();
        self.rows.clear();
        self.own.clear();
        self.exemplars.clear();
    }

    fn append(&mut self, time: i64, metadata: &[(String, Metadata)]) -> Result<Appended> {
        let appended = self.target.append(&ScrapeRows {
            time,
            rows: &self.rows,
            own: &self.own,
            exemplars: &self.exemplars,
            metadata,
        })?;
        Ok(appended)
    }

    fn mark_vanished(&mut self) {
        let vanished = self.cache.vanished();
        self.rows
            .extend(vanished.map(|reference| (reference, STALE_NAN)));
    }

    /// Collects the rows of a page. `true` where it had lines at all.
    fn read_page(
        &mut self,
        page: &[u8],
        format: Format,
        time: i64,
        outcome: &mut Outcome,
    ) -> Result<bool> {
        // Prometheus takes an empty body for an empty scrape in either format.
        if page.is_empty() {
            return Ok(false);
        }
        if format != self.format {
            let target = &mut self.target;
            self.cache
                .forget_all_lines(|reference| target.release(reference));
            self.format = format;
        }
        let mut new = NewLines::default();
        let limited = self.read_lines(page, time, outcome, &mut new)?;
        if limited {
            return Err(Error::Limit {
                what: format!("the page has {} samples after relabelling", outcome.kept),
                bound: "sampleLimit",
                limit: self.reading.limits.samples,
            });
        }
        self.add_lines(new, time, outcome)?;
        Ok(true)
    }

    /// Reads all lines. Known ones become rows, others go to `new`, so that a page that does
    /// not count leaves no series behind. `true` where there are more samples than allowed.
    fn read_lines<'p>(
        &mut self,
        page: &'p [u8],
        time: i64,
        outcome: &mut Outcome,
        new: &mut NewLines<'p>,
    ) -> Result<bool> {
        let sample_limit = self.reading.limits.samples;
        let mut counted = 0;
        let mut expected = self.cache.first();
        let mut last = Place::Start;
        let mut parser = Parser::new(page, self.format);
        loop {
            let guess = expected.map_or(&[][..], |line| self.cache.text(line));
            let Some(entry) = parser.next_expecting(guess).map_err(refused)? else {
                break;
            };
            let Entry::Sample(sample) = entry else {
                self.families.take(&entry);
                continue;
            };
            outcome.scraped += 1;
            let own_time = sample.time.filter(|_| self.reading.honor_timestamps);
            let found = match expected {
                Some(line) if sample.expected => Some(line),
                _ => self.cache.find(sample.series),
            };
            let Some(line) = found else {
                let limited = counted >= sample_limit;
                let added = self.take_new(&sample, own_time, last, limited, new, outcome)?;
                last = added.place;
                counted += u64::from(added.counts);
                continue;
            };
            if !sample.expected || matches!(last, Place::New(_)) {
                new.links.push((last, Place::Line(line)));
            }
            last = Place::Line(line);
            expected = self.cache.next(line);
            let (known, again) = self.cache.see(line);
            let Known::Series(series) = known else {
                continue;
            };
            outcome.kept += 1;
            if again && own_time.is_none() {
                outcome.repeated += 1;
                continue;
            }
            counted += 1;
            let exemplar = match &sample.exemplar {
                Some(raw) => page_exemplar(raw, own_time.unwrap_or(time)),
                None => None,
            };
            if self.row(series, sample.value, own_time, time, outcome)
                && let Some(exemplar) = exemplar
            {
                self.exemplar(line, exemplar);
            }
        }
        Ok(counted > sample_limit)
    }

    /// Puts a sample of a known series among the rows; `false` where it is left out.
    fn row(
        &mut self,
        series: u32,
        value: f64,
        own_time: Option<i64>,
        time: i64,
        outcome: &mut Outcome,
    ) -> bool {
        let Some(own) = own_time else {
            let reference = self.cache.sample(series);
            match reference {
                Some(reference) => self.rows.push((reference, value)),
                None => outcome.repeated += 1,
            }
            return reference.is_some();
        };
        if own > time.saturating_add(milliseconds(AHEAD)) {
            outcome.ahead += 1;
            return false;
        }
        if self.reading.track_timestamps_staleness {
            // Only the mark matters: several samples with times of their own are no repetition.
            let _ = self.cache.sample(series);
        }
        self.own.push(OwnRow {
            series: self.cache.reference(series),
            sample: Sample { time: own, value },
        });
        true
    }

    fn exemplar(&mut self, line: u32, exemplar: PageExemplar) {
        let row = ExemplarRow {
            series: self.cache.reference(self.cache.series_of_line(line)),
            exemplar: exemplar.exemplar.clone(),
        };
        if self.cache.is_new_exemplar(line, exemplar) {
            self.exemplars.push(row);
        }
    }

    /// Takes in a line that is not known. Its labels are made and checked here, in the order of
    /// the page, so that the first thing wrong with a page is what it is refused for.
    fn take_new<'p>(
        &self,
        sample: &exposition::Sample<'p>,
        own_time: Option<i64>,
        last: Place,
        limited: bool,
        new: &mut NewLines<'p>,
        outcome: &mut Outcome,
    ) -> Result<AddedLine> {
        let value = (sample.value, own_time);
        if let Some(&index) = new.by_text.get(sample.series) {
            let place = Place::New(index);
            new.links.push((last, place));
            let line = &mut new.lines[index as usize];
            if line.labels.is_none() {
                return Ok(AddedLine {
                    place,
                    counts: false,
                });
            }
            outcome.kept += 1;
            if own_time.is_none() {
                outcome.repeated += 1;
                return Ok(AddedLine {
                    place,
                    counts: false,
                });
            }
            line.samples.push(value);
            return Ok(AddedLine {
                place,
                counts: true,
            });
        }
        let exposed = sample.labels().map_err(refused)?;
        let labels = self.reading.series_labels(exposed);
        if let Some(labels) = &labels {
            if labels.metric_name().is_none() {
                return Err(Error::Page {
                    url: String::new(),
                    reason: format!(
                        "{}: metric relabelling left the series without a name (__name__)",
                        sample.position()
                    ),
                });
            }
            self.reading.check_limits(labels)?;
        }
        let counts = labels.is_some();
        outcome.kept += u64::from(counts);
        if counts && limited {
            // The page is refused in the end; only its samples are still counted.
            return Ok(AddedLine {
                place: last,
                counts,
            });
        }
        outcome.added += u64::from(counts);
        let exemplar = match (&sample.exemplar, counts) {
            (Some(raw), true) => page_exemplar(raw, i64::MIN),
            _ => None,
        };
        let index = new.lines.len() as u32;
        new.by_text.insert(sample.series, index);
        new.lines.push(NewLine {
            text: sample.series,
            labels,
            samples: vec![value],
            exemplar,
            rows_before: self.rows.len(),
        });
        let place = Place::New(index);
        new.links.push((last, place));
        Ok(AddedLine { place, counts })
    }

    /// Makes the new lines of a good page known and their samples rows.
    fn add_lines(&mut self, new: NewLines<'_>, time: i64, outcome: &mut Outcome) -> Result<()> {
        let mut indices = Vec::with_capacity(new.lines.len());
        let mut known_rows: Option<HashMap<SeriesRef, usize>> = None;
        let known = self.rows.len();
        for line in new.lines {
            let reference = match &line.labels {
                None => None,
                Some(labels) => match self.target.series(labels) {
                    Ok(reference) => Some(reference),
                    Err(error @ series::Error::Limit { .. }) => {
                        // What is known goes on; a flood of labels must not stop it.
                        outcome.refused += 1;
                        outcome.added -= 1;
                        outcome.refusal = Some(error);
                        indices.push(None);
                        continue;
                    }
                    Err(error) => return Err(Error::Store(error)),
                },
            };
            let index = self.cache.add(line.text, reference);
            indices.push(Some(index));
            if reference.is_none() {
                continue;
            }
            let series = self.cache.series_of_line(index);
            let mut stored = false;
            for (value, own_time) in &line.samples {
                let is_stored = self.row(series, *value, *own_time, time, outcome);
                stored |= is_stored;
                if !is_stored && own_time.is_none() {
                    // A new spelling of a series whose known spelling came later on the page:
                    // the first value counts.
                    let rows = &mut self.rows;
                    let known_rows = known_rows.get_or_insert_with(|| {
                        let rows = rows[..known].iter().enumerate();
                        rows.map(|(row, (reference, _))| (*reference, row))
                            .collect()
                    });
                    let reference = self.cache.reference(series);
                    if let Some(row) = known_rows.remove(&reference)
                        && row >= line.rows_before
                    {
                        rows[row].1 = *value;
                    }
                }
            }
            if let (Some(mut exemplar), true) = (line.exemplar, stored) {
                if !exemplar.timed {
                    let own = line.samples.first().and_then(|(_, own)| *own);
                    exemplar.exemplar.sample.time = own.unwrap_or(time);
                }
                self.exemplar(index, exemplar);
            }
        }
        for (from, to) in new.links {
            self.cache.link(from, to, &indices);
        }
        Ok(())
    }

    fn rows_of_report(&mut self, outcome: &Outcome, elapsed: Duration) {
        let up = if outcome.error.is_none() { 1.0 } else { 0.0 };
        let values = [
            up,
            elapsed.as_secs_f64(),
            outcome.scraped as f64,
            outcome.kept as f64,
            outcome.added as f64,
        ];
        self.synthetic
            .make_known(&mut *self.target, &self.reading.labels);
        for (reference, value) in self.synthetic.references.iter().zip(values) {
            if let Some(reference) = reference {
                self.rows.push((*reference, value));
            }
        }
    }

    /// How many lines are known, dropped ones included.
    #[cfg(test)]
    pub(crate) fn known_lines(&self) -> usize {
        self.cache.lines()
    }
}

struct AddedLine {
    place: Place,
    /// Whether its sample counts towards the sample limit.
    counts: bool,
}

/// The exemplar of a sample, at `time` where the page gives none; `None` where its labels are
/// unusable, for which Prometheus does not refuse the page.
fn page_exemplar(raw: &exposition::RawExemplar<'_>, time: i64) -> Option<PageExemplar> {
    Some(PageExemplar {
        exemplar: Exemplar {
            labels: raw.labels().ok()?,
            sample: Sample {
                time: raw.time.unwrap_or(time),
                value: raw.value,
            },
        },
        timed: raw.time.is_some(),
    })
}

fn refused(error: exposition::Error) -> Error {
    Error::Page {
        url: String::new(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests;
