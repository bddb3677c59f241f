//! The two messages of remote write, read into what the store takes.

use super::histogram;
use super::known_labels::{KnownLabels, Lookup};
use super::protobuf::{Field, Fields, Malformed};
use super::refusals::{Reason, Refusals};
use crate::parts::WriteLimits;
use series::{
    Exemplar, Extras, FewSamples, Histogram, Labels, METRIC_NAME, Metadata, MetricKind, Sample,
    WriteSeries,
};
use std::sync::Arc;

/// A request as it was understood.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// What can be written.
    pub(crate) series: Vec<WriteSeries>,
    /// What cannot.
    pub(crate) refusals: Refusals,
}

/// Reads `prometheus.WriteRequest` (Remote-Write 1.0 specification).
pub(crate) fn read_v1(
    message: &[u8],
    limits: &WriteLimits,
    known: &KnownLabels,
) -> Result<Request, Malformed> {
    let mut request = Request::default();
    let mut found = FoundLabels::default();
    let mut lookup = known.lookup();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => {
                request.series.extend(read_series_v1(
                    field.bytes()?,
                    &mut found,
                    &mut lookup,
                    limits,
                    &mut request.refusals,
                )?);
            }
            3 => request.series.extend(read_metadata_v1(field.bytes()?)?),
            _ => {}
        }
    }
    Ok(request)
}

type Pairs<'a> = Vec<(&'a [u8], &'a [u8])>;

/// The labels of a series as they stand in the message, in memory that the next series uses
/// again.
#[derive(Default)]
struct FoundLabels<'m> {
    pairs: Pairs<'m>,
    texts: Vec<(&'m str, &'m str)>,
    joined: String,
}

/// How long the labels at the head of a series are, where senders write them.
fn leading_labels(message: &[u8]) -> Result<usize, Malformed> {
    let mut fields = Fields::new(message);
    loop {
        let rest = fields.remaining();
        if !matches!(fields.next()?, Some(Field { number: 1, .. })) {
            return Ok(message.len() - rest);
        }
    }
}

fn read_series_v1<'a>(
    message: &'a [u8],
    found: &mut FoundLabels<'a>,
    lookup: &mut Lookup<'_, 'a>,
    limits: &WriteLimits,
    refusals: &mut Refusals,
) -> Result<Option<WriteSeries>, Malformed> {
    let (head, rest) = message.split_at(leading_labels(message)?);
    let mut is_scattered = false;
    let mut samples = FewSamples::new();
    let mut exemplars = Vec::new();
    let mut histograms = Histograms::default();
    let mut fields = Fields::new(rest);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => is_scattered = true,
            2 => samples.push(read_sample(field.bytes()?)?.0),
            3 => exemplars.push(field.bytes()?),
            4 => histograms.read(field.bytes()?)?,
            _ => {}
        }
    }
    let known = lookup.get(head).filter(|_| !is_scattered);
    let labels = match known {
        Some(labels) => labels,
        None => {
            found.read(message)?;
            match found.labels(limits) {
                Ok(labels) => {
                    if !is_scattered {
                        lookup.remember(head, &labels);
                    }
                    labels
                }
                Err(reason) => {
                    let lost = samples.len() + histograms.len();
                    refusals.series(reason, &shown(&found.pairs), lost);
                    return Ok(None);
                }
            }
        }
    };
    let mut kept = Vec::with_capacity(exemplars.len());
    let mut own = Vec::new();
    for message in exemplars {
        kept.extend(read_exemplar_v1(message, &mut own, &labels, refusals)?);
    }
    let numbers = Numbers::of(samples);
    Ok(finish(labels, numbers, kept, histograms, None, refusals))
}

fn read_label(message: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let (mut name, mut value) = (&[][..], &[][..]);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => name = field.bytes()?,
            2 => value = field.bytes()?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// A sample of either version, and what 2.0 adds: when the counter started, 0 where unknown.
fn read_sample(message: &[u8]) -> Result<(Sample, i64), Malformed> {
    let mut sample = Sample {
        time: 0,
        value: 0.0,
    };
    let mut start = 0;
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => sample.value = field.double()?,
            2 => sample.time = field.int64()?,
            3 => start = field.int64()?,
            _ => {}
        }
    }
    Ok((sample, start))
}

