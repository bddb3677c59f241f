//! Which samples each step's window holds, as positions in a column of times.
//!
//! Windows are left-open and right-closed (Prometheus 3). Everything here depends on times
//! alone, so it is worked out once per timeline and serves all its series.

use crate::plan::Steps;
use series::SeriesSet;
use std::sync::{Arc, OnceLock};

/// The windows of all steps over one column of times.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    pub(crate) times: Vec<i64>,
    /// The first sample inside each step's window.
    pub(crate) low: Vec<u32>,
    /// The sample behind the last inside.
    pub(crate) high: Vec<u32>,
    /// What `rate` makes of the times, worked out when first asked for.
    pub(crate) rates: OnceLock<RateTimes>,
}

/// How `rate` extrapolates where a series has all samples of its timeline.
#[derive(Debug, Default)]
pub(crate) struct RateTimes {
    /// Seconds from the first to the last sample of the window.
    pub(crate) sampled: Vec<f64>,
    /// Seconds by which the window reaches beyond the first sample, as far as extrapolated.
    pub(crate) to_start: Vec<f64>,
    /// As `to_start` at the end.
    pub(crate) to_end: Vec<f64>,
    /// The whole factor where nothing limits the extrapolation to the start.
    pub(crate) factor: Vec<f64>,
}

/// When each step's window ends, and how long windows are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Windows {
    /// The end of the first window, in milliseconds.
    pub(crate) first: i64,
    /// Between ends; 0 where `@` fixes them all to one time.
    pub(crate) step: i64,
    pub(crate) count: usize,
    pub(crate) length: i64,
    /// Windows reach so much further at their ends than where they are said to end; for
    /// `smoothed`.
    pub(crate) ahead: i64,
}

impl Windows {
    pub(crate) fn new(steps: &Steps, at: Option<i64>, offset: i64, length: i64) -> Self {
        let (first, step) = match at {
            Some(at) => (at, 0),
            None => (steps.start, steps.step),
        };
        Self {
            first: first.saturating_sub(offset),
            step,
            count: steps.count,
            length,
            ahead: 0,
        }
    }

    /// The end of a step's window.
    #[inline]
    pub(crate) fn end(&self, index: usize) -> i64 {
        self.first
            .saturating_add(self.step.saturating_mul(index as i64))
    }

    /// The time before the first of a step's window.
    #[inline]
    pub(crate) fn start(&self, index: usize) -> i64 {
        self.end(index).saturating_sub(self.length)
    }
}

impl Edges {
    /// Works out the windows over `self.times`.
    pub(crate) fn find(&mut self, windows: &Windows) {
        self.low.clear();
        self.high.clear();
        self.low.reserve(windows.count);
        self.high.reserve(windows.count);
        self.rates = OnceLock::new();
        let times = &self.times[..];
        let (mut low, mut high) = (0, 0);
        for index in 0..windows.count {
            low = advance(times, low, windows.start(index));
            high = advance(
                times,
                high.max(low),
                windows.end(index).saturating_add(windows.ahead),
            );
            self.low.push(low as u32);
            self.high.push(high as u32);
        }
    }

    /// What `rate` needs; see [`RateTimes`].
    pub(crate) fn rate_times(&self, windows: &Windows, per_second: bool) -> &RateTimes {
        self.rates.get_or_init(|| {
            let mut rates = RateTimes::default();
            let length = windows.length as f64 / 1000.0;
            for index in 0..windows.count {
                let (low, high) = (self.low[index] as usize, self.high[index] as usize);
                if high < low + 2 {
                    rates.sampled.push(f64::NAN);
                    rates.to_start.push(f64::NAN);
                    rates.to_end.push(f64::NAN);
                    rates.factor.push(f64::NAN);
                    continue;
                }
                let part = Extrapolation::of(&self.times[low..high], windows, index);
                rates.sampled.push(part.sampled);
                rates.to_start.push(part.to_start);
                rates.to_end.push(part.to_end);
                rates
                    .factor
                    .push(part.factor(part.to_start, per_second.then_some(length)));
            }
            rates
        })
    }
}

/// How far a window's samples are extrapolated to its edges, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extrapolation {
    pub(crate) sampled: f64,
    pub(crate) to_start: f64,
    pub(crate) to_end: f64,
}

