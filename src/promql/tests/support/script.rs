//! Reads and runs `.test` scripts as Prometheus's own `promqltest` does, with its re-evaluation
//! of every instant case at other times and as the middle step of a range. What the cases are run
//! on is a [`Bench`]: the evaluator alone here, a whole server in the front door's tests.

#![allow(dead_code, clippy::unwrap_used)]

use super::memory::{Memory, Point, Source};
use promql::syntax::{At, Expr, ExprKind};
use promql::{InstantParams, Limits, RangeParams};
use regex::Regex;
use series::{
    Answer, Bucket, Histogram, Interrupt, Labels, QueryResult, ResetHint, STALE_NAN, is_stale,
    parse_duration,
};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

const LOOKBACK: i64 = promql::DEFAULT_LOOKBACK;

/// How the cases of one script went.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) passed: usize,
    /// Line and reason of each that did not pass.
    pub(crate) failed: Vec<(usize, String)>,
}

/// Keeps samples and evaluates expressions over them.
pub(crate) trait Bench {
    /// Forgets all samples.
    fn clear(&mut self);

    /// Takes the samples of one block.
    fn load(&mut self, block: &Memory);

    /// The error is the message.
    fn instant(&mut self, query: &str, time: i64) -> Result<Answer, String>;

    /// The error is the message.
    fn range(&mut self, query: &str, start: i64, end: i64, step: i64) -> Result<Answer, String>;
}

/// The evaluator over series in memory.
#[derive(Default)]
pub(crate) struct Evaluator {
    memory: Memory,
    /// The same as columns; made when it is first asked for.
    source: Option<Source>,
}

impl Evaluator {
    fn source(&mut self) -> &Source {
        self.source.get_or_insert_with(|| self.memory.source())
    }
}

impl Bench for Evaluator {
    fn clear(&mut self) {
        *self = Self::default();
    }

    fn load(&mut self, block: &Memory) {
        self.source = None;
        for (labels, samples) in &block.series {
            for (time, (point, start)) in samples {
                self.memory.put(labels, *time, point.clone(), *start);
            }
        }
    }

    fn instant(&mut self, query: &str, time: i64) -> Result<Answer, String> {
        let expr = promql::parse(query).map_err(|e| e.to_string())?;
        let params = InstantParams {
            time,
            lookback: LOOKBACK,
        };
        let limits = Limits::default();
        let interrupt = Interrupt::new();
        promql::evaluate_instant(query, &expr, self.source(), params, &limits, &interrupt)
            .map_err(|e| e.to_string())
    }

    fn range(&mut self, query: &str, start: i64, end: i64, step: i64) -> Result<Answer, String> {
        let expr = promql::parse(query).map_err(|e| e.to_string())?;
        let params = RangeParams {
            start,
            end,
            step,
            lookback: LOOKBACK,
        };
        let limits = Limits::default();
        let interrupt = Interrupt::new();
        promql::evaluate_range(query, &expr, self.source(), params, &limits, &interrupt)
            .map_err(|e| e.to_string())
    }
}

/// Runs a script on the evaluator alone.
pub(crate) fn run(script: &str) -> Outcome {
    run_on(script, &mut Evaluator::default())
}

/// Runs a script.
pub(crate) fn run_on(script: &str, bench: &mut dyn Bench) -> Outcome {
    let lines: Vec<&str> = script
        .lines()
        .map(str::trim)
        .map(|line| if line.starts_with('#') { "" } else { line })
        .collect();
    let mut outcome = Outcome::default();
    bench.clear();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        let end = at + lines[at..].iter().take_while(|l| !l.is_empty()).count();
        if line.is_empty() {
            at += 1;
        } else if line == "clear" {
            bench.clear();
            at += 1;
        } else if line.starts_with("load") {
            bench.load(&load(&lines[at..end]));
            at = end;
        } else if line.starts_with("eval") {
            // A case also ends where the next command begins.
            let own = 1 + lines[at + 1..end]
                .iter()
                .take_while(|l| !is_command(l))
                .count();
            let block = &lines[at..at + own];
            match Case::parse(block).and_then(|case| case.run(bench)) {
                Ok(()) => outcome.passed += 1,
                Err(reason) => outcome
                    .failed
                    .push((at + 1, format!("{line}\n      {reason}"))),
            }
            at += own;
        } else {
            outcome.failed.push((at + 1, format!("no command: {line}")));
            at += 1;
        }
    }
    outcome
}