fn read_exemplar_v1<'a>(
    message: &'a [u8],
    pairs: &mut Pairs<'a>,
    series: &Labels,
    refusals: &mut Refusals,
) -> Result<Option<Exemplar>, Malformed> {
    pairs.clear();
    let mut sample = Sample {
        time: 0,
        value: 0.0,
    };
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => pairs.push(read_label(field.bytes()?)?),
            2 => sample.value = field.double()?,
            3 => sample.time = field.int64()?,
            _ => {}
        }
    }
    Ok(to_exemplar(pairs, sample, series, refusals))
}

fn read_metadata_v1(message: &[u8]) -> Result<Option<WriteSeries>, Malformed> {
    let (mut kind, mut family, mut help, mut unit) = (0, &[][..], &[][..], &[][..]);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => kind = field.uint32()?,
            2 => family = field.bytes()?,
            4 => help = field.bytes()?,
            5 => unit = field.bytes()?,
            _ => {}
        }
    }
    // What a sender says of a family without a name, or in no language, is of no use to anybody
    // and costs no sample.
    let family = std::str::from_utf8(family).ok().filter(|f| !f.is_empty());
    Ok(family.map(|family| WriteSeries {
        labels: Labels::from_sorted([(METRIC_NAME, family)]),
        samples: FewSamples::new(),
        exemplars: Vec::new(),
        extras: None,
        metadata: Some(Metadata {
            kind: kind_of(kind),
            help: String::from_utf8_lossy(help).into_owned(),
            unit: String::from_utf8_lossy(unit).into_owned(),
        }),
    }))
}

/// Reads `io.prometheus.write.v2.Request` (Remote-Write 2.0 specification).
pub(crate) fn read_v2(message: &[u8], limits: &WriteLimits) -> Result<Request, Malformed> {
    let mut symbols = Vec::new();
    let mut fields = Fields::new(message);
    // Symbols may lie behind the series that use them.
    while let Some(field) = fields.next()? {
        if field.number == 4 {
            symbols.push(field.bytes()?);
        }
    }
    let mut reader = SeriesV2 {
        symbols: &symbols,
        limits,
        refs: Vec::new(),
        found: FoundLabels::default(),
    };
    let mut request = Request::default();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        if field.number == 5 {
            let series = reader.read(field.bytes()?, &mut request.refusals)?;
            request.series.extend(series);
        }
    }
    Ok(request)
}

struct SeriesV2<'m, 's> {
    symbols: &'s [&'m [u8]],
    limits: &'s WriteLimits,
    refs: Vec<u32>,
    found: FoundLabels<'m>,
}