impl Extrapolation {
    /// `times` are those inside the window, at least two. An edge that is further away than
    /// 1.1 times the average distance of samples is not reached, only half that distance is
    /// added (Prometheus `extrapolatedRate`).
    #[inline]
    pub(crate) fn of(times: &[i64], windows: &Windows, index: usize) -> Self {
        Self::between(
            times[0],
            times[times.len() - 1],
            times.len(),
            windows.start(index),
            windows.end(index),
        )
    }

    #[inline]
    pub(crate) fn between(first: i64, last: i64, count: usize, start: i64, end: i64) -> Self {
        let sampled = last.saturating_sub(first) as f64 / 1000.0;
        let average = sampled / (count - 1) as f64;
        let threshold = average * 1.1;
        let mut to_start = first.saturating_sub(start) as f64 / 1000.0;
        let mut to_end = end.saturating_sub(last) as f64 / 1000.0;
        if to_start >= threshold {
            to_start = average / 2.0;
        }
        if to_end >= threshold {
            to_end = average / 2.0;
        }
        Self {
            sampled,
            to_start,
            to_end,
        }
    }

    #[inline]
    pub(crate) fn factor(&self, to_start: f64, per_seconds: Option<f64>) -> f64 {
        let factor = (self.sampled + to_start + self.to_end) / self.sampled;
        match per_seconds {
            Some(seconds) => factor / seconds,
            None => factor,
        }
    }
}

/// How many of `times` are at most `limit`, given that the first `from` are.
#[inline]
fn advance(times: &[i64], from: usize, limit: i64) -> usize {
    let mut at = from;
    let mut jump = 1;
    // Steps mostly move by a few samples; where they move far, jumps double.
    while at + jump <= times.len() && times[at + jump - 1] <= limit {
        at += jump;
        jump *= 2;
    }
    let end = (at + jump).min(times.len());
    at + times[at..end].partition_point(|time| *time <= limit)
}

/// Windows beyond so many are not kept per timeline but worked out per series; with what `rate`
/// needs they take 40 bytes each.
const CACHED_WINDOWS: usize = 4_000_000;

/// The windows over the timelines of a set, each worked out once.
pub(crate) struct EdgesByTimeline {
    windows: Windows,
    known: Box<[OnceLock<Arc<Edges>>]>,
}

impl EdgesByTimeline {
    pub(crate) fn new(set: &dyn SeriesSet, windows: Windows) -> Self {
        let timelines = set.timelines();
        // Where every series has a timeline of its own there is nothing to share.
        let shared = timelines * 2 <= set.len().max(2)
            && timelines.saturating_mul(windows.count) <= CACHED_WINDOWS;
        Self {
            windows,
            known: (0..if shared { timelines } else { 0 })
                .map(|_| OnceLock::new())
                .collect(),
        }
    }

    /// The windows over a timeline that were worked out before and are shared.
    pub(crate) fn known(&self, timeline: usize) -> Option<&Edges> {
        self.known.get(timeline)?.get().map(Arc::as_ref)
    }

    /// The windows over a timeline; in `scratch` where they are not shared.
    pub(crate) fn get<'a>(
        &'a self,
        set: &dyn SeriesSet,
        timeline: usize,
        scratch: &'a mut Edges,
    ) -> series::Result<&'a Edges> {
        let Some(slot) = self.known.get(timeline) else {
            set.read_times(timeline, &mut scratch.times)?;
            scratch.find(&self.windows);
            return Ok(scratch);
        };
        if let Some(known) = slot.get() {
            return Ok(known);
        }
        let mut edges = Edges::default();
        set.read_times(timeline, &mut edges.times)?;
        edges.find(&self.windows);
        Ok(slot.get_or_init(|| Arc::new(edges)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn windows_hold_what_a_search_finds(
            gaps in prop::collection::vec(1i64..50, 0..60),
            first in -100i64..500,
            step in 0i64..120,
            length in 1i64..200,
        ) {
            let mut time = 0;
            let times: Vec<i64> = gaps.iter().map(|gap| { time += gap; time }).collect();
            let windows = Windows { first, step, count: 20, length, ahead: 0 };
            let mut edges = Edges { times: times.clone(), ..Edges::default() };
            edges.find(&windows);
            for index in 0..20 {
                let end = first + step * index as i64;
                let inside: Vec<i64> =
                    times.iter().copied().filter(|t| *t > end - length && *t <= end).collect();
                let (low, high) = (edges.low[index] as usize, edges.high[index] as usize);
                prop_assert_eq!(&times[low..high], &inside[..]);
            }
        }
    }
}
