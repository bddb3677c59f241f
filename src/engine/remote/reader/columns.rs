//! Samples as they arrive, in columns: all values in one, and times shared between series.

use super::FAST_BYTES;
use series::{Column, InstantSample, Labels, Sample, Series};
use std::ops::Range;

/// How a server writes the times that it repeats in every series, where all of them take as many
/// bytes, as those of our time with the same number of decimals do.
#[derive(Default)]
struct Texts {
    /// Made when a second series comes, for a lone one needs none.
    list: Vec<Text>,
    /// How many bytes each text has.
    length: usize,
    /// For how many times it was tried.
    written: usize,
}

/// What follows the opening bracket of a sample: time, comma and quote. Eight to sixteen bytes, of
/// which these are the first eight and the last eight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Text {
    first: [u8; 8],
    last: [u8; 8],
}

impl Text {
    /// Whether it stands behind the first one of these bytes. It is `length` bytes long.
    #[inline(always)]
    pub(super) fn begins(&self, bytes: &[u8; FAST_BYTES], length: usize) -> bool {
        bytes[1..9] == self.first && bytes.get(length - 7..=length) == Some(&self.last)
    }
}

/// The samples that are expected next, and where their values go.
pub(super) struct Expected<'a> {
    pub(super) texts: &'a [Text],
    /// How many bytes each text has.
    pub(super) length: usize,
    pub(super) values: &'a mut Vec<f64>,
}

/// Where the times of a finished series are.
enum Times {
    Shared {
        reference: usize,
        rows: Range<usize>,
    },
    Own(Range<usize>),
}

struct Finished {
    labels: Labels,
    times: Times,
    values: Range<usize>,
}

/// Where the times of the series that is being read go.
enum Writing {
    /// The rows from `start` on of the reference, so far.
    Shared { start: usize },
    /// Into [`Columns::current`].
    Own,
}

/// Samples by series. Times come shared from [`Columns::into_series`] where series have the
/// same ones, or one has a piece of the other's.
pub(super) struct Columns {
    values: Vec<f64>,
    own_times: Vec<i64>,
    /// Columns of times that series share; the last one is what later series are compared with.
    references: Vec<Vec<i64>>,
    /// Those of the last reference.
    texts: Texts,
    /// The row of the last reference that may come next; beyond its end where none is expected.
    next_row: usize,
    finished: Vec<Finished>,
    labels: Labels,
    first_value: usize,
    writing: Writing,
    current: Vec<i64>,
    misordered: u64,
}

impl Columns {
    pub(super) fn new() -> Self {
        Self {
            values: Vec::new(),
            own_times: Vec::new(),
            references: Vec::new(),
            texts: Texts::default(),
            next_row: 0,
            finished: Vec::new(),
            labels: Labels::empty(),
            first_value: 0,
            writing: Writing::Own,
            current: Vec::new(),
            misordered: 0,
        }
    }

    /// Samples so far.
    pub(super) fn samples(&self) -> usize {
        self.values.len()
    }

    /// Samples that came out of order or twice.
    pub(super) fn misordered(&self) -> u64 {
        self.misordered
    }

    pub(super) fn begin_series(&mut self) {
        self.first_value = self.values.len();
        self.labels = Labels::empty();
        self.current.clear();
        self.next_row = 0;
        self.writing = match self.references.last() {
            Some(times) => {
                self.texts.write(times);
                Writing::Shared { start: 0 }
            }
            None => Writing::Own,
        };
    }

    pub(super) fn set_labels(&mut self, labels: Labels) {
        self.labels = labels;
    }

