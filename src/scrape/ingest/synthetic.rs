use series::{Labels, METRIC_NAME, Metadata, MetricKind, SeriesRef, TargetAppender};

/// The series that a scrape makes besides those of the page (Prometheus concepts/jobs_instances,
/// "Automatically generated labels and time series").
#[derive(Default)]
pub(super) struct Synthetic {
    pub(super) references: [Option<SeriesRef>; 5],
    labels: Labels,
    pub(super) described: bool,
}

const SYNTHETIC: [(&str, &str, &str); 5] = [
    (
        "up",
        "Whether the last scrape of the target succeeded (1) or failed (0).",
        "",
    ),
    (
        "scrape_duration_seconds",
        "How long the scrape took.",
        "seconds",
    ),
    (
        "scrape_samples_scraped",
        "Samples that the target exposed.",
        "",
    ),
    (
        "scrape_samples_post_metric_relabeling",
        "Samples that remained after metric relabelling.",
        "",
    ),
    (
        "scrape_series_added",
        "Series that were new in the scrape.",
        "",
    ),
];

impl Synthetic {
    pub(super) fn make_known(&mut self, target: &mut dyn TargetAppender, labels: &Labels) {
        if self.labels != *labels {
            *self = Self {
                labels: labels.clone(),
                ..Self::default()
            };
        }
        for (reference, (name, _, _)) in self.references.iter_mut().zip(SYNTHETIC) {
            if reference.is_none() {
                let mut series = labels.to_builder();
                series.set(METRIC_NAME, name);
                // At its limit the appender takes no series; the rest of the scrape still counts.
                *reference = target.series(&series.build()).ok();
            }
        }
    }

    /// What the metrics mean, until it was written once.
    pub(super) fn metadata(&self) -> Vec<(String, Metadata)> {
        if self.described {
            return Vec::new();
        }
        SYNTHETIC
            .iter()
            .map(|(name, help, unit)| {
                let metadata = Metadata {
                    kind: MetricKind::Gauge,
                    help: (*help).to_owned(),
                    unit: (*unit).to_owned(),
                };
                ((*name).to_owned(), metadata)
            })
            .collect()
    }
}
