//! Reads the answer of Prometheus's `query` and `query_range` as it arrives.
//!
//! Chunks go into [`Reader::feed`] and samples come out in columns; of the body itself nothing
//! is kept but a piece cut at the end of a chunk. Start at [`Reader`].
//!
//! The general way reads any JSON: white space, keys in any order, unknown keys. Samples written
//! as servers write them (`[1700000000,"0.25"]`) are read on a fast way that falls back to it,
//! and a property test holds both equal to a plain reader.

mod columns;
mod digits;
mod histograms;
mod labels;
mod machine;
mod number;
mod statistics;
mod token;

#[cfg(test)]
mod tests;

use columns::Columns;
use histograms::Histograms;
use series::{Answer, QueryResult, Sample, Statistics};
use std::borrow::Cow;

/// Most bytes of one text, key or label set; a longer one is refused.
pub const MAX_PIECE_BYTES: usize = 16 << 20;

/// Most warnings and infos that are kept, each; one more says how many came after them.
/// Prometheus itself sends ten, and every frame repeats them.
pub const MAX_NOTICES: usize = 20;

/// Longest text of a warning or info that is kept; of a longer one the rest is left out.
pub const MAX_NOTICE_BYTES: usize = 1 << 10;

/// Longest text of an error that is kept.
pub const MAX_ERROR_BYTES: usize = 16 << 10;

/// Longest text of statistics that is kept as the server wrote it; of a longer one only the
/// numbers are.
pub const MAX_STATISTICS_BYTES: usize = 1 << 20;

/// So many bytes behind a sample's start let the fast way look without minding the end.
const FAST_BYTES: usize = 64;

/// How much one answer may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Most samples (`maxSamples`); each bucket of a native histogram is one.
    pub samples: u64,
    /// Most series (`maxSeries`).
    pub series: u64,
    /// Most bytes, decompressed (`maxResponseBytes`).
    pub bytes: u64,
}

/// A bound that an answer reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// `maxSamples`.
    Samples,
    /// `maxSeries`.
    Series,
    /// `maxResponseBytes`.
    Bytes,
}

/// Whether more is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The answer goes on.
    More,
    /// A bound is reached: what follows will not be looked at.
    Full(Bound),
}

/// Why an answer cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct ReadError {
    /// Where, from the start of the decompressed body.
    pub offset: u64,
    /// What is wrong there.
    pub reason: Cow<'static, str>,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Read {
    /// The query succeeded.
    Answer {
        /// What came; up to the bound, where one was reached.
        answer: Answer,
        /// The bound that was reached.
        reached: Option<Bound>,
    },
    /// The server says that the query failed (`"status": "error"`).
    Failed {
        /// `errorType`.
        kind: String,
        /// `error`.
        message: String,
    },
}

/// An object or array that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Root,
    Data,
    Warnings,
    Infos,
    /// The array under `result`.
    Result,
    /// One object of it.
    Element,
    /// The array under `values`.
    Values,
    /// The array under `histograms`.
    Histograms,
}

/// What a value is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// The whole body.
    Root,
    Ignored,
    Status,
    Error,
    ErrorType,
    Data,
    Warnings,
    Infos,
    Notice,
    ResultType,
    Result,
    /// A number or text right inside `result`: a scalar's or string's time and value.
    Half,
    Element,
    Metric,
    Sample,
    Values,
    Histogram,
    Histograms,
    Stats,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// The value of a field.
    Value(Field),
    /// The first member of what has just been opened, or its end.
    FirstOrEnd,
    /// A member, after a comma.
    Member,
    /// A comma or the end of what is open.
    CommaOrEnd,
    /// The rest of an ignored value, so many brackets deep.
    Ignoring(usize),
    /// Nothing: the body is complete.
    Nothing,
}

