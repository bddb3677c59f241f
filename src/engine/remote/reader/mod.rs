//! Reads the answer of Prometheus's `query` and `query_range` as it arrives.
//!
//! Chunks go into [`Reader::feed`] and samples come out in columns; of the body itself nothing
//! is kept but a piece cut at the end of a chunk. Start at [`Reader`].
//!
//! The general way reads any JSON: white space, keys in any order, unknown keys. Samples written
//! as servers write them (`[1700000000,"0.25"]`) are read on a fast way that falls back to it,
//! and a property test holds both equal to a plain reader.

mod columns;
mod labels;
mod number;
mod token;

#[cfg(test)]
mod tests;

use crate::remote::reader::token::{Fault, Piece, skip_space};
use columns::Columns;
use series::{Answer, QueryResult, Sample, Stage, Statistics};
use std::borrow::Cow;
use std::time::Duration;

/// Most bytes of one text, key or label set; a longer one is refused.
pub const MAX_PIECE_BYTES: usize = 16 << 20;

/// Most warnings and infos that are kept, each; later ones are left out.
pub const MAX_NOTICES: usize = 1_000;

/// So many bytes behind a sample's start let the fast way look without minding the end.
const FAST_BYTES: usize = 64;

/// How much one answer may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Most samples (`maxSamples`).
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
    Stats,
    Timings,
    SampleStats,
    Warnings,
    Infos,
    /// The array under `result`.
    Result,
    /// One object of it.
    Element,
    /// The array under `values`.
    Values,
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
    Stats,
    Timings,
    Timing(&'static str),
    SampleStats,
    TotalSamples,
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
    warnings: Vec<String>,
    infos: Vec<String>,
    statistics: Statistics,
    histograms: u64,
    /// Whether the series that is being read has native histograms.
    element_has_histograms: bool,
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
            warnings: Vec::new(),
            infos: Vec::new(),
            statistics: Statistics::default(),
            histograms: 0,
            element_has_histograms: false,
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
            self.columns.end_series();
        }
        self.answer()
    }

    fn ended(&self) -> ReadError {
        ReadError {
            offset: self.offset,
            reason: "the body ends before the answer does".into(),
        }
    }

    fn answer(mut self) -> Result<Read, ReadError> {
        let misordered = self.columns.misordered();
        if misordered > 0 {
            self.warnings.push(format!(
                "the server sent {misordered} samples out of order or twice; they were sorted, \
                 and of samples with the same time the last was kept"
            ));
        }
        if self.histograms > 0 {
            self.warnings.push(format!(
                "{} native histogram samples are not shown",
                self.histograms
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
                warnings: self.warnings,
                infos: self.infos,
                statistics: self.statistics,
            },
            reached: self.full,
        })
    }

    /// Reads pieces that begin before `stop`: the position behind the last whole one.
    fn read(&mut self, bytes: &[u8], from: usize, stop: usize) -> Result<usize, ReadError> {
        let base = self.offset;
        self.advance(bytes, from, stop).map_err(|fault| ReadError {
            offset: base + (fault.at - from) as u64,
            reason: fault.reason,
        })
    }

    fn advance(&mut self, bytes: &[u8], from: usize, stop: usize) -> Result<usize, Fault> {
        let mut at = from;
        loop {
            if let Expect::Ignoring(depth) = self.expect {
                let (end, done) = self.ignore(bytes, at, stop, depth)?;
                if !done {
                    return Ok(end);
                }
                at = end;
                continue;
            }
            if self.expect == Expect::Nothing {
                // What follows an answer does not change it.
                return Ok(bytes.len());
            }
            at = skip_space(bytes, at);
            if at >= stop || self.full.is_some() {
                return Ok(at);
            }
            let next = match self.expect {
                Expect::Value(field) => self.value(bytes, at, field)?,
                Expect::CommaOrEnd => self.comma_or_end(bytes, at)?,
                Expect::FirstOrEnd if is_end(bytes[at]) => self.comma_or_end(bytes, at)?,
                _ => self.member(bytes, at, stop)?,
            };
            match next {
                Some(end) => at = end,
                None => return Ok(at),
            }
        }
    }

    /// Passes over an ignored value: where it got to, and whether the value ended there.
    fn ignore(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        stop: usize,
        mut depth: usize,
    ) -> Result<(usize, bool), Fault> {
        while at < stop {
            match bytes[at] {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                b'"' => match token::raw_string(bytes, at)? {
                    Some((_, end)) => {
                        at = end;
                        continue;
                    }
                    None => break,
                },
                _ => {}
            }
            at += 1;
            if depth == 0 {
                self.expect = Expect::CommaOrEnd;
                return Ok((at, true));
            }
        }
        self.expect = Expect::Ignoring(depth);
        Ok((at, false))
    }

    fn comma_or_end(&mut self, bytes: &[u8], at: usize) -> Result<Option<usize>, Fault> {
        let open = self.open.last().copied();
        let end = match open {
            Some(Open::Warnings | Open::Infos | Open::Result | Open::Values) => b']',
            _ => b'}',
        };
        if bytes[at] == b',' && self.expect == Expect::CommaOrEnd {
            self.expect = Expect::Member;
            return Ok(Some(at + 1));
        }
        if bytes[at] != end {
            let what = if end == b']' {
                "',' or ']'"
            } else {
                "',' or '}'"
            };
            return Err(Fault::expected(bytes, at, what));
        }
        self.open.pop();
        self.expect = match open {
            Some(Open::Root) | None => Expect::Nothing,
            Some(Open::Element) => {
                if self.element_has_histograms {
                    self.columns.end_series_unless_empty();
                } else {
                    self.columns.end_series();
                }
                Expect::CommaOrEnd
            }
            _ => Expect::CommaOrEnd,
        };
        Ok(Some(at + 1))
    }

    /// A member of the innermost object or array: its key, or what kind of value it is.
    fn member(&mut self, bytes: &[u8], at: usize, stop: usize) -> Result<Option<usize>, Fault> {
        let field = match self.open.last() {
            Some(Open::Values) => return self.samples(bytes, at, stop),
            Some(Open::Warnings | Open::Infos) => Field::Notice,
            Some(Open::Result) if bytes[at] == b'{' => Field::Element,
            Some(Open::Result) => Field::Half,
            Some(object) => {
                let Some((raw, end)) = token::key(bytes, at)? else {
                    return Ok(None);
                };
                let name = token::text(bytes, raw)?;
                self.expect = Expect::Value(field(*object, &name));
                return Ok(Some(end));
            }
            None => Field::Ignored,
        };
        self.expect = Expect::Value(field);
        Ok(Some(at))
    }

    fn value(&mut self, bytes: &[u8], at: usize, field: Field) -> Result<Option<usize>, Fault> {
        let first = bytes[at];
        let open = match (field, first) {
            (Field::Root, b'{') => Some(Open::Root),
            (Field::Data, b'{') => Some(Open::Data),
            (Field::Stats, b'{') => Some(Open::Stats),
            (Field::Timings, b'{') => Some(Open::Timings),
            (Field::SampleStats, b'{') => Some(Open::SampleStats),
            (Field::Warnings, b'[') => Some(Open::Warnings),
            (Field::Infos, b'[') => Some(Open::Infos),
            (Field::Result, b'[') => Some(Open::Result),
            (Field::Values, b'[') => Some(Open::Values),
            (Field::Element, b'{') => {
                if self.columns.series() as u64 >= self.bounds.series {
                    self.full = Some(Bound::Series);
                    return Ok(Some(at));
                }
                self.columns.begin_series();
                self.element_has_histograms = false;
                Some(Open::Element)
            }
            _ => None,
        };
        if let Some(open) = open {
            self.open.push(open);
            self.expect = Expect::FirstOrEnd;
            return Ok(Some(at + 1));
        }
        let end = match (field, first) {
            (Field::Metric, b'{') => self.scratch.labels(bytes, at)?.map(|(labels, end)| {
                self.columns.set_labels(labels);
                end
            }),
            (Field::Sample, b'[') => {
                if self.columns.samples() as u64 >= self.bounds.samples {
                    self.full = Some(Bound::Samples);
                    return Ok(Some(at));
                }
                sample(bytes, at)?.map(|((time, value), end)| {
                    self.columns.push(time, value);
                    end
                })
            }
            (
                Field::Status | Field::Error | Field::ErrorType | Field::ResultType | Field::Notice,
                b'"',
            ) => token::string(bytes, at)?.map(|(text, end)| {
                self.take_text(field, text.into_owned());
                end
            }),
            (Field::Half, _) => self.half(bytes, at)?,
            (Field::Timing(_) | Field::TotalSamples, b'-' | b'0'..=b'9') => {
                token::number(bytes, at)?.map(|(text, end)| {
                    self.take_number(field, number::value(text).unwrap_or_default());
                    end
                })
            }
            (Field::Root, _) => return Err(Fault::expected(bytes, at, "'{'")),
            (
                Field::Data
                | Field::Result
                | Field::Values
                | Field::Metric
                | Field::Sample
                | Field::Element,
                _,
            ) if first != b'n' => {
                let what = match field {
                    Field::Data | Field::Metric => "an object",
                    _ => "an array",
                };
                return Err(Fault::expected(bytes, at, what));
            }
            _ => {
                if field == Field::Histogram {
                    self.histograms += 1;
                    self.element_has_histograms = true;
                }
                if matches!(first, b'{' | b'[') {
                    self.expect = Expect::Ignoring(1);
                    return Ok(Some(at + 1));
                }
                token::skip_scalar(bytes, at)?.map(|((), end)| end)
            }
        };
        if end.is_some() {
            self.expect = Expect::CommaOrEnd;
        }
        Ok(end)
    }

    fn take_text(&mut self, field: Field, text: String) {
        match field {
            Field::Status => self.status = text,
            Field::Error => self.error = text,
            Field::ErrorType => self.error_kind = text,
            Field::ResultType => self.result_type = Some(text),
            _ => {
                let notices = match self.open.last() {
                    Some(Open::Warnings) => &mut self.warnings,
                    _ => &mut self.infos,
                };
                if notices.len() < MAX_NOTICES {
                    notices.push(text);
                }
            }
        }
    }

    fn take_number(&mut self, field: Field, number: f64) {
        match field {
            Field::Timing(name) => {
                if let Ok(elapsed) = Duration::try_from_secs_f64(number) {
                    self.statistics.stages.push(Stage { name, elapsed });
                }
            }
            _ => self.statistics.samples = Some(number as u64),
        }
    }

    /// Time or value of a scalar or string.
    fn half(&mut self, bytes: &[u8], at: usize) -> Result<Option<usize>, Fault> {
        if bytes[at] == b'"' {
            return Ok(token::string(bytes, at)?.map(|(text, end)| {
                self.half_text = Some(text.into_owned());
                end
            }));
        }
        let Some((text, end)) = token::number(bytes, at)? else {
            return Ok(None);
        };
        if self.half_time.is_none() {
            let time = number::time(text).ok_or_else(|| Fault::new(at, "not a time"))?;
            self.half_time = Some(time);
        } else {
            self.half_text = Some(String::from_utf8_lossy(text).into_owned());
        }
        Ok(Some(end))
    }

    /// Samples of a series, from the bracket of one on.
    fn samples(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        stop: usize,
    ) -> Result<Option<usize>, Fault> {
        let start = at;
        let mut room = self
            .bounds
            .samples
            .saturating_sub(self.columns.samples() as u64);
        loop {
            if room == 0 {
                self.full = Some(Bound::Samples);
                self.expect = Expect::Member;
                return Ok(Some(at));
            }
            room -= 1;
            if at >= stop {
                self.expect = Expect::Member;
                return Ok(Some(at));
            }
            let Some(end) = self.written_sample(bytes, at) else {
                break;
            };
            match bytes[end] {
                b',' => at = end + 1,
                _ => {
                    self.expect = Expect::CommaOrEnd;
                    return Ok(Some(end));
                }
            }
        }
        match sample(bytes, at)? {
            Some(((time, value), end)) => {
                self.columns.push(time, value);
                self.expect = Expect::CommaOrEnd;
                Ok(Some(end))
            }
            None => {
                self.expect = Expect::Member;
                // The samples before it are read, even where this one is cut.
                Ok((at > start).then_some(at))
            }
        }
    }

    /// A sample as servers write it, without white space: the position behind it, which is
    /// within the bytes. `None` leaves it to the general way and reads nothing.
    #[inline(always)]
    fn written_sample(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        let window = bytes.get(at..at + FAST_BYTES)?;
        if window[0] != b'[' {
            return None;
        }
        let found = u128::from_le_bytes(window[1..17].try_into().ok()?);
        let length = self.columns.expected_length(found);
        if length > 0 {
            let (value, end) = number::plain_decimal(window, 1 + length)?;
            if window.get(end..end + 2)? != b"\"]" || window.len() <= end + 2 {
                return None;
            }
            self.columns.push_expected(value);
            return Some(at + end + 2);
        }
        let (seconds, end) = number::plain_seconds(window, 1)?;
        if window.get(end..end + 2)? != b",\"" {
            return None;
        }
        let (value, end) = number::plain_decimal(window, end + 2)?;
        if window.get(end..end + 2)? != b"\"]" || window.len() <= end + 2 {
            return None;
        }
        self.columns.push(seconds, value);
        Some(at + end + 2)
    }
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b'}' | b']')
}

