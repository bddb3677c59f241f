//! What series consist of, in a few long lists for each source.

use super::gathered::NONE;
use crate::block::{Block, Index};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Pieces of series of one source and what they point to, by places in these lists.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) pieces: Vec<Piece>,
    /// Rows of pieces within their nodes.
    pub(super) runs: Vec<(u32, u32)>,
    pub(super) chunks: Vec<Arc<[u8]>>,
    pub(super) tails: Vec<f64>,
    /// Lengths of chunks in blocks.
    pub(super) lens: Vec<u32>,
    pub(super) spans: Vec<Span>,
}

/// A source of a set: the head, or a block.
pub(super) struct Source {
    pub(super) lists: Lists,
    pub(super) block: Option<OpenBlock>,
    /// Where its nodes begin among those of the set.
    pub(super) first_node: u32,
}

/// A block that is read.
#[derive(Clone)]
pub(crate) struct OpenBlock {
    pub(crate) block: Arc<Block>,
    pub(crate) index: Arc<Index>,
}

/// Which piece of which of a set's sources.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PieceAt {
    pub(super) source: u32,
    pub(super) piece: u32,
}

impl PieceAt {
    pub(super) const NONE: Self = Self {
        source: NONE,
        piece: NONE,
    };
}

/// Values of one series in one source along one node.
pub(super) struct Piece {
    /// Among those of its source.
    pub(super) node: u32,
    pub(super) runs: Range<u32>,
    /// Values at the front of the first chunk that are not wanted.
    pub(super) skip: u32,
    pub(super) len: u32,
    pub(super) chunks: PieceChunks,
    /// The next one of its series.
    pub(super) next: PieceAt,
}

pub(super) enum PieceChunks {
    Memory {
        chunks: Range<u32>,
        tail: Range<u32>,
    },
    /// In the block of its source.
    Block {
        offset: u64,
        lens: Range<u32>,
        span: u32,
    },
}

/// Rows of one source's timeline, and where they stand in the set's.
pub(super) struct Node {
    pub(super) min_time: i64,
    pub(super) max_time: i64,
    pub(super) rows: usize,
    pub(super) timeline: u32,
    /// The node's first row within its timeline.
    pub(super) row: usize,
    pub(super) times: NodeTimes,
}

pub(super) enum NodeTimes {
    /// From a row of these on.
    Known(Vec<i64>, usize),
    /// All rows of a timeline of a source's block, read when first asked for.
    Block {
        source: u32,
        timeline: u32,
        read: OnceLock<Vec<i64>>,
    },
}

/// Neighbouring chunks of a block that are read at once.
pub(super) struct Span {
    pub(super) offset: u64,
    end: u64,
    pieces: u32,
    held: Mutex<SpanBytes>,
}

/// What is held of a span.
#[derive(Default)]
struct SpanBytes {
    bytes: Option<Arc<Vec<u8>>>,
    /// So many pieces have been read. With the last one the bytes are let go; when pieces are
    /// read again they stay.
    read: u32,
}

/// Bytes that are read at once, so that neighbouring series cost one read, and yet the spans of
/// a dozen blocks, which a series passes through, stay in a processor's cache.
const SPAN_BYTES: u64 = 128 << 10;
/// A gap of this many bytes between wanted series is read over.
const SPAN_GAP: u64 = 16 << 10;
/// Pieces at the most, so that threads which read other series seldom want the same span.
const SPAN_PIECES: u32 = 128;

impl Span {
    /// Of one piece.
    pub(super) fn new(Range { start, end }: Range<u64>) -> Self {
        Self {
            offset: start,
            end,
            pieces: 1,
            held: Mutex::default(),
        }
    }

    /// Takes in another piece, if it is near and there is room.
    pub(super) fn take_in(&mut self, piece: &Range<u64>) -> bool {
        let gap = piece.start.checked_sub(self.end);
        let fits = gap.is_some_and(|gap| gap <= SPAN_GAP)
            && piece.end - self.offset <= SPAN_BYTES
            && self.pieces < SPAN_PIECES;
        if fits {
            self.end = piece.end;
            self.pieces += 1;
        }
        fits
    }

    /// Its bytes for a reader. `memory` is where to read them if nobody has.
    fn pick_up(&self, block: &Block, mut memory: Vec<u8>) -> io::Result<Arc<Vec<u8>>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = &held.bytes {
            return Ok(Arc::clone(bytes));
        }
        memory.resize((self.end - self.offset) as usize, 0);
        block.read_at(self.offset, &mut memory)?;
        Ok(Arc::clone(held.bytes.insert(Arc::new(memory))))
    }

    /// Takes them back from a reader who read so many pieces. Gives their memory if nobody wants
    /// them any more.
    fn put_down(&self, bytes: Arc<Vec<u8>>, read: u32) -> Option<Vec<u8>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.read = held.read.saturating_add(read);
        if held.read == self.pieces {
            held.bytes = None;
        }
        drop(held);
        Arc::into_inner(bytes)
    }
}

/// The spans that a reader has in hand: of each source the last one, for the next series mostly
/// stands in it too.
#[derive(Default)]
pub(super) struct InHand {
    spans: Vec<HeldSpan>,
    /// The source that is expected next.
    next: usize,
}

struct HeldSpan {
    /// The number of the set, and its source.
    source: (u64, u32),
    span: u32,
    bytes: Arc<Vec<u8>>,
    /// Pieces that were read since it was picked up.
    read: u32,
}

impl InHand {
    /// The bytes of one of a source's spans, for a piece.
    pub(super) fn bytes(
        &mut self,
        source: (u64, u32),
        (spans, at): (&[Span], u32),
        block: &Block,
    ) -> io::Result<&[u8]> {
        let expected = self.spans.get(self.next);
        let place = if expected.is_some_and(|held| held.source == source) {
            self.next
        } else {
            let known = self.spans.iter().position(|held| held.source == source);
            known.unwrap_or_else(|| {
                self.spans.push(HeldSpan {
                    source,
                    span: NONE,
                    bytes: Arc::default(),
                    read: 0,
                });
                self.spans.len() - 1
            })
        };
        self.next = (place + 1) % self.spans.len();
        let held = &mut self.spans[place];
        if held.span != at {
            let (bytes, read) = (std::mem::take(&mut held.bytes), held.read);
            let before = spans.get(held.span as usize);
            let memory = before.and_then(|before| before.put_down(bytes, read));
            (held.span, held.read) = (NONE, 0);
            held.bytes = spans[at as usize].pick_up(block, memory.unwrap_or_default())?;
            held.span = at;
        }
        held.read += 1;
        Ok(&held.bytes)
    }
}
