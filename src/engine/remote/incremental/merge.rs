//! Puts a known beginning and a new tail together.

use query::RangeQuery;
use series::{Answer, Column, Labels, QueryResult, Series};
use std::mem::size_of;

/// An earlier answer.
pub(super) struct Known {
    /// The range that was asked.
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    /// The last step that does not change any more.
    pub(super) settled_ms: i64,
    /// By labels, strictly increasing.
    pub(super) series: Vec<Series>,
}

impl Known {
    /// The memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        bytes_of(&self.series)
    }
}

/// The memory that series take which were put together by [`compact`] or [`join`].
pub(super) fn bytes_of(series: &[Series]) -> usize {
    let mut bytes = 0;
    let mut last: Option<&Column<i64>> = None;
    for one in series {
        bytes += size_of::<Series>() + one.labels.heap_size() + size_of::<[usize; 2]>();
        bytes += one.values.len() * size_of::<f64>();
        if !last.is_some_and(|last| last.is_same(&one.times)) {
            bytes += one.times.len() * size_of::<i64>() + size_of::<[usize; 5]>();
        }
        last = Some(&one.times);
    }
    bytes
}

/// The series of an answer to `query` that may be remembered and put together with others.
///
/// Not where there are native histograms, which are not remembered, or notices, which may be
/// about a part of the range that memory does not know. The series must be in order, each once,
/// and their times steps of `query`: else the server has rules of its own, and what it would say
/// to another range is not known.
pub(super) fn plain_series<'a>(answer: &'a Answer, query: &RangeQuery) -> Option<&'a [Series]> {
    let has_notices = !answer.warnings.is_empty() || !answer.infos.is_empty();
    let QueryResult::Matrix(series) = &answer.result else {
        return None;
    };
    let is_plain = answer.histograms.is_empty() && !has_notices && is_on_grid(series, query);
    is_plain.then_some(series)
}

fn is_on_grid(series: &[Series], query: &RangeQuery) -> bool {
    let mut last: Option<&Column<i64>> = None;
    let is_step = |time: &i64| {
        (query.start_ms..=query.end_ms).contains(time)
            && (time - query.start_ms) % query.step_ms == 0
    };
    let on_grid = series.iter().all(|one| {
        let before = last.replace(&one.times);
        before.is_some_and(|before| before.is_same(&one.times)) || one.times.iter().all(is_step)
    });
    on_grid
        && series
            .windows(2)
            .all(|pair| pair[0].labels < pair[1].labels)
}

/// The same series in columns that hold nothing else, so that remembering them holds no more
/// memory than is counted.
pub(super) fn compact(series: &[Series]) -> Vec<Series> {
    let mut writer = Writer::for_series(series.len(), series.iter().map(|s| s.values.len()).sum());
    for one in series {
        writer.push(&one.labels, None, Some((&one.times, &one.values)));
    }
    writer.finish()
}

/// The steps of `known` from `start_ms` to before `tail_start_ms`, then `tail`. Both are in the
/// order of their labels, and so is what comes out; a series without a sample is left out, as
/// Prometheus leaves it out.
pub(super) fn join(
    known: &Known,
    start_ms: i64,
    tail_start_ms: i64,
    tail: &[Series],
) -> Vec<Series> {
    let most = known.series.iter().chain(tail);
    let samples = most.map(|series| series.values.len()).sum();
    let mut writer = Writer::for_series(known.series.len().max(tail.len()), samples);
    let mut tail = tail.iter().peekable();
    // Most series have the same times, whose ends are then looked for once.
    let mut cut: Option<(&Column<i64>, usize, usize)> = None;
    for old in &known.series {
        while let Some(new) = tail.next_if(|new| new.labels < old.labels) {
            writer.push(&new.labels, None, Some((&new.times, &new.values)));
        }
        let (from, to) = match cut {
            Some((times, from, to)) if times.is_same(&old.times) => (from, to),
            _ => {
                let from = old.times.partition_point(|time| *time < start_ms);
                let to = old.times.partition_point(|time| *time < tail_start_ms);
                cut = Some((&old.times, from, to));
                (from, to)
            }
        };
        let head = (from < to).then_some((&old.times, &old.values, from, to));
        let new = tail.next_if(|new| new.labels == old.labels);
        writer.push(&old.labels, head, new.map(|new| (&new.times, &new.values)));
    }
    for new in tail {
        writer.push(&new.labels, None, Some((&new.times, &new.values)));
    }
    writer.finish()
}

/// Times and values, and which of them.
type Head<'a> = (&'a Column<i64>, &'a Column<f64>, usize, usize);
type Whole<'a> = (&'a Column<i64>, &'a Column<f64>);