fn is_command(line: &str) -> bool {
    let word = line.split_whitespace().next().unwrap_or_default();
    word == "clear"
        || word == "load"
        || word == "load_with_nhcb"
        || word == "eval"
        || word.starts_with("eval_")
}

fn braces_follow(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with('{') && !text.starts_with("{{")
}

/// Splits `metric{…} rest` into labels and rest.
fn split_series(line: &str) -> (Labels, bool, &str) {
    let mut quote = None;
    let mut braces = 0;
    let mut end = line.len();
    let mut escaped = false;
    for (index, c) in line.char_indices() {
        match (quote, c) {
            (Some(_), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(open), c) if c == open && !escaped => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '{') => braces += 1,
            (None, '}') => braces -= 1,
            // A space may stand between a name and its braces.
            (None, ' ' | '\t') if braces == 0 && !braces_follow(&line[index..]) => {
                end = index;
                break;
            }
            _ => {}
        }
        escaped = false;
    }
    let (metric, rest) = line.split_at(end);
    let start_times = metric.ends_with("@st");
    let metric = metric.trim_end_matches("@st").trim();
    let labels = if metric == "{}" {
        Labels::empty()
    } else {
        let matchers = promql::parse_selector(metric).unwrap_or_else(|e| panic!("{metric}: {e}"));
        Labels::new(matchers.iter().map(|m| (m.name(), m.value()))).unwrap()
    };
    (labels, start_times, rest.trim())
}

type Sequence = Vec<Option<Point>>;

/// Reads a sequence of values.
fn sequence(text: &str) -> Sequence {
    let mut out = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = item_end(rest);
        let (item, after) = rest.split_at(end);
        values(item, &mut out);
        rest = after.trim_start();
    }
    out
}

fn item_end(text: &str) -> usize {
    let mut inside = false;
    for (index, c) in text.char_indices() {
        if text[index..].starts_with("{{") {
            inside = true;
        } else if text[index..].starts_with("}}") {
            inside = false;
        } else if c.is_whitespace() && !inside {
            return index;
        }
    }
    text.len()
}

fn values(item: &str, out: &mut Sequence) {
    if item == "_" {
        out.push(None);
        return;
    }
    if let Some(times) = item.strip_prefix("_x") {
        out.extend(std::iter::repeat_n(None, times.parse().unwrap()));
        return;
    }
    if item == "stale" {
        out.push(Some(Point::Float(STALE_NAN)));
        return;
    }
    if item.starts_with("{{") {
        histograms(item, out);
        return;
    }
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
        let number =
            r"(?:\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|[iI]nf|INF|[nN]a[nN]|NAN)";
        Regex::new(&format!(r"^([+-]?{number})([+-]{number})?(?:x(\d+))?$")).unwrap()
    });
    let captures = PATTERN
        .captures(item)
        .unwrap_or_else(|| panic!("no value: {item}"));
    let parse = |text: &str| text.parse::<f64>().unwrap();
    let first = parse(&captures[1]);
    let step = captures.get(2).map_or(0.0, |m| parse(m.as_str()));
    let times: usize = captures.get(3).map_or(0, |m| m.as_str().parse().unwrap());
    let mut value = first;
    for _ in 0..=times {
        out.push(Some(Point::Float(value)));
        value += step;
    }
}

fn histograms(item: &str, out: &mut Sequence) {
    let close = item.find("}}").unwrap() + 2;
    let first = histogram(&item[2..close - 2]);
    let rest = &item[close..];
    let (increase, times) = if let Some(times) = rest.strip_prefix('x') {
        (None, times.parse().unwrap())
    } else if rest.is_empty() {
        (None, 0)
    } else {
        let close = rest.find("}}").unwrap() + 2;
        let sign = if rest.starts_with('-') { -1.0 } else { 1.0 };
        let times: usize = rest[close + 1..].parse().unwrap();
        (Some((histogram(&rest[3..close - 2]), sign)), times)
    };
    let mut value = first;
    for _ in 0..=times {
        out.push(Some(Point::Histogram(Arc::new(value.clone()))));
        if let Some((increase, sign)) = &increase {
            value = added(&value, increase, *sign);
        }
    }
}

