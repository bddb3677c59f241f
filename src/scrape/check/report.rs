use super::naming;
use super::rules::{Finding, Rule};
use super::values;
use exposition::{ContentTypeError, Entry, Format, Parser, Position, Sample, belongs_to_family};
use serde_json::{Value, json};
use series::{Labels, METRIC_NAME, MetricKind};
use std::collections::HashMap;

/// What a scrape of one page would do.
#[derive(Debug, Clone, PartialEq)]
pub struct PageReport {
    /// The language that the page was read as; `None` when its type names none.
    pub format: Option<Format>,
    /// The page's length.
    pub bytes: usize,
    /// Why Prometheus would refuse the page. What else is reported is about what stands before
    /// that place.
    pub refusal: Option<Refusal>,
    /// How many samples were read.
    pub samples: usize,
    /// How many of them Prometheus would drop, as far as the page alone tells.
    pub lost: usize,
    /// How many different series they belong to.
    pub series: usize,
    /// How many samples have an exemplar.
    pub exemplars: usize,
    /// The metric families in the order of the page.
    pub families: Vec<FamilyReport>,
    /// What is wrong, the gravest first, then by line.
    pub findings: Vec<Finding>,
}

/// Why a page is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The page cannot be read, and where.
    Page(exposition::Error),
    /// Its `Content-Type` says that it is no page of metrics.
    ContentType(ContentTypeError),
    /// There was no page to be had from the target, and why.
    Fetch(String),
}

impl Refusal {
    /// The place in the page, where it is about a place.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Page(error) => Some(error.position),
            Self::ContentType(_) | Self::Fetch(_) => None,
        }
    }

    /// The reason without the place.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Page(error) => error.problem.to_string(),
            Self::Fetch(what) => what.clone(),
            Self::ContentType(error) => match error {
                ContentTypeError::Missing => "the target sends no Content-Type".to_owned(),
                ContentTypeError::Malformed(header) => {
                    format!("the Content-Type {header:?} is malformed")
                }
                ContentTypeError::Unsupported(header) => {
                    format!("the Content-Type {header:?} is no text format of metrics")
                }
                other => other.to_string(),
            },
        }
    }
}

/// What a page holds of one metric family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilyReport {
    /// The family's name.
    pub name: String,
    /// Its type, where a `TYPE` line gives one.
    pub kind: Option<MetricKind>,
    /// Its help, where a `HELP` line gives one.
    pub help: Option<String>,
    /// Its unit, where a `UNIT` line gives one.
    pub unit: Option<String>,
    /// The line of its first mention.
    pub line: usize,
    /// How many different series it has.
    pub series: usize,
    /// How many samples it has.
    pub samples: usize,
}

impl PageReport {
    /// Whether Prometheus would ingest the page, apart from the samples it drops.
    #[must_use]
    pub fn is_ingested(&self) -> bool {
        self.refusal.is_none()
    }

    /// The report as one JSON document:
    ///
    /// `{"source", "format": "prometheus-text" | "openmetrics" | null, "bytes", "ingested",
    /// "refusal": {"line", "column", "reason"} | null, "samples", "lost_samples", "series",
    /// "exemplars", "metrics": [{"name", "type", "help", "unit", "line", "series", "samples"}],
    /// "findings": [{"rule", "severity", "line", "metric", "text", "times"}]}`.
    ///
    /// `type`, `help` and `unit` are `null` where the page has no such line, `line` and `column`
    /// of the refusal where it is not about a place in the page.
    #[must_use]
    pub fn to_json(&self, source: &str) -> Value {
        let refusal = self.refusal.as_ref().map(|refusal| {
            let position = refusal.position();
            json!({
                "line": position.map(|position| position.line),
                "column": position.map(|position| position.column),
                "reason": refusal.reason(),
            })
        });
        json!({
            "source": source,
            "format": self.format.map(|format| match format {
                Format::PrometheusText => "prometheus-text",
                Format::OpenMetrics => "openmetrics",
            }),
            "bytes": self.bytes,
            "ingested": self.is_ingested(),
            "refusal": refusal,
            "samples": self.samples,
            "lost_samples": self.lost,
            "series": self.series,
            "exemplars": self.exemplars,
            "metrics": self.families.iter().map(FamilyReport::to_json).collect::<Vec<_>>(),
            "findings": self.findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
        })
    }

    /// A report of a page of `bytes` bytes that was not even read.
    #[must_use]
    pub fn of_nothing(bytes: usize, refusal: Refusal) -> Self {
        Self {
            format: None,
            bytes,
            refusal: Some(refusal),
            samples: 0,
            lost: 0,
            series: 0,
            exemplars: 0,
            families: Vec::new(),
            findings: Vec::new(),
        }
    }
}

impl FamilyReport {
    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "type": self.kind.map(MetricKind::as_str),
            "help": self.help,
            "unit": self.unit,
            "line": self.line,
            "series": self.series,
            "samples": self.samples,
        })
    }
}

