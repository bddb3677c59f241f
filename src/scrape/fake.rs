//! An appender that keeps what it is given, for tests.

use series::{
    Appended, Appender, Exemplar, Labels, Metadata, Result, Sample, ScrapeRows, SeriesRef,
    TargetAppender, WriteSeries,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// One scrape as it was handed over.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Scrape {
    pub(crate) target: Labels,
    pub(crate) time: i64,
    pub(crate) rows: Vec<(Labels, f64)>,
    pub(crate) own: Vec<(Labels, Sample)>,
    pub(crate) exemplars: Vec<(Labels, Exemplar)>,
    pub(crate) metadata: Vec<(String, Metadata)>,
}

impl Scrape {
    /// The value of the series that is written so, synthetic ones included.
    #[track_caller]
    pub(crate) fn value(&self, series: &str) -> f64 {
        self.find(series)
            .unwrap_or_else(|| panic!("no {series} in {:?}", self.rows))
    }

    pub(crate) fn find(&self, series: &str) -> Option<f64> {
        let mut found = self
            .rows
            .iter()
            .filter(|(labels, _)| labels.to_string() == series);
        let value = found.next().map(|(_, value)| *value);
        assert_eq!(found.next(), None, "{series} has two rows");
        value
    }

    /// The series that are marked stale, sorted.
    pub(crate) fn stale(&self) -> Vec<String> {
        let stale = self
            .rows
            .iter()
            .filter(|(_, value)| series::is_stale(*value));
        let mut stale: Vec<String> = stale.map(|(labels, _)| labels.to_string()).collect();
        stale.sort();
        stale
    }

    /// The page's own series with their values, sorted, without stale and synthetic ones.
    pub(crate) fn page(&self) -> Vec<(String, f64)> {
        let synthetic = |labels: &Labels| {
            labels
                .metric_name()
                .is_some_and(|name| name == "up" || name.starts_with("scrape_"))
        };
        let mut page: Vec<(String, f64)> = self
            .rows
            .iter()
            .filter(|(labels, value)| !series::is_stale(*value) && !synthetic(labels))
            .map(|(labels, value)| (labels.to_string(), *value))
            .collect();
        page.sort_by(|a, b| a.0.cmp(&b.0));
        page
    }
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) scrapes: Vec<Scrape>,
    /// Answers of the next appends, before all is well again.
    pub(crate) failures: Vec<series::Error>,
    /// How many targets are refused before one is opened.
    pub(crate) target_failures: usize,
    pub(crate) series_limit: Option<usize>,
    /// How often `TargetAppender::series` was called.
    pub(crate) series_calls: usize,
    pub(crate) released: BTreeSet<String>,
    pub(crate) opened: Vec<Labels>,
}

#[derive(Clone, Default)]
pub(crate) struct FakeAppender(pub(crate) Arc<Mutex<State>>);

impl FakeAppender {
    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The scrapes of the target that is written so, all for `""`.
    pub(crate) fn scrapes(&self, target: &str) -> Vec<Scrape> {
        let state = self.state();
        let wanted = |scrape: &&Scrape| target.is_empty() || scrape.target.to_string() == target;
        state.scrapes.iter().filter(wanted).cloned().collect()
    }

    pub(crate) fn last(&self) -> Scrape {
        self.state().scrapes.last().cloned().unwrap_or_default()
    }
}

impl Appender for FakeAppender {
    fn target(&self, target: &Labels) -> Result<Box<dyn TargetAppender>> {
        let mut state = self.state();
        if state.target_failures > 0 {
            state.target_failures -= 1;
            return Err(series::Error::Unavailable("closed".into()));
        }
        state.opened.push(target.clone());
        drop(state);
        Ok(Box::new(FakeTarget {
            state: Arc::clone(&self.0),
            target: target.clone(),
            series: BTreeMap::new(),
            labels: Vec::new(),
        }))
    }

    fn write(&self, _series: &[WriteSeries]) -> Result<Appended> {
        Err(series::Error::Unavailable("not used".into()))
    }
}

struct FakeTarget {
    state: Arc<Mutex<State>>,
    target: Labels,
    series: BTreeMap<Labels, u32>,
    labels: Vec<Labels>,
}

impl TargetAppender for FakeTarget {
    fn series(&mut self, labels: &Labels) -> Result<SeriesRef> {
        let mut state = self.state.lock().unwrap();
        state.series_calls += 1;
        if let Some(&reference) = self.series.get(labels) {
            return Ok(SeriesRef(reference));
        }
        if let Some(limit) = state.series_limit
            && self.series.len() >= limit
        {
            return Err(series::Error::Limit {
                what: "series".into(),
                bound: "maxSeries",
                limit: limit as u64,
            });
        }
        // References are not reused, so that a row of a released series is found out.
        let reference = self.labels.len() as u32;
        self.labels.push(labels.clone());
        self.series.insert(labels.clone(), reference);
        Ok(SeriesRef(reference))
    }

    fn release(&mut self, series: SeriesRef) {
        let labels = &self.labels[series.0 as usize];
        assert_eq!(self.series.remove(labels), Some(series.0), "released twice");
        self.state
            .lock()
            .unwrap()
            .released
            .insert(labels.to_string());
    }

    fn append(&mut self, scrape: &ScrapeRows<'_>) -> Result<Appended> {
        let labels = |reference: SeriesRef| {
            let labels = &self.labels[reference.0 as usize];
            assert!(
                self.series.get(labels) == Some(&reference.0),
                "a row of a released series"
            );
            labels.clone()
        };
        let kept = Scrape {
            target: self.target.clone(),
            time: scrape.time,
            rows: scrape.rows.iter().map(|(r, v)| (labels(*r), *v)).collect(),
            own: scrape
                .own
                .iter()
                .map(|row| (labels(row.series), row.sample))
                .collect(),
            exemplars: scrape
                .exemplars
                .iter()
                .map(|row| (labels(row.series), row.exemplar.clone()))
                .collect(),
            metadata: scrape.metadata.to_vec(),
        };
        let mut state = self.state.lock().unwrap();
        if !state.failures.is_empty() {
            return Err(state.failures.remove(0));
        }
        state.scrapes.push(kept);
        Ok(Appended {
            stored: (scrape.rows.len() + scrape.own.len()) as u64,
            ..Appended::default()
        })
    }
}
