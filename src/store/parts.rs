//! What is not one number, in columns of numbers: native histograms, and start times.
//!
//! Such a sample is taken apart: each part is a series of its own, with the labels of the whole
//! and [`PART`]. The series itself holds a *marker* where a histogram stands, and so is found,
//! ordered in time and kept as any other. Parts are put together again when a query reads them.

use crate::error::Result;
use crate::matching::{LabelIndex, union};
use crate::select::Set;
use series::{
    Bucket, Columns, Extras, Histogram, Labels, ResetHint, Sample, SeriesSet, TimeRange,
    WriteSeries,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The label that says which part a series is. No metrics page and no sender can write it.
pub(crate) const PART: &str = "\0part";

/// The upper half of a marker: a NaN that nobody else writes. The lower half is the checksum of
/// the histogram, which tells one sent again from another, and a whole one from a damaged one.
const MARKER: u64 = 0x7ffc_0000 << 32;

/// Whether these labels are those of a part.
pub(crate) fn is_part(labels: &Labels) -> bool {
    // It sorts before every other name.
    labels.iter().next().is_some_and(|(name, _)| name == PART)
}

/// Which part of a sample a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Schema,
    Count,
    Sum,
    ZeroThreshold,
    ZeroCount,
    ResetHint,
    Positive(i32),
    Negative(i32),
    Bound(u32),
    /// When the counter started whose value stands at this time.
    Start,
}

impl Part {
    fn name(self) -> String {
        match self {
            Self::Schema => "schema".into(),
            Self::Count => "count".into(),
            Self::Sum => "sum".into(),
            Self::ZeroThreshold => "zero threshold".into(),
            Self::ZeroCount => "zero count".into(),
            Self::ResetHint => "reset hint".into(),
            Self::Positive(index) => format!("positive {index}"),
            Self::Negative(index) => format!("negative {index}"),
            Self::Bound(at) => format!("bound {at}"),
            Self::Start => "start".into(),
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "schema" => Self::Schema,
            "count" => Self::Count,
            "sum" => Self::Sum,
            "zero threshold" => Self::ZeroThreshold,
            "zero count" => Self::ZeroCount,
            "reset hint" => Self::ResetHint,
            "start" => Self::Start,
            _ => match name.split_once(' ')? {
                ("positive", index) => Self::Positive(index.parse().ok()?),
                ("negative", index) => Self::Negative(index.parse().ok()?),
                ("bound", at) => Self::Bound(at.parse().ok()?),
                _ => return None,
            },
        })
    }
}

/// What a store holds of a histogram, each number under its name. What is nought and mostly is
/// so stands nowhere.
fn each_part(histogram: &Histogram, mut take: impl FnMut(Part, f64)) {
    let hint = f64::from(histogram.reset_hint.number());
    take(Part::Schema, f64::from(histogram.schema));
    take(Part::Count, histogram.count);
    take(Part::Sum, histogram.sum);
    for (part, value) in [
        (Part::ZeroThreshold, histogram.zero_threshold),
        (Part::ZeroCount, histogram.zero_count),
        (Part::ResetHint, hint),
    ] {
        if value.to_bits() != 0 {
            take(part, value);
        }
    }
    for bucket in &histogram.positive {
        take(Part::Positive(bucket.index), bucket.count);
    }
    for bucket in &histogram.negative {
        take(Part::Negative(bucket.index), bucket.count);
    }
    let bounds = histogram.custom_bounds.iter().flat_map(|b| b.iter());
    for (at, bound) in (0..).zip(bounds) {
        take(Part::Bound(at), *bound);
    }
}

/// The value that stands in a series where it has this histogram.
fn marker(histogram: &Histogram) -> f64 {
    let mut bytes = Vec::new();
    each_part(histogram, |part, value| {
        let (kind, index) = match part {
            Part::Schema => (0_u8, 0),
            Part::Count => (1, 0),
            Part::Sum => (2, 0),
            Part::ZeroThreshold => (3, 0),
            Part::ZeroCount => (4, 0),
            Part::ResetHint => (5, 0),
            Part::Positive(index) => (6, index),
            Part::Negative(index) => (7, index),
            Part::Bound(at) => (8, at.cast_signed()),
            Part::Start => (9, 0),
        };
        bytes.push(kind);
        bytes.extend_from_slice(&index.to_le_bytes());
        bytes.extend_from_slice(&value.to_bits().to_le_bytes());
    });
    f64::from_bits(MARKER | u64::from(crc32c::crc32c(&bytes)))
}

