use crate::entry::{Entry, RawExemplar, Sample};
use crate::error::{Error, Problem, excerpt, found};
use crate::escape::unescape;
use crate::format::Format;
use crate::number::parse_float;
use crate::scan::{
    Braces, Quoted, Refusal, begins_metric_name, braces, continues_metric_name, metric_name,
    no_number, quoted, skip_blanks, skip_nuls,
};
use memchr::{memchr, memchr2};
use series::MetricKind;
use std::borrow::Cow;

/// Reads a page line by line without copying it.
///
/// A page of OpenMetrics without a single byte is refused, for it lacks `# EOF`; Prometheus's
/// scrape takes an empty body for an empty scrape in either format without parsing it, which is
/// the caller's to do.
#[derive(Debug, Clone)]
pub struct Parser<'a> {
    page: &'a [u8],
    at: usize,
    format: Format,
    kind: MetricKind,
    ended: bool,
    refused: Option<Error>,
}

impl<'a> Parser<'a> {
    /// A parser at the start of `page`.
    #[must_use]
    pub fn new(page: &'a [u8], format: Format) -> Self {
        Self {
            page,
            at: 0,
            format,
            kind: MetricKind::Unknown,
            ended: false,
            refused: None,
        }
    }

    /// The next line; `None` at the end of a page that is good as far as a parser can tell.
    ///
    /// Samples that came before an error are not to be kept: Prometheus refuses a page as a
    /// whole.
    ///
    /// # Errors
    /// [`Error`] where the page is refused, and the same again when asked again.
    #[allow(clippy::should_implement_trait)] // An `Iterator` would invite `filter_map(Result::ok)`.
    pub fn next(&mut self) -> Result<Option<Entry<'a>>, Error> {
        self.next_expecting(&[])
    }

    /// The next line, with a guess: when it is a sample of the very series text `expected`, then
    /// only its value is read, which is several times faster, and [`Sample::expected`] is set.
    /// Whether the guess is right changes nothing else.
    ///
    /// `expected` is empty or the [`Sample::series`] of an earlier page *of the same format*
    /// that parsed without an error: pages of one target rarely change the order of their
    /// series, so a cache that remembers the order nearly always guesses right.
    ///
    /// # Errors
    /// As [`Parser::next`].
    pub fn next_expecting(&mut self, expected: &[u8]) -> Result<Option<Entry<'a>>, Error> {
        if let Some(error) = &self.refused {
            return Err(error.clone());
        }
        if self.ended {
            return Ok(None);
        }
        let entry = match self.format {
            Format::PrometheusText => self.text_line(expected),
            Format::OpenMetrics => self.open_metrics_line(expected),
        };
        match entry {
            Ok(entry) => {
                self.ended = entry.is_none();
                Ok(entry)
            }
            Err((offset, problem)) => {
                let error = Error::at(self.page, offset, problem);
                self.refused = Some(error.clone());
                Err(error)
            }
        }
    }

    /// How many bytes of the page were read so far.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at.min(self.page.len())
    }

    /// The byte at `at`. Prometheus reads text as if one more line break stood at its end.
    #[inline]
    fn text_byte(&self, at: usize) -> u8 {
        self.page.get(at).copied().unwrap_or(b'\n')
    }

    #[inline]
    fn text_line(&mut self, expected: &[u8]) -> Result<Option<Entry<'a>>, Refusal> {
        loop {
            self.at = skip_blanks(self.page, self.at);
            let Some(&byte) = self.page.get(self.at) else {
                return Ok(None);
            };
            match byte {
                b'\n' => self.at += 1,
                b'#' => return self.text_comment(),
                b'{' => return self.text_sample(expected).map(Some),
                // Prometheus takes a NUL at the start of a line for the end of the page.
                0 => return Ok(None),
                byte if begins_metric_name(byte) => return self.text_sample(expected).map(Some),
                _ => return Err(self.wrong(self.at, "a metric name, \"{\" or \"#\"")),
            }
        }
    }

    #[inline]
    fn text_sample(&mut self, expected: &[u8]) -> Result<Entry<'a>, Refusal> {
        let start = self.at;
        let known = self.goes_on_as(expected);
        let mut end = start + expected.len();
        if !known {
            end = start;
            let mut named = false;
            if self.page[start] != b'{' {
                end = metric_name(self.page, start);
                named = true;
            }
            let brace = skip_blanks(self.page, end);
            if self.page.get(brace) == Some(&b'{') {
                (end, named) = braces(self.page, brace + 1, Braces::Text, named, |_| {})?;
            }
            if !named {
                return Err((start, Problem::NoName));
            }
        }
        let value_at = skip_blanks(self.page, end);
        let value_end = self.token_end(value_at, |b| matches!(b, b' ' | b'\t' | b'\n' | b'{' | 0));
        let value = self.number("value", value_at, value_end)?;
        let mut time = None;
        let mut at = skip_blanks(self.page, value_end);
        if self.text_byte(at).is_ascii_digit() {
            let time_end = self.token_end(at, |b| !b.is_ascii_digit());
            time = Some(self.milliseconds(at, time_end)?);
            at = skip_blanks(self.page, time_end);
            if self.text_byte(at) != b'\n' {
                return Err(self.wrong(at, "the end of the line behind the timestamp"));
            }
        } else if self.text_byte(at) != b'\n' {
            return Err(self.wrong(at, "a timestamp in milliseconds or the end of the line"));
        }
        self.at = at + 1;
        Ok(Entry::Sample(Sample {
            series: &self.page[start..end],
            value,
            time,
            exemplar: None,
            expected: known,
            page: self.page,
            start,
            format: self.format,
            kind: self.kind,
        }))
    }

    /// A `HELP` or `TYPE` line, or a comment; `None` where the page ends within it.
    fn text_comment(&mut self) -> Result<Option<Entry<'a>>, Refusal> {
        let start = self.at;
        let word = skip_blanks(self.page, start + 1);
        let has_blank = word > start + 1;
        if has_blank && self.page.get(word) == Some(&0) {
            return Ok(None);
        }
        if has_blank {
            for keyword in [Keyword::Help, Keyword::Type] {
                if let Some(name_at) = self.keyword(word, keyword.word()) {
                    return self.text_metadata(keyword, name_at).map(Some);
                }
            }
        }
        let rest = &self.page[word..];
        let end = if has_blank {
            memchr(b'\n', rest)
        } else {
            memchr2(b'\n', 0, rest)
        };
        let end = word + end.unwrap_or(rest.len());
        // In a comment without a blank behind `#`, Prometheus takes a NUL for the page's end.
        if self.page.get(end) == Some(&0) {
            return Ok(None);
        }
        self.at = end + 1;
        Ok(Some(Entry::Comment(&self.page[start..end])))
    }

    fn text_metadata(&mut self, keyword: Keyword, name_at: usize) -> Result<Entry<'a>, Refusal> {
        let (name, name_end) = self.family_name(name_at)?;
        let end = memchr(b'\n', &self.page[name_end..]);
        let end = end.map_or(self.page.len(), |length| name_end + length);
        let raw = &self.page[name_end..end];
        // One byte parts the name from the text, whichever byte it is.
        let text = match raw.split_first() {
            None => raw,
            Some((0, _)) => {
                return Err(self.wrong(name_end, "a blank or the end of the line"));
            }
            Some((first, _)) if is_blank(*first) && self.is_blank_text(raw) => &[],
            Some((_, text)) => text,
        };
        self.at = end + 1;
        self.metadata(keyword, name, name_at, text, end - text.len())
    }

    fn is_blank_text(&self, raw: &[u8]) -> bool {
        raw.iter().all(|b| is_blank(*b) || *b == 0)
    }

    #[inline]
    fn open_metrics_line(&mut self, expected: &[u8]) -> Result<Option<Entry<'a>>, Refusal> {
        match self.page.get(self.at) {
            None => Err((self.at, Problem::NoEof)),
            Some(b'#') => self.open_metrics_comment(),
            Some(&byte) if byte == b'{' || begins_metric_name(byte) => {
                self.open_metrics_sample(expected).map(Some)
            }
            Some(_) => Err(self.wrong(self.at, "a metric name, \"{\" or \"# \"")),
        }
    }

    #[inline]
    fn open_metrics_sample(&mut self, expected: &[u8]) -> Result<Entry<'a>, Refusal> {
        let start = self.at;
        let known = self.goes_on_as(expected);
        let mut end = start + expected.len();
        if !known {
            end = start;
            let mut named = false;
            if self.page[start] != b'{' {
                end = metric_name(self.page, start);
                named = true;
            }
            if self.page.get(end) == Some(&b'{') {
                (end, named) = braces(self.page, end + 1, Braces::OpenMetrics, named, |_| {})?;
            }
            if !named {
                return Err((start, Problem::NoName));
            }
        }
        let (value, mut at) = self.open_metrics_value("value", end)?;
        let mut time = None;
        let mut exemplar = None;
        if self.page.get(at) == Some(&b' ') && !self.page[at..].starts_with(b" # {") {
            let moment;
            (moment, at) = self.open_metrics_time("timestamp", at)?;
            time = Some(moment);
        }
        if self.page[at..].starts_with(b" # {") {
            let found;
            (found, at) = self.exemplar(at + 3)?;
            exemplar = Some(found);
        }
        if self.page.get(at) != Some(&b'\n') {
            return Err(match self.page.get(at) {
                None => (at, Problem::NoEof),
                Some(_) => self.wrong(at, "the end of the line"),
            });
        }
        self.at = at + 1;
        Ok(Entry::Sample(Sample {
            series: &self.page[start..end],
            value,
            time,
            exemplar,
            expected: known,
            page: self.page,
            start,
            format: self.format,
            kind: self.kind,
        }))
    }

    fn exemplar(&self, start: usize) -> Result<(RawExemplar<'a>, usize), Refusal> {
        let (end, _) = braces(self.page, start + 1, Braces::Exemplar, true, |_| {})?;
        let (value, mut at) = self.open_metrics_value("exemplar value", end)?;
        let mut time = None;
        if self.page.get(at) == Some(&b' ') {
            let moment;
            (moment, at) = self.open_metrics_time("exemplar timestamp", at)?;
            time = Some(moment);
        }
        let exemplar = RawExemplar {
            value,
            time,
            page: self.page,
            start,
            end,
        };
        Ok((exemplar, at))
    }

    /// One space and a number behind it.
    #[inline]
    fn open_metrics_value(&self, what: &'static str, at: usize) -> Result<(f64, usize), Refusal> {
        if self.page.get(at) != Some(&b' ') {
            return Err(self.wrong(at, "a space and a value"));
        }
        let end = self.token_end(at + 1, |b| matches!(b, b' ' | b'\n' | 0));
        Ok((self.number(what, at + 1, end)?, end))
    }

    /// One space and a time in seconds behind it.
    fn open_metrics_time(&self, what: &'static str, at: usize) -> Result<(i64, usize), Refusal> {
        let end = self.token_end(at + 1, |b| matches!(b, b' ' | b'\n' | 0));
        let seconds = self.number(what, at + 1, end)?;
        if !seconds.is_finite() {
            let text = excerpt(&self.page[at + 1..end]);
            return Err((at + 1, Problem::Timestamp { what, text }));
        }
        // Towards zero, as Prometheus converts.
        Ok(((seconds * 1000.0) as i64, end))
    }

    fn open_metrics_comment(&mut self) -> Result<Option<Entry<'a>>, Refusal> {
        let word = self.at + 2;
        let keywords = "\"# HELP \", \"# TYPE \", \"# UNIT \" or \"# EOF\"";
        if self.page.get(self.at + 1) != Some(&b' ') || self.page.get(word) == Some(&0) {
            return Err(self.wrong(self.at, keywords));
        }
        for keyword in [Keyword::Help, Keyword::Type, Keyword::Unit] {
            if let Some(name_at) = self.keyword(word, keyword.word()) {
                return self.open_metrics_metadata(keyword, name_at).map(Some);
            }
        }
        let Some(mut at) = self.spelled(word, b"EOF") else {
            return Err(self.wrong(self.at, keywords));
        };
        if self.page.get(at) == Some(&b'\n') {
            at = skip_nuls(self.page, at + 1);
        }
        if at < self.page.len() {
            return Err((at, Problem::AfterEof));
        }
        self.at = at;
        Ok(None)
    }

    fn open_metrics_metadata(
        &mut self,
        keyword: Keyword,
        name_at: usize,
    ) -> Result<Entry<'a>, Refusal> {
        let (name, name_end) = self.family_name(name_at)?;
        if self.page.get(name_end) != Some(&b' ') {
            return Err(self.wrong(name_end, "a space behind the metric name"));
        }
        let text_at = name_end + 1;
        let Some(length) = memchr(b'\n', &self.page[text_at..]) else {
            return Err((self.page.len(), Problem::NoEof));
        };
        let text_end = text_at + length;
        self.at = text_end + 1;
        // Prometheus's lexer takes NULs behind the line break into the text, where they spoil
        // every text but a help.
        if self.page.get(self.at) == Some(&0) {
            if keyword != Keyword::Help {
                return Err(self.wrong(self.at, "the next line"));
            }
            self.at = skip_nuls(self.page, self.at);
        }
        let text = &self.page[text_at..text_end];
        self.metadata(keyword, name, name_at, text, text_at)
    }

    fn metadata(
        &mut self,
        keyword: Keyword,
        name: &'a [u8],
        name_at: usize,
        text: &'a [u8],
        text_at: usize,
    ) -> Result<Entry<'a>, Refusal> {
        let family = readable(name);
        match keyword {
            Keyword::Help => {
                let text = std::str::from_utf8(text)
                    .map_err(|e| (text_at + e.valid_up_to(), Problem::NotUtf8("help text")))?;
                let text = unescape(text, self.format == Format::OpenMetrics);
                Ok(Entry::Help { family, text })
            }
            Keyword::Type => {
                self.kind = kind_named(text, self.format).ok_or_else(|| {
                    let text = excerpt(text);
                    let format = self.format.name();
                    (text_at, Problem::Type { text, format })
                })?;
                let kind = self.kind;
                Ok(Entry::Type { family, kind })
            }
            Keyword::Unit => {
                let stem = name.strip_suffix(text);
                if !text.is_empty() && !stem.is_some_and(|stem| stem.ends_with(b"_")) {
                    let unit = excerpt(text);
                    let metric = excerpt(name);
                    return Err((name_at, Problem::Unit { unit, metric }));
                }
                let unit = readable(text);
                Ok(Entry::Unit { family, unit })
            }
        }
    }

    /// A metric's name in a line of metadata, quotes removed, and the offset behind it.
    fn family_name(&self, at: usize) -> Result<(&'a [u8], usize), Refusal> {
        match self.page.get(at) {
            Some(b'"') => {
                let allowed = Quoted {
                    line_breaks: true,
                    nuls: false,
                };
                let (end, _) = quoted(self.page, at, allowed)?;
                Ok((&self.page[at + 1..end - 1], end))
            }
            Some(&byte) if begins_metric_name(byte) => {
                let end = metric_name(self.page, at);
                Ok((&self.page[at..end], end))
            }
            _ => Err(self.wrong(at, "a metric name")),
        }
    }

    /// The offset behind `word` and the blanks that follow it (one space in OpenMetrics), where
    /// both stand at `at`.
    fn keyword(&self, at: usize, word: &[u8]) -> Option<usize> {
        let mut at = self.spelled(at, word)?;
        match self.format {
            Format::OpenMetrics => {
                (self.page.get(at) == Some(&b' ')).then(|| skip_nuls(self.page, at + 1))
            }
            Format::PrometheusText => {
                is_blank(*self.page.get(at)?).then_some(())?;
                while self.page.get(at).copied().is_some_and(is_blank) {
                    at = skip_nuls(self.page, at + 1);
                }
                Some(at)
            }
        }
    }

    /// The offset behind `word`, where it stands at `at`, NULs between its letters or not.
    fn spelled(&self, mut at: usize, word: &[u8]) -> Option<usize> {
        for letter in word {
            if self.page.get(at) != Some(letter) {
                return None;
            }
            at = skip_nuls(self.page, at + 1);
        }
        Some(at)
    }

    /// Whether the page goes on with the series text `expected` and nothing that belongs to it.
    ///
    /// The lexing of a series is decided by its own bytes up to a closing brace. A series without
    /// braces also ends where its name does, so that what follows has to be looked at.
    #[inline]
    fn goes_on_as(&self, expected: &[u8]) -> bool {
        let Some(&last) = expected.last() else {
            return false;
        };
        let rest = &self.page[self.at..];
        if !rest.starts_with(expected) {
            return false;
        }
        if last == b'}' {
            return true;
        }
        let after = match self.format {
            Format::PrometheusText => skip_blanks(rest, expected.len()),
            Format::OpenMetrics => expected.len(),
        };
        let ends_here = |byte: &u8| !continues_metric_name(*byte);
        rest.get(expected.len()).is_none_or(ends_here) && rest.get(after) != Some(&b'{')
    }

    #[inline]
    fn token_end(&self, at: usize, ends: impl Fn(u8) -> bool) -> usize {
        let rest = self.page.get(at..).unwrap_or_default();
        at + rest.iter().position(|b| ends(*b)).unwrap_or(rest.len())
    }

    #[inline]
    fn number(&self, what: &'static str, at: usize, end: usize) -> Result<f64, Refusal> {
        let token = self.page.get(at..end).unwrap_or_default();
        match parse_float(token) {
            Some(value) => Ok(value),
            None if token.is_empty() => Err(self.wrong(at, "a number")),
            None => Err(no_number(what, at, token)),
        }
    }

    fn milliseconds(&self, at: usize, end: usize) -> Result<i64, Refusal> {
        let digits = &self.page[at..end];
        let number = digits.iter().try_fold(0_i64, |number, digit| {
            number.checked_mul(10)?.checked_add(i64::from(digit - b'0'))
        });
        number.ok_or_else(|| {
            let what = "timestamp";
            let text = excerpt(digits);
            (at, Problem::Timestamp { what, text })
        })
    }

    #[cold]
    fn wrong(&self, at: usize, expected: &'static str) -> Refusal {
        let found = found(self.page, at);
        (at, Problem::Expected { expected, found })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keyword {
    Help,
    Type,
    Unit,
}

impl Keyword {
    fn word(self) -> &'static [u8] {
        match self {
            Self::Help => b"HELP",
            Self::Type => b"TYPE",
            Self::Unit => b"UNIT",
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// A name without its escapes, in which U+FFFD stands for what is not UTF-8.
fn readable(name: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(name) {
        Ok(name) => unescape(name, true),
        Err(_) => Cow::Owned(unescape(&String::from_utf8_lossy(name), true).into_owned()),
    }
}

fn kind_named(word: &[u8], format: Format) -> Option<MetricKind> {
    match (word, format) {
        (b"counter", _) => Some(MetricKind::Counter),
        (b"gauge", _) => Some(MetricKind::Gauge),
        (b"histogram", _) => Some(MetricKind::Histogram),
        (b"summary", _) => Some(MetricKind::Summary),
        (b"untyped", Format::PrometheusText) | (b"unknown", Format::OpenMetrics) => {
            Some(MetricKind::Unknown)
        }
        (b"gaugehistogram", Format::OpenMetrics) => Some(MetricKind::GaugeHistogram),
        (b"info", Format::OpenMetrics) => Some(MetricKind::Info),
        (b"stateset", Format::OpenMetrics) => Some(MetricKind::StateSet),
        _ => None,
    }
}