/// Adds histograms of the same layout, which is all that scripts do.
fn added(a: &Histogram, b: &Histogram, sign: f64) -> Histogram {
    let buckets = |a: &[Bucket], b: &[Bucket]| {
        let mut sum: Vec<Bucket> = a.to_vec();
        for bucket in b {
            match sum.iter_mut().find(|known| known.index == bucket.index) {
                Some(known) => known.count += sign * bucket.count,
                None => sum.push(Bucket {
                    index: bucket.index,
                    count: sign * bucket.count,
                }),
            }
        }
        sum.sort_by_key(|bucket| bucket.index);
        sum
    };
    Histogram {
        count: a.count + sign * b.count,
        sum: a.sum + sign * b.sum,
        zero_count: a.zero_count + sign * b.zero_count,
        positive: buckets(&a.positive, &b.positive),
        negative: buckets(&a.negative, &b.negative),
        ..a.clone()
    }
}

fn histogram(text: &str) -> Histogram {
    let mut out = Histogram::default();
    let (mut positive, mut negative) = (Vec::new(), Vec::new());
    let (mut offset, mut negative_offset) = (0, 0);
    let mut rest = text.trim();
    while let Some((key, after)) = rest.split_once(':') {
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('[') {
            Some(list) => list.split_once(']').unwrap(),
            None => after.split_once(' ').unwrap_or((after, "")),
        };
        let numbers = || {
            value
                .split_whitespace()
                .map(|number| number.parse::<f64>().unwrap())
                .collect::<Vec<f64>>()
        };
        match key.trim() {
            "schema" => out.schema = value.parse().unwrap(),
            "sum" => out.sum = value.parse().unwrap(),
            "count" => out.count = value.parse().unwrap(),
            "z_bucket" => out.zero_count = value.parse().unwrap(),
            "z_bucket_w" => out.zero_threshold = value.parse().unwrap(),
            "buckets" => positive = numbers(),
            "n_buckets" => negative = numbers(),
            "offset" => offset = value.parse().unwrap(),
            "n_offset" => negative_offset = value.parse().unwrap(),
            "custom_values" => out.custom_bounds = Some(numbers().into()),
            "counter_reset_hint" => {
                out.reset_hint = match value {
                    "gauge" => ResetHint::Gauge,
                    "reset" => ResetHint::Reset,
                    "not_reset" => ResetHint::NotReset,
                    _ => ResetHint::Unknown,
                }
            }
            other => panic!("unknown part of a histogram: {other}"),
        }
        rest = next.trim_start();
    }
    let placed = |counts: Vec<f64>, offset: i32| {
        counts
            .into_iter()
            .enumerate()
            .map(|(index, count)| Bucket {
                index: offset + index as i32,
                count,
            })
            .collect()
    };
    out.positive = placed(positive, offset);
    out.negative = placed(negative, negative_offset);
    out
}

fn load(lines: &[&str]) -> Memory {
    let mut memory = Memory::default();
    let mut words = lines[0].split_whitespace();
    let with_custom_buckets = words.next() == Some("load_with_nhcb");
    let step = parse_duration(words.next().unwrap()).unwrap();
    let mut block: HashMap<Labels, (Sequence, Vec<i64>)> = HashMap::new();
    let mut starts: Vec<i64> = Vec::new();
    for line in &lines[1..] {
        let (labels, start_times, rest) = split_series(line);
        if start_times {
            starts = start_offsets(rest);
            continue;
        }
        block.insert(labels, (sequence(rest), std::mem::take(&mut starts)));
    }
    for (labels, (sequence, starts)) in &block {
        for (index, point) in sequence.iter().enumerate() {
            let time = step * index as i64;
            let start = match starts.get(index) {
                Some(offset) if *offset != i64::MAX => time + offset,
                _ => 0,
            };
            if let Some(point) = point {
                memory.put(labels, time, point.clone(), start);
            }
        }
    }
    if with_custom_buckets {
        put_custom_buckets(&mut memory, &block, step);
    }
    memory
}

