//! Asks a Prometheus-compatible server over HTTP: Prometheus, Mimir, Thanos, VictoriaMetrics,
//! Cortex.
//!
//! Prometheus's JSON ends here. Start at [`RemoteSettings`] and [`RemoteEngine::new`].

mod diagnosis;
mod failure;
mod gate;
mod incremental;
mod lookups;
mod passing;
mod probe;
mod questions;
pub mod reader;
mod settings;
mod sharing;
mod tls;
mod transport;

pub use probe::ServerFacts;
pub use settings::{
    AtBound, BasicAuth, Compression, Incremental, Proxy, RemoteSettings, ServerKind, TlsSettings,
};

use crate::{
    Context, Engine, Error, FamilyMetadata, ForwardedHeader, Health, LabelQuestion, Method, Reply,
    ResourceRequest, ResourceResponse, Result,
};
use incremental::Moving;
use probe::Probe;
use query::{InstantQuery, RangeQuery};
use questions::{Limits, form, seconds};
use series::{Answer, Labels, Limited, QueryResult, SeriesExemplars, format_duration};
use sharing::{InFlight, Key, identity};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use transport::{Request, Transport};

/// How long a query may take where no setting says.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// How much longer than the server's own limit we wait, so that its message arrives.
const GRACE: Duration = Duration::from_secs(5);

/// An engine that asks a server. Cheap to share behind an `Arc`; dropping it closes its idle
/// connections.
///
/// Needs a tokio runtime with time and I/O. Requests that are equal and in flight at the same
/// time are sent once.
pub struct RemoteEngine {
    transport: Arc<Transport>,
    settings: RemoteSettings,
    limits: Limits,
    answers: InFlight<Answer>,
    moving: Option<Arc<Moving>>,
    probe: Probe,
}

impl RemoteEngine {
    /// Prepares the client; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Setting`] that names the key of a setting that cannot be used.
    pub fn new(settings: RemoteSettings) -> Result<Self> {
        let limits = Limits::new(&settings);
        let moving = settings
            .incremental
            .filter(|incremental| incremental.max_bytes > 0);
        Ok(Self {
            transport: Arc::new(Transport::new(&settings)?),
            limits,
            answers: InFlight::new(),
            moving: moving.map(|incremental| Arc::new(Moving::new(incremental, limits.bounds()))),
            probe: Probe::default(),
            settings,
        })
    }

    /// What the server last said of itself, or what the settings say of it.
    #[must_use]
    pub fn server(&self) -> ServerFacts {
        let known = self.probe.facts();
        ServerFacts {
            kind: self
                .settings
                .kind
                .or(known.as_ref().and_then(|facts| facts.kind)),
            version: known
                .and_then(|facts| facts.version)
                .or_else(|| self.settings.version.clone()),
        }
    }

    fn timeout(&self) -> Duration {
        self.settings
            .query_timeout
            .map_or(DEFAULT_TIMEOUT, |timeout| timeout.saturating_add(GRACE))
    }

    /// When to stop waiting: the caller's deadline or the data source's timeout.
    fn deadline(&self, context: &Context) -> Instant {
        let now = Instant::now();
        let own = now
            .checked_add(self.timeout())
            .unwrap_or(now + DEFAULT_TIMEOUT);
        context.deadline.map_or(own, |deadline| deadline.min(own))
    }

    async fn within<T>(
        &self,
        deadline: Instant,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let started = Instant::now();
        match tokio::time::timeout_at(deadline.into(), work).await {
            Ok(done) => done,
            Err(_) => Err(self.timed_out(started.elapsed())),
        }
    }

    fn timed_out(&self, after: Duration) -> Error {
        Error::TimedOut {
            url: self.transport.shown().to_owned(),
            after,
        }
    }

    fn request(&self, path: impl Into<String>, parameters: String, context: &Context) -> Request {
        Request {
            path: path.into(),
            parameters,
            method: None,
            headers: Vec::new(),
            forwarded: self.transport.forwarded(context),
            priority: context.priority,
        }
    }

    /// Asks a query, together with whoever asks the same at the same time.
    async fn query(&self, request: Request, context: &Context) -> Result<Answer> {
        let (transport, limits) = (Arc::clone(&self.transport), self.limits);
        self.shared(request, context, |request, _| {
            Box::pin(async move { questions::ask(&transport, &request, limits).await })
        })
        .await
    }

    /// Joins whoever asks the same at the same time, or starts `work`, which gets the request
    /// and who asks it.
    async fn shared(
        &self,
        request: Request,
        context: &Context,
        work: impl FnOnce(Request, Vec<ForwardedHeader>) -> Reply<'static, Result<Answer>>,
    ) -> Result<Answer> {
        context.interrupt.check()?;
        let identity = identity(&request.forwarded);
        let key = Key {
            request: format!("{} {}", request.path, request.parameters),
            identity: identity.clone(),
            priority: request.priority,
        };
        let answer = self.answers.join(key, || work(request, identity));
        self.within(self.deadline(context), answer).await
    }

