//! An engine, a store and targets of our own, which say what they were asked.

use engine::{
    Context, Engine, Error, FamilyMetadata, Health, HealthStatus, InstantQuery, LabelQuestion,
    RangeQuery, Reply, ResourceRequest, ResourceResponse, Result,
};
use series::{
    Answer, Appended, Appender, Labels, Limited, QueryResult, SeriesExemplars, TargetAppender,
    WriteSeries,
};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Everything that can be asked, as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Asked {
    Range(RangeQuery, Option<i64>),
    Instant(InstantQuery, Option<i64>),
    Exemplars(RangeQuery),
    Names(LabelQuestion),
    Values(String, LabelQuestion),
    Series(LabelQuestion),
    Metadata(Option<String>),
    Resource(String),
}

/// An engine whose answers are set beforehand.
pub(crate) struct FakeEngine {
    pub(crate) answer: Result<Answer>,
    pub(crate) names: Limited<Vec<String>>,
    pub(crate) values: Limited<Vec<String>>,
    pub(crate) series: Limited<Vec<Labels>>,
    pub(crate) exemplars: Vec<SeriesExemplars>,
    pub(crate) metadata: FamilyMetadata,
    pub(crate) passes_through: bool,
    /// Answers nothing until it is let go.
    pub(crate) hangs: AtomicBool,
    pub(crate) let_go: Notify,
    pub(crate) log: Mutex<Vec<Asked>>,
}

impl Default for FakeEngine {
    fn default() -> Self {
        let none = || Limited {
            entries: Vec::new(),
            truncated: false,
        };
        Self {
            answer: Ok(Answer::new(QueryResult::Vector(Vec::new()))),
            names: none(),
            values: none(),
            series: Limited {
                entries: Vec::new(),
                truncated: false,
            },
            exemplars: Vec::new(),
            metadata: Vec::new(),
            passes_through: false,
            hangs: AtomicBool::new(false),
            let_go: Notify::new(),
            log: Mutex::new(Vec::new()),
        }
    }
}

impl FakeEngine {
    /// What was asked since the last look.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    fn note<'a, T: Send + 'a>(&'a self, asked: Asked, answer: T) -> Reply<'a, T> {
        self.log.lock().unwrap().push(asked);
        let hangs = self.hangs.load(Ordering::SeqCst);
        Box::pin(async move {
            if hangs {
                self.let_go.notified().await;
            }
            answer
        })
    }
}

impl Engine for FakeEngine {
    fn range<'a>(
        &'a self,
        query: &'a RangeQuery,
        context: &'a Context,
    ) -> Reply<'a, Result<Answer>> {
        let asked = Asked::Range(query.clone(), context.lookback_ms);
        self.note(asked, self.answer.clone())
    }

    fn instant<'a>(
        &'a self,
        query: &'a InstantQuery,
        context: &'a Context,
    ) -> Reply<'a, Result<Answer>> {
        let asked = Asked::Instant(query.clone(), context.lookback_ms);
        self.note(asked, self.answer.clone())
    }

    fn exemplars<'a>(
        &'a self,
        query: &'a RangeQuery,
        _: &'a Context,
    ) -> Reply<'a, Result<Vec<SeriesExemplars>>> {
        self.note(Asked::Exemplars(query.clone()), Ok(self.exemplars.clone()))
    }

    fn health<'a>(&'a self, _: &'a Context) -> Reply<'a, Health> {
        Box::pin(async {
            Health {
                status: HealthStatus::Ok,
                message: "fine".to_owned(),
                advice: None,
                details: Vec::new(),
            }
        })
    }

    fn passes_through(&self) -> bool {
        self.passes_through
    }

    fn resource<'a>(
        &'a self,
        request: ResourceRequest,
        _: &'a Context,
    ) -> Reply<'a, Result<ResourceResponse>> {
        let error = Error::Forbidden {
            path: request.path.clone(),
        };
        self.note(Asked::Resource(request.path), Err(error))
    }

    fn label_names<'a>(
        &'a self,
        question: &'a LabelQuestion,
        _: &'a Context,
    ) -> Reply<'a, Result<Limited<Vec<String>>>> {
        self.note(Asked::Names(question.clone()), Ok(self.names.clone()))
    }

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        question: &'a LabelQuestion,
        _: &'a Context,
    ) -> Reply<'a, Result<Limited<Vec<String>>>> {
        let asked = Asked::Values(name.to_owned(), question.clone());
        self.note(asked, Ok(self.values.clone()))
    }

    fn series<'a>(
        &'a self,
        question: &'a LabelQuestion,
        _: &'a Context,
    ) -> Reply<'a, Result<Limited<Vec<Labels>>>> {
        self.note(Asked::Series(question.clone()), Ok(self.series.clone()))
    }

    fn metadata<'a>(
        &'a self,
        metric: Option<&'a str>,
        _: &'a Context,
    ) -> Reply<'a, Result<FamilyMetadata>> {
        let asked = Asked::Metadata(metric.map(str::to_owned));
        self.note(asked, Ok(self.metadata.clone()))
    }
}

/// A store that keeps what it is given.
#[derive(Default)]
pub(crate) struct FakeStore {
    pub(crate) written: Mutex<Vec<WriteSeries>>,
    /// What it says of the next write, instead of having stored all.
    pub(crate) says: Mutex<Option<series::Result<Appended>>>,
}

impl Appender for FakeStore {
    fn target(&self, _: &Labels) -> series::Result<Box<dyn TargetAppender>> {
        Err(series::Error::Unavailable("not scraped here".to_owned()))
    }

    fn write(&self, series: &[WriteSeries]) -> series::Result<Appended> {
        if let Some(said) = self.says.lock().unwrap().take() {
            return said;
        }
        let count = |of: fn(&WriteSeries) -> usize| series.iter().map(of).sum::<usize>() as u64;
        self.written.lock().unwrap().extend_from_slice(series);
        Ok(Appended {
            stored: count(|s| s.samples.len()),
            exemplars: count(|s| s.exemplars.len()),
            ..Appended::default()
        })
    }
}
