//! The results of queries.

use super::number::{VALUE_BYTES, write_value};
use super::times::{BETWEEN_BYTES, TimeTexts, push_between};
use super::{
    PIECE_BYTES, Pieces, SuccessiveLabels, push_labels, push_notices, push_text, push_time,
    push_value,
};
use series::{Answer, HistogramSeries, InstantSample, Labels, QueryResult, Series, Statistics};
use std::sync::Arc;
use std::time::Duration;

/// Points that are written before it is looked whether the piece is full. A point has at most
/// some 60 bytes.
const RUN: usize = 512;

/// Room for a point: the text before its value, and the value.
const POINT_BYTES: usize = BETWEEN_BYTES + VALUE_BYTES;

/// The bytes that end the point before, at the start of the text between two values.
const ENDING: usize = 3;

/// What is told of a query's cost, where the parameter `stats` asks for it.
pub(crate) struct StatisticsJson {
    /// How long the engine took.
    pub(crate) elapsed: Duration,
}

/// How much is written at once where parts are written side by side: some 200 kB. A series
/// counts as so many points more.
const PART_POINTS: usize = 8_192;
const POINTS_OF_LABELS: usize = 4;

/// The envelope around an [`Answer`], written piece by piece.
pub(crate) struct AnswerJson {
    result: Arc<QueryResult>,
    /// Native histograms, by series in the order of their labels.
    histograms: Arc<Vec<HistogramSeries>>,
    /// The series or sample that comes next.
    next: usize,
    /// The one at which this part of the answer ends.
    end: usize,
    /// How many bytes end a piece.
    piece_bytes: usize,
    /// The point of that series that comes next; `None` before its labels were written.
    point: Option<usize>,
    texts: TimeTexts,
    /// Where a run of points is put together.
    run: Vec<u8>,
    begun: bool,
    /// What follows the result.
    tail: Vec<u8>,
}

/// How many series or samples there are.
fn entries(result: &QueryResult) -> usize {
    match result {
        QueryResult::Matrix(matrix) => matrix.len(),
        QueryResult::Vector(vector) => vector.len(),
        QueryResult::Scalar(_) | QueryResult::String { .. } => 0,
    }
}

impl AnswerJson {
    pub(crate) fn new(answer: Answer, statistics: Option<&StatisticsJson>) -> Self {
        let mut tail = Vec::new();
        if let Some(shown) = statistics {
            push_statistics(&mut tail, &answer.statistics, shown);
        }
        tail.push(b'}');
        push_notices(&mut tail, &answer.warnings, &answer.infos);
        tail.push(b'}');
        let result = with_places(answer.result, &answer.histograms);
        Self {
            end: entries(&result),
            result: Arc::new(result),
            histograms: Arc::new(answer.histograms),
            next: 0,
            piece_bytes: PIECE_BYTES,
            point: None,
            texts: TimeTexts::default(),
            run: Vec::new(),
            begun: false,
            tail,
        }
    }

    /// Whether there is more than a part, as can be told before anything is written.
    pub(crate) fn is_long(&self) -> bool {
        let mut points = 0;
        (self.next..self.end).any(|entry| {
            points += points_of(&self.result, entry);
            points > PART_POINTS
        })
    }

    /// What is still to be written as parts of one piece each, which may be written side by
    /// side and belong together in this order.
    pub(crate) fn into_parts(mut self) -> impl Iterator<Item = Self> {
        let end = entries(&self.result);
        let mut ended = false;
        std::iter::from_fn(move || {
            if ended {
                return None;
            }
            let next = self.next;
            let mut points = 0;
            while self.next < end && points < PART_POINTS {
                points += POINTS_OF_LABELS + points_of(&self.result, self.next);
                self.next += 1;
            }
            ended = self.next == end;
            Some(Self {
                result: Arc::clone(&self.result),
                histograms: Arc::clone(&self.histograms),
                next,
                end: self.next,
                piece_bytes: usize::MAX,
                point: self.point.take(),
                texts: self.texts.clone(),
                run: Vec::new(),
                begun: self.begun,
                tail: if ended {
                    std::mem::take(&mut self.tail)
                } else {
                    Vec::new()
                },
            })
        })
    }
}