    /// Asks a range of which memory knows the beginning, or will.
    async fn moving_range(
        &self,
        moving: Arc<Moving>,
        query: RangeQuery,
        settled_ms: i64,
        context: &Context,
    ) -> Result<Answer> {
        let timeout = self.timeout_parameter();
        let whole = self.range_request(&query, timeout.as_ref(), context);
        let (transport, limits) = (Arc::clone(&self.transport), self.limits);
        self.shared(whole, context, |request, identity| {
            Box::pin(async move {
                let ask = |range: RangeQuery| {
                    let mut request = request.clone();
                    request.parameters = range_parameters(&range, timeout.as_ref());
                    let transport = &transport;
                    async move { questions::ask(transport, &request, limits).await }
                };
                moving.answer(&query, settled_ms, &identity, ask).await
            })
        })
        .await
    }

    fn range_request(
        &self,
        query: &RangeQuery,
        timeout: Option<&(&'static str, String)>,
        context: &Context,
    ) -> Request {
        self.request(
            "api/v1/query_range",
            range_parameters(query, timeout),
            context,
        )
    }

    /// The memory that may serve a range, and the last step that is settled.
    fn memory_for(&self, query: &RangeQuery, context: &Context) -> Option<(Arc<Moving>, i64)> {
        let moving = self.moving.as_ref()?;
        let settled = moving.settled(query, context.now_ms?)?;
        self.look_at_the_server(context);
        // What VictoriaMetrics says to a step depends on the range around it, and it remembers
        // by itself.
        let is_victoria = self.server().kind == Some(ServerKind::VictoriaMetrics);
        (!is_victoria).then(|| (Arc::clone(moving), settled))
    }

    /// Finds out in the background what the server is, where that is not known or long ago.
    fn look_at_the_server(&self, context: &Context) {
        self.probe.look(|| {
            let request = self.build_request(context);
            (Arc::clone(&self.transport), request)
        });
    }

    fn build_request(&self, context: &Context) -> Request {
        let mut build = self.request(probe::PATH, String::new(), context);
        build.method = Some(Method::Get);
        build
    }

    fn timeout_parameter(&self) -> Option<(&'static str, String)> {
        let timeout = self.settings.query_timeout?;
        let ms = i64::try_from(timeout.as_millis()).ok()?;
        Some(("timeout", format_duration(ms)))
    }

    async fn lookup<T: serde::de::DeserializeOwned + Default>(
        &self,
        request: Request,
        context: &Context,
    ) -> Result<T> {
        context.interrupt.check()?;
        let asked = lookups::ask(&self.transport, &request);
        self.within(self.deadline(context), asked).await
    }

    /// Whether names and values are looked up among series: where the settings want it, and for
    /// a Prometheus before 2.24, whose labels API knows no selectors.
    fn looks_among_series(&self, question: &LabelQuestion, context: &Context) -> bool {
        if self.settings.series_endpoint {
            return true;
        }
        self.look_at_the_server(context);
        let server = self.server();
        let old = server
            .kind
            .is_none_or(|kind| kind == ServerKind::Prometheus)
            && server.version.as_deref().is_some_and(is_before_2_24);
        old && !question.selectors.is_empty()
    }

    async fn series_of(
        &self,
        question: &LabelQuestion,
        context: &Context,
    ) -> Result<Limited<Vec<Labels>>> {
        let (parameters, limit) = lookups::parameters(question, self.settings.series_limit);
        let request = self.request("api/v1/series", parameters, context);
        let sets: Vec<BTreeMap<String, String>> = self.lookup(request, context).await?;
        Ok(lookups::limited(lookups::label_sets(sets), limit))
    }
}

fn range_parameters(query: &RangeQuery, timeout: Option<&(&'static str, String)>) -> String {
    let parameters = [
        ("query", query.expr.clone()),
        ("start", seconds(query.start_ms)),
        ("end", seconds(query.end_ms)),
        ("step", seconds(query.step_ms)),
    ];
    form(parameters.into_iter().chain(timeout.cloned()))
}

fn is_before_2_24(version: &str) -> bool {
    let mut parts = version
        .trim_start_matches('v')
        .split('.')
        .map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < (2, 24) && major > 0,
        _ => false,
    }
}

impl Engine for RemoteEngine {
    fn range<'a>(
        &'a self,
        query: &'a RangeQuery,
        context: &'a Context,
    ) -> Reply<'a, Result<Answer>> {
        if let Some((moving, settled_ms)) = self.memory_for(query, context) {
            return Box::pin(self.moving_range(moving, query.clone(), settled_ms, context));
        }
        let request = self.range_request(query, self.timeout_parameter().as_ref(), context);
        Box::pin(self.query(request, context))
    }

    fn instant<'a>(
        &'a self,
        query: &'a InstantQuery,
        context: &'a Context,
    ) -> Reply<'a, Result<Answer>> {
        let mut parameters = vec![
            ("query", query.expr.clone()),
            ("time", seconds(query.time_ms)),
        ];
        parameters.extend(self.timeout_parameter());
        let request = self.request("api/v1/query", form(parameters), context);
        Box::pin(self.query(request, context))
    }

    fn exemplars<'a>(
        &'a self,
        query: &'a RangeQuery,
        context: &'a Context,
    ) -> Reply<'a, Result<Vec<SeriesExemplars>>> {
        let parameters = form([
            ("query", query.expr.clone()),
            ("start", seconds(query.start_ms)),
            ("end", seconds(query.end_ms)),
        ]);
        let request = self.request("api/v1/query_exemplars", parameters, context);
        Box::pin(async move {
            let entries = self.lookup(request, context).await?;
            Ok(lookups::exemplars(entries))
        })
    }

    fn health<'a>(&'a self, context: &'a Context) -> Reply<'a, Health> {
        let sum = form([("query", "1+1".to_owned())]);
        let sum = self.request("api/v1/query", sum, context);
        Box::pin(async move {
            let started = Instant::now();
            let asked = questions::ask(&self.transport, &sum, self.limits);
            let deadline = self.deadline(context);
            let answer = match self.within(deadline, asked).await {
                Ok(answer) => answer,
                Err(error) => return diagnosis::of_failure(&self.transport, &error, &sum).await,
            };
            let took = started.elapsed();
            // Without a time parameter the server evaluates at its own now.
            let server_time = match answer.result {
                QueryResult::Scalar(sample) => Some(sample.time),
                // VictoriaMetrics has no scalars.
                QueryResult::Vector(samples) => samples.first().map(|s| s.sample.time),
                _ => None,
            };
            let skew_ms = server_time.zip(context.now_ms).map(|(time, now)| {
                let half = i64::try_from(took.as_millis() / 2).unwrap_or_default();
                time.saturating_sub(now).saturating_sub(half)
            });
            // A server without build information is healthy all the same.
            let build = self.build_request(context);
            let asked = self.probe.ask(&self.transport, &build);
            let _known = self.within(deadline, asked).await;
            diagnosis::of_success(&self.transport, Some(&self.server()), took, skew_ms)
        })
    }

    fn identity(&self, context: &Context) -> Vec<ForwardedHeader> {
        identity(&self.transport.forwarded(context))
    }

    fn resource<'a>(
        &'a self,
        request: ResourceRequest,
        context: &'a Context,
    ) -> Reply<'a, Result<ResourceResponse>> {
        Box::pin(async move {
            context.interrupt.check()?;
            let asked = passing::request(request, self.transport.forwarded(context), context)?;
            let deadline = self.deadline(context);
            let received = self.within(deadline, self.transport.send(&asked)).await?;
            let shown = self.transport.shown().to_owned();
            let max_bytes = self.settings.max_response_bytes;
            Ok(passing::response(received, shown, deadline, max_bytes))
        })
    }

    fn label_names<'a>(
        &'a self,
        question: &'a LabelQuestion,
        context: &'a Context,
    ) -> Reply<'a, Result<Limited<Vec<String>>>> {
        Box::pin(async move {
            if self.looks_among_series(question, context) {
                let series = self.series_of(question, context).await?;
                let names = series.entries.iter().flat_map(Labels::iter);
                let names = names.map(|(name, _)| name.to_owned()).collect();
                let mut found = lookups::limited(names, question.limit);
                found.truncated |= series.truncated;
                return Ok(found);
            }
            let (parameters, limit) = lookups::parameters(question, self.settings.series_limit);
            let request = self.request("api/v1/labels", parameters, context);
            Ok(lookups::limited(
                self.lookup(request, context).await?,
                limit,
            ))
        })
    }

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        question: &'a LabelQuestion,
        context: &'a Context,
    ) -> Reply<'a, Result<Limited<Vec<String>>>> {
        Box::pin(async move {
            if self.looks_among_series(question, context) {
                let series = self.series_of(question, context).await?;
                let values = series.entries.iter().filter_map(|labels| labels.get(name));
                let values = values.map(str::to_owned).collect();
                let mut found = lookups::limited(values, question.limit);
                found.truncated |= series.truncated;
                return Ok(found);
            }
            let (parameters, limit) = lookups::parameters(question, self.settings.series_limit);
            let path = format!("api/v1/label/{}/values", lookups::path_name(name));
            let mut request = self.request(path, parameters, context);
            // Prometheus answers this path to GET alone.
            request.method = Some(Method::Get);
            Ok(lookups::limited(
                self.lookup(request, context).await?,
                limit,
            ))
        })
    }

    fn series<'a>(
        &'a self,
        question: &'a LabelQuestion,
        context: &'a Context,
    ) -> Reply<'a, Result<Limited<Vec<Labels>>>> {
        Box::pin(self.series_of(question, context))
    }

    fn metadata<'a>(
        &'a self,
        metric: Option<&'a str>,
        context: &'a Context,
    ) -> Reply<'a, Result<FamilyMetadata>> {
        let parameters = form(metric.map(|metric| ("metric", metric.to_owned())));
        let mut request = self.request("api/v1/metadata", parameters, context);
        request.method = Some(Method::Get);
        Box::pin(async move {
            let all = self.lookup(request, context).await?;
            Ok(lookups::family_metadata(all))
        })
    }
}
