//! What a person should know about an answer: warnings and infos, in Prometheus's words
//! (Prometheus `util/annotations`). One notice of each text is kept, however often it arises.

use crate::span::Span;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// The notices of one evaluation; workers add to it from any thread.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    warnings: Mutex<BTreeMap<String, Span>>,
    infos: Mutex<BTreeMap<String, Span>>,
    monotonicity: Mutex<BTreeMap<String, ForcedMonotonicity>>,
}

/// How far the buckets of `histogram_quantile` had to be corrected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ForcedMonotonicity {
    pub(crate) span: Span,
    pub(crate) first_time: i64,
    pub(crate) last_time: i64,
    pub(crate) lowest_bucket: f64,
    pub(crate) highest_bucket: f64,
    pub(crate) largest_difference: f64,
    pub(crate) times: u64,
}

fn add(map: &Mutex<BTreeMap<String, Span>>, text: String, span: Span) {
    // A poisoned lock means that another worker panicked; its notices are still good.
    let mut map = map
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    map.entry(text).or_insert(span);
}

fn named(metric: &str) -> String {
    if metric.is_empty() {
        String::new()
    } else {
        format!(" for metric name {metric:?}")
    }
}

/// A number as Go's `%g` writes it.
pub(crate) fn go_g(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    let exponent = if value == 0.0 {
        0
    } else {
        exponent_of(&format!("{value:e}"))
    };
    if (-4..21).contains(&exponent) {
        return value.to_string();
    }
    go_exponent(&format!("{value:e}"))
}

/// A number as Go's `%.2g` writes it.
fn go_2g(value: f64) -> String {
    if !value.is_finite() || value == 0.0 {
        return go_g(value);
    }
    let text = format!("{value:.1e}");
    let exponent = exponent_of(&text);
    if (-4..2).contains(&exponent) {
        return text.parse::<f64>().unwrap_or(value).to_string();
    }
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let mantissa = mantissa.strip_suffix(".0").unwrap_or(mantissa);
    go_exponent(&format!("{mantissa}e{power}"))
}

fn exponent_of(text: &str) -> i32 {
    text.split_once('e')
        .and_then(|(_, power)| power.parse().ok())
        .unwrap_or(0)
}

