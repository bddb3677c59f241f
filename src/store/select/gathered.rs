//! What one source, the head or a block, adds to a set.

use super::lists::{Lists, Node, NodeTimes, OpenBlock, Piece, PieceAt, PieceChunks, Span};
use crate::block::{Index, TrackEntry};
use crate::codec::{CHUNK_SAMPLES, info};
use crate::head::Track;
use series::{Labels, TimeRange};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

pub(super) const NONE: u32 = u32::MAX;

/// Series of one source with what is to be read of them, under numbers of its own.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(super) block: Option<OpenBlock>,
    pub(super) series: Vec<GatheredSeries>,
    /// The labels of series that the guide does not name.
    pub(super) strangers: Vec<Labels>,
    pub(super) nodes: Vec<Node>,
    pub(super) lists: Lists,
    /// What could not be read.
    pub(super) warnings: Vec<String>,
}

/// A series of a source.
pub(super) struct GatheredSeries {
    pub(super) is: Identity,
    pub(super) first_piece: u32,
    pub(super) last_piece: u32,
    pub(super) bound: usize,
}

/// Which series it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    /// One that the guide names.
    Guided(u32),
    /// One of the strangers.
    Stranger(u32),
}

/// The series that one of the sources has, in the order of their labels. By them those of all
/// are known: most sources have the same ones.
pub(crate) enum Guide {
    Own(Vec<Labels>),
    Block(Arc<Index>, Vec<u32>),
}

impl Default for Guide {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl Guide {
    /// Of labels; what follows one out of order is left out.
    pub(crate) fn of_labels(mut labels: Vec<Labels>) -> Self {
        let disorder = labels.windows(2).position(|pair| pair[0] >= pair[1]);
        labels.truncate(disorder.map_or(labels.len(), |at| at + 1));
        Self::Own(labels)
    }

    /// Of series of a block; what follows one that is out of order or cannot be read is left
    /// out.
    pub(crate) fn of_block(index: &Arc<Index>, series: &[u32]) -> Self {
        let behind = |pair: &[u32]| index.is_behind(pair[0], pair[1]).unwrap_or(false);
        let readable = series.first().is_some_and(|at| index.labels(*at).is_ok());
        let in_order = series.windows(2).take_while(|pair| behind(pair)).count();
        let len = usize::from(readable) * (in_order + 1);
        Self::Block(Arc::clone(index), series[..len].to_vec())
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Own(labels) => labels.len(),
            Self::Block(_, series) => series.len(),
        }
    }

    pub(super) fn get(&self, at: usize) -> Option<&Labels> {
        match self {
            Self::Own(labels) => labels.get(at),
            Self::Block(index, series) => index.labels(*series.get(at)?).ok(),
        }
    }

    /// The first place from `from` on whose labels are not below these.
    fn place_of(&self, labels: &Labels, from: usize) -> usize {
        from + match self {
            Self::Own(all) => all[from..].partition_point(|known| known < labels),
            Self::Block(index, series) => series[from..]
                .partition_point(|at| index.labels(*at).is_ok_and(|known| known < labels)),
        }
    }
}

/// A node, and which rows of its source's timeline it holds.
pub(crate) type Stretch = (u32, Range<u32>);

/// A source that is being gathered. Several can be at the same time.
pub(crate) struct Gathering<'a> {
    range: TimeRange,
    guide: &'a Guide,
    /// Where the guide names the next series, as is expected.
    hint: usize,
    out: Gathered,
}

/// A piece's place within a node, before its chunks are known.
struct Clipped {
    runs: Range<u32>,
    first_value: usize,
    len: usize,
}

impl<'a> Gathering<'a> {
    /// Of about so many `series`, which come in the order of their labels, in memory or in a
    /// block.
    pub(crate) fn new(
        range: TimeRange,
        guide: &'a Guide,
        series: usize,
        block: Option<OpenBlock>,
    ) -> Self {
        Self {
            range,
            guide,
            hint: 0,
            out: Gathered {
                block,
                series: Vec::with_capacity(series),
                lists: Lists {
                    pieces: Vec::with_capacity(series),
                    runs: Vec::with_capacity(series),
                    ..Lists::default()
                },
                ..Gathered::default()
            },
        }
    }

    pub(crate) fn finish(self) -> Gathered {
        self.out
    }

    pub(crate) fn range(&self) -> TimeRange {
        self.range
    }

    /// Adds to what the set will say could not be read.
    pub(crate) fn warn(&mut self, text: String) {
        self.out.warnings.push(text);
    }