/// Offsets of start times from their samples; `i64::MAX` where none is given.
fn start_offsets(text: &str) -> Vec<i64> {
    let duration = |text: &str| match text.strip_prefix('-') {
        Some(positive) => -parse_duration(positive).unwrap(),
        None => parse_duration(text.trim_start_matches('+')).unwrap(),
    };
    let pattern = Regex::new(r"^([+-]?\d+[a-z]+?)([+-]\d+[a-z]+?)?(?:x(\d+))?$").unwrap();
    let mut out = Vec::new();
    for item in text.split_whitespace() {
        if item == "_" {
            out.push(i64::MAX);
        } else if let Some(times) = item.strip_prefix("_x") {
            out.extend(std::iter::repeat_n(i64::MAX, times.parse().unwrap()));
        } else {
            let captures = pattern
                .captures(item)
                .unwrap_or_else(|| panic!("no start time: {item}"));
            let mut offset = duration(&captures[1]);
            let step = captures.get(2).map_or(0, |m| duration(m.as_str()));
            let times: usize = captures.get(3).map_or(0, |m| m.as_str().parse().unwrap());
            for _ in 0..=times {
                out.push(offset);
                offset += step;
            }
        }
    }
    out
}

/// Cumulative buckets with their upper bounds, and count and sum, at one time.
#[derive(Default)]
struct Classic {
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: Option<f64>,
}

/// Adds native histograms with custom bounds made from the classic ones of a block.
fn put_custom_buckets(
    memory: &mut Memory,
    block: &HashMap<Labels, (Sequence, Vec<i64>)>,
    step: i64,
) {
    let mut classic: HashMap<(Labels, i64), Classic> = HashMap::new();
    for (labels, (sequence, _)) in block {
        let name = labels.metric_name().unwrap_or_default();
        let Some((base, suffix)) = name.rsplit_once('_') else {
            continue;
        };
        if !matches!(suffix, "bucket" | "count" | "sum") {
            continue;
        }
        let le: f64 = match labels.get("le").unwrap_or("+Inf").parse() {
            Ok(le) => le,
            Err(_) => continue,
        };
        let mut family = labels.to_builder();
        family.remove("le").set("__name__", base);
        let family = family.build();
        for (index, point) in sequence.iter().enumerate() {
            let Some(Point::Float(value)) = point else {
                continue;
            };
            let at = classic
                .entry((family.clone(), step * index as i64))
                .or_default();
            match suffix {
                "bucket" => at.buckets.push((le, *value)),
                "count" => at.count = Some(*value),
                _ => at.sum = Some(*value),
            }
        }
    }
    for ((labels, time), mut at) in classic {
        at.buckets.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap());
        at.buckets.dedup_by(|a, b| a.0 == b.0);
        let mut before = 0.0;
        let mut out = Histogram {
            schema: Histogram::CUSTOM_SCHEMA,
            sum: at.sum.unwrap_or(0.0),
            count: at.count.or(at.buckets.last().map(|b| b.1)).unwrap_or(0.0),
            ..Histogram::default()
        };
        let mut bounds = Vec::new();
        for (index, (bound, count)) in at.buckets.iter().enumerate() {
            if bound.is_finite() {
                bounds.push(*bound);
            }
            out.positive.push(Bucket {
                index: index as i32,
                count: count - before,
            });
            before = *count;
        }
        out.custom_bounds = Some(bounds.into());
        memory.put(&labels, time, Point::Histogram(Arc::new(out)), 0);
    }
}

/// What an `expect` line asks of an error or of notices.
#[derive(Debug, Clone)]
enum Matching {
    Anything,
    Message(String),
    Pattern(Regex),
}

impl Matching {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Anything => true,
            Self::Message(message) => message == text,
            Self::Pattern(pattern) => pattern.is_match(text),
        }
    }
}

#[derive(Debug, Default)]
struct Case {
    query: String,
    /// Start, end and step; for an instant query the same time twice.
    start: i64,
    end: i64,
    step: i64,
    instant: bool,
    ordered: bool,
    fail: Option<Matching>,
    warnings: Vec<Matching>,
    infos: Vec<Matching>,
    no_warning: bool,
    no_info: bool,
    text: Option<String>,
    number: Option<f64>,
    rows: Vec<(Labels, Sequence)>,
    /// The times of an expected range vector.
    range_vector: Option<(i64, i64, i64)>,
}

type Verdict = Result<(), String>;

