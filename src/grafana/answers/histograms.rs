use super::legend::LegendWriter;
use super::{Asked, Metas, labels_json, time_config};
use crate::frames::{Field, Frame, FrameError, Frames, Values};
use serde_json::Map;
use series::{Answer, HistogramSeries};

/// Adds a frame of heatmap cells for each series of native histograms: a row per bucket, and
/// labels on every field. `are_first` says that no other frame stands before them.
pub(super) fn push_histograms(
    frames: &mut Frames,
    answer: &Answer,
    asked: &Asked<'_>,
    are_first: bool,
) -> Result<(), FrameError> {
    if answer.histograms.is_empty() {
        return Ok(());
    }
    // Grafana's Prometheus data source gives these frames neither a version nor a result type.
    let metas = Metas::of_kind("heatmap-cells", 0, Map::new(), answer, asked);
    let mut legend = LegendWriter::new(asked.legend, asked.expr);
    for (index, series) in answer.histograms.iter().enumerate() {
        let meta = if are_first && index == 0 {
            &metas.first
        } else {
            &metas.rest
        };
        frames.push(&Frame {
            name: String::new(),
            ref_id: asked.ref_id.to_owned(),
            meta: Some(meta.clone()),
            fields: fields(series, asked, &mut legend),
        })?;
    }
    Ok(())
}

/// The fields under the names by which Grafana's heatmap knows them. The legend stands on the
/// second, as in frames of numbers.
fn fields(
    series: &HistogramSeries,
    asked: &Asked<'_>,
    legend: &mut LegendWriter<'_>,
) -> Vec<Field> {
    let labels = labels_json(&series.labels).to_string();
    let field = |name: &str, config: Option<String>, values: Values| Field {
        name: name.to_owned(),
        labels: Some(labels.clone()),
        config,
        values,
    };
    let mut named = Vec::new();
    let has_name = legend.write_config(&series.labels, &mut named);
    let times = Values::Time(series.times.clone());
    vec![
        field("xMax", Some(time_config(asked)), times),
        field(
            "yMin",
            has_name.then(|| String::from_utf8_lossy(&named).into_owned()),
            Values::Float(series.lowers.clone()),
        ),
        field("yMax", None, Values::Float(series.uppers.clone())),
        field("count", None, Values::Float(series.counts.clone())),
        field("yLayout", None, Values::Int8(series.boundaries.clone())),
    ]
}