/// `[time, value]` in any spelling.
fn sample(bytes: &[u8], at: usize) -> Piece<(i64, f64)> {
    if bytes.get(at) != Some(&b'[') {
        return Err(Fault::expected(bytes, at, "a sample's '['"));
    }
    let start = skip_space(bytes, at + 1);
    if start >= bytes.len() {
        return Ok(None);
    }
    let Some((text, end)) = token::number(bytes, start)? else {
        return Ok(None);
    };
    let time = number::time(text).ok_or_else(|| Fault::new(start, "not a time"))?;
    let comma = skip_space(bytes, end);
    match bytes.get(comma) {
        None => return Ok(None),
        Some(b',') => {}
        Some(_) => return Err(Fault::expected(bytes, comma, "','")),
    }
    let start = skip_space(bytes, comma + 1);
    let parsed = match bytes.get(start) {
        None => None,
        Some(b'"') => {
            token::string(bytes, start)?.map(|(text, end)| (number::value(text.as_bytes()), end))
        }
        Some(_) => token::number(bytes, start)?.map(|(text, end)| (number::value(text), end)),
    };
    let Some((value, end)) = parsed else {
        return Ok(None);
    };
    let value = value.ok_or_else(|| Fault::new(start, "not a number"))?;
    let close = skip_space(bytes, end);
    match bytes.get(close) {
        None => Ok(None),
        Some(b']') => Ok(Some(((time, value), close + 1))),
        Some(_) => Err(Fault::expected(bytes, close, "']'")),
    }
}