/// Writes series into one column of values, and shares times between neighbours.
struct Writer {
    values: Vec<f64>,
    /// Labels, times and the end of the values.
    series: Vec<(Labels, Column<i64>, usize)>,
    /// What the last column of times was put together from.
    made_from: Option<(Column<i64>, Column<i64>)>,
}

impl Writer {
    fn for_series(series: usize, samples: usize) -> Self {
        Self {
            values: Vec::with_capacity(samples),
            series: Vec::with_capacity(series),
            made_from: None,
        }
    }

    fn push(&mut self, labels: &Labels, head: Option<Head<'_>>, tail: Option<Whole<'_>>) {
        let mut parts = (Column::default(), Column::default());
        if let Some((times, values, from, to)) = head {
            parts.0 = times.slice(from..to);
            self.values.extend_from_slice(&values[from..to]);
        }
        if let Some((times, values)) = tail {
            parts.1 = times.clone();
            self.values.extend_from_slice(values);
        }
        if parts.0.is_empty() && parts.1.is_empty() {
            return;
        }
        let same = |(head, tail): &(Column<i64>, Column<i64>)| {
            let equal = |a: &Column<i64>, b: &Column<i64>| a.is_same(b) || a == b;
            equal(head, &parts.0) && equal(tail, &parts.1)
        };
        let shared = self.made_from.as_ref().is_some_and(same);
        let times = match self.series.last() {
            Some((_, times, _)) if shared => times.clone(),
            _ => {
                let mut times = Vec::with_capacity(parts.0.len() + parts.1.len());
                times.extend_from_slice(&parts.0);
                times.extend_from_slice(&parts.1);
                self.made_from = Some(parts);
                times.into()
            }
        };
        self.series.push((labels.clone(), times, self.values.len()));
    }

    fn finish(mut self) -> Vec<Series> {
        self.values.shrink_to_fit();
        let values: Column<f64> = self.values.into();
        let mut start = 0;
        self.series
            .into_iter()
            .map(|(labels, times, end)| {
                let values = values.slice(start..end);
                start = end;
                Series {
                    labels,
                    times,
                    values,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, times: &[i64]) -> Series {
        Series {
            labels: Labels::from_sorted([("a", name)]),
            times: times.to_vec().into(),
            values: times.iter().map(|time| *time as f64).collect(),
        }
    }

    fn known(series: Vec<Series>) -> Known {
        Known {
            start_ms: 0,
            end_ms: 100,
            settled_ms: 50,
            series,
        }
    }

    #[test]
    fn series_appear_vanish_and_go_on_in_order() {
        let old = known(vec![
            series("b", &[0, 10, 20]),
            series("c", &[10, 20, 30]),
            series("d", &[30, 40]),
        ]);
        let tail = [series("a", &[30, 40]), series("c", &[40])];
        let joined = join(&old, 10, 30, &tail);
        assert_eq!(
            joined,
            [
                series("a", &[30, 40]),
                series("b", &[10, 20]),
                series("c", &[10, 20, 40]),
            ]
        );
        assert!(join(&old, 50, 60, &[]).is_empty());
    }

    #[test]
    fn equal_times_stay_one_column_and_are_counted_once() {
        let times: Column<i64> = vec![0, 10, 20].into();
        let of = |name: &str| Series {
            times: times.clone(),
            ..series(name, &[0, 10, 20])
        };
        let packed = compact(&[of("a"), of("b")]);
        assert!(packed[0].times.is_same(&packed[1].times));
        let old = known(packed);
        // Equal without being the same memory, as they come from two answers.
        let tail = [series("a", &[30]), series("b", &[30])];
        let joined = join(&old, 10, 30, &tail);
        assert!(joined[0].times.is_same(&joined[1].times));
        assert_eq!(joined[1], series("b", &[10, 20, 30]));
        let apart = [series("a", &[0, 10, 20]), series("b", &[0, 10, 20])];
        assert!(bytes_of(&old.series) < bytes_of(&apart));
    }

    #[test]
    fn series_out_of_order_and_times_beside_the_grid_are_seen() {
        let query = RangeQuery {
            expr: String::new(),
            start_ms: 0,
            end_ms: 40,
            step_ms: 10,
        };
        assert!(is_on_grid(
            &[series("a", &[0, 40]), series("b", &[10])],
            &query
        ));
        for wrong in [
            vec![series("b", &[0]), series("a", &[0])],
            vec![series("a", &[0]), series("a", &[10])],
            vec![series("a", &[5])],
            vec![series("a", &[50])],
            vec![series("a", &[-10])],
        ] {
            assert!(!is_on_grid(&wrong, &query), "{wrong:?}");
        }
    }
}
