//! The grammar: what may come next, and what is done with it. One piece at a time, so that
//! reading can stop behind any of them and go on with the next chunk.

use super::columns::Expected;
use super::token::{self, Fault, Piece, skip_space};
use super::{
    Bound, Expect, FAST_BYTES, Field, MAX_ERROR_BYTES, Open, ReadError, Reader, number, shortened,
    statistics,
};

impl Reader {
    /// Reads pieces that begin before `stop`: the position behind the last whole one.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        from: usize,
        stop: usize,
    ) -> Result<usize, ReadError> {
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
            Some(Open::Warnings | Open::Infos | Open::Result | Open::Values | Open::Histograms) => {
                b']'
            }
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
                self.end_element();
                Expect::CommaOrEnd
            }
            _ => Expect::CommaOrEnd,
        };
        Ok(Some(at + 1))
    }

    /// Ends a series: its histograms and its numbers, which it may both have.
    pub(super) fn end_element(&mut self) {
        if self.histograms.end_series(self.columns.labels()) {
            self.columns.end_series_unless_empty();
        } else {
            self.columns.end_series();
        }
    }

    /// How many more samples the answer may hold.
    fn room(&self) -> u64 {
        let samples = self.columns.samples() + self.histograms.buckets();
        self.bounds.samples.saturating_sub(samples as u64)
    }

    /// A member of the innermost object or array: its key, or what kind of value it is.
    fn member(&mut self, bytes: &[u8], at: usize, stop: usize) -> Result<Option<usize>, Fault> {
        let field = match self.open.last() {
            Some(Open::Values) => return self.samples(bytes, at, stop),
            Some(Open::Histograms) => return self.histogram(bytes, at),
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
            (Field::Warnings, b'[') => Some(Open::Warnings),
            (Field::Infos, b'[') => Some(Open::Infos),
            (Field::Result, b'[') => Some(Open::Result),
            (Field::Values, b'[') => Some(Open::Values),
            (Field::Histograms, b'[') => {
                self.histograms.begin();
                Some(Open::Histograms)
            }
            (Field::Element, b'{') => {
                if self.series >= self.bounds.series {
                    self.full = Some(Bound::Series);
                    return Ok(Some(at));
                }
                self.series += 1;
                self.columns.begin_series();
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
                if self.room() == 0 {
                    self.full = Some(Bound::Samples);
                    return Ok(Some(at));
                }
                sample(bytes, at)?.map(|((time, value), end)| {
                    self.columns.push(time, value);
                    end
                })
            }
            (Field::Histogram, b'[') => {
                self.histograms.begin();
                return self.histogram(bytes, at);
            }
            (
                Field::Status | Field::Error | Field::ErrorType | Field::ResultType | Field::Notice,
                b'"',
            ) => token::string(bytes, at)?.map(|(text, end)| {
                self.take_text(field, text.into_owned());
                end
            }),
            (Field::Half, _) => self.half(bytes, at)?,
            (Field::Stats, b'{') => match token::skip_value(bytes, at)? {
                Some(((), end)) => {
                    self.statistics = statistics::read(&bytes[at..end]).map_err(|reason| {
                        Fault::new(at, format!("statistics that are no JSON: {reason}"))
                    })?;
                    Some(end)
                }
                None => None,
            },
            (Field::Root, _) => return Err(Fault::expected(bytes, at, "'{'")),
            (
                Field::Data
                | Field::Result
                | Field::Values
                | Field::Histogram
                | Field::Histograms
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
            Field::Error => self.error = shortened(text, MAX_ERROR_BYTES),
            Field::ErrorType => self.error_kind = shortened(text, MAX_ERROR_BYTES),
            Field::ResultType => self.result_type = Some(text),
            _ => match self.open.last() {
                Some(Open::Warnings) => self.warnings.push(text),
                _ => self.infos.push(text),
            },
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
        loop {
            let room = self.room();
            if room == 0 {
                self.full = Some(Bound::Samples);
                self.expect = Expect::Member;
                return Ok(Some(at));
            }
            if at >= stop {
                self.expect = Expect::Member;
                return Ok(Some(at));
            }
            let end = match self.expected_samples(bytes, at, stop, room) {
                Some(end) => end,
                None => match self.written_sample(bytes, at) {
                    Some(end) => end,
                    None => break,
                },
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

    /// One histogram. One that has more buckets than there is room is not taken at all, for a
    /// part of it would look like another distribution.
    fn histogram(&mut self, bytes: &[u8], at: usize) -> Result<Option<usize>, Fault> {
        let room = self.room();
        let before = self.histograms.buckets();
        let end = self.histograms.read(bytes, at)?;
        if (self.histograms.buckets() - before) as u64 > room {
            self.histograms.truncate(before);
            self.full = Some(Bound::Samples);
            return Ok(Some(at));
        }
        if end.is_some() {
            self.expect = Expect::CommaOrEnd;
        }
        Ok(end)
    }

    /// Samples as servers write them and with the times that are expected, as many as there are
    /// before `stop` and as there is `room` for: the position behind the last one, which is
    /// within the bytes. `None` when there is none.
    ///
    /// A function of its own, so that the processor's registers are there for the loop alone.
    #[inline(never)]
    fn expected_samples(
        &mut self,
        bytes: &[u8],
        at: usize,
        stop: usize,
        room: u64,
    ) -> Option<usize> {
        let Expected {
            texts,
            length,
            values,
        } = self.columns.expected(room);
        let before = values.len();
        let mut rest = &bytes[at..];
        let mut ended = None;
        for text in texts {
            let Some(window) = window(rest) else {
                break;
            };
            if !text.begins(window, length) {
                break;
            }
            let Some((value, behind)) = value_at(window, 1 + length) else {
                break;
            };
            values.push(value);
            rest = &rest[behind..];
            ended = Some(bytes.len() - rest.len());
            if rest[0] != b',' || rest.len() + stop <= bytes.len() + 1 {
                break;
            }
            rest = &rest[1..];
        }
        let count = values.len() - before;
        self.columns.took_expected(count);
        ended
    }

    /// A sample as servers write it, without white space: the position behind it, which is
    /// within the bytes. `None` leaves it to the general way and reads nothing.
    #[inline(always)]
    fn written_sample(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        let window = window(&bytes[at..])?;
        let (seconds, end) = number::plain_seconds(window, 1)?;
        if window.get(end..end + 2)? != b",\"" {
            return None;
        }
        let (value, end) = value_at(window, end + 2)?;
        self.columns.push(seconds, value);
        Some(at + end)
    }
}

/// The bytes from a sample's bracket on, with which they begin.
#[inline(always)]
fn window(bytes: &[u8]) -> Option<&[u8; FAST_BYTES]> {
    let window = bytes.first_chunk()?;
    (window[0] == b'[').then_some(window)
}

/// The value whose text begins at `at`, and the position behind its sample, which is within the
/// window.
#[inline(always)]
fn value_at(window: &[u8; FAST_BYTES], at: usize) -> Option<(f64, usize)> {
    let (value, end) = number::plain_decimal(window, at)?;
    let behind = end + 2;
    (window.get(end..behind)? == b"\"]" && behind < FAST_BYTES).then_some((value, behind))
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b'}' | b']')
}

/// `[time, value]` in any spelling.
fn sample(bytes: &[u8], at: usize) -> Piece<(i64, f64)> {
    if bytes.get(at) != Some(&b'[') {
        return Err(Fault::expected(bytes, at, "a sample's '['"));
    }
    let Some((time, end)) = token::time(bytes, at + 1)? else {
        return Ok(None);
    };
    let Some(((), end)) = token::mark(bytes, end, b',')? else {
        return Ok(None);
    };
    let Some((value, end)) = token::value(bytes, end)? else {
        return Ok(None);
    };
    Ok(token::mark(bytes, end, b']')?.map(|((), end)| ((time, value), end)))
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
        (Open::Element, "histogram") => Field::Histogram,
        (Open::Element, "histograms") => Field::Histograms,
        _ => Field::Ignored,
    }
}