impl Case {
    fn parse(lines: &[&str]) -> Result<Self, String> {
        let head = Regex::new(
            r"^eval(?:_(fail|warn|info|ordered))?\s+(?:instant\s+(?:at\s+(\S+))?\s+(.+)|range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)\s+(.+))$",
        )
        .unwrap();
        let captures = head.captures(lines[0]).ok_or("no eval command")?;
        let time = |index: usize| parse_duration(&captures[index]).map_err(|e| e.to_string());
        let mut case = Self::default();
        if captures.get(3).is_some() {
            case.instant = true;
            case.query = captures[3].to_owned();
            case.start = time(2)?;
            case.end = case.start;
        } else {
            case.query = captures[7].to_owned();
            case.start = time(4)?;
            case.end = time(5)?;
            case.step = time(6)?;
        }
        match captures.get(1).map(|m| m.as_str()) {
            Some("fail") => case.fail = Some(Matching::Anything),
            Some("warn") => case.warnings.push(Matching::Anything),
            Some("info") => case.infos.push(Matching::Anything),
            Some(_) => case.ordered = true,
            None => {}
        }
        for line in &lines[1..] {
            case.expect(line)?;
        }
        Ok(case)
    }

    fn expect(&mut self, line: &str) -> Verdict {
        if let Some(message) = line.strip_prefix("expected_fail_message") {
            self.fail = Some(Matching::Message(message.trim().to_owned()));
        } else if let Some(pattern) = line.strip_prefix("expected_fail_regexp") {
            self.fail = Some(Matching::Pattern(Regex::new(pattern.trim()).unwrap()));
        } else if let Some(rest) = line.strip_prefix("expect range vector from ") {
            let words: Vec<&str> = rest.split_whitespace().collect();
            let time = |word: usize| parse_duration(words[word]).map_err(|e| e.to_string());
            self.range_vector = Some((time(0)?, time(2)?, time(4)?));
        } else if let Some(text) = line.strip_prefix("expect string ") {
            let parsed = promql::parse(text).map_err(|e| e.to_string())?;
            let ExprKind::String(text) = parsed.kind else {
                return Err("no string".into());
            };
            self.text = Some(text.to_lossy());
        } else if let Some(rest) = line.strip_prefix("expect ") {
            let rest = rest.trim();
            let (kind, condition) = rest.split_once(' ').unwrap_or((rest, ""));
            let condition = condition.trim();
            let matching = if let Some(message) = condition.strip_prefix("msg:") {
                Matching::Message(message.trim().to_owned())
            } else if let Some(pattern) = condition.strip_prefix("regex:") {
                Matching::Pattern(Regex::new(pattern.trim()).map_err(|e| e.to_string())?)
            } else {
                Matching::Anything
            };
            match kind {
                "fail" => self.fail = Some(matching),
                "warn" => self.warnings.push(matching),
                "info" => self.infos.push(matching),
                "no_warn" => self.no_warning = true,
                "no_info" => self.no_info = true,
                "ordered" => self.ordered = true,
                other => return Err(format!("unknown expectation {other}")),
            }
        } else if let Ok(number) = line.parse::<f64>() {
            self.number = Some(number);
        } else {
            let (labels, _, rest) = split_series(line);
            self.rows.push((labels, sequence(rest)));
        }
        Ok(())
    }

    fn run(&self, bench: &mut dyn Bench) -> Verdict {
        if !self.instant {
            let answer = match bench.range(&self.query, self.start, self.end, self.step) {
                Ok(answer) => answer,
                Err(error) => return self.failed(&error),
            };
            return self.judge(&answer, &self.query);
        }
        for (query, time) in self.variants()? {
            let answer = match bench.instant(&query, time) {
                Ok(answer) => answer,
                Err(error) => {
                    self.failed(&error)
                        .map_err(|e| format!("{query} at {time}: {e}"))?;
                    continue;
                }
            };
            self.judge(&answer, &query)
                .map_err(|e| format!("{query} at {time}: {e}"))?;
            let contextual = ["start()", "end()", "range()", "step()"];
            if self.range_vector.is_some()
                || self.text.is_some()
                || self.ordered
                || contextual.iter().any(|call| query.contains(call))
            {
                continue;
            }
            let answer = bench
                .range(&query, time - 60_000, time + 60_000, 60_000)
                .map_err(|e| format!("{query} around {time}: {e}"))?;
            self.judge_middle(&answer, time)
                .map_err(|e| format!("{query} around {time}: {e}"))?;
        }
        Ok(())
    }

