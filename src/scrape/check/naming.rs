//! Rules about names, units and labels.

use super::report::{Family, Findings};
use super::rules::Rule;
use exposition::Format;
use series::{METRIC_NAME, MetricKind};
use std::collections::{BTreeMap, HashSet};

/// From so many values on, a label is worth a word.
const MANY_VALUES: usize = 100;

/// From so many bytes on, a label value is worth a word.
const LONG_VALUE: usize = 512;

/// Labels that a target gets from the scraper.
const TARGET_LABELS: [&str; 2] = ["instance", "job"];

/// Units and the base unit of each, as promlint knows them.
const UNITS: [(&str, &str); 24] = [
    ("amperes", "amperes"),
    ("bits", "bytes"),
    ("bytes", "bytes"),
    ("calories", "joules"),
    ("celsius", "celsius"),
    ("days", "seconds"),
    ("fahrenheit", "celsius"),
    ("grams", "grams"),
    ("hours", "seconds"),
    ("inches", "meters"),
    ("joules", "joules"),
    ("kelvin", "kelvin"),
    ("kelvins", "kelvin"),
    ("meters", "meters"),
    ("metres", "metres"),
    ("miles", "meters"),
    ("minutes", "seconds"),
    ("ounces", "grams"),
    ("pounds", "grams"),
    ("rankine", "celsius"),
    ("seconds", "seconds"),
    ("volts", "volts"),
    ("weeks", "seconds"),
    ("yards", "meters"),
];

const PREFIXES: [&str; 18] = [
    "pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo", "kibi", "mega",
    "mibi", "giga", "gibi", "tera", "tebi", "peta", "pebi",
];

const ABBREVIATIONS: [&str; 14] = [
    "s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d",
];

pub(super) fn check(family: &Family, format: Format, findings: &mut Findings) {
    let name = family.name.as_str();
    let mut add = |rule, text: String| findings.add(rule, name, family.line, text);
    if family.rows.is_empty() {
        add(Rule::NoSamples, "it is declared but has no samples".into());
        return;
    }
    if family.help.is_none() {
        add(Rule::NoHelp, "it has no HELP line".into());
    }
    if family.kind.is_none() {
        add(
            Rule::NoType,
            "it has no TYPE line, so that it is of unknown type".into(),
        );
    }
    if let Some((unit, base)) = unit_in(name)
        && unit != base
    {
        add(
            Rule::BaseUnit,
            format!("it is in {unit}; the base unit is {base}"),
        );
    }
    let words = name.to_ascii_lowercase();
    if let Some(short) = ABBREVIATIONS.iter().find(|short| has_word(&words, short)) {
        add(
            Rule::AbbreviatedUnit,
            format!("its name holds the abbreviated unit {short:?}"),
        );
    }
    check_type(family, format, &mut add);
    if name.contains(':') {
        let text = "its name holds a colon, which is for the names of recording rules";
        add(Rule::ColonInName, text.into());
    }
    if is_mixed_case(name) {
        add(
            Rule::MixedCase,
            "its name is written in camelCase, not in snake_case".into(),
        );
    }
    check_labels(family, findings);
}

