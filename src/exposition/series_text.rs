use crate::error::Problem;
use crate::escape::unescape;
use crate::format::Format;
use crate::number::canonical_bound;
use crate::scan::{Braces, Part, Refusal, braces, metric_name, skip_blanks};
use series::{Labels, LabelsError, METRIC_NAME, MetricKind};
use std::borrow::Cow;

/// The labels of a series whose text the parser has checked.
pub(crate) fn labels(text: &[u8], format: Format, kind: MetricKind) -> Result<Labels, Refusal> {
    let bound = match kind {
        MetricKind::Histogram => Some("le"),
        MetricKind::Summary => Some("quantile"),
        _ => None,
    };
    let mut pairs = Pairs::new();
    let mut at = 0;
    if text.first() != Some(&b'{') {
        at = metric_name(text, 0);
        pairs.push(0, METRIC_NAME.as_bytes(), &text[..at]);
    }
    let grammar = match format {
        Format::PrometheusText => {
            at = skip_blanks(text, at);
            Braces::Text
        }
        Format::OpenMetrics => Braces::OpenMetrics,
    };
    if text.get(at) == Some(&b'{') {
        braces(text, at + 1, grammar, at > 0, |part| pairs.take(part))?;
    }
    let labels = pairs.build(bound)?;
    if labels.metric_name().is_none() {
        return Err((0, Problem::NoName));
    }
    Ok(labels)
}

/// The labels of an exemplar whose text, braces included, the parser has checked.
pub(crate) fn exemplar_labels(text: &[u8]) -> Result<Labels, Refusal> {
    let mut pairs = Pairs::new();
    braces(text, 1, Braces::Exemplar, true, |part| pairs.take(part))?;
    pairs.build(None)
}

struct Pairs<'a> {
    /// Where each label begins, its name and its value, escapes not undone.
    raw: Vec<(usize, &'a [u8], &'a [u8])>,
}

impl<'a> Pairs<'a> {
    fn new() -> Self {
        // Few series have more labels, and growing costs more than the bytes.
        let raw = Vec::with_capacity(12);
        Self { raw }
    }

    fn push(&mut self, at: usize, name: &'a [u8], value: &'a [u8]) {
        self.raw.push((at, name, value));
    }

    fn take(&mut self, part: Part<'a>) {
        match part {
            Part::MetricName(name) => self.push(0, METRIC_NAME.as_bytes(), name),
            Part::Label { at, name, value } => self.push(at, name, value),
        }
    }

    /// Checks what Prometheus checks only now, in its order: first every label of a name that
    /// has an empty value somewhere goes, then names have to be UTF-8 and not empty, then none
    /// may stand twice.
    fn build(&self, bound: Option<&str>) -> Result<Labels, Refusal> {
        let absent: Vec<Cow<'_, [u8]>> = self
            .raw
            .iter()
            .filter(|(_, _, value)| value.is_empty())
            .map(|(_, name, _)| plain_name(name))
            .collect();
        let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::with_capacity(self.raw.len());
        for &(at, name, value) in &self.raw {
            if !absent.is_empty() && absent.contains(&plain_name(name)) {
                continue;
            }
            let utf8 = |bytes, what| {
                std::str::from_utf8(bytes)
                    .map(|text| unescape(text, true))
                    .map_err(|_| (at, Problem::NotUtf8(what)))
            };
            let name = utf8(name, "label name")?;
            let mut value = utf8(value, "metric name")?;
            if name.is_empty() {
                return Err((at, Problem::EmptyLabelName));
            }
            if bound == Some(&*name)
                && let Some(canonical) = canonical_bound(&value)
            {
                value = Cow::Owned(canonical);
            }
            pairs.push((name, value));
        }
        Labels::new(pairs).map_err(|LabelsError::Repeated(name)| {
            let second = self
                .raw
                .iter()
                .filter(|(_, raw, _)| *plain_name(raw) == *name.as_bytes())
                .nth(1);
            let at = second.map_or(0, |(at, _, _)| *at);
            (at, Problem::RepeatedLabel(name))
        })
    }
}

/// A name without its escapes; one that is not UTF-8 as it is.
fn plain_name(raw: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(raw).map(|text| unescape(text, true)) {
        Ok(Cow::Owned(plain)) => Cow::Owned(plain.into_bytes()),
        Ok(Cow::Borrowed(_)) | Err(_) => Cow::Borrowed(raw),
    }
}