    /// The query as it stands, and with `@` at other times, which must not change it.
    fn variants(&self) -> Result<Vec<(String, i64)>, String> {
        let mut variants = vec![(self.query.clone(), self.start)];
        let Ok(mut expr) = promql::parse(&self.query) else {
            return Ok(variants);
        };
        let time = match self.range_vector {
            Some((_, end, _)) => end,
            None => self.start,
        };
        if !fix(&mut expr, time, false) {
            return Ok(variants);
        }
        let query = expr.to_string();
        let times = if time == 0 {
            vec![-1000, 0, 1000]
        } else {
            vec![-10 * time, 0, time / 5, time, 10 * time]
        };
        variants.extend(times.into_iter().map(|time| (query.clone(), time)));
        Ok(variants)
    }

    fn failed(&self, error: &str) -> Verdict {
        match &self.fail {
            None => Err(format!("failed: {error}")),
            // Errors of ours say more than Prometheus's; what it says must be in them.
            Some(Matching::Message(message)) if error.contains(message.as_str()) => Ok(()),
            Some(matching) if matching.matches(error) => Ok(()),
            Some(matching) => Err(format!("failed with {error:?}, expected {matching:?}")),
        }
    }

    fn judge(&self, answer: &Answer, query: &str) -> Verdict {
        if self.fail.is_some() {
            return Err(format!("should fail, gave {:?}", answer.result));
        }
        let _ = query;
        notices("warning", &self.warnings, self.no_warning, &answer.warnings)?;
        notices("info", &self.infos, self.no_info, &answer.infos)?;
        match &answer.result {
            QueryResult::String { value, .. } => match &self.text {
                Some(text) if text == value => Ok(()),
                other => Err(format!("got string {value:?}, expected {other:?}")),
            },
            QueryResult::Scalar(sample) => self.judge_number(sample.value),
            QueryResult::Vector(samples) => {
                let found: Vec<(Labels, f64)> = samples
                    .iter()
                    .map(|s| (s.labels.clone(), s.sample.value))
                    .collect();
                self.judge_vector(&found, self.ordered)
            }
            QueryResult::Matrix(series) => {
                let (start, end, step) = self
                    .range_vector
                    .unwrap_or((self.start, self.end, self.step));
                let mut expected: HashMap<&Labels, Vec<(i64, f64)>> = HashMap::new();
                for (labels, sequence) in &self.rows {
                    let mut points = Vec::new();
                    for (index, point) in sequence.iter().enumerate() {
                        let time = start + step * index as i64;
                        if time > end {
                            return Err("expects points behind the end".into());
                        }
                        match point {
                            Some(Point::Float(value)) => points.push((time, *value)),
                            Some(Point::Histogram(_)) => {
                                return Err("expects histograms in a result".into());
                            }
                            None => {}
                        }
                    }
                    expected.insert(labels, points);
                }
                if !series
                    .windows(2)
                    .all(|pair| pair[0].labels <= pair[1].labels)
                {
                    return Err("the matrix is not sorted".into());
                }
                for found in series {
                    let Some(points) = expected.remove(&found.labels) else {
                        return Err(format!("unexpected {} = {:?}", found.labels, found.values));
                    };
                    let same = points.len() == found.times.len()
                        && points
                            .iter()
                            .zip(found.times.iter().zip(found.values.iter()))
                            .all(|((t, v), (time, value))| t == time && almost(*v, *value));
                    if !same {
                        return Err(format!(
                            "{}: got {:?} at {:?}, expected {points:?}",
                            found.labels, found.values, found.times
                        ));
                    }
                }
                match expected.iter().find(|(_, points)| !points.is_empty()) {
                    Some((labels, points)) => Err(format!("missing {labels} = {points:?}")),
                    None => Ok(()),
                }
            }
        }
    }

    fn judge_number(&self, value: f64) -> Verdict {
        match self.number {
            Some(number) if almost(number, value) => Ok(()),
            other => Err(format!("got scalar {value}, expected {other:?}")),
        }
    }

