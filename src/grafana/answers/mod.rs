//! Answers as Grafana's frames, shaped as its Prometheus data source shapes them
//! (query-contract.md, "Frames").

mod exemplars;
mod histograms;
mod legend;

pub(crate) use exemplars::exemplar_frame;

use crate::frames::{Field, Frame, FrameError, Frames, SeriesShape, SeriesTexts, Template, Values};
use crate::panel_query::Legend;
use api::push_labels;
use histograms::push_histograms;
use legend::LegendWriter;
use serde_json::{Map, Value, json};
use series::{Answer, Column, InstantSample, Labels, QueryResult, Series, Stage, Statistics};
use std::sync::Arc;

/// What the frames say about the query that they answer.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Which query of the request.
    pub ref_id: &'a str,
    /// PromQL as it was sent.
    pub expr: &'a str,
    /// The final step in milliseconds.
    pub step_ms: i64,
    /// How series are named.
    pub legend: &'a Legend,
}

/// Adds the frames of `answer` to `frames`.
///
/// # Errors
/// [`FrameError`] when columns do not fit together, which is a mistake of ours.
pub(crate) fn push_answer(
    frames: &mut Frames,
    answer: &Answer,
    asked: &Asked<'_>,
) -> Result<(), FrameError> {
    let has_numbers = match &answer.result {
        QueryResult::Matrix(series) => !series.is_empty(),
        QueryResult::Vector(samples) => !samples.is_empty(),
        QueryResult::Scalar(_) | QueryResult::String { .. } => true,
    };
    if has_numbers || answer.histograms.is_empty() {
        push_result(frames, answer, asked, has_numbers)?;
    }
    push_histograms(frames, answer, asked, !has_numbers)
}

fn push_result(
    frames: &mut Frames,
    answer: &Answer,
    asked: &Asked<'_>,
    has_numbers: bool,
) -> Result<(), FrameError> {
    let metas = Metas::new(answer, asked);
    if !has_numbers {
        return push_empty(frames, answer, asked, &metas);
    }
    match &answer.result {
        QueryResult::Matrix(series) => push_matrix(frames, series, asked, &metas),
        QueryResult::Vector(samples) => push_vector(frames, samples, asked, &metas),
        QueryResult::Scalar(sample) => {
            let scalar = InstantSample {
                labels: Labels::empty(),
                sample: *sample,
            };
            push_vector(frames, &[scalar], asked, &metas)
        }
        QueryResult::String { time, value } => frames.push(&Frame {
            name: String::new(),
            ref_id: asked.ref_id.to_owned(),
            meta: Some(metas.first.clone()),
            fields: vec![
                time_field(vec![*time].into(), asked),
                Field {
                    name: "Value".to_owned(),
                    labels: None,
                    config: None,
                    values: Values::Text(vec![value.clone()]),
                },
            ],
        }),
    }
}

/// The frame of a query that failed: nothing but what was asked.
pub(crate) fn push_failed(frames: &mut Frames, asked: &Asked<'_>) -> Result<(), FrameError> {
    let meta = json!({ "executedQueryString": executed_query(asked) });
    frames.push(&Frame {
        ref_id: asked.ref_id.to_owned(),
        meta: Some(meta.to_string()),
        ..Frame::default()
    })
}

/// An empty result is one frame without fields; with notices it is called `Warnings`.
fn push_empty(
    frames: &mut Frames,
    answer: &Answer,
    asked: &Asked<'_>,
    metas: &Metas,
) -> Result<(), FrameError> {
    let has_notices = !answer.warnings.is_empty() || !answer.infos.is_empty();
    frames.push(&Frame {
        name: if has_notices {
            "Warnings".to_owned()
        } else {
            String::new()
        },
        ref_id: asked.ref_id.to_owned(),
        meta: Some(metas.first.clone()),
        fields: Vec::new(),
    })
}

fn push_matrix(
    frames: &mut Frames,
    series: &[Series],
    asked: &Asked<'_>,
    metas: &Metas,
) -> Result<(), FrameError> {
    let mut writer = SeriesWriter::new(asked, metas);
    for series in series {
        writer.push(
            frames,
            &series.labels,
            series.times.clone(),
            series.values.clone(),
        )?;
    }
    Ok(())
}

fn push_vector(
    frames: &mut Frames,
    samples: &[InstantSample],
    asked: &Asked<'_>,
    metas: &Metas,
) -> Result<(), FrameError> {
    let mut writer = SeriesWriter::new(asked, metas);
    // One allocation for all values, and one for each run of equal times.
    let values: Column<f64> = samples.iter().map(|s| s.sample.value).collect();
    let mut times: Column<i64> = Column::default();
    for (index, InstantSample { labels, sample }) in samples.iter().enumerate() {
        if times.first() != Some(&sample.time) {
            times = vec![sample.time].into();
        }
        writer.push(
            frames,
            labels,
            times.clone(),
            values.slice(index..index + 1),
        )?;
    }
    Ok(())
}

/// Writes the frames of one answer's series, of which only the first has the full meta.
struct SeriesWriter<'a> {
    asked: &'a Asked<'a>,
    metas: &'a Metas,
    time_config: String,
    legend: LegendWriter<'a>,
    is_first: bool,
    /// By whether the value field has a config.
    templates: [Option<Arc<Template>>; 2],
    config: Vec<u8>,
}

impl<'a> SeriesWriter<'a> {
    fn new(asked: &'a Asked<'a>, metas: &'a Metas) -> Self {
        Self {
            asked,
            metas,
            time_config: time_config(asked),
            legend: LegendWriter::new(asked.legend, asked.expr),
            is_first: true,
            templates: [None, None],
            config: Vec::new(),
        }
    }