impl<'m> SeriesV2<'m, '_> {
    fn read(
        &mut self,
        message: &'m [u8],
        refusals: &mut Refusals,
    ) -> Result<Option<WriteSeries>, Malformed> {
        self.refs.clear();
        let mut numbers = Numbers::default();
        let mut exemplars = Vec::new();
        let mut histograms = Histograms::default();
        let mut metadata = None;
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => field.push_uint32s(&mut self.refs)?,
                2 => {
                    let (sample, start) = read_sample(field.bytes()?)?;
                    numbers.push(sample, start);
                }
                3 => histograms.read(field.bytes()?)?,
                4 => exemplars.push(field.bytes()?),
                5 => metadata = Some(read_metadata_v2(field)?),
                _ => {}
            }
        }
        let labels = self.resolve().and_then(|()| self.found.labels(self.limits));
        let labels = match labels {
            Ok(labels) => labels,
            Err(reason) => {
                let series = shown(&self.found.pairs);
                refusals.series(reason, &series, numbers.samples.len() + histograms.len());
                return Ok(None);
            }
        };
        let mut kept = Vec::with_capacity(exemplars.len());
        for message in exemplars {
            kept.extend(self.read_exemplar(message, &labels, refusals)?);
        }
        let metadata = metadata.and_then(|metadata| self.metadata(metadata, &labels, refusals));
        if numbers.samples.is_empty() && histograms.len() == 0 && kept.is_empty() {
            refusals.series(Reason::NoSamples, &labels.to_string(), 0);
            return Ok(None);
        }
        Ok(finish(
            labels, numbers, kept, histograms, metadata, refusals,
        ))
    }

    /// The references as pairs of text.
    fn resolve(&mut self) -> Result<(), Reason> {
        self.found.pairs.clear();
        if !self.refs.len().is_multiple_of(2) {
            return Err(Reason::OddReferences);
        }
        for pair in self.refs.chunks_exact(2) {
            let symbol = |reference: u32| {
                self.symbols
                    .get(reference as usize)
                    .copied()
                    .ok_or(Reason::NoSymbol(reference))
            };
            self.found.pairs.push((symbol(pair[0])?, symbol(pair[1])?));
        }
        Ok(())
    }

    fn read_exemplar(
        &mut self,
        message: &'m [u8],
        series: &Labels,
        refusals: &mut Refusals,
    ) -> Result<Option<Exemplar>, Malformed> {
        self.refs.clear();
        let mut sample = Sample {
            time: 0,
            value: 0.0,
        };
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => field.push_uint32s(&mut self.refs)?,
                2 => sample.value = field.double()?,
                3 => sample.time = field.int64()?,
                _ => {}
            }
        }
        if let Err(reason) = self.resolve() {
            refusals.exemplar(reason, &series.to_string());
            return Ok(None);
        }
        Ok(to_exemplar(&self.found.pairs, sample, series, refusals))
    }

    fn metadata(
        &self,
        (kind, help, unit): (u32, u32, u32),
        series: &Labels,
        refusals: &mut Refusals,
    ) -> Option<Metadata> {
        let mut text = |reference: u32| match self.symbols.get(reference as usize) {
            Some(symbol) => Some(String::from_utf8_lossy(symbol).into_owned()),
            // A request without symbols may leave the references at zero.
            None if reference == 0 => Some(String::new()),
            None => {
                refusals.series(Reason::NoSymbol(reference), &series.to_string(), 0);
                None
            }
        };
        let metadata = Metadata {
            kind: kind_of(kind),
            help: text(help)?,
            unit: text(unit)?,
        };
        (metadata != Metadata::default()).then_some(metadata)
    }
}

fn read_metadata_v2(field: Field<'_>) -> Result<(u32, u32, u32), Malformed> {
    let (mut kind, mut help, mut unit) = (0, 0, 0);
    let mut fields = Fields::new(field.bytes()?);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => kind = field.uint32()?,
            3 => help = field.uint32()?,
            4 => unit = field.uint32()?,
            _ => {}
        }
    }
    Ok((kind, help, unit))
}

/// Both versions count the types alike.
fn kind_of(number: u32) -> MetricKind {
    match number {
        1 => MetricKind::Counter,
        2 => MetricKind::Gauge,
        3 => MetricKind::Histogram,
        4 => MetricKind::GaugeHistogram,
        5 => MetricKind::Summary,
        6 => MetricKind::Info,
        7 => MetricKind::StateSet,
        _ => MetricKind::Unknown,
    }
}