/// In a matrix a series of native histograms alone gets its place among the others.
fn with_places(result: QueryResult, histograms: &[HistogramSeries]) -> QueryResult {
    let QueryResult::Matrix(mut matrix) = result else {
        return result;
    };
    for series in histograms {
        let place = matrix.binary_search_by(|other| other.labels.cmp(&series.labels));
        if let Err(place) = place {
            let empty = Series {
                labels: series.labels.clone(),
                times: Vec::new().into(),
                values: Vec::new().into(),
            };
            matrix.insert(place, empty);
        }
    }
    QueryResult::Matrix(matrix)
}

/// `[time,{"count":"…","sum":"…","buckets":[[rule,"lower","upper","count"],…]}]`, with commas
/// between those of several times.
fn push_histograms(out: &mut Vec<u8>, series: &HistogramSeries) {
    let mut row = 0;
    for (at, total) in series.totals.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.push(b'[');
        push_time(out, total.time);
        out.extend_from_slice(br#",{"count":""#);
        push_value(out, total.count);
        out.extend_from_slice(br#"","sum":""#);
        push_value(out, total.sum);
        out.push(b'"');
        let first = row;
        while series.times.get(row) == Some(&total.time) {
            out.extend_from_slice(if row == first {
                b",\"buckets\":[["
            } else {
                b",["
            });
            out.push(b'0' + series.boundaries[row].unsigned_abs());
            for bound in [series.lowers[row], series.uppers[row], series.counts[row]] {
                out.extend_from_slice(b",\"");
                push_value(out, bound);
                out.push(b'"');
            }
            out.push(b']');
            row += 1;
        }
        out.extend_from_slice(if row > first { b"]}]" } else { b"}]" });
    }
}

fn points_of(result: &QueryResult, entry: usize) -> usize {
    match result {
        QueryResult::Matrix(matrix) => matrix.get(entry).map_or(0, |series| series.times.len()),
        _ => 1,
    }
}

impl Pieces for AnswerJson {
    fn fill(&mut self, out: &mut Vec<u8>) -> bool {
        if !self.begun {
            self.begun = true;
            out.extend_from_slice(br#"{"status":"success","data":{"resultType":""#);
            out.extend_from_slice(match *self.result {
                QueryResult::Matrix(_) => b"matrix",
                QueryResult::Vector(_) => b"vector",
                QueryResult::Scalar(_) => b"scalar",
                QueryResult::String { .. } => b"string",
            });
            out.extend_from_slice(br#"","result":["#);
        }
        let result = Arc::clone(&self.result);
        let more = match &*result {
            QueryResult::Matrix(matrix) => self.fill_matrix(matrix, out),
            QueryResult::Vector(vector) => {
                let more = self.fill_vector(vector, out);
                if !more && !self.tail.is_empty() {
                    self.push_vector_histograms(vector.is_empty(), out);
                }
                more
            }
            QueryResult::Scalar(sample) => {
                push_time(out, sample.time);
                out.extend_from_slice(b",\"");
                push_value(out, sample.value);
                out.push(b'"');
                false
            }
            QueryResult::String { time, value } => {
                push_time(out, *time);
                out.push(b',');
                push_text(out, value);
                false
            }
        };
        if more {
            return true;
        }
        if !self.tail.is_empty() {
            out.push(b']');
            out.extend_from_slice(&self.tail);
        }
        false
    }
}

impl AnswerJson {
    /// Writes series from `next` on; `false` when there are no more.
    fn fill_matrix(&mut self, matrix: &[Series], out: &mut Vec<u8>) -> bool {
        let mut labels = SuccessiveLabels::default();
        while self.next < self.end {
            if out.len() >= self.piece_bytes {
                return true;
            }
            let series = &matrix[self.next];
            let at = match self.point {
                Some(at) => at,
                None => {
                    if self.next > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(br#"{"metric":"#);
                    labels.push(out, &series.labels);
                    if series.times.is_empty() {
                        self.end_series(&series.labels, out);
                        continue;
                    }
                    out.extend_from_slice(br#","values":["#);
                    0
                }
            };
            let end = series.times.len().min(at + RUN);
            push_points(out, series, at..end, &mut self.texts, &mut self.run);
            if end < series.times.len() {
                self.point = Some(end);
            } else {
                out.extend_from_slice(b"\"]]");
                self.point = None;
                self.end_series(&series.labels, out);
            }
        }
        false
    }

    /// Writes what a series has besides numbers, and goes on to the next.
    fn end_series(&mut self, labels: &Labels, out: &mut Vec<u8>) {
        let place = self.histograms.binary_search_by(|h| h.labels.cmp(labels));
        if let Ok(place) = place {
            out.extend_from_slice(br#","histograms":["#);
            push_histograms(out, &self.histograms[place]);
            out.push(b']');
        }
        out.push(b'}');
        self.next += 1;
    }

    fn push_vector_histograms(&self, mut is_first: bool, out: &mut Vec<u8>) {
        for series in &*self.histograms {
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
            out.extend_from_slice(br#"{"metric":"#);
            push_labels(out, &series.labels);
            out.extend_from_slice(br#","histogram":"#);
            push_histograms(out, series);
            out.push(b'}');
        }
    }

    fn fill_vector(&mut self, vector: &[InstantSample], out: &mut Vec<u8>) -> bool {
        let mut labels = SuccessiveLabels::default();
        // What stands between labels and value: samples of one query mostly have one time.
        let (mut time, mut between) = (None, Vec::new());
        while self.next < self.end {
            if out.len() >= self.piece_bytes {
                return true;
            }
            let InstantSample {
                labels: own,
                sample,
            } = &vector[self.next];
            if time.replace(sample.time) != Some(sample.time) {
                between.clear();
                between.extend_from_slice(br#","value":["#);
                push_time(&mut between, sample.time);
                between.extend_from_slice(b",\"");
            }
            if self.next > 0 {
                out.push(b',');
            }
            out.extend_from_slice(br#"{"metric":"#);
            labels.push(out, own);
            out.extend_from_slice(&between);
            push_value(out, sample.value);
            out.extend_from_slice(b"\"]}");
            self.next += 1;
        }
        false
    }
}

/// `[time,"value"],…` without the end of the last. `run` is memory for it.
fn push_points(
    out: &mut Vec<u8>,
    series: &Series,
    range: std::ops::Range<usize>,
    texts: &mut TimeTexts,
    run: &mut Vec<u8>,
) {
    let values = &series.values[range.clone()];
    let first = range.start == 0;
    match texts.place(&series.times) {
        Some(place) => {
            // Room for the longest points, of which each is written over the unused end of the
            // one before.
            if run.len() < values.len() * POINT_BYTES {
                run.resize(values.len() * POINT_BYTES, 0);
            }
            let mut at = 0;
            let texts = &texts.between(place + range.start)[..values.len()];
            for (between, value) in texts.iter().zip(values) {
                if let Some(window) = run[at..].first_chunk_mut::<BETWEEN_BYTES>() {
                    *window = between.bytes;
                    at += between.length;
                }
                if let Some(window) = run[at..].first_chunk_mut::<VALUE_BYTES>() {
                    at += write_value(window, *value);
                }
            }
            // The first point of a series ends none before it.
            let from = if first { ENDING } else { 0 };
            out.extend_from_slice(&run[from..at]);
        }
        None => {
            for (i, (time, value)) in series.times[range].iter().zip(values).enumerate() {
                if first && i == 0 {
                    out.push(b'[');
                    push_time(out, *time);
                    out.extend_from_slice(b",\"");
                } else {
                    push_between(out, *time);
                }
                push_value(out, *value);
            }
        }
    }
}

/// `,"stats":{…}`: Prometheus's names where the meaning is the same, and beside them the series
/// selected and the stages as our engine names them.
fn push_statistics(out: &mut Vec<u8>, statistics: &Statistics, shown: &StatisticsJson) {
    let total = shown.elapsed.as_secs_f64();
    let evaluation: Duration = statistics.stages.iter().map(|stage| stage.elapsed).sum();
    let evaluation = if statistics.stages.is_empty() {
        total
    } else {
        evaluation.as_secs_f64()
    };
    let mut timings = serde_json::Map::new();
    timings.insert("evalTotalTime".into(), evaluation.into());
    timings.insert("execTotalTime".into(), total.into());
    let stages: serde_json::Map<_, _> = statistics
        .stages
        .iter()
        .map(|stage| (stage.name.to_owned(), stage.elapsed.as_secs_f64().into()))
        .collect();
    let mut samples = serde_json::Map::new();
    if let Some(count) = statistics.samples {
        samples.insert("totalQueryableSamples".into(), count.into());
    }
    let mut stats = serde_json::Map::new();
    stats.insert("timings".into(), timings.into());
    stats.insert("samples".into(), samples.into());
    stats.insert("stages".into(), stages.into());
    if let Some(series) = statistics.series {
        stats.insert("series".into(), series.into());
    }
    out.extend_from_slice(b",\"stats\":");
    out.extend_from_slice(serde_json::Value::from(stats).to_string().as_bytes());
}
