use series::MetricKind;

/// Whether the metric `name` belongs to the family `family` of type `kind`, so that the
/// family's help, type and unit speak of it (Prometheus 3.12 `scrape.isSeriesPartOfFamily`).
///
/// A counter's family may or may not be written with `_total`, an info's with `_info`.
#[must_use]
pub fn belongs_to_family(name: &str, family: &str, kind: MetricKind) -> bool {
    let without = |endings: &[&str]| {
        let stem = endings.iter().find_map(|ending| name.strip_suffix(ending));
        stem.unwrap_or(name) == family
    };
    if !name.starts_with(family) {
        return false;
    }
    match kind {
        MetricKind::Counter => stem(name, "_total") == stem(family, "_total"),
        MetricKind::Info => stem(name, "_info") == stem(family, "_info"),
        MetricKind::Histogram => without(&["_bucket", "_sum", "_count"]),
        MetricKind::GaugeHistogram => without(&["_bucket", "_gsum", "_gcount"]),
        MetricKind::Summary => without(&["_sum", "_count"]),
        MetricKind::Gauge | MetricKind::StateSet | MetricKind::Unknown => name == family,
    }
}

fn stem<'a>(name: &'a str, ending: &str) -> &'a str {
    name.strip_suffix(ending).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_owns_the_names_that_its_type_makes() {
        for (name, family, kind, belongs) in [
            ("a_total", "a", MetricKind::Counter, true),
            ("a_total", "a_total", MetricKind::Counter, true),
            ("a", "a_total", MetricKind::Counter, false),
            ("a_created", "a", MetricKind::Counter, false),
            ("a_bucket", "a", MetricKind::Histogram, true),
            ("a_count", "a", MetricKind::Gauge, false),
            ("a_gsum", "a", MetricKind::GaugeHistogram, true),
            ("a_bucket", "a", MetricKind::Summary, false),
            ("a_info", "a", MetricKind::Info, true),
            ("ab", "a", MetricKind::Unknown, false),
        ] {
            assert_eq!(
                belongs_to_family(name, family, kind),
                belongs,
                "{name} of {family}"
            );
        }
    }
}