impl<'m> FoundLabels<'m> {
    /// Takes the labels of a series of the first version, wherever they stand.
    fn read(&mut self, message: &'m [u8]) -> Result<(), Malformed> {
        self.pairs.clear();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            if field.number == 1 {
                self.pairs.push(read_label(field.bytes()?)?);
            }
        }
        Ok(())
    }

    /// The labels of a series: names and values are UTF-8, names are sorted, none is empty or
    /// stands twice, and the metric has a name (Remote-Write 1.0 specification, "Labels").
    fn labels(&mut self, limits: &WriteLimits) -> Result<Labels, Reason> {
        if self.pairs.len() > limits.labels {
            return Err(Reason::ManyLabels {
                found: self.pairs.len(),
                limit: limits.labels,
            });
        }
        let mut has_name = false;
        let mut last: Option<&[u8]> = None;
        self.texts.clear();
        for (name, value) in &self.pairs {
            if name.is_empty() {
                return Err(Reason::EmptyName);
            }
            if name[0] == 0 {
                return Err(Reason::Reserved(String::from_utf8_lossy(name).into_owned()));
            }
            match last.map(|last| last.cmp(name)) {
                Some(std::cmp::Ordering::Equal) => {
                    return Err(Reason::Repeated(String::from_utf8_lossy(name).into_owned()));
                }
                Some(std::cmp::Ordering::Greater) => {
                    return Err(Reason::Unsorted(String::from_utf8_lossy(name).into_owned()));
                }
                _ => {}
            }
            match (std::str::from_utf8(name), std::str::from_utf8(value)) {
                (Ok(name), Ok(value)) => self.texts.push((name, value)),
                _ => return Err(Reason::NotUtf8),
            }
            has_name |= *name == METRIC_NAME.as_bytes() && !value.is_empty();
            last = Some(name);
        }
        if !has_name {
            return Err(Reason::NoMetricName);
        }
        let labels = Labels::from_sorted_in(&mut self.joined, self.texts.iter().copied());
        if labels.heap_size() > limits.labels_bytes {
            return Err(Reason::LongLabels {
                found: labels.heap_size(),
                limit: limits.labels_bytes,
            });
        }
        Ok(labels)
    }
}

/// Pairs that were found to be UTF-8.
fn texts<'a>(pairs: &'a [(&'a [u8], &'a [u8])]) -> impl Iterator<Item = (&'a str, &'a str)> {
    let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).unwrap_or_default();
    pairs.iter().map(move |(n, v)| (text(n), text(v)))
}

/// Exemplars come from other hands than series: their labels may stand in any order.
fn to_exemplar(
    pairs: &[(&[u8], &[u8])],
    sample: Sample,
    series: &Labels,
    refusals: &mut Refusals,
) -> Option<Exemplar> {
    let bad = pairs.iter().find_map(|(name, value)| {
        if name.is_empty() {
            Some(Reason::EmptyName)
        } else if std::str::from_utf8(name).is_err() || std::str::from_utf8(value).is_err() {
            Some(Reason::NotUtf8)
        } else {
            None
        }
    });
    let labels = match bad {
        Some(reason) => Err(reason),
        None => Labels::new(texts(pairs))
            .map_err(|series::LabelsError::Repeated(name)| Reason::Repeated(name)),
    };
    match labels {
        Ok(labels) => Some(Exemplar { labels, sample }),
        Err(reason) => {
            refusals.exemplar(reason, &series.to_string());
            None
        }
    }
}

/// Puts a series together from what can be kept of it.
fn finish(
    labels: Labels,
    mut numbers: Numbers,
    mut exemplars: Vec<Exemplar>,
    histograms: Histograms,
    metadata: Option<Metadata>,
    refusals: &mut Refusals,
) -> Option<WriteSeries> {
    keep_increasing(&mut numbers.samples, &labels, refusals);
    exemplars.sort_by_key(|exemplar| exemplar.sample.time);
    let extras = Extras {
        histograms: histograms.kept(&numbers.samples, &labels, refusals),
        start_times: numbers.start_times(),
    };
    let extras = (!extras.is_empty()).then(|| Box::new(extras));
    let samples = numbers.samples;
    if samples.is_empty() && exemplars.is_empty() && metadata.is_none() && extras.is_none() {
        return None;
    }
    Some(WriteSeries {
        labels,
        samples,
        exemplars,
        metadata,
        extras,
    })
}

/// The samples of a series that are numbers.
#[derive(Default)]
struct Numbers {
    samples: FewSamples,
    /// When counters started, by the times of the samples that say so.
    starts: Vec<(i64, i64)>,
}