    /// The labels of the series that is being read, as far as they have come.
    pub(super) fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The samples that may come next, at most `room`, in the text in which they are expected.
    /// Whoever adds values of theirs says so with [`Columns::took_expected`].
    pub(super) fn expected(&mut self, room: u64) -> Expected<'_> {
        let rest = self.texts.list.get(self.next_row..).unwrap_or_default();
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let texts = &rest[..rest.len().min(room)];
        self.values.reserve(texts.len());
        Expected {
            texts,
            length: self.texts.length,
            values: &mut self.values,
        }
    }

    /// So many samples had the times that were expected.
    pub(super) fn took_expected(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        let rows = self.next_row..self.next_row + count;
        self.next_row = rows.end;
        if let Writing::Own = self.writing
            && let Some(times) = self.references.last()
        {
            self.current.extend_from_slice(&times[rows]);
        }
    }

    /// Adds a sample.
    pub(super) fn push(&mut self, time: i64, value: f64) {
        let times = self.references.last().map_or(&[][..], Vec::as_slice);
        match &mut self.writing {
            Writing::Shared { start } => {
                let count = self.values.len() - self.first_value;
                if count == 0
                    && let Ok(row) = times.binary_search(&time)
                {
                    *start = row;
                    self.next_row = row + 1;
                } else if times.get(*start + count) == Some(&time) {
                    self.next_row = *start + count + 1;
                } else {
                    self.current
                        .extend_from_slice(&times[*start..*start + count]);
                    self.current.push(time);
                    self.next_row = row_after(times, *start + count, time);
                    self.writing = Writing::Own;
                }
            }
            Writing::Own => {
                self.current.push(time);
                self.next_row = row_after(times, self.next_row, time);
            }
        }
        self.values.push(value);
    }

    pub(super) fn end_series(&mut self) {
        let values = self.first_value..self.values.len();
        let times = match self.writing {
            Writing::Shared { start } => Times::Shared {
                reference: self.references.len() - 1,
                rows: start..start + values.len(),
            },
            Writing::Own => self.own_times(),
        };
        self.finished.push(Finished {
            labels: std::mem::take(&mut self.labels),
            times,
            values: self.first_value..self.values.len(),
        });
    }

    /// Ends the series, or forgets it when it has no samples.
    pub(super) fn end_series_unless_empty(&mut self) {
        if self.values.len() > self.first_value {
            self.end_series();
        }
    }

    fn own_times(&mut self) -> Times {
        self.put_in_order();
        let known = self.references.last().map_or(0, Vec::len);
        if self.current.len() > known {
            // The longest series so far is what later ones are compared with.
            let rows = 0..self.current.len();
            self.references.push(std::mem::take(&mut self.current));
            self.texts = Texts::default();
            let reference = self.references.len() - 1;
            return Times::Shared { reference, rows };
        }
        let start = self.own_times.len();
        self.own_times.append(&mut self.current);
        Times::Own(start..self.own_times.len())
    }

    /// Sorts the series that is being read where its times do not increase; of samples with one
    /// time the last stays.
    fn put_in_order(&mut self) {
        if self.current.windows(2).all(|pair| pair[0] < pair[1]) {
            return;
        }
        let values = self.values.split_off(self.first_value);
        let mut samples: Vec<(i64, f64)> = self.current.drain(..).zip(values).collect();
        self.misordered += samples.windows(2).filter(|w| w[0].0 >= w[1].0).count() as u64;
        samples.sort_by_key(|(time, _)| *time);
        for (i, (time, value)) in samples.iter().enumerate() {
            if samples.get(i + 1).is_none_or(|(next, _)| next != time) {
                self.current.push(*time);
                self.values.push(*value);
            }
        }
    }

    /// The series in the order in which they came.
    pub(super) fn into_series(self) -> Vec<Series> {
        let values: Column<f64> = self.values.into();
        let own: Column<i64> = self.own_times.into();
        let references: Vec<Column<i64>> = self.references.into_iter().map(Column::from).collect();
        self.finished
            .into_iter()
            .map(|series| Series {
                labels: series.labels,
                times: match series.times {
                    Times::Shared { reference, rows } => references[reference].slice(rows),
                    Times::Own(rows) => own.slice(rows),
                },
                values: values.slice(series.values),
            })
            .collect()
    }

    /// The last sample of every series that has one.
    pub(super) fn into_vector(self) -> Vec<InstantSample> {
        self.into_series()
            .into_iter()
            .filter_map(|series| {
                let (time, value) = (*series.times.last()?, *series.values.last()?);
                Some(InstantSample {
                    labels: series.labels,
                    sample: Sample { time, value },
                })
            })
            .collect()
    }
}

/// The row behind that of `time`, looking from row `from` on; no row where it is not there.
fn row_after(times: &[i64], from: usize, time: i64) -> usize {
    let rest = times.get(from..).unwrap_or_default();
    // Gaps are short, and so the row is near.
    let mut width = 1;
    while rest.get(width).is_some_and(|t| *t < time) {
        width *= 2;
    }
    let near = &rest[..rest.len().min(width + 1)];
    match near.binary_search(&time) {
        Ok(row) => from + row + 1,
        // A time between two rows: the next one may fit again.
        Err(row) if row < near.len() => from + row,
        Err(_) => usize::MAX,
    }
}

