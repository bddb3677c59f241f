use super::{Asked, Field, Frame, Values};
use serde_json::json;
use series::{Exemplar, Labels, SeriesExemplars};
use std::collections::{BTreeMap, BTreeSet};

/// How many standard deviations an exemplar must lie below the last one kept of its step.
const DISTANCE: f64 = 2.0;

/// All exemplars of a query in one frame, a column for each label; `None` where there are none.
///
/// A step shows its greatest value, and those that stand clearly apart below it: more than two
/// standard deviations of all values below the last one kept.
pub(crate) fn exemplar_frame(all: &[SeriesExemplars], asked: &Asked<'_>) -> Option<Frame> {
    let kept = thin_out(all, asked.step_ms);
    if kept.is_empty() {
        return None;
    }
    let names: BTreeSet<&str> = all
        .iter()
        .flat_map(|series| {
            let own = series
                .exemplars
                .iter()
                .flat_map(|exemplar| exemplar.labels.iter());
            series.labels.iter().chain(own).map(|(name, _)| name)
        })
        .collect();
    let plain = |name: &str, values| Field {
        name: name.to_owned(),
        labels: None,
        config: None,
        values,
    };
    let times = kept
        .iter()
        .map(|(_, exemplar)| exemplar.sample.time)
        .collect();
    let values = kept
        .iter()
        .map(|(_, exemplar)| exemplar.sample.value)
        .collect();
    let mut fields = vec![
        plain("Time", Values::Time(times)),
        plain("Value", Values::Float(values)),
    ];
    fields.extend(names.into_iter().map(|name| {
        // An exemplar's own label comes before its series's.
        let value = |(series, exemplar): &(&Labels, &Exemplar)| {
            let value = exemplar.labels.get(name).or_else(|| series.get(name));
            value.unwrap_or_default().to_owned()
        };
        plain(name, Values::Text(kept.iter().map(value).collect()))
    }));
    let meta = json!({ "typeVersion": [0, 0], "custom": { "resultType": "exemplar" } });
    Some(Frame {
        name: "exemplar".to_owned(),
        ref_id: asked.ref_id.to_owned(),
        meta: Some(meta.to_string()),
        fields,
    })
}

/// The exemplars worth showing, in order of time.
fn thin_out(all: &[SeriesExemplars], step_ms: i64) -> Vec<(&Labels, &Exemplar)> {
    let mut steps: BTreeMap<i64, Vec<(&Labels, &Exemplar)>> = BTreeMap::new();
    for series in all {
        for exemplar in &series.exemplars {
            let step = exemplar.sample.time.div_euclid(step_ms.max(1));
            steps
                .entry(step)
                .or_default()
                .push((&series.labels, exemplar));
        }
    }
    let deviation = standard_deviation(all);
    let mut kept = Vec::new();
    for mut step in steps.into_values() {
        step.sort_by(|a, b| b.1.sample.value.total_cmp(&a.1.sample.value));
        let mut last: Option<f64> = None;
        step.retain(|(_, exemplar)| {
            let value = exemplar.sample.value;
            let is_apart =
                last.is_none_or(|last| deviation > 0.0 && last - value > deviation * DISTANCE);
            if is_apart {
                last = Some(value);
            }
            is_apart
        });
        kept.append(&mut step);
    }
    kept.sort_by_key(|(_, exemplar)| exemplar.sample.time);
    kept
}

/// Of a sample; zero below two values.
fn standard_deviation(all: &[SeriesExemplars]) -> f64 {
    let values = || {
        all.iter()
            .flat_map(|s| &s.exemplars)
            .map(|exemplar| exemplar.sample.value)
    };
    let count = values().count();
    if count < 2 {
        return 0.0;
    }
    let mean = values().sum::<f64>() / count as f64;
    let squares: f64 = values().map(|value| (value - mean).powi(2)).sum();
    (squares / (count - 1) as f64).sqrt()
}