/// Reads one answer.
pub struct Reader {
    bounds: Bounds,
    expect: Expect,
    open: Vec<Open>,
    /// Bytes before those that are still to be read.
    offset: u64,
    /// Bytes that a chunk ended with, in the middle of a piece.
    carried: Vec<u8>,
    /// No use to try the carried bytes again with fewer.
    worth_trying: usize,
    full: Option<Bound>,
    columns: Columns,
    scratch: labels::Scratch,
    status: String,
    error_kind: String,
    error: String,
    result_type: Option<String>,
    half_time: Option<i64>,
    half_text: Option<String>,
    warnings: Notices,
    infos: Notices,
    statistics: Statistics,
    histograms: Histograms,
    /// Series so far, of numbers or histograms.
    series: u64,
}

/// Warnings, or infos, as far as they are kept.
#[derive(Default)]
struct Notices {
    texts: Vec<String>,
    left_out: u64,
}

impl Notices {
    fn push(&mut self, text: String) {
        if self.texts.len() < MAX_NOTICES {
            self.texts.push(shortened(text, MAX_NOTICE_BYTES));
        } else {
            self.left_out += 1;
        }
    }

    fn into_texts(mut self, what: &str) -> Vec<String> {
        if self.left_out > 0 {
            self.texts
                .push(format!("{} more {what} were left out", self.left_out));
        }
        self.texts
    }
}

/// A text of a server's, which may be as long as it likes.
pub(super) fn shortened(mut text: String, most_bytes: usize) -> String {
    if text.len() > most_bytes {
        text.truncate(text.floor_char_boundary(most_bytes));
        text.push('…');
    }
    text
}