impl Texts {
    fn write(&mut self, times: &[i64]) {
        if self.written == times.len() {
            return;
        }
        self.written = times.len();
        self.length = times.first().map_or(0, |time| sample_text(*time).len());
        let texts: Option<Vec<Text>> = times
            .iter()
            .map(|time| {
                let text = sample_text(*time);
                (text.len() == self.length && text.len() <= 16).then_some(())?;
                Some(Text {
                    first: *text.as_bytes().first_chunk()?,
                    last: *text.as_bytes().last_chunk()?,
                })
            })
            .collect();
        // Where they differ, which is rare, the general way will do.
        self.list = texts.unwrap_or_default();
    }
}

/// How Prometheus writes a time in front of a value: `1700000000.123,"`.
fn sample_text(time: i64) -> String {
    let (seconds, ms) = (time.div_euclid(1_000), time.rem_euclid(1_000));
    match ms {
        0 => format!("{seconds},\""),
        _ if time < 0 => String::new(),
        _ => format!("{seconds}.{ms:03},\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(series: &[&[i64]]) -> Vec<Series> {
        let mut columns = Columns::new();
        for times in series {
            columns.begin_series();
            for time in *times {
                columns.push(*time, *time as f64);
            }
            columns.end_series();
        }
        columns.into_series()
    }

    #[test]
    fn equal_times_are_one_column() {
        let all = read(&[&[1, 2, 3], &[1, 2, 3], &[2, 3], &[1], &[]]);
        assert!(all[0].times.is_same(&all[1].times));
        assert!(all[0].times.slice(1..3).is_same(&all[2].times));
        assert!(all[0].times.slice(0..1).is_same(&all[3].times));
        assert!(all[4].times.is_empty());
    }

    #[test]
    fn gaps_and_foreign_times_get_a_column_of_their_own() {
        let cases: &[&[i64]] = &[
            &[10, 20, 30, 40, 50],
            &[10, 30, 50],
            &[5, 10, 20],
            &[20, 21, 30, 40, 60],
            &[50, 60],
            &[10, 20, 30, 40, 50, 60, 70],
            &[60, 70],
            &[10, 60],
        ];
        for (series, times) in read(cases).iter().zip(cases) {
            assert_eq!(&series.times[..], *times);
            assert!(
                series
                    .values
                    .iter()
                    .zip(*times)
                    .all(|(v, t)| *v == *t as f64)
            );
        }
    }

    #[test]
    fn samples_out_of_order_are_sorted_and_the_last_of_equals_stays() {
        let mut columns = Columns::new();
        for _ in 0..2 {
            columns.begin_series();
            for (time, value) in [(3, 1.0), (1, 2.0), (1, 3.0), (2, 4.0), (3, 5.0)] {
                columns.push(time, value);
            }
            columns.end_series();
        }
        assert_eq!(columns.misordered(), 4);
        for series in columns.into_series() {
            assert_eq!(&series.times[..], &[1, 2, 3]);
            assert_eq!(&series.values[..], &[3.0, 4.0, 5.0]);
        }
    }

    #[test]
    fn times_are_expected_as_prometheus_writes_them() {
        let expected = |times: &[i64]| {
            let mut columns = Columns::new();
            for time in times {
                columns.push(*time, 0.0);
            }
            columns.end_series();
            columns.begin_series();
            let Expected { texts, length, .. } = columns.expected(u64::MAX);
            let seen = |text: &Text| {
                let first = &text.first[..length.saturating_sub(8)];
                String::from_utf8([first, &text.last].concat()).unwrap()
            };
            texts.iter().map(seen).collect::<Vec<_>>()
        };
        for (times, texts) in [
            (
                &[1_700_000_000_000, 1_700_000_001_000][..],
                &["1700000000,\"", "1700000001,\""][..],
            ),
            (
                &[1_700_000_000_050, 1_700_000_000_999],
                &["1700000000.050,\"", "1700000000.999,\""],
            ),
            (&[12_345_678_901_000], &["12345678901,\""]),
            (&[123_456_000], &["123456,\""]),
            (&[-123_456_000], &["-123456,\""]),
            // Too short, too long, or not of one length.
            (&[12_345_000], &[]),
            (&[12_345_678_901_001], &[]),
            (&[i64::MAX], &[]),
            (&[1_700_000_000_000, 1_700_000_000_500], &[]),
            (&[-1_700_000_000_001], &[]),
        ] {
            assert_eq!(expected(times), texts, "{times:?}");
        }
    }
}
