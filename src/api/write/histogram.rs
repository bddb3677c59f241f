//! Native histograms of both versions of remote write, which spell them alike
//! (`prompb/types.proto`, `prompb/io/prometheus/write/v2/types.proto`).

use super::protobuf::{Field, Fields, Malformed};
use super::refusals::Reason;
use series::{Bucket, Histogram, ResetHint, is_stale};
use std::sync::Arc;

/// Buckets above or below zero. Libraries make 160 at most, and each is stored as a series.
const MAX_BUCKETS: usize = 2_048;

/// A message as it lies there.
#[derive(Default)]
struct Message {
    time: i64,
    histogram: Histogram,
    positive: Side,
    negative: Side,
    bounds: Vec<f64>,
    /// Whether observations are counted in whole numbers.
    is_whole: bool,
}

/// The buckets above or below zero.
#[derive(Default)]
struct Side {
    /// How far each run of buckets lies behind the one before, and how long it is.
    spans: Vec<(i32, u32)>,
    /// Whole numbers, each as the difference to the one before.
    deltas: Vec<i64>,
    /// Or fractions, as they are.
    counts: Vec<f64>,
}

/// A histogram and its time, or why it cannot be stored.
pub(super) fn read(message: &[u8]) -> Result<Result<(i64, Arc<Histogram>), Reason>, Malformed> {
    let mut found = Message::default();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        let histogram = &mut found.histogram;
        match field.number {
            1 => {
                histogram.count = field.int64()?.cast_unsigned() as f64;
                found.is_whole = true;
            }
            2 => histogram.count = field.double()?,
            3 => histogram.sum = field.double()?,
            // Beyond the range of schemas either way.
            4 => histogram.schema = i8::try_from(field.sint64()?).unwrap_or(i8::MAX),
            5 => histogram.zero_threshold = field.double()?,
            6 => histogram.zero_count = field.int64()?.cast_unsigned() as f64,
            7 => histogram.zero_count = field.double()?,
            8 => found.negative.spans.push(read_span(field)?),
            9 => field.push_sint64s(&mut found.negative.deltas)?,
            10 => field.push_doubles(&mut found.negative.counts)?,
            11 => found.positive.spans.push(read_span(field)?),
            12 => field.push_sint64s(&mut found.positive.deltas)?,
            13 => field.push_doubles(&mut found.positive.counts)?,
            14 => histogram.reset_hint = ResetHint::of_number(field.uint32()?),
            15 => found.time = field.int64()?,
            16 => field.push_doubles(&mut found.bounds)?,
            _ => {}
        }
    }
    let time = found.time;
    Ok(found.check().map(|histogram| (time, Arc::new(histogram))))
}

fn read_span(field: Field<'_>) -> Result<(i32, u32), Malformed> {
    let (mut offset, mut length) = (0, 0);
    let mut fields = Fields::new(field.bytes()?);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => offset = field.sint64()? as i32,
            2 => length = field.uint32()?,
            _ => {}
        }
    }
    Ok((offset, length))
}

impl Message {
    /// The histogram, by the rules of Prometheus (`model/histogram`, `Validate`).
    fn check(self) -> Result<Histogram, Reason> {
        let mut histogram = self.histogram;
        let wrong = |what: String| Err(Reason::Histogram(what));
        if is_stale(histogram.sum) {
            // The mark of a series's end, of which nothing else counts.
            return Ok(Histogram {
                sum: histogram.sum,
                ..Histogram::default()
            });
        }
        histogram.positive = self.positive.buckets("positive")?;
        histogram.negative = self.negative.buckets("negative")?;
        if histogram.uses_custom_bounds() {
            let count = self.bounds.len();
            if !self.bounds.is_sorted_by(|a, b| a < b) || self.bounds.last() == Some(&f64::INFINITY)
            {
                return wrong("custom bounds must increase, and end before +Inf".into());
            }
            if !histogram.negative.is_empty()
                || histogram.zero_count != 0.0
                || histogram.zero_threshold != 0.0
            {
                return wrong("custom bounds allow no negative buckets and no zero bucket".into());
            }
            let indexes = histogram.positive.iter().map(|bucket| bucket.index);
            if indexes
                .clone()
                .any(|index| index < 0 || index as usize > count)
            {
                return wrong(format!("a bucket lies beyond the {count} custom bounds"));
            }
            histogram.custom_bounds = Some(self.bounds.into());
        } else if !(-4..=8).contains(&histogram.schema) {
            let (found, custom) = (histogram.schema, Histogram::CUSTOM_SCHEMA);
            return wrong(format!(
                "the schema is {found}, none of -4 to 8 and {custom}"
            ));
        } else if !self.bounds.is_empty() {
            return wrong("custom bounds stand beside a schema that has its own".into());
        }
        if histogram.zero_count < 0.0 || histogram.count < 0.0 {
            return wrong("a number of observations is negative".into());
        }
        let buckets = histogram.positive.iter().chain(&histogram.negative);
        let inside = buckets.map(|bucket| bucket.count).sum::<f64>() + histogram.zero_count;
        // An observation that is no number is in no bucket.
        let fits = if histogram.sum.is_nan() {
            inside <= histogram.count
        } else {
            inside == histogram.count
        };
        if self.is_whole && !fits {
            let count = histogram.count;
            return wrong(format!(
                "its buckets hold {inside} observations, its count is {count}"
            ));
        }
        Ok(histogram)
    }
}

impl Side {
    fn buckets(self, side: &str) -> Result<Vec<Bucket>, Reason> {
        let wrong = |what: &str| Reason::Histogram(format!("the {side} buckets: {what}"));
        let length: u64 = self
            .spans
            .iter()
            .map(|(_, length)| u64::from(*length))
            .sum();
        let counts = if self.deltas.is_empty() {
            self.counts
        } else {
            let mut count = 0_i64;
            let sums = self.deltas.iter().map(|delta| {
                count = count.checked_add(*delta)?;
                Some(count as f64)
            });
            let sums: Option<Vec<f64>> = sums.collect();
            sums.ok_or_else(|| wrong("a number of observations is too large"))?
        };
        if counts.len() > MAX_BUCKETS {
            let found = counts.len();
            return Err(wrong(&format!(
                "there are {found}, more than {MAX_BUCKETS}"
            )));
        }
        if length != counts.len() as u64 {
            let found = counts.len();
            return Err(wrong(&format!(
                "spans need {length}, and there are {found}"
            )));
        }
        if counts.iter().any(|count| *count < 0.0) {
            return Err(wrong("a number of observations is negative"));
        }
        let mut buckets = Vec::with_capacity(counts.len());
        let mut counts = counts.into_iter();
        let mut index = 0_i32;
        for (at, (offset, length)) in self.spans.iter().enumerate() {
            if at > 0 && *offset < 0 {
                return Err(wrong("a span lies before the one in front of it"));
            }
            let beyond = || wrong("an index is too large");
            index = index.checked_add(*offset).ok_or_else(beyond)?;
            for count in counts.by_ref().take(*length as usize) {
                buckets.push(Bucket { index, count });
                index = index.checked_add(1).ok_or_else(beyond)?;
            }
        }
        Ok(buckets)
    }
}
