use crate::codec::{CHUNK_SAMPLES, Effort, Kernel, decode_values, encode_values, info};
use std::sync::Arc;

/// Rows in which a series has values, as (first row, number of rows), increasing. Nearly always
/// one run, which needs no memory of its own.
#[derive(Debug, Default, Clone)]
pub(crate) struct Runs {
    #[expect(
        clippy::box_collection,
        reason = "absent in nearly all of very many series"
    )]
    earlier: Option<Box<Vec<(u32, u32)>>>,
    last: (u32, u32),
}

impl Runs {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let earlier = self
            .earlier
            .as_deref()
            .map_or(&[][..], |earlier| &earlier[..]);
        let last = (self.last.1 > 0).then_some(self.last);
        earlier.iter().copied().chain(last)
    }

    /// The number behind the last row.
    pub(crate) fn end(&self) -> u32 {
        self.last.0 + self.last.1
    }

    pub(crate) fn push(&mut self, row: u32, len: u32) {
        if self.last.1 > 0 && row != self.end() {
            let last = self.last;
            self.earlier.get_or_insert_default().push(last);
            self.last = (row, 0);
        } else if self.last.1 == 0 {
            self.last.0 = row;
        }
        self.last.1 += len;
    }

    /// Takes the first `count` rows away.
    pub(crate) fn drop_front(&mut self, mut count: u32) {
        let mut left = Self::default();
        for (row, len) in self.iter() {
            let gone = count.min(len);
            count -= gone;
            if gone < len {
                left.push(row + gone, len - gone);
            }
        }
        *self = left;
    }
}

/// Values of one series along one timeline.
#[derive(Debug, Default)]
pub(crate) struct Track {
    pub(crate) timeline: u32,
    pub(crate) runs: Runs,
    /// Encoded values; the last chunk may still grow until it is full.
    pub(crate) chunks: Vec<Arc<[u8]>>,
    /// The latest values.
    pub(crate) tail: Vec<f64>,
}

impl Track {
    pub(crate) fn is_empty(&self) -> bool {
        self.tail.is_empty() && self.chunks.is_empty()
    }

    /// Adds values of consecutive rows behind all others. The tail is encoded once it has
    /// `tail_limit` values.
    pub(crate) fn push(&mut self, row: u32, values: &[f64], tail_limit: usize) {
        self.runs.push(row, values.len() as u32);
        if self.tail.len() + values.len() > self.tail.capacity() {
            // Small steps: a spare slot in every series adds up.
            self.tail.reserve_exact(values.len().max(8));
        }
        self.tail.extend_from_slice(values);
        if self.tail.len() >= tail_limit {
            self.seal();
        }
    }

    /// Encodes the tail, filling up the last chunk first.
    pub(crate) fn seal(&mut self) {
        let mut values = Vec::with_capacity(CHUNK_SAMPLES + self.tail.len());
        let growing = self.chunks.last().and_then(|chunk| info(chunk));
        if let Some(growing) = growing.filter(|chunk| chunk.len < CHUNK_SAMPLES)
            && let Some(chunk) = self.chunks.pop()
        {
            values.resize(growing.len, 0.0);
            // What was encoded in this memory decodes.
            let _ = decode_values(Kernel::best(), &chunk, &mut values);
        }
        values.append(&mut self.tail);
        self.tail = Vec::new();
        for part in values.chunks(CHUNK_SAMPLES) {
            let effort = if part.len() == CHUNK_SAMPLES {
                Effort::Thorough
            } else {
                Effort::Quick
            };
            if self.chunks.len() == self.chunks.capacity() {
                self.chunks.reserve_exact(2);
            }
            self.chunks.push(encode_values(part, effort).into());
        }
    }

    /// Replaces `out` by all values.
    pub(crate) fn read(&self, out: &mut Vec<f64>) {
        out.clear();
        for chunk in &self.chunks {
            let start = out.len();
            let len = info(chunk).map_or(0, |info| info.len);
            out.resize(start + len, 0.0);
            let _ = decode_values(Kernel::best(), chunk, &mut out[start..]);
        }
        out.extend_from_slice(&self.tail);
    }

    /// Takes the first `count` values away.
    pub(crate) fn drop_front(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        self.runs.drop_front(count as u32);
        let mut left = count;
        let mut whole = 0;
        for chunk in &self.chunks {
            let len = info(chunk).map_or(0, |info| info.len);
            if len > left {
                break;
            }
            left -= len;
            whole += 1;
        }
        self.chunks.drain(..whole);
        if left == 0 {
            return;
        }
        // The cut goes through a chunk, or through the tail.
        let mut values = Vec::new();
        self.read(&mut values);
        values.drain(..left.min(values.len()));
        self.chunks = Vec::new();
        self.tail = values;
        if self.tail.len() > 16 {
            self.seal();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn values_and_rows_go_only_at_the_front(
            pieces in prop::collection::vec((0u32..3, prop::collection::vec(0i32..100, 1..300)), 1..6),
            drops in prop::collection::vec(0usize..500, 0..4),
        ) {
            let mut track = Track::default();
            let mut plain = Vec::new();
            let mut row = 0;
            for (gap, values) in pieces {
                row += gap;
                let values: Vec<f64> = values.into_iter().map(f64::from).collect();
                track.push(row, &values, 20);
                for value in values {
                    plain.push((row, value));
                    row += 1;
                }
            }
            for drop in drops {
                let drop = drop.min(plain.len());
                track.drop_front(drop);
                plain.drain(..drop);
                let mut values = Vec::new();
                track.read(&mut values);
                let rows = track.runs.iter().flat_map(|(row, len)| row..row + len);
                let back: Vec<(u32, f64)> = rows.zip(values.iter().copied()).collect();
                prop_assert_eq!(&back, &plain);
                prop_assert_eq!(values.len(), plain.len());
            }
        }
    }
}
