use crate::{Context, ForwardedHeader, Health, ResourceRequest, ResourceResponse, Result};
use query::{InstantQuery, RangeQuery};
use series::{Answer, Labels, Limited, Metadata, SeriesExemplars, TimeRange};
use std::future::Future;
use std::pin::Pin;

/// An answer on its way. Dropping it cancels the work.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What is known of each metric family, sorted by its name.
pub type FamilyMetadata = Vec<(String, Vec<Metadata>)>;

/// Answers questions about metrics.
///
/// All methods may be called side by side from any thread of a tokio runtime.
pub trait Engine: Send + Sync {
    /// Evaluates an expression once per step. The result is a matrix.
    fn range<'a>(
        &'a self,
        query: &'a RangeQuery,
        context: &'a Context,
    ) -> Reply<'a, Result<Answer>>;

    /// Evaluates an expression once. The result has any of the four shapes.
    fn instant<'a>(
        &'a self,
        query: &'a InstantQuery,
        context: &'a Context,
    ) -> Reply<'a, Result<Answer>>;

    /// The exemplars of the series that an expression selects, by series, in order of time.
    fn exemplars<'a>(
        &'a self,
        query: &'a RangeQuery,
        context: &'a Context,
    ) -> Reply<'a, Result<Vec<SeriesExemplars>>>;

    /// Looks whether queries can be answered and, if not, says why and how to mend it.
    fn health<'a>(&'a self, context: &'a Context) -> Reply<'a, Health>;

    /// Whether [`Engine::resource`] passes requests on to a server. Where it does not, whoever
    /// serves Prometheus's HTTP API asks the other methods.
    fn passes_through(&self) -> bool {
        true
    }

    /// Of the headers that accompany a question, those by which the server behind the engine tells
    /// one person from another. Who has the same is given the same answers.
    fn identity(&self, context: &Context) -> Vec<ForwardedHeader> {
        match self.passes_through() {
            true => context.forwarded.clone(),
            false => Vec::new(),
        }
    }

    /// Answers a request to Prometheus's HTTP API (paths of [`crate::is_allowed_resource`]).
    /// An answer with an error status is `Ok`: status, headers and body pass through.
    fn resource<'a>(
        &'a self,
        request: ResourceRequest,
        context: &'a Context,
    ) -> Reply<'a, Result<ResourceResponse>>;

    /// Names of labels, sorted.
    fn label_names<'a>(
        &'a self,
        question: &'a LabelQuestion,
        context: &'a Context,
    ) -> Reply<'a, Result<Limited<Vec<String>>>>;

    /// Values of the label `name`, sorted.
    fn label_values<'a>(
        &'a self,
        name: &'a str,
        question: &'a LabelQuestion,
        context: &'a Context,
    ) -> Reply<'a, Result<Limited<Vec<String>>>>;

    /// Label sets of series, sorted.
    fn series<'a>(
        &'a self,
        question: &'a LabelQuestion,
        context: &'a Context,
    ) -> Reply<'a, Result<Limited<Vec<Labels>>>>;

    /// Metadata by metric family, sorted by name; with `metric` only of that one.
    fn metadata<'a>(
        &'a self,
        metric: Option<&'a str>,
        context: &'a Context,
    ) -> Reply<'a, Result<FamilyMetadata>>;
}

/// Which series a question about labels is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct LabelQuestion {
    /// Series selectors as PromQL writes them; a series counts when it fulfils one of them. None
    /// means every series.
    pub selectors: Vec<String>,
    /// When the series must have samples (milliseconds since the epoch); `None` leaves it to the
    /// server.
    pub range: Option<(i64, i64)>,
    /// Most entries to give back; `None` for all.
    pub limit: Option<usize>,
}

impl LabelQuestion {
    /// The range as a [`TimeRange`]; all of time where none is given.
    #[must_use]
    pub fn time_range(&self) -> TimeRange {
        self.range
            .map_or(TimeRange::ALL, |(start, end)| TimeRange { start, end })
    }
}