/// What the type and the name say of each other.
fn check_type(family: &Family, format: Format, add: &mut impl FnMut(Rule, String)) {
    let name = family.name.as_str();
    let kind = family.kind();
    if kind == MetricKind::Counter {
        // In OpenMetrics the family's name has no ending, its samples' names have.
        let ends_in_total = match format {
            Format::PrometheusText => name.ends_with("_total"),
            Format::OpenMetrics => family
                .rows
                .iter()
                .filter_map(|row| row.labels.get(METRIC_NAME))
                .all(|name| name.ends_with("_total") || name.ends_with("_created")),
        };
        if !ends_in_total {
            let text = "it is a counter, but its name does not end in \"_total\"";
            add(Rule::CounterWithoutTotal, text.into());
        }
    }
    if kind == MetricKind::Unknown {
        return;
    }
    let a_kind = kind.as_str();
    if kind != MetricKind::Counter && name.ends_with("_total") {
        let text = format!("its name ends in \"_total\" as a counter's does, but it is a {a_kind}");
        add(Rule::TotalWithoutCounter, text);
    }
    let has_buckets = matches!(kind, MetricKind::Histogram | MetricKind::GaugeHistogram);
    let has_sums = has_buckets || kind == MetricKind::Summary;
    for (ending, is_meant) in [
        ("_bucket", has_buckets),
        ("_count", has_sums),
        ("_sum", has_sums),
    ] {
        if name.ends_with(ending) && !is_meant {
            let text = format!("its name ends in {ending:?}, but it is a {a_kind}");
            add(Rule::ReservedSuffix, text);
        }
    }
    if has_word(&name.to_ascii_lowercase(), a_kind) {
        add(
            Rule::TypeInName,
            format!("its name holds its type, {a_kind:?}"),
        );
    }
}

fn check_labels(family: &Family, findings: &mut Findings) {
    let kind = family.kind();
    let bound = match kind {
        MetricKind::Histogram | MetricKind::GaugeHistogram => "le",
        MetricKind::Summary => "quantile",
        _ => "",
    };
    // Borrowed from the rows, so that a large page costs no copies of its labels.
    let mut values: BTreeMap<&str, (usize, HashSet<&str>)> = BTreeMap::new();
    for row in &family.rows {
        for (label, value) in row.labels.iter().filter(|(label, _)| *label != METRIC_NAME) {
            values
                .entry(label)
                .or_insert_with(|| (row.line, HashSet::new()))
                .1
                .insert(value);
        }
    }
    for (label, (line, values)) in values {
        let mut add = |rule, text| findings.add(rule, &family.name, line, text);
        if is_mixed_case(label) {
            let text = format!("its label {label:?} is written in camelCase, not in snake_case");
            add(Rule::MixedCase, text);
        }
        if kind != MetricKind::Unknown && label != bound && matches!(label, "le" | "quantile") {
            let text = format!("it has a label {label:?}, but it is a {}", kind.as_str());
            add(Rule::ReservedLabel, text);
        }
        if TARGET_LABELS.contains(&label) {
            let text = format!(
                "its label {label:?} becomes \"exported_{label}\", for the target has one itself \
                 (unless labels of the page are honoured)"
            );
            add(Rule::TargetLabel, text);
        }
        if label.starts_with("__") {
            let text = format!("its label {label:?} begins as Prometheus's own labels do");
            add(Rule::InternalLabel, text);
        }
        if label != bound && values.len() > MANY_VALUES {
            let text = format!("its label {label:?} has {} values", values.len());
            add(Rule::HighCardinality, text);
        }
        if let Some(long) = values.iter().find(|value| value.len() > LONG_VALUE) {
            let text = format!("its label {label:?} has a value of {} bytes", long.len());
            add(Rule::LongLabel, text);
        }
    }
}

/// The first unit among the words of a name, and its base unit.
fn unit_in(name: &str) -> Option<(&str, &'static str)> {
    let base_of = |word: &str| {
        let known = UNITS.iter().find(|(unit, _)| *unit == word);
        known.map(|(_, base)| *base)
    };
    name.split('_').find_map(|word| {
        let prefixed = || {
            PREFIXES
                .iter()
                .filter_map(|prefix| word.strip_prefix(prefix))
                .find_map(base_of)
        };
        Some((word, base_of(word).or_else(prefixed)?))
    })
}

/// Whether `word` stands behind an underscore and before another one or the end.
fn has_word(name: &str, word: &str) -> bool {
    name.split('_').skip(1).any(|part| part == word)
}

fn is_mixed_case(name: &str) -> bool {
    name.as_bytes()
        .windows(2)
        .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
}