pub(crate) fn is_marker(value: f64) -> bool {
    value.to_bits() >> 32 == MARKER >> 32
}

/// Takes apart what is not numbers alone. Behind each series stand its parts, whose samples
/// belong to those of the series at the same times.
pub(crate) fn take_apart(series: &[WriteSeries]) -> Vec<WriteSeries> {
    let mut apart = Vec::with_capacity(series.len());
    for entry in series {
        let mut whole = entry.clone();
        let Some(extras) = whole.extras.take() else {
            apart.push(whole);
            continue;
        };
        let mut columns: Vec<(Part, Vec<Sample>)> = Vec::new();
        let mut places: HashMap<Part, usize> = HashMap::new();
        let mut put = |part: Part, time: i64, value: f64| {
            let place = *places.entry(part).or_insert_with(|| {
                columns.push((part, Vec::new()));
                columns.len() - 1
            });
            columns[place].1.push(Sample { time, value });
        };
        for (sample, start) in whole.samples.iter().zip(&extras.start_times) {
            if *start != 0 {
                put(Part::Start, sample.time, *start as f64);
            }
        }
        for (time, histogram) in &extras.histograms {
            each_part(histogram, |part, value| put(part, *time, value));
            let value = marker(histogram);
            whole.samples.push(Sample { time: *time, value });
        }
        whole.samples.sort_by_key(|sample| sample.time);
        let mut builder = whole.labels.to_builder();
        apart.push(whole);
        apart.extend(columns.into_iter().map(|(part, samples)| WriteSeries {
            labels: builder.set(PART, part.name()).build(),
            samples: samples.into(),
            exemplars: Vec::new(),
            metadata: None,
            extras: None,
        }));
    }
    apart
}

/// Sets parts apart from what was found; both stay increasing.
pub(crate) fn split(found: Vec<u32>, index: &dyn LabelIndex) -> Result<(Vec<u32>, Vec<u32>)> {
    let lists = index.filtered(PART, &mut |_| true)?;
    if lists.is_empty() {
        return Ok((found, Vec::new()));
    }
    let parts = union(lists);
    Ok(found
        .into_iter()
        .partition(|series| parts.binary_search(series).is_err()))
}

/// Series of which some have parts.
pub(crate) struct Whole {
    series: Set,
    parts: Set,
    /// For each series of `series` its parts in `parts`.
    of: Vec<Vec<(Part, usize)>>,
    range: TimeRange,
    warnings: Mutex<Vec<String>>,
}

impl Whole {
    pub(crate) fn new(series: Set, parts: Set, range: TimeRange) -> Self {
        let mut by_labels: HashMap<Labels, Vec<(Part, usize)>> = HashMap::new();
        for at in 0..parts.len() {
            let labels = parts.labels(at);
            if let Some(part) = labels.get(PART).and_then(Part::of_name) {
                let of = labels.without(|name| name == PART);
                by_labels.entry(of).or_default().push((part, at));
            }
        }
        let of = (0..series.len())
            .map(|at| by_labels.remove(series.labels(at)).unwrap_or_default())
            .collect();
        Self {
            series,
            parts,
            of,
            range,
            warnings: Mutex::default(),
        }
    }
}

impl SeriesSet for Whole {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, series: usize) -> &Labels {
        self.series.labels(series)
    }

    fn sample_bound(&self, series: usize) -> usize {
        let parts = self.of.get(series).into_iter().flatten();
        let parts: usize = parts.map(|(_, part)| self.parts.sample_bound(*part)).sum();
        self.series.sample_bound(series) + parts
    }

    fn timelines(&self) -> usize {
        self.series.timelines()
    }

    fn read_times(&self, timeline: usize, times: &mut Vec<i64>) -> series::Result<()> {
        self.series.read_times(timeline, times)
    }

    fn read(&self, series: usize, columns: &mut Columns) -> series::Result<()> {
        self.series.read(series, columns)?;
        if self.of.get(series).is_some_and(|parts| !parts.is_empty()) {
            leave_out_markers(columns);
        }
        Ok(())
    }

    fn has_extras(&self) -> bool {
        true
    }

    fn read_extras(&self, series: usize, extras: &mut Extras) -> series::Result<()> {
        extras.clear();
        let parts = self.of.get(series).map(Vec::as_slice).unwrap_or_default();
        if parts.is_empty() {
            return Ok(());
        }
        let samples = self.series.samples(series)?;
        let (markers, numbers): (Vec<Sample>, Vec<Sample>) =
            samples.iter().partition(|sample| is_marker(sample.value));
        // Beyond the range a part may lie where nothing is read of it.
        let markers: Vec<Sample> = markers
            .into_iter()
            .filter(|marker| self.range.contains(marker.time))
            .collect();
        let mut found = vec![Pieces::default(); markers.len()];
        for (part, at) in parts {
            let values = self.parts.samples(*at)?;
            if *part == Part::Start {
                let starts = at_times(&numbers, &values);
                extras.start_times = vec![0; numbers.len()];
                for (number, value) in starts {
                    extras.start_times[number] = value as i64;
                }
                continue;
            }
            for (marker, value) in at_times(&markers, &values) {
                found[marker].put(*part, value);
            }
        }
        let mut damaged = 0;
        for (sample, pieces) in markers.iter().zip(found) {
            let histogram = pieces.put_together();
            if marker(&histogram).to_bits() == sample.value.to_bits() {
                extras.histograms.push((sample.time, Arc::new(histogram)));
            } else {
                damaged += 1;
            }
        }
        if damaged > 0 {
            let labels = self.labels(series);
            let text = format!("{damaged} native histograms of {labels} are missing: damaged");
            let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
            if !warnings.contains(&text) {
                warnings.push(text);
            }
        }
        Ok(())
    }

    fn warnings(&self) -> Vec<String> {
        let mut all = self.series.warnings();
        all.extend(self.parts.warnings());
        let own = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(own.iter().cloned());
        all
    }
}

