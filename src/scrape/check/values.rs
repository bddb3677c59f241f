//! Rules about values: what the parts of a histogram, a summary, a counter owe each other.

use super::report::{Family, Findings, Row};
use super::rules::Rule;
use series::{Labels, METRIC_NAME, MetricKind};
use std::collections::HashMap;

pub(super) fn check(family: &Family, findings: &mut Findings) {
    match family.kind() {
        MetricKind::Counter => {
            for row in &family.rows {
                check_count(family, row, findings);
            }
        }
        MetricKind::Histogram => check_histograms(family, "_sum", "_count", findings),
        MetricKind::GaugeHistogram => check_histograms(family, "_gsum", "_gcount", findings),
        MetricKind::Summary => check_summaries(family, findings),
        MetricKind::Info => check_states(family, &[1.0], findings),
        MetricKind::StateSet => check_states(family, &[0.0, 1.0], findings),
        MetricKind::Gauge | MetricKind::Unknown => {}
    }
}

fn check_count(family: &Family, row: &Row, findings: &mut Findings) {
    if row.value < 0.0 || row.value.is_nan() {
        let text = format!(
            "{} is {}; what is counted is never less than 0",
            row.labels, row.value
        );
        findings.add(Rule::NegativeCount, &family.name, row.line, text);
    }
}

fn check_states(family: &Family, states: &[f64], findings: &mut Findings) {
    for row in family
        .rows
        .iter()
        .filter(|row| !states.contains(&row.value))
    {
        let kind = family.kind().as_str();
        let text = format!("{} is {}, which no {kind} can be", row.labels, row.value);
        findings.add(Rule::BadStateValue, &family.name, row.line, text);
    }
}

/// The parts of one histogram or summary.
#[derive(Default)]
struct Parts<'a> {
    /// The first line that mentions it.
    line: usize,
    /// Upper bound, count and where it stands.
    buckets: Vec<(f64, &'a Row)>,
    count: Option<f64>,
    has_sum: bool,
}

/// The row's name without the family's.
fn part<'a>(family: &Family, row: &'a Row) -> &'a str {
    let name = row.labels.get(METRIC_NAME).unwrap_or_default();
    name.strip_prefix(family.name.as_str()).unwrap_or_default()
}

/// Sorts the rows of a family into what belongs together: equal labels but for `bound`.
fn parts_by_labels<'a>(
    family: &'a Family,
    bound: &str,
    mut take: impl FnMut(&mut Parts<'a>, &'a str, &'a Row),
) -> Vec<(Labels, Parts<'a>)> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut all: Vec<(Labels, Parts<'a>)> = Vec::new();
    for row in &family.rows {
        let own = row
            .labels
            .without(|name| name == bound || name == METRIC_NAME);
        let place = *places.entry(own.clone()).or_insert_with(|| {
            let parts = Parts {
                line: row.line,
                ..Parts::default()
            };
            all.push((own, parts));
            all.len() - 1
        });
        take(&mut all[place].1, part(family, row), row);
    }
    all
}

fn check_histograms(family: &Family, sum: &str, count: &str, findings: &mut Findings) {
    let name = family.name.as_str();
    let counts_fall = family.kind() == MetricKind::GaugeHistogram;
    let mut unbounded: Vec<&Row> = Vec::new();
    let all = parts_by_labels(family, "le", |parts, part, row| {
        if part == "_bucket" {
            match row.labels.get("le").and_then(|le| le.parse::<f64>().ok()) {
                Some(bound) if !bound.is_nan() => parts.buckets.push((bound, row)),
                _ => unbounded.push(row),
            }
        } else if part == count {
            parts.count = Some(row.value);
        } else if part == sum {
            parts.has_sum = true;
        }
    });
    for row in unbounded {
        let text = format!("{} has no number in its label \"le\"", row.labels);
        findings.add(Rule::BadBound, name, row.line, text);
    }
    for (labels, mut parts) in all {
        parts.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (_, row) in &parts.buckets {
            check_count(family, row, findings);
        }
        for pair in parts.buckets.windows(2) {
            let [(_, narrow), (_, wide)] = pair else {
                continue;
            };
            if wide.value < narrow.value {
                let text = format!(
                    "{} is {}, less than the {} of the narrower bucket on line {}",
                    wide.labels, wide.value, narrow.value, narrow.line
                );
                findings.add(Rule::BucketsNotCumulative, name, wide.line, text);
            }
        }
        let last = parts.buckets.last();
        match last.filter(|(bound, _)| *bound == f64::INFINITY) {
            None => {
                let text = format!("the histogram {labels} has no bucket le=\"+Inf\"");
                findings.add(Rule::NoInfBucket, name, parts.line, text);
            }
            Some((_, row)) => {
                if let Some(count) = parts.count
                    && count != row.value
                {
                    let text = format!(
                        "the histogram {labels} counts {count}, but its bucket +Inf holds {}",
                        row.value
                    );
                    findings.add(Rule::CountMismatch, name, row.line, text);
                }
            }
        }
        // OpenMetrics leaves the sum out where negative values are observed, and lets a gauge
        // histogram have sum and count only together.
        let sum_may_lack = counts_fall || parts.buckets.first().is_some_and(|(b, _)| *b < 0.0);
        let count_is_due = !counts_fall || parts.has_sum;
        if parts.count.is_none() && count_is_due {
            let text = format!("the histogram {labels} has no {name}{count}");
            findings.add(Rule::IncompleteFamily, name, parts.line, text);
        } else if !parts.has_sum && !sum_may_lack {
            let text = format!("the histogram {labels} has no {name}{sum}");
            findings.add(Rule::IncompleteFamily, name, parts.line, text);
        }
    }
}

fn check_summaries(family: &Family, findings: &mut Findings) {
    let name = family.name.as_str();
    let mut unbounded: Vec<&Row> = Vec::new();
    let mut counts: Vec<&Row> = Vec::new();
    let all = parts_by_labels(family, "quantile", |parts, part, row| match part {
        "" => match row
            .labels
            .get("quantile")
            .and_then(|q| q.parse::<f64>().ok())
        {
            Some(quantile) if (0.0..=1.0).contains(&quantile) => {}
            _ => unbounded.push(row),
        },
        "_count" => {
            parts.count = Some(row.value);
            counts.push(row);
        }
        "_sum" => parts.has_sum = true,
        _ => {}
    });
    for row in unbounded {
        let text = format!(
            "{} has no number from 0 to 1 in its label \"quantile\"",
            row.labels
        );
        findings.add(Rule::BadBound, name, row.line, text);
    }
    for row in counts {
        check_count(family, row, findings);
    }
    for (labels, parts) in all {
        if parts.count.is_none() || !parts.has_sum {
            let missing = if parts.has_sum { "_count" } else { "_sum" };
            let text = format!("the summary {labels} has no {name}{missing}");
            findings.add(Rule::IncompleteFamily, name, parts.line, text);
        }
    }
}