/// Checks one page: bytes in, report out. An empty page is an empty scrape in either format.
#[must_use]
pub fn check_page(page: &[u8], format: Format) -> PageReport {
    let mut check = Check::new(page, format);
    let refusal = match page {
        [] => None,
        _ => check.read().err().map(Refusal::Page),
    };
    check.report(refusal)
}

/// A sample as the rules look at it.
#[derive(Debug)]
pub(super) struct Row {
    pub labels: Labels,
    pub value: f64,
    pub line: usize,
}

/// A family as the rules look at it.
#[derive(Debug)]
pub(super) struct Family {
    pub name: String,
    pub kind: Option<MetricKind>,
    pub help: Option<String>,
    pub unit: Option<String>,
    pub line: usize,
    pub rows: Vec<Row>,
    pub series: usize,
}

impl Family {
    /// The type, unknown where none is given.
    pub(super) fn kind(&self) -> MetricKind {
        self.kind.unwrap_or_default()
    }
}

/// Findings so far; those of one rule about one family are one finding.
#[derive(Debug, Default)]
pub(super) struct Findings {
    all: Vec<Finding>,
    places: HashMap<(Rule, String), usize>,
}

impl Findings {
    pub(super) fn add(&mut self, rule: Rule, metric: &str, line: usize, text: String) {
        if let Some(&place) = self.places.get(&(rule, metric.to_owned())) {
            self.all[place].times += 1;
            return;
        }
        self.places
            .insert((rule, metric.to_owned()), self.all.len());
        self.all.push(Finding {
            rule,
            line,
            metric: metric.to_owned(),
            text,
            times: 1,
        });
    }
}

struct Check<'a> {
    page: &'a [u8],
    format: Format,
    families: Vec<Family>,
    by_name: HashMap<String, usize>,
    /// The last sample of each series: its line, time and value.
    seen: HashMap<Labels, (usize, Option<i64>, f64)>,
    findings: Findings,
    samples: usize,
    exemplars: usize,
    lost: usize,
    /// The line of the byte at `counted`.
    line: usize,
    counted: usize,
}

impl<'a> Check<'a> {
    fn new(page: &'a [u8], format: Format) -> Self {
        Self {
            page,
            format,
            families: Vec::new(),
            by_name: HashMap::new(),
            seen: HashMap::new(),
            findings: Findings::default(),
            samples: 0,
            exemplars: 0,
            lost: 0,
            line: 1,
            counted: 0,
        }
    }

    fn read(&mut self) -> Result<(), exposition::Error> {
        let mut parser = Parser::new(self.page, self.format);
        loop {
            let start = parser.offset();
            let Some(entry) = parser.next()? else {
                return Ok(());
            };
            match entry {
                Entry::Help { family, text } => {
                    let line = self.line_of_entry(start);
                    self.declare_help(&family, &text, line);
                }
                Entry::Type { family, kind } => {
                    let line = self.line_of_entry(start);
                    self.declare_type(&family, kind, line);
                }
                Entry::Unit { family, unit } => {
                    let line = self.line_of_entry(start);
                    self.declare_unit(&family, &unit, line);
                }
                Entry::Sample(sample) => self.sample(&sample)?,
                Entry::Comment(_) => {}
            }
        }
    }

    /// The line of the byte at `offset`; offsets only grow.
    fn line_at(&mut self, offset: usize) -> usize {
        self.line += memchr::memchr_iter(b'\n', &self.page[self.counted..offset]).count();
        self.counted = offset;
        self.line
    }

    /// The line of the entry that begins behind the blanks and blank lines at `start`.
    fn line_of_entry(&mut self, start: usize) -> usize {
        let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\n');
        let rest = &self.page[start..];
        let blanks = rest.iter().take_while(|b| blank(b)).count();
        self.line_at(start + blanks)
    }

    fn family(&mut self, name: &str, line: usize) -> usize {
        if let Some(&index) = self.by_name.get(name) {
            return index;
        }
        self.families.push(Family {
            name: name.to_owned(),
            kind: None,
            help: None,
            unit: None,
            line,
            rows: Vec::new(),
            series: 0,
        });
        self.by_name
            .insert(name.to_owned(), self.families.len() - 1);
        self.families.len() - 1
    }

    fn declare_help(&mut self, name: &str, help: &str, line: usize) {
        let index = self.family(name, line);
        let family = &mut self.families[index];
        if let Some(before) = family.help.replace(help.to_owned())
            && before != help
        {
            let text = format!("a second HELP line says {help:?}; before it was {before:?}");
            self.findings.add(Rule::Redeclared, name, line, text);
        }
    }

