use crate::codec::{Kernel, decode_times, encode_times};
use std::sync::Arc;

/// Rows that are sealed into one chunk in memory.
const SEALED_ROWS: usize = 64;

/// A column of times that series share: rows only join at its end and only go at its front.
/// Row numbers never change.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// Whether only a target's scrapes add rows.
    pub(crate) of_target: bool,
    /// The number of the first row that is still here.
    first_row: u32,
    /// Rows at the front of the first chunk that are gone already.
    skipped: usize,
    sealed: Vec<Arc<[u8]>>,
    sealed_rows: usize,
    tail: Vec<i64>,
    first_time: i64,
    last_time: i64,
}

impl Timeline {
    /// The number behind the last row.
    pub(crate) fn end_row(&self) -> u32 {
        self.first_row + self.len() as u32
    }

    /// The number of the first row.
    pub(crate) fn first_row(&self) -> u32 {
        self.first_row
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.sealed_rows - self.skipped + self.tail.len()
    }

    /// The time of the last row.
    pub(crate) fn last_time(&self) -> Option<i64> {
        (self.len() > 0).then_some(self.last_time)
    }

    /// The time of the first row.
    pub(crate) fn first_time(&self) -> Option<i64> {
        (self.len() > 0).then_some(self.first_time)
    }

    /// Adds a row, later than all others, and gives its number.
    pub(crate) fn push(&mut self, time: i64) -> u32 {
        debug_assert!(self.last_time().is_none_or(|last| last < time));
        if self.len() == 0 {
            self.first_time = time;
        }
        self.last_time = time;
        if self.tail.len() == SEALED_ROWS {
            self.sealed.push(encode_times(&self.tail).into());
            self.sealed_rows += SEALED_ROWS;
            self.tail.clear();
        } else if self.tail.len() == self.tail.capacity() {
            self.tail.reserve_exact(8);
        }
        self.tail.push(time);
        self.end_row() - 1
    }

    /// Replaces `out` by all times, beginning with that of the first row.
    pub(crate) fn read(&self, out: &mut Vec<i64>) {
        out.clear();
        out.reserve(self.sealed_rows + self.tail.len());
        for chunk in &self.sealed {
            // What was encoded in this memory decodes.
            let _ = decode_times(Kernel::best(), chunk, out);
        }
        out.drain(..self.skipped);
        out.extend_from_slice(&self.tail);
    }

    /// The times from `row` on.
    pub(crate) fn times_from(&self, row: u32, out: &mut Vec<i64>) {
        let from = (row - self.first_row) as usize;
        let sealed = self.sealed_rows - self.skipped;
        if from >= sealed {
            out.clear();
            out.extend_from_slice(&self.tail[(from - sealed).min(self.tail.len())..]);
        } else {
            self.read(out);
            out.drain(..from);
        }
    }

    /// The row of exactly this time.
    pub(crate) fn find(&self, time: i64) -> Option<u32> {
        if self.len() == 0 || time < self.first_time || time > self.last_time {
            return None;
        }
        if self.tail.first().is_some_and(|first| *first <= time) {
            let at = self.tail.binary_search(&time).ok()?;
            return Some(self.end_row() - (self.tail.len() - at) as u32);
        }
        let mut times = Vec::new();
        self.read(&mut times);
        let at = times.binary_search(&time).ok()?;
        Some(self.first_row + at as u32)
    }

    /// Drops all rows before `row`.
    pub(crate) fn drop_before(&mut self, row: u32) {
        let row = row.clamp(self.first_row, self.end_row());
        let mut drop = (row - self.first_row) as usize;
        if drop == 0 {
            return;
        }
        self.first_row = row;
        let sealed = self.sealed_rows - self.skipped;
        if drop >= sealed {
            drop -= sealed;
            self.sealed = Vec::new();
            (self.sealed_rows, self.skipped) = (0, 0);
            self.tail.drain(..drop);
            self.tail.shrink_to(8);
        } else {
            self.skipped += drop;
            let chunks = self.skipped / SEALED_ROWS;
            self.sealed.drain(..chunks);
            self.sealed_rows -= chunks * SEALED_ROWS;
            self.skipped -= chunks * SEALED_ROWS;
        }
        let mut times = Vec::new();
        self.read(&mut times);
        if let Some(first) = times.first() {
            self.first_time = *first;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_keep_their_numbers(steps in prop::collection::vec(1i64..100, 1..400), cuts in prop::collection::vec(0u32..400, 0..4)) {
            let mut timeline = Timeline::default();
            let mut plain = Vec::new();
            let mut time = 5;
            for (i, step) in steps.iter().enumerate() {
                time += step;
                prop_assert_eq!(timeline.push(time), i as u32);
                plain.push(time);
            }
            let mut first = 0;
            for cut in cuts {
                first = first.max(cut.min(plain.len() as u32));
                timeline.drop_before(cut);
                let mut times = Vec::new();
                timeline.read(&mut times);
                prop_assert_eq!(&times, &plain[first as usize..]);
                prop_assert_eq!(timeline.first_row(), first);
                prop_assert_eq!(timeline.end_row() as usize, plain.len());
                for (i, time) in times.iter().enumerate() {
                    prop_assert_eq!(timeline.find(*time), Some(first + i as u32));
                    prop_assert_eq!(timeline.find(*time + 1).is_some(), times.contains(&(time + 1)));
                }
                prop_assert_eq!(timeline.first_time(), times.first().copied());
            }
        }
    }
}