impl Numbers {
    fn of(samples: FewSamples) -> Self {
        Self {
            samples,
            starts: Vec::new(),
        }
    }

    fn push(&mut self, sample: Sample, start: i64) {
        self.samples.push(sample);
        if start != 0 {
            self.starts.push((sample.time, start));
        }
    }

    /// One for each of the samples that were kept, or none at all.
    fn start_times(&self) -> Vec<i64> {
        if self.starts.is_empty() {
            return Vec::new();
        }
        let of = |sample: &Sample| self.starts.iter().find(|(time, _)| *time == sample.time);
        let starts = self.samples.iter().map(of);
        starts
            .map(|found| found.map_or(0, |(_, start)| *start))
            .collect()
    }
}

/// The native histograms of a series, and what is wrong with others.
#[derive(Default)]
struct Histograms {
    found: Vec<(i64, Arc<Histogram>)>,
    wrong: Vec<Reason>,
}

impl Histograms {
    fn read(&mut self, message: &[u8]) -> Result<(), Malformed> {
        match histogram::read(message)? {
            Ok(found) => self.found.push(found),
            Err(reason) => self.wrong.push(reason),
        }
        Ok(())
    }

    fn len(&self) -> usize {
        self.found.len() + self.wrong.len()
    }

    /// Those that can be stored beside these numbers.
    fn kept(
        self,
        numbers: &[Sample],
        labels: &Labels,
        refusals: &mut Refusals,
    ) -> Vec<(i64, Arc<Histogram>)> {
        for reason in self.wrong {
            refusals.series(reason, &labels.to_string(), 1);
        }
        let mut kept: Vec<(i64, Arc<Histogram>)> = Vec::with_capacity(self.found.len());
        for (time, histogram) in self.found {
            let number = numbers.binary_search_by_key(&time, |sample| sample.time);
            let reason = match kept.last() {
                Some((last, _)) if *last > time => Reason::OutOfOrder,
                Some((last, before)) if *last == time => {
                    if *before == histogram {
                        refusals.repeated += 1;
                        continue;
                    }
                    Reason::SameTime
                }
                _ if number.is_ok() => Reason::SameTime,
                _ => {
                    kept.push((time, histogram));
                    continue;
                }
            };
            refusals.series(reason, &labels.to_string(), 1);
        }
        kept
    }
}

/// Drops samples that are not later than the one before them. One that repeats the one before it
/// bit by bit is no mistake.
fn keep_increasing(samples: &mut FewSamples, labels: &Labels, refusals: &mut Refusals) {
    if samples.windows(2).all(|pair| pair[0].time < pair[1].time) {
        return;
    }
    let (mut early, mut twice) = (0, 0);
    let mut last: Option<Sample> = None;
    samples.retain(|sample| {
        let Some(before) = last else {
            last = Some(*sample);
            return true;
        };
        if sample.time > before.time {
            last = Some(*sample);
            return true;
        }
        if sample.time < before.time {
            early += 1;
        } else if sample.value.to_bits() != before.value.to_bits() {
            twice += 1;
        } else {
            refusals.repeated += 1;
        }
        false
    });
    for (reason, count) in [(Reason::OutOfOrder, early), (Reason::SameTime, twice)] {
        if count > 0 {
            refusals.series(reason, &labels.to_string(), count);
        }
    }
}

/// What was given as labels, for a message.
fn shown(pairs: &[(&[u8], &[u8])]) -> String {
    let mut text = String::from("{");
    for (at, (name, value)) in pairs.iter().enumerate() {
        // A message needs no more to find the sender.
        if text.len() > 256 {
            text.push_str(", …");
            break;
        }
        if at > 0 {
            text.push_str(", ");
        }
        let name: String = String::from_utf8_lossy(name).chars().take(64).collect();
        let value: String = String::from_utf8_lossy(value).chars().take(64).collect();
        text.push_str(&format!("{name}={value:?}"));
    }
    text.push('}');
    text
}
