//! Native histograms as they arrive, in columns (Prometheus HTTP API, "Native histograms"):
//! `[time, {"count": …, "sum": …, "buckets": [[boundary rule, lower, upper, count], …]}]`.

use super::token::{self, Fault, Piece, skip_space};
use series::{Column, HistogramSeries, Labels};
use std::ops::Range;

/// Histograms by series, a row per bucket.
#[derive(Default)]
pub(super) struct Histograms {
    times: Vec<i64>,
    boundaries: Vec<i8>,
    lowers: Vec<f64>,
    uppers: Vec<f64>,
    counts: Vec<f64>,
    finished: Vec<(Labels, Range<usize>)>,
    /// The first row of the series that is being read, once it is known to have histograms.
    first_row: Option<usize>,
}

impl Histograms {
    /// Buckets so far.
    pub(super) fn buckets(&self) -> usize {
        self.times.len()
    }

    /// Says that the series that is being read has histograms, if only an empty list of them.
    pub(super) fn begin(&mut self) {
        self.first_row.get_or_insert(self.times.len());
    }

    /// Ends the series and says whether it had histograms.
    pub(super) fn end_series(&mut self, labels: &Labels) -> bool {
        let Some(first_row) = self.first_row.take() else {
            return false;
        };
        let rows = first_row..self.times.len();
        self.finished.push((labels.clone(), rows));
        true
    }

    /// Forgets the buckets from row `rows` on.
    pub(super) fn truncate(&mut self, rows: usize) {
        self.times.truncate(rows);
        self.boundaries.truncate(rows);
        self.lowers.truncate(rows);
        self.uppers.truncate(rows);
        self.counts.truncate(rows);
    }

    /// The series in the order in which they came.
    pub(super) fn into_series(self) -> Vec<HistogramSeries> {
        let times: Column<i64> = self.times.into();
        let boundaries: Column<i8> = self.boundaries.into();
        let lowers: Column<f64> = self.lowers.into();
        let uppers: Column<f64> = self.uppers.into();
        let counts: Column<f64> = self.counts.into();
        self.finished
            .into_iter()
            .map(|(labels, rows)| HistogramSeries {
                labels,
                times: times.slice(rows.clone()),
                boundaries: boundaries.slice(rows.clone()),
                lowers: lowers.slice(rows.clone()),
                uppers: uppers.slice(rows.clone()),
                counts: counts.slice(rows),
                totals: Vec::new(),
            })
            .collect()
    }

    /// Reads a time and its histogram: where they end. Of one that is cut nothing is kept.
    pub(super) fn read(&mut self, bytes: &[u8], at: usize) -> Result<Option<usize>, Fault> {
        let before = self.buckets();
        let end = self.time_and_histogram(bytes, at)?;
        if end.is_none() {
            self.truncate(before);
        }
        Ok(end.map(|((), end)| end))
    }

    fn time_and_histogram(&mut self, bytes: &[u8], at: usize) -> Piece<()> {
        if bytes.get(at) != Some(&b'[') {
            return Err(Fault::expected(bytes, at, "a histogram's '['"));
        }
        let Some((time, end)) = token::time(bytes, at + 1)? else {
            return Ok(None);
        };
        let Some(((), end)) = token::mark(bytes, end, b',')? else {
            return Ok(None);
        };
        let Some(((), end)) = self.histogram(bytes, end, time)? else {
            return Ok(None);
        };
        token::mark(bytes, end, b']')
    }

    /// The object behind the time. Count and sum follow from the buckets as far as a heatmap
    /// needs them, and are passed over as unknown members are.
    fn histogram(&mut self, bytes: &[u8], at: usize, time: i64) -> Piece<()> {
        let before = self.buckets();
        let Some(((), open)) = token::mark(bytes, at, b'{')? else {
            return Ok(None);
        };
        let mut from = skip_space(bytes, open);
        if bytes.get(from) == Some(&b'}') {
            return Ok(Some(((), from + 1)));
        }
        loop {
            let Some((name, end)) = token::key(bytes, from)? else {
                return Ok(None);
            };
            let value = skip_space(bytes, end);
            let is_list = token::text(bytes, name)? == "buckets" && bytes.get(value) != Some(&b'n');
            let member = if is_list {
                // Of a name that stands twice the last value counts, as readers of JSON have it.
                self.truncate(before);
                self.buckets_of(bytes, value, time)?
            } else {
                token::skip_value(bytes, value)?
            };
            let Some(((), end)) = member else {
                return Ok(None);
            };
            let next = skip_space(bytes, end);
            match bytes.get(next) {
                None => return Ok(None),
                Some(b',') => from = skip_space(bytes, next + 1),
                Some(b'}') => return Ok(Some(((), next + 1))),
                Some(_) => return Err(Fault::expected(bytes, next, "',' or '}'")),
            }
        }
    }

    fn buckets_of(&mut self, bytes: &[u8], at: usize, time: i64) -> Piece<()> {
        let Some(((), open)) = token::mark(bytes, at, b'[')? else {
            return Ok(None);
        };
        let mut from = skip_space(bytes, open);
        if bytes.get(from) == Some(&b']') {
            return Ok(Some(((), from + 1)));
        }
        loop {
            let Some(((boundary, [lower, upper, count]), end)) = bucket(bytes, from)? else {
                return Ok(None);
            };
            self.times.push(time);
            self.boundaries.push(boundary);
            self.lowers.push(lower);
            self.uppers.push(upper);
            self.counts.push(count);
            let next = skip_space(bytes, end);
            match bytes.get(next) {
                None => return Ok(None),
                Some(b',') => from = next + 1,
                Some(b']') => return Ok(Some(((), next + 1))),
                Some(_) => return Err(Fault::expected(bytes, next, "',' or ']'")),
            }
        }
    }
}

/// `[boundary rule, lower, upper, count]`.
fn bucket(bytes: &[u8], at: usize) -> Piece<(i8, [f64; 3])> {
    let Some(((), open)) = token::mark(bytes, at, b'[')? else {
        return Ok(None);
    };
    let start = skip_space(bytes, open);
    if start >= bytes.len() {
        return Ok(None);
    }
    let Some((text, mut end)) = token::number(bytes, start)? else {
        return Ok(None);
    };
    let boundary = match text {
        b"0" => 0,
        b"1" => 1,
        b"2" => 2,
        b"3" => 3,
        _ => return Err(Fault::new(start, "not a boundary rule from 0 to 3")),
    };
    let mut numbers = [0.0; 3];
    for number in &mut numbers {
        let Some(((), from)) = token::mark(bytes, end, b',')? else {
            return Ok(None);
        };
        let Some((value, after)) = token::value(bytes, from)? else {
            return Ok(None);
        };
        (*number, end) = (value, after);
    }
    Ok(token::mark(bytes, end, b']')?.map(|((), end)| ((boundary, numbers), end)))
}