fn field(object: Open, name: &str) -> Field {
    match (object, name) {
        (Open::Root, "status") => Field::Status,
        (Open::Root, "data") => Field::Data,
        (Open::Root, "error") => Field::Error,
        (Open::Root, "errorType") => Field::ErrorType,
        (Open::Root, "warnings") => Field::Warnings,
        (Open::Root, "infos") => Field::Infos,
        (Open::Data, "resultType") => Field::ResultType,
        (Open::Data, "result") => Field::Result,
        (Open::Data, "stats") => Field::Stats,
        (Open::Element, "metric") => Field::Metric,
        (Open::Element, "value") => Field::Sample,
        (Open::Element, "values") => Field::Values,
        (Open::Element, "histogram" | "histograms") => Field::Histogram,
        (Open::Stats, "timings") => Field::Timings,
        (Open::Stats, "samples") => Field::SampleStats,
        (Open::Timings, name) => STAGES
            .into_iter()
            .find(|stage| *stage == name)
            .map_or(Field::Ignored, Field::Timing),
        (Open::SampleStats, "totalQueryableSamples") => Field::TotalSamples,
        _ => Field::Ignored,
    }
}

/// The timings that Prometheus tells, in seconds.
const STAGES: [&str; 6] = [
    "evalTotalTime",
    "resultSortTime",
    "queryPreparationTime",
    "innerEvalTime",
    "execQueueTime",
    "execTotalTime",
];