    fn declare_type(&mut self, name: &str, kind: MetricKind, line: usize) {
        let index = self.family(name, line);
        let family = &mut self.families[index];
        if !family.rows.is_empty() {
            let first = family.rows[0].line;
            let text = format!("the TYPE line stands behind samples (the first on line {first})");
            self.findings.add(Rule::LateType, name, line, text);
        }
        if let Some(before) = family.kind.replace(kind)
            && before != kind
        {
            let (before, kind) = (before.as_str(), kind.as_str());
            let text = format!("a second TYPE line makes it a {kind}; before it was a {before}");
            self.findings.add(Rule::Redeclared, name, line, text);
        }
    }

    fn declare_unit(&mut self, name: &str, unit: &str, line: usize) {
        let index = self.family(name, line);
        let family = &mut self.families[index];
        if let Some(before) = family.unit.replace(unit.to_owned())
            && before != unit
        {
            let text = format!("a second UNIT line says {unit:?}; before it was {before:?}");
            self.findings.add(Rule::Redeclared, name, line, text);
        }
    }

    fn sample(&mut self, sample: &Sample<'_>) -> Result<(), exposition::Error> {
        let labels = sample.labels()?;
        let line = self.line_at(sample.range().start);
        let name = labels.get(METRIC_NAME).unwrap_or_default();
        let index = match self.declared_family(name) {
            Some(index) => index,
            None => self.family(name, line),
        };
        self.samples += 1;
        self.exemplars += usize::from(sample.exemplar.is_some());
        let family = &mut self.families[index];
        if sample.time.is_some() {
            let text = "samples have times of their own; their series get no stale marker when \
                        they vanish"
                .to_owned();
            self.findings
                .add(Rule::OwnTimestamps, &family.name, line, text);
        }
        match self
            .seen
            .insert(labels.clone(), (line, sample.time, sample.value))
        {
            None => family.series += 1,
            Some(before) => {
                let now = (line, sample.time, sample.value);
                if let Some((rule, text)) = conflict(&labels, before, now) {
                    self.findings.add(rule, &family.name, line, text);
                    self.lost += 1;
                    // What was stored stays the measure of what follows.
                    self.seen.insert(labels.clone(), before);
                }
            }
        }
        family.rows.push(Row {
            labels,
            value: sample.value,
            line,
        });
        Ok(())
    }

    /// The family that a `TYPE` or `HELP` line declared for the metric `name`.
    fn declared_family(&self, name: &str) -> Option<usize> {
        const PARTS: [&str; 9] = [
            "", "_total", "_bucket", "_sum", "_count", "_created", "_gsum", "_gcount", "_info",
        ];
        PARTS.iter().find_map(|part| {
            let stem = name.strip_suffix(part)?;
            let index = *self.by_name.get(stem)?;
            let kind = self.families[index].kind();
            let created = *part == "_created"
                && matches!(
                    kind,
                    MetricKind::Counter | MetricKind::Histogram | MetricKind::Summary
                );
            (part.is_empty() || created || belongs_to_family(name, stem, kind)).then_some(index)
        })
    }

    fn report(mut self, refusal: Option<Refusal>) -> PageReport {
        for family in &self.families {
            naming::check(family, self.format, &mut self.findings);
            values::check(family, &mut self.findings);
        }
        let mut findings = self.findings.all;
        findings.sort_by_key(|finding| (finding.rule.severity(), finding.line, finding.rule));
        PageReport {
            format: Some(self.format),
            bytes: self.page.len(),
            refusal,
            samples: self.samples,
            lost: self.lost,
            series: self.seen.len(),
            exemplars: self.exemplars,
            families: self
                .families
                .into_iter()
                .map(|family| FamilyReport {
                    name: family.name,
                    kind: family.kind,
                    help: family.help,
                    unit: family.unit,
                    line: family.line,
                    series: family.series,
                    samples: family.rows.len(),
                })
                .collect(),
            findings,
        }
    }
}

/// What Prometheus makes of a second sample of a series: nothing, where it is stored beside the
/// first or is equal to it.
fn conflict(
    labels: &Labels,
    (first_line, first_time, first): (usize, Option<i64>, f64),
    (_, time, value): (usize, Option<i64>, f64),
) -> Option<(Rule, String)> {
    match (first_time, time) {
        (Some(before), Some(now)) if before < now => return None,
        (Some(before), Some(now)) if before > now => {
            let text = format!(
                "{labels} has an earlier time ({now}) than on line {first_line} ({before}) and is \
                 dropped"
            );
            return Some((Rule::OutOfOrder, text));
        }
        (Some(_), Some(_)) if first.to_bits() == value.to_bits() => return None,
        // A sample without a time gets the scrape's, which the page does not tell.
        (Some(_), None) | (None, Some(_)) => return None,
        _ => {}
    }
    let values = match first.to_bits() == value.to_bits() {
        true => "the same value".to_owned(),
        false => format!("another value ({value}, before {first})"),
    };
    let text = format!("{labels} stands already on line {first_line}; here with {values}");
    Some((Rule::DuplicateSample, text))
}