    fn judge_vector(&self, found: &[(Labels, f64)], ordered: bool) -> Verdict {
        if self.number.is_some() {
            return Err(format!("expected a scalar, got {found:?}"));
        }
        let mut expected: Vec<(&Labels, f64)> = Vec::new();
        for (labels, sequence) in &self.rows {
            match sequence.first() {
                Some(Some(Point::Float(value))) => {
                    expected.retain(|(known, _)| *known != labels);
                    expected.push((labels, *value));
                }
                Some(Some(Point::Histogram(_))) => {
                    return Err("expects histograms in a result".into());
                }
                _ => return Err("a row without a value".into()),
            }
        }
        for (position, (labels, value)) in found.iter().enumerate() {
            let Some(index) = expected.iter().position(|(known, _)| *known == labels) else {
                return Err(format!("unexpected {labels} = {value}"));
            };
            if ordered && index != position {
                return Err(format!("{labels} stands at {position}, not at {index}"));
            }
            if !almost(expected[index].1, *value) {
                return Err(format!(
                    "{labels}: got {value}, expected {}",
                    expected[index].1
                ));
            }
        }
        let missing = expected
            .iter()
            .find(|(labels, _)| !found.iter().any(|(found, _)| found == *labels));
        match missing {
            Some((labels, value)) => Err(format!("missing {labels} = {value}")),
            None => Ok(()),
        }
    }

    /// Judges the middle step of a range as the instant result.
    fn judge_middle(&self, answer: &Answer, time: i64) -> Verdict {
        let QueryResult::Matrix(series) = &answer.result else {
            return Err("a range query without a matrix".into());
        };
        let found: Vec<(Labels, f64)> = series
            .iter()
            .filter_map(|s| {
                let index = s.times.iter().position(|t| *t == time)?;
                Some((s.labels.clone(), s.values[index]))
            })
            .collect();
        if self.number.is_some() {
            return self.judge_number(found[0].1);
        }
        self.judge_vector(&found, false)
    }
}

fn notices(kind: &str, expected: &[Matching], none: bool, found: &[String]) -> Verdict {
    if none && !found.is_empty() {
        return Err(format!("unexpected {kind}: {found:?}"));
    }
    for matching in expected {
        if !found.iter().any(|text| matching.matches(text)) {
            return Err(format!("no {kind} like {matching:?} among {found:?}"));
        }
    }
    let all_known = expected.is_empty()
        || found
            .iter()
            .all(|text| expected.iter().any(|matching| matching.matches(text)));
    if all_known {
        Ok(())
    } else {
        Err(format!("a {kind} that is not expected among {found:?}"))
    }
}

/// Sets `@` on every selector that has none. `false` where the result depends on the evaluation
/// time all the same.
fn fix(expr: &mut Expr, time: i64, inside: bool) -> bool {
    const UNSAFE: [&str; 15] = [
        "days_in_month",
        "day_of_month",
        "day_of_week",
        "day_of_year",
        "end",
        "hour",
        "minute",
        "month",
        "year",
        "predict_linear",
        "range",
        "start",
        "step",
        "time",
        "timestamp",
    ];
    let at = |slot: &mut Option<At>| {
        if !inside && !matches!(slot, Some(At::Time(_))) {
            *slot = Some(At::Time(time));
        }
    };
    match &mut expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => true,
        ExprKind::Vector(selector) => {
            at(&mut selector.shift.at);
            true
        }
        ExprKind::Matrix(matrix) => {
            at(&mut matrix.selector.shift.at);
            true
        }
        ExprKind::Subquery(subquery) => {
            at(&mut subquery.shift.at);
            fix(&mut subquery.expr, time, true)
        }
        ExprKind::Aggregate(aggregate) => {
            let parameter = aggregate
                .parameter
                .as_mut()
                .is_none_or(|parameter| fix(parameter, time, inside));
            fix(&mut aggregate.expr, time, inside) && parameter
        }
        ExprKind::Binary(binary) => {
            let left = fix(&mut binary.left, time, inside);
            fix(&mut binary.right, time, inside) && left
        }
        ExprKind::Call(call) => {
            let mut safe = !UNSAFE.contains(&call.function.name);
            for argument in &mut call.arguments {
                safe &= fix(argument, time, inside);
            }
            safe
        }
        ExprKind::Paren(inner) => fix(inner, time, inside),
        ExprKind::Unary(unary) => fix(&mut unary.expr, time, inside),
    }
}

/// Equal within 1e-6 of their sum, as Prometheus's runner compares.
pub(crate) fn almost(a: f64, b: f64) -> bool {
    const EPSILON: f64 = 1e-6;
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < EPSILON * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < EPSILON
}