impl Reader {
    /// A reader for one body.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            expect: Expect::Value(Field::Root),
            open: Vec::new(),
            offset: 0,
            carried: Vec::new(),
            worth_trying: 0,
            full: None,
            columns: Columns::new(),
            scratch: labels::Scratch::default(),
            status: String::new(),
            error_kind: String::new(),
            error: String::new(),
            result_type: None,
            half_time: None,
            half_text: None,
            warnings: Notices::default(),
            infos: Notices::default(),
            statistics: Statistics::default(),
            histograms: Histograms::default(),
            series: 0,
        }
    }

    /// Takes the next bytes of the body, cut anywhere.
    ///
    /// # Errors
    /// [`ReadError`] when they cannot go on like this; the reader is of no more use then.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<Progress, ReadError> {
        if let Some(bound) = self.full {
            return Ok(Progress::Full(bound));
        }
        let seen = self.offset + self.carried.len() as u64;
        let allowed = self.bounds.bytes.saturating_sub(seen);
        let fits = chunk.len() as u64 <= allowed;
        let chunk = if fits {
            chunk
        } else {
            &chunk[..allowed as usize]
        };
        self.read_chunk(chunk)?;
        if !fits && self.full.is_none() && self.expect != Expect::Nothing {
            self.full = Some(Bound::Bytes);
        }
        Ok(self.full.map_or(Progress::More, Progress::Full))
    }

    fn read_chunk(&mut self, chunk: &[u8]) -> Result<(), ReadError> {
        let mut from = 0;
        if !self.carried.is_empty() {
            match self.finish_carried(chunk)? {
                Some(taken) => from = taken,
                None => return Ok(()),
            }
        }
        if from < chunk.len() && self.full.is_none() {
            let read = self.read(chunk, from, chunk.len())?;
            self.offset += (read - from) as u64;
            if self.full.is_none() {
                self.carry(&chunk[read..])?;
            }
        }
        Ok(())
    }

    /// Reads the carried piece with as little of `chunk` as completes it: how much that was, or
    /// `None` when all of the chunk is not enough.
    fn finish_carried(&mut self, chunk: &[u8]) -> Result<Option<usize>, ReadError> {
        let mut carried = self.carried.len();
        let mut taken = 0;
        while taken < chunk.len() {
            // Most pieces are short, and so a little of the chunk completes them.
            let more = (chunk.len() - taken).min(self.carried.len().max(256));
            self.carried.extend_from_slice(&chunk[taken..taken + more]);
            taken += more;
            if self.carried.len() < self.worth_trying {
                continue;
            }
            let mut bytes = std::mem::take(&mut self.carried);
            // Whatever begins in the chunk is read from the chunk.
            let read = self.read(&bytes, 0, carried)?;
            self.offset += read as u64;
            if read >= carried || self.full.is_some() {
                return Ok(Some(read.saturating_sub(carried)));
            }
            bytes.drain(..read);
            carried -= read;
            self.carried = bytes;
            // Each try looks at the piece from its start: twice as much makes it worth while.
            self.worth_trying = self.carried.len() * 2;
        }
        self.check_piece()?;
        Ok(None)
    }

    fn carry(&mut self, rest: &[u8]) -> Result<(), ReadError> {
        self.carried.clear();
        self.carried.extend_from_slice(rest);
        self.worth_trying = 0;
        self.check_piece()
    }

    fn check_piece(&self) -> Result<(), ReadError> {
        if self.carried.len() > MAX_PIECE_BYTES {
            return Err(ReadError {
                offset: self.offset,
                reason: format!("a text longer than {MAX_PIECE_BYTES} bytes begins").into(),
            });
        }
        Ok(())
    }

    /// What the body said. After [`Progress::Full`] it is what came until then.
    ///
    /// # Errors
    /// [`ReadError`] when the body ended too early or says nothing.
    pub fn finish(mut self) -> Result<Read, ReadError> {
        if self.full.is_none() && !self.carried.is_empty() {
            // Long pieces may be complete without having been tried.
            let bytes = std::mem::take(&mut self.carried);
            let read = self.read(&bytes, 0, bytes.len())?;
            self.offset += read as u64;
            if read < bytes.len() {
                self.offset += (bytes.len() - read) as u64;
                return Err(self.ended());
            }
        }
        if self.full.is_none() && self.expect != Expect::Nothing {
            return Err(self.ended());
        }
        if self.status == "error" {
            return Ok(Read::Failed {
                kind: self.error_kind,
                message: self.error,
            });
        }
        if self.open.contains(&Open::Element) {
            self.end_element();
        }
        self.answer()
    }

    fn ended(&self) -> ReadError {
        ReadError {
            offset: self.offset,
            reason: "the body ends before the answer does".into(),
        }
    }

    fn answer(self) -> Result<Read, ReadError> {
        let mut warnings = self.warnings.into_texts("warnings");
        let misordered = self.columns.misordered();
        if misordered > 0 {
            warnings.push(format!(
                "the server sent {misordered} samples out of order or twice; they were sorted, \
                 and of samples with the same time the last was kept"
            ));
        }
        let fail = |reason: String| ReadError {
            offset: self.offset,
            reason: reason.into(),
        };
        let result_type = match self.result_type.as_deref() {
            Some(kind) => kind,
            // Where a bound was reached, the type may have stood behind it.
            None if self.full.is_some() && self.half_time.is_none() => "matrix",
            None => return Err(fail("no \"resultType\" in the answer".to_owned())),
        };
        let result = match result_type {
            "matrix" => QueryResult::Matrix(self.columns.into_series()),
            "vector" => QueryResult::Vector(self.columns.into_vector()),
            "scalar" | "string" => {
                let (Some(time), Some(text)) = (self.half_time, self.half_text) else {
                    return Err(fail(format!("a {result_type} without time and value")));
                };
                if result_type == "string" {
                    QueryResult::String { time, value: text }
                } else {
                    let value = number::value(text.as_bytes())
                        .ok_or_else(|| fail(format!("not a number: {text:?}")))?;
                    QueryResult::Scalar(Sample { time, value })
                }
            }
            other => return Err(fail(format!("unknown result type {other:?}"))),
        };
        Ok(Read::Answer {
            answer: Answer {
                result,
                histograms: self.histograms.into_series(),
                warnings,
                infos: self.infos.into_texts("infos"),
                statistics: self.statistics,
            },
            reached: self.full,
        })
    }
}