    fn push(
        &mut self,
        frames: &mut Frames,
        labels: &Labels,
        times: Column<i64>,
        values: Column<f64>,
    ) -> Result<(), FrameError> {
        self.config.clear();
        let has_config = self.legend.write_config(labels, &mut self.config);
        let template = self.template(has_config);
        let texts = SeriesTexts {
            name: labels.metric_name().unwrap_or("Value"),
            labels: &|out| push_labels(out, labels),
            config: &self.config,
        };
        frames.push_series(&template, texts, times, values)
    }

    fn template(&mut self, has_config: bool) -> Arc<Template> {
        let prepare = |meta: &str| {
            Arc::new(Template::new(&SeriesShape {
                ref_id: self.asked.ref_id,
                meta,
                time_config: Some(&self.time_config),
                has_config,
            }))
        };
        if std::mem::take(&mut self.is_first) {
            return prepare(&self.metas.first);
        }
        let place = &mut self.templates[usize::from(has_config)];
        Arc::clone(place.get_or_insert_with(|| prepare(&self.metas.rest)))
    }
}

fn time_field(times: Column<i64>, asked: &Asked<'_>) -> Field {
    Field {
        name: "Time".to_owned(),
        labels: None,
        config: Some(time_config(asked)),
        values: Values::Time(times),
    }
}

fn time_config(asked: &Asked<'_>) -> String {
    json!({ "interval": asked.step_ms }).to_string()
}

/// The frames' meta, as JSON text.
struct Metas {
    /// Of the first frame, which also says what was asked and what it cost.
    first: String,
    rest: String,
}

impl Metas {
    fn new(answer: &Answer, asked: &Asked<'_>) -> Self {
        let (kind, version, result_type) = match &answer.result {
            QueryResult::Matrix(_) => ("timeseries-multi", 1, "matrix"),
            QueryResult::Vector(_) => ("numeric-multi", 1, "vector"),
            QueryResult::Scalar(_) => ("numeric-multi", 1, "scalar"),
            QueryResult::String { .. } => ("timeseries-multi", 0, "string"),
        };
        let mut custom = Map::new();
        custom.insert("resultType".to_owned(), result_type.into());
        Self::of_kind(kind, version, custom, answer, asked)
    }

    /// For frames of that type and version, with `custom` on each of them.
    fn of_kind(
        kind: &str,
        version: u8,
        mut custom: Map<String, Value>,
        answer: &Answer,
        asked: &Asked<'_>,
    ) -> Self {
        let mut meta = Map::new();
        meta.insert("type".to_owned(), kind.into());
        meta.insert("typeVersion".to_owned(), json!([0, version]));
        let notices: Vec<Value> = answer
            .warnings
            .iter()
            .map(|text| ("warning", text))
            .chain(answer.infos.iter().map(|text| ("info", text)))
            .map(|(severity, text)| json!({ "severity": severity, "text": text }))
            .collect();
        if !notices.is_empty() {
            meta.insert("notices".to_owned(), notices.into());
        }
        if !custom.is_empty() {
            meta.insert("custom".to_owned(), custom.clone().into());
        }
        let rest = Value::Object(meta.clone()).to_string();

        custom.insert("calculatedMinStep".to_owned(), asked.step_ms.into());
        if let Some(stats) = statistics(&answer.statistics) {
            custom.insert("stats".to_owned(), stats);
        }
        let shown = shown_statistics(&answer.statistics);
        if !shown.is_empty() {
            meta.insert("stats".to_owned(), shown.into());
        }
        meta.insert("custom".to_owned(), custom.into());
        meta.insert(
            "executedQueryString".to_owned(),
            executed_query(asked).into(),
        );
        Self {
            first: Value::Object(meta).to_string(),
            rest,
        }
    }
}

/// What a program finds under `custom.stats`: the server's own words, as Grafana's Prometheus data
/// source has them, else our own.
fn statistics(statistics: &Statistics) -> Option<Value> {
    if let Some(told) = &statistics.told {
        return serde_json::from_str(told).ok();
    }
    let mut map = Map::new();
    if let Some(series) = statistics.series {
        map.insert("series".to_owned(), series.into());
    }
    if let Some(samples) = statistics.samples {
        map.insert("samples".to_owned(), samples.into());
    }
    for stage in &statistics.stages {
        map.insert(format!("{}Ms", stage.name), milliseconds(stage).into());
    }
    (!map.is_empty()).then(|| map.into())
}

/// What a person finds in the query inspector, under "Stats".
fn shown_statistics(statistics: &Statistics) -> Vec<Value> {
    let counts = [
        ("Series selected", statistics.series),
        ("Samples read", statistics.samples),
    ];
    let counts = counts.into_iter().filter_map(|(name, count)| {
        let count = count?;
        Some(json!({ "displayName": name, "unit": "short", "value": count }))
    });
    let stages = statistics.stages.iter().map(
        |stage| json!({ "displayName": stage.name, "unit": "ms", "value": milliseconds(stage) }),
    );
    counts.chain(stages).collect()
}

fn milliseconds(stage: &Stage) -> f64 {
    stage.elapsed.as_secs_f64() * 1_000.0
}

/// What the query inspector shows, and annotations read the step from.
fn executed_query(asked: &Asked<'_>) -> String {
    format!(
        "Expr: {}\nStep: {}",
        asked.expr,
        query::format_go_duration(asked.step_ms)
    )
}

/// Labels as a JSON value.
pub(crate) fn labels_json(labels: &Labels) -> Value {
    labels
        .iter()
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect()
}

#[cfg(test)]
mod tests;
