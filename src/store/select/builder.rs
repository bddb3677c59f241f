//! Puts a set together from sources.

use super::set::{Node, NodeTimes, Piece, PieceChunks, Set, SetSeries, Span};
use crate::block::{Block, TrackEntry};
use crate::codec::{CHUNK_SAMPLES, info};
use crate::head::Track;
use series::{Labels, TimeRange};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Bytes that are read at once, so that neighbouring series cost one read, and yet the spans of
/// a dozen blocks, which a series passes through, stay in a processor's cache.
const SPAN_BYTES: u64 = 128 << 10;
/// A gap of this many bytes between wanted series is read over.
const SPAN_GAP: u64 = 16 << 10;

/// Collects what a query reads.
pub(crate) struct SetBuilder {
    range: TimeRange,
    set: Set,
    /// Series of the sources before this one, as far as somebody had to look among them.
    by_labels: HashMap<Labels, u32>,
    /// Where the next series of a sorted source is expected.
    hint: usize,
    /// How many series the sources before this one brought.
    before: usize,
    /// The last piece of each series.
    last_pieces: Vec<u32>,
}

/// A piece's place within a node, before its chunks are known.
struct Clipped {
    runs: Range<u32>,
    first_value: usize,
    len: usize,
}

const NONE: u32 = u32::MAX;

impl SetBuilder {
    pub(crate) fn new(range: TimeRange) -> Self {
        Self {
            range,
            set: Set::default(),
            by_labels: HashMap::new(),
            hint: 0,
            before: 0,
            last_pieces: Vec::new(),
        }
    }

    pub(crate) fn range(&self) -> TimeRange {
        self.range
    }

    /// Adds to what the set will say could not be read.
    pub(crate) fn warn(&self, text: String) {
        self.set.warn(text);
    }

    /// Says that about so many series of another source follow, in the order of their labels.
    pub(crate) fn begin_source(&mut self, series: usize) {
        self.hint = 0;
        self.before = self.set.series.len();
        self.set.pieces.reserve(series);
        if self.before == 0 {
            self.set.series.reserve(series);
            self.last_pieces.reserve(series);
        }
    }

    /// Adds a block to read from and gives its number in the set.
    pub(crate) fn add_block(&mut self, block: Arc<Block>) -> u32 {
        self.set.blocks.push(block);
        self.set.blocks.len() as u32 - 1
    }

    /// Adds a stretch of one source's timeline: `times` covers rows from `first_row` on.
    pub(crate) fn add_times(&mut self, times: &[i64]) -> Option<u32> {
        let (Some(min_time), Some(max_time)) = (times.first(), times.last()) else {
            return None;
        };
        Some(self.push_node(Node {
            min_time: *min_time,
            max_time: *max_time,
            rows: times.len(),
            timeline: 0,
            row: 0,
            times: NodeTimes::Known(times.into()),
        }))
    }

    /// Adds rows of a block's timeline, all of which are wanted.
    pub(crate) fn add_block_timeline(
        &mut self,
        block: u32,
        timeline: u32,
        bounds: (i64, i64),
        rows: usize,
    ) -> u32 {
        self.push_node(Node {
            min_time: bounds.0,
            max_time: bounds.1,
            rows,
            timeline: 0,
            row: 0,
            times: NodeTimes::Block {
                block,
                timeline,
                read: OnceLock::new(),
            },
        })
    }

    fn push_node(&mut self, node: Node) -> u32 {
        self.set.nodes.push(node);
        self.set.nodes.len() as u32 - 1
    }

    /// The labels that come next if this source holds the same series as those before, in the
    /// same order, as sources mostly do.
    pub(crate) fn expected(&self) -> Option<&Labels> {
        self.set.series.get(self.hint).map(|series| &series.labels)
    }

    fn series(&mut self, labels: &Labels) -> u32 {
        // The one that is expected next, or another track of the series before.
        for at in [self.hint, self.hint.wrapping_sub(1)] {
            if self
                .set
                .series
                .get(at)
                .is_some_and(|known| known.labels == *labels)
            {
                self.hint = at + 1;
                return at as u32;
            }
        }
        // Within one source no labels come twice.
        if self.before > 0 {
            for at in self.by_labels.len()..self.before {
                let labels = self.set.series[at].labels.clone();
                self.by_labels.insert(labels, at as u32);
            }
            if let Some(&at) = self.by_labels.get(labels) {
                self.hint = at as usize + 1;
                return at;
            }
        }
        let at = self.set.series.len();
        self.set.series.push(SetSeries {
            labels: labels.clone(),
            first_piece: NONE,
            bound: 0,
            disordered: false,
        });
        self.last_pieces.push(NONE);
        self.hint = at + 1;
        at as u32
    }