    /// The labels that come next if this source has what the guide names, in the same order.
    pub(crate) fn expected(&self) -> Option<&'a Labels> {
        self.guide.get(self.hint)
    }

    /// Which series has these labels; they come behind those before them, or are the last of
    /// them.
    fn identify(&mut self, labels: &Labels) -> Identity {
        let guide = self.guide;
        // The one that is expected next, or another track of the series before.
        for at in [self.hint, self.hint.wrapping_sub(1)] {
            if guide.get(at) == Some(labels) {
                self.hint = at + 1;
                return Identity::Guided(at as u32);
            }
        }
        let strangers = &mut self.out.strangers;
        if strangers.last() == Some(labels) {
            return Identity::Stranger(strangers.len() as u32 - 1);
        }
        if guide.get(self.hint).is_some_and(|next| next < labels) {
            self.hint = guide.place_of(labels, self.hint);
            if guide.get(self.hint) == Some(labels) {
                self.hint += 1;
                return Identity::Guided(self.hint as u32 - 1);
            }
        }
        strangers.push(labels.clone());
        Identity::Stranger(strangers.len() as u32 - 1)
    }

    /// Adds the rows `wanted` of a timeline.
    pub(crate) fn add_times(&mut self, times: Vec<i64>, wanted: Range<usize>) -> Option<u32> {
        let rows = &times[wanted.clone()];
        let (Some(&min_time), Some(&max_time)) = (rows.first(), rows.last()) else {
            return None;
        };
        Some(self.push_node(Node {
            min_time,
            max_time,
            rows: rows.len(),
            timeline: 0,
            row: 0,
            times: NodeTimes::Known(times, wanted.start),
        }))
    }

    /// Adds rows of a timeline of the block, all of which are wanted.
    pub(crate) fn add_block_timeline(
        &mut self,
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
                source: 0,
                timeline,
                read: OnceLock::new(),
            },
        })
    }

    fn push_node(&mut self, node: Node) -> u32 {
        self.out.nodes.push(node);
        self.out.nodes.len() as u32 - 1
    }

    /// Keeps the rows `wanted` of `runs`, counted from the start of `wanted`.
    fn clip(&mut self, runs: impl Iterator<Item = (u32, u32)>, wanted: &Range<u32>) -> Clipped {
        let begin = self.out.lists.runs.len() as u32;
        let (mut first_value, mut len) = (0, 0);
        for (row, rows) in runs {
            let from = row.clamp(wanted.start, wanted.end);
            let to = (row + rows).clamp(wanted.start, wanted.end);
            if from < to {
                if len == 0 {
                    first_value += (from - row) as usize;
                }
                self.out.lists.runs.push((from - wanted.start, to - from));
                len += (to - from) as usize;
            } else if len == 0 {
                first_value += rows as usize;
            }
        }
        Clipped {
            runs: begin..self.out.lists.runs.len() as u32,
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
        let begin = self.out.lists.chunks.len() as u32;
        for chunk in &track.chunks {
            let len = info(chunk).map_or(0, |info| info.len);
            if before + len <= clipped.first_value {
                skip -= len;
            } else if before < end {
                self.out.lists.chunks.push(Arc::clone(chunk));
            }
            before += len;
        }
        let tail = self.out.lists.tails.len() as u32;
        if before < end {
            let from = clipped.first_value.saturating_sub(before);
            if before < clipped.first_value {
                skip = 0;
            }
            let to = (end - before).min(track.tail.len());
            self.out
                .lists
                .tails
                .extend_from_slice(&track.tail[from.min(to)..to]);
        }
        let chunks = PieceChunks::Memory {
            chunks: begin..self.out.lists.chunks.len() as u32,
            tail: tail..self.out.lists.tails.len() as u32,
        };
        self.push_piece(labels, node, clipped, skip, chunks);
    }

    /// Adds the rows `wanted` of a series's track in the block.
    pub(crate) fn add_block_track(
        &mut self,
        labels: &Labels,
        node: u32,
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
        let begin = self.out.lists.lens.len() as u32;
        self.out.lists.lens.extend_from_slice(wanted_lens);
        // The first may stand for one before it.
        let own = lens[..=first].iter().rposition(|len| *len > 0).unwrap_or(0);
        self.out.lists.lens[begin as usize] = lens[own];
        let sum = |lens: &[u32]| lens.iter().map(|len| u64::from(*len)).sum::<u64>();
        offset += sum(&lens[..own]);
        let bytes = sum(&self.out.lists.lens[begin as usize..]);
        let chunks = PieceChunks::Block {
            offset,
            lens: begin..self.out.lists.lens.len() as u32,
            span: self.span(offset, bytes),
        };
        let skip = clipped.first_value % CHUNK_SAMPLES;
        self.push_piece(labels, node, clipped, skip, chunks);
    }

    fn span(&mut self, offset: u64, bytes: u64) -> u32 {
        let wanted = offset..offset + bytes;
        let last = self.out.lists.spans.last_mut();
        if !last.is_some_and(|last| last.take_in(&wanted)) {
            self.out.lists.spans.push(Span::new(wanted));
        }
        self.out.lists.spans.len() as u32 - 1
    }

    fn push_piece(
        &mut self,
        labels: &Labels,
        node: u32,
        clipped: Clipped,
        skip: usize,
        chunks: PieceChunks,
    ) {
        let at = self.out.lists.pieces.len() as u32;
        self.out.lists.pieces.push(Piece {
            node,
            runs: clipped.runs,
            skip: skip as u32,
            len: clipped.len as u32,
            chunks,
            next: PieceAt::NONE,
        });
        let is = self.identify(labels);
        match self.out.series.last_mut() {
            Some(last) if last.is == is => {
                let next = PieceAt {
                    source: 0,
                    piece: at,
                };
                self.out.lists.pieces[last.last_piece as usize].next = next;
                last.last_piece = at;
                last.bound += clipped.len;
            }
            _ => self.out.series.push(GatheredSeries {
                is,
                first_piece: at,
                last_piece: at,
                bound: clipped.len,
            }),
        }
    }
}