/// Go writes at least two digits of exponent, and its sign.
fn go_exponent(text: &str) -> String {
    let (mantissa, power) = text.split_once('e').unwrap_or((text, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let sign = if power < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", power.abs())
}

impl Notices {
    pub(crate) fn warn(&self, text: impl Into<String>, span: Span) {
        add(&self.warnings, text.into(), span);
    }

    pub(crate) fn info(&self, text: impl Into<String>, span: Span) {
        add(&self.infos, text.into(), span);
    }

    pub(crate) fn invalid_quantile(&self, q: f64, span: Span) {
        self.warn(
            format!("quantile value should be between 0 and 1, got {}", go_g(q)),
            span,
        );
    }

    pub(crate) fn invalid_ratio(&self, ratio: f64, capped: f64, span: Span) {
        self.warn(
            format!(
                "ratio value should be between -1 and 1, got {}, capping to {}",
                go_g(ratio),
                go_g(capped)
            ),
            span,
        );
    }

    pub(crate) fn bad_bucket_label(&self, metric: &str, label: &str, span: Span) {
        self.warn(
            format!(
                "bucket label \"le\" is missing or has a malformed value of {label:?}{}",
                named(metric)
            ),
            span,
        );
    }

    pub(crate) fn mixed_floats_histograms(&self, metric: &str, span: Span) {
        self.warn(
            format!("encountered a mix of histograms and floats for metric name {metric:?}"),
            span,
        );
    }

    pub(crate) fn mixed_in_aggregation(&self, span: Span) {
        self.warn(
            "encountered a mix of histograms and floats for aggregation",
            span,
        );
    }

    pub(crate) fn mixed_classic_native(&self, metric: &str, span: Span) {
        self.warn(
            format!(
                "vector contains a mix of classic and native histograms{}",
                named(metric)
            ),
            span,
        );
    }

    pub(crate) fn not_counter(&self, metric: &str, span: Span) {
        self.warn(
            format!("this native histogram metric is not a counter: {metric:?}"),
            span,
        );
    }

    pub(crate) fn not_gauge(&self, metric: &str, span: Span) {
        self.warn(
            format!("this native histogram metric is not a gauge: {metric:?}"),
            span,
        );
    }

    pub(crate) fn mixed_schemas(&self, metric: &str, span: Span) {
        self.warn(
            format!(
                "vector contains a mix of histograms with exponential and custom buckets schemas \
                 for metric name {metric:?}"
            ),
            span,
        );
    }

    pub(crate) fn overlapping_start(&self, metric: &str, span: Span) {
        self.warn(
            format!(
                "sample has start time that overlaps with previous sample timestamp for metric \
                 {metric:?}"
            ),
            span,
        );
    }

    pub(crate) fn incompatible_layout(&self, operator: &str, span: Span) {
        self.warn(
            format!("incompatible bucket layout encountered for binary operator {operator}"),
            span,
        );
    }

    pub(crate) fn reset_collision(&self, operation: &str, span: Span) {
        self.warn(
            format!("conflicting counter resets during histogram {operation}"),
            span,
        );
    }

    pub(crate) fn sort_in_range(&self, span: Span) {
        self.warn(
            "sort is ineffective for range queries since results are always ordered by labels",
            span,
        );
    }

    pub(crate) fn possible_non_counter(&self, metric: &str, span: Span) {
        self.info(
            format!(
                "metric might not be a counter, name does not end in \
                 _total/_sum/_count/_bucket: {metric:?}"
            ),
            span,
        );
    }

    pub(crate) fn incompatible_types(&self, left: &str, operator: &str, right: &str, span: Span) {
        self.info(
            format!(
                "incompatible sample types encountered for binary operator {operator:?}: \
                 {left} {operator} {right}"
            ),
            span,
        );
    }

    pub(crate) fn ignored_in_aggregation(&self, operator: &str, span: Span) {
        self.info(format!("ignored histogram in {operator} aggregation"), span);
    }

    pub(crate) fn ignored_in_range(&self, metric: &str, span: Span) {
        self.info(
            format!(
                "ignored histograms in a range containing both floats and histograms for metric \
                 name {metric:?}"
            ),
            span,
        );
    }

    pub(crate) fn mismatched_bounds(&self, operation: &str, span: Span) {
        self.info(
            format!("mismatched custom buckets were reconciled during {operation}"),
            span,
        );
    }

    pub(crate) fn nan_quantile(&self, metric: &str, result_is_nan: bool, span: Span) {
        let result = if result_is_nan {
            "result is NaN"
        } else {
            "result is skewed higher"
        };
        self.info(
            format!(
                "input to histogram_quantile has NaN observations, {result}{}",
                named(metric)
            ),
            span,
        );
    }

    pub(crate) fn nan_fraction(&self, metric: &str, span: Span) {
        self.info(
            format!(
                "input to histogram_fraction has NaN observations, which are excluded from all \
                 fractions{}",
                named(metric)
            ),
            span,
        );
    }

    pub(crate) fn forced_monotonicity(&self, metric: &str, forced: ForcedMonotonicity) {
        let text = format!(
            "input to histogram_quantile needed to be fixed for monotonicity (see \
             https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)\
             {}",
            named(metric)
        );
        let mut map = self
            .monotonicity
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        map.entry(text)
            .and_modify(|known| {
                known.first_time = known.first_time.min(forced.first_time);
                known.last_time = known.last_time.max(forced.last_time);
                known.lowest_bucket = known.lowest_bucket.min(forced.lowest_bucket);
                known.highest_bucket = known.highest_bucket.max(forced.highest_bucket);
                known.largest_difference = known.largest_difference.max(forced.largest_difference);
                known.times += forced.times;
            })
            .or_insert(forced);
    }

    /// Warnings and infos as Prometheus's API words them, with places in `query`.
    pub(crate) fn texts(self, query: &str) -> (Vec<String>, Vec<String>) {
        let place = |span: Span| {
            let (line, column) = span.line_and_column(query);
            format!("({line}:{column})")
        };
        let inner = std::sync::PoisonError::into_inner;
        let warnings = self.warnings.into_inner().unwrap_or_else(inner);
        let infos = self
            .infos
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let forced = self
            .monotonicity
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let warnings = warnings
            .into_iter()
            .map(|(text, span)| format!("PromQL warning: {text} {}", place(span)))
            .collect();
        let infos = infos
            .into_iter()
            .map(|(text, span)| format!("PromQL info: {text} {}", place(span)))
            .chain(forced.into_iter().map(|(text, forced)| {
                format!(
                    "PromQL info: {text}, from buckets {} to {}, with a max diff of {}, over {} \
                     samples from {} to {} {}",
                    go_g(forced.lowest_bucket),
                    go_g(forced.highest_bucket),
                    go_2g(forced.largest_difference),
                    forced.times,
                    crate::calendar::rfc3339(forced.first_time.div_euclid(1000)),
                    crate::calendar::rfc3339(forced.last_time.div_euclid(1000)),
                    place(forced.span)
                )
            }))
            .collect();
        (warnings, infos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (value, text) in [
            (f64::NAN, "NaN"),
            (0.5, "0.5"),
            (-1.0, "-1"),
            (1e21, "1e+21"),
            (1.5e-7, "1.5e-07"),
            (123456789.0, "123456789"),
        ] {
            assert_eq!(go_g(value), text);
        }
        assert_eq!(go_2g(1234.0), "1.2e+03");
        assert_eq!(go_2g(1.0), "1");
        assert_eq!(go_2g(0.126), "0.13");
    }
}