    /// Keeps the rows `wanted` of `runs`, counted from the start of `wanted`.
    fn clip(&mut self, runs: impl Iterator<Item = (u32, u32)>, wanted: &Range<u32>) -> Clipped {
        let begin = self.set.runs.len() as u32;
        let (mut first_value, mut len) = (0, 0);
        for (row, rows) in runs {
            let from = row.clamp(wanted.start, wanted.end);
            let to = (row + rows).clamp(wanted.start, wanted.end);
            if from < to {
                if len == 0 {
                    first_value += (from - row) as usize;
                }
                self.set.runs.push((from - wanted.start, to - from));
                len += (to - from) as usize;
            } else if len == 0 {
                first_value += rows as usize;
            }
        }
        Clipped {
            runs: begin..self.set.runs.len() as u32,
            first_value,
            len,
        }
    }

    /// Adds the rows `wanted` of a track in memory, which stand in `node`.
    pub(crate) fn add_track(
        &mut self,
        labels: &Labels,
        node: u32,
        track: &Track,
        wanted: &Range<u32>,
    ) {
        let clipped = self.clip(track.runs.iter(), wanted);
        if clipped.len == 0 {
            return;
        }
        let mut before = 0;
        let mut skip = clipped.first_value;
        let end = clipped.first_value + clipped.len;
        let begin = self.set.chunks.len() as u32;
        for chunk in &track.chunks {
            let len = info(chunk).map_or(0, |info| info.len);
            if before + len <= clipped.first_value {
                skip -= len;
            } else if before < end {
                self.set.chunks.push(Arc::clone(chunk));
            }
            before += len;
        }
        let tail = self.set.tails.len() as u32;
        if before < end {
            let from = clipped.first_value.saturating_sub(before);
            if before < clipped.first_value {
                skip = 0;
            }
            let to = (end - before).min(track.tail.len());
            self.set
                .tails
                .extend_from_slice(&track.tail[from.min(to)..to]);
        }
        let chunks = PieceChunks::Memory {
            chunks: begin..self.set.chunks.len() as u32,
            tail: tail..self.set.tails.len() as u32,
        };
        self.push_piece(labels, node, clipped, skip, chunks);
    }

    /// Adds the rows `wanted` of a series's track in a block.
    pub(crate) fn add_block_track(
        &mut self,
        labels: &Labels,
        node: u32,
        block: u32,
        track: &TrackEntry,
        wanted: &Range<u32>,
    ) {
        let TrackEntry {
            mut offset,
            ref runs,
            ref lens,
            ..
        } = *track;
        let clipped = self.clip(runs.iter().copied(), wanted);
        if clipped.len == 0 {
            return;
        }
        let first = clipped.first_value / CHUNK_SAMPLES;
        let last = (clipped.first_value + clipped.len - 1) / CHUNK_SAMPLES;
        let Some(wanted_lens) = lens.get(first..=last) else {
            return;
        };
        let begin = self.set.lens.len() as u32;
        self.set.lens.extend_from_slice(wanted_lens);
        // The first may stand for one before it.
        let own = lens[..=first].iter().rposition(|len| *len > 0).unwrap_or(0);
        self.set.lens[begin as usize] = lens[own];
        let sum = |lens: &[u32]| lens.iter().map(|len| u64::from(*len)).sum::<u64>();
        offset += sum(&lens[..own]);
        let bytes = sum(&self.set.lens[begin as usize..]);
        let chunks = PieceChunks::Block {
            block,
            offset,
            lens: begin..self.set.lens.len() as u32,
            span: self.span(block, offset, bytes),
        };
        let skip = clipped.first_value % CHUNK_SAMPLES;
        self.push_piece(labels, node, clipped, skip, chunks);
    }

    fn span(&mut self, block: u32, offset: u64, bytes: u64) -> u32 {
        if let Some(last) = self.set.spans.last_mut()
            && last.block == block
            && last.end <= offset
            && offset - last.end <= SPAN_GAP
            && offset + bytes - last.offset <= SPAN_BYTES
        {
            last.end = offset + bytes;
            *last.pieces.get_mut() += 1;
        } else {
            self.set
                .spans
                .push(Span::new(block, offset, offset + bytes));
        }
        self.set.spans.len() as u32 - 1
    }

    fn push_piece(
        &mut self,
        labels: &Labels,
        node: u32,
        clipped: Clipped,
        skip: usize,
        chunks: PieceChunks,
    ) {
        let series = self.series(labels);
        let at = self.set.pieces.len() as u32;
        self.set.pieces.push(Piece {
            node,
            runs: clipped.runs,
            skip,
            len: clipped.len,
            chunks,
            next: NONE,
        });
        let entry = &mut self.set.series[series as usize];
        entry.bound += clipped.len;
        match std::mem::replace(&mut self.last_pieces[series as usize], at) {
            NONE => entry.first_piece = at,
            last => self.set.pieces[last as usize].next = at,
        }
    }

    /// The set, in the order of labels, its nodes stitched to timelines.
    pub(crate) fn finish(self) -> Set {
        let mut set = self.set;
        if !set.series.is_sorted_by(|a, b| a.labels < b.labels) {
            set.series.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
        }
        set.stitch();
        set
    }
}