/// Which of `wanted` have a value at their time, and which; both are increasing in time.
fn at_times(wanted: &[Sample], values: &[Sample]) -> Vec<(usize, f64)> {
    let mut found = Vec::new();
    let mut values = values.iter().peekable();
    for (at, sample) in wanted.iter().enumerate() {
        while values.next_if(|value| value.time < sample.time).is_some() {}
        if let Some(value) = values.next_if(|value| value.time == sample.time) {
            found.push((at, value.value));
        }
    }
    found
}

/// Takes markers out of a series's values, and their rows out of its runs.
fn leave_out_markers(columns: &mut Columns) {
    if !columns.values.iter().any(|value| is_marker(*value)) {
        return;
    }
    let (whole, runs) = (
        std::mem::take(&mut columns.values),
        std::mem::take(&mut columns.runs),
    );
    let mut values = whole.iter();
    for run in &runs {
        let mut open = false;
        for (row, value) in (run.row..).zip(values.by_ref().take(run.len)) {
            if is_marker(*value) {
                open = false;
                continue;
            }
            columns.values.push(*value);
            match columns.runs.last_mut().filter(|_| open) {
                Some(last) => last.len += 1,
                None => columns.runs.push(series::Run {
                    row,
                    len: 1,
                    // Of a run with a marker, which is a NaN, nothing is known.
                    ..*run
                }),
            }
            open = true;
        }
    }
}

/// The parts of a histogram, as they are found.
#[derive(Debug, Clone, Default)]
struct Pieces {
    histogram: Histogram,
    bounds: Vec<(u32, f64)>,
}

impl Pieces {
    fn put(&mut self, part: Part, value: f64) {
        let histogram = &mut self.histogram;
        let bucket = |index| Bucket {
            index,
            count: value,
        };
        match part {
            Part::Schema => histogram.schema = value as i8,
            Part::Count => histogram.count = value,
            Part::Sum => histogram.sum = value,
            Part::ZeroThreshold => histogram.zero_threshold = value,
            Part::ZeroCount => histogram.zero_count = value,
            Part::ResetHint => histogram.reset_hint = ResetHint::of_number(value as u32),
            Part::Positive(index) => histogram.positive.push(bucket(index)),
            Part::Negative(index) => histogram.negative.push(bucket(index)),
            Part::Bound(at) => self.bounds.push((at, value)),
            Part::Start => {}
        }
    }

    fn put_together(mut self) -> Histogram {
        let mut histogram = self.histogram;
        histogram.positive.sort_unstable_by_key(|b| b.index);
        histogram.negative.sort_unstable_by_key(|b| b.index);
        self.bounds.sort_unstable_by_key(|(at, _)| *at);
        let bounds = self.bounds.iter().map(|(_, bound)| *bound);
        histogram.custom_bounds = histogram.uses_custom_bounds().then(|| bounds.collect());
        histogram
    }
}

/// Keeps others from writing what only the store writes.
pub(crate) fn refuse_part(labels: &Labels) -> Result<()> {
    if is_part(labels) {
        let text = format!("the label name {PART:?} is the store's own: {labels} is not written");
        return Err(series::Error::Unavailable(text).into());
    }
    Ok(())
}
