use crate::relabel::relabel;
use crate::settings::{Job, Limits};
use crate::{Error, RelabelRule, Result};
use series::Labels;

/// How the series of a target are understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The target's labels, which its series get.
    pub labels: Labels,
    /// Keeps the page's labels where they have the names of the target's.
    pub honor_labels: bool,
    /// Keeps the times that the page gives.
    pub honor_timestamps: bool,
    /// Writes stale markers for series with times of their own, too.
    pub track_timestamps_staleness: bool,
    /// Rules for the labels of series.
    pub metric_relabel: Vec<RelabelRule>,
    /// Bounds.
    pub limits: Limits,
}

impl Reading {
    /// As `job` says, for the target with these labels.
    #[must_use]
    pub fn new(job: &Job, labels: Labels) -> Self {
        Self {
            labels,
            honor_labels: job.honor_labels,
            honor_timestamps: job.honor_timestamps,
            track_timestamps_staleness: job.track_timestamps_staleness,
            metric_relabel: job.metric_relabel.clone(),
            limits: job.limits,
        }
    }

    /// Whether lines that were understood before would be understood in the same way now.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        let label_limits = |limits: &Limits| {
            (
                limits.labels,
                limits.label_name_length,
                limits.label_value_length,
            )
        };
        self.labels == other.labels
            && self.honor_labels == other.honor_labels
            && self.metric_relabel == other.metric_relabel
            && label_limits(&self.limits) == label_limits(&other.limits)
    }

    /// The labels under which a series of a page is stored; `None` where it is dropped.
    pub(super) fn series_labels(&self, exposed: Labels) -> Option<Labels> {
        if self.labels.is_empty() && self.metric_relabel.is_empty() {
            return Some(exposed);
        }
        let mut labels = exposed.to_builder();
        if self.honor_labels {
            for (name, value) in self.labels.iter() {
                if exposed.get(name).is_none() {
                    labels.set(name, value);
                }
            }
        } else {
            let mut conflicts: Vec<(&str, &str)> = Vec::new();
            for (name, value) in self.labels.iter() {
                if let Some(other) = exposed.get(name) {
                    conflicts.push((name, other));
                }
                labels.set(name, value);
            }
            // Short names first, as Prometheus does: which name gets how many prefixes
            // depends on it.
            conflicts.sort_by_key(|(name, _)| name.len());
            for (name, value) in conflicts {
                let mut moved = format!("exported_{name}");
                while labels.get(&moved).is_some() {
                    moved.insert_str(0, "exported_");
                }
                labels.set(moved, value);
            }
        }
        if !relabel(&mut labels, &self.metric_relabel) {
            return None;
        }
        let labels = labels.build();
        (!labels.is_empty()).then_some(labels)
    }

    pub(super) fn check_limits(&self, labels: &Labels) -> Result<()> {
        let limits = &self.limits;
        let limit = |what: String, bound, limit| Err(Error::Limit { what, bound, limit });
        let name = || excerpt(labels.metric_name().unwrap_or_default());
        let count = labels.len() as u64;
        if count > limits.labels {
            let what = format!("a series of {} has {count} labels", name());
            return limit(what, "labelLimit", limits.labels);
        }
        for (label, value) in labels.iter() {
            if label.len() as u64 > limits.label_name_length {
                let what = format!(
                    "the label name {} of {} has {} bytes",
                    excerpt(label),
                    name(),
                    label.len()
                );
                return limit(what, "labelNameLengthLimit", limits.label_name_length);
            }
            if value.len() as u64 > limits.label_value_length {
                let what = format!(
                    "the value of label {} of {} has {} bytes",
                    excerpt(label),
                    name(),
                    value.len()
                );
                return limit(what, "labelValueLengthLimit", limits.label_value_length);
            }
        }
        Ok(())
    }
}

fn excerpt(text: &str) -> String {
    text.chars().take(50).collect()
}
