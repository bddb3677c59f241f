use super::dice::Dice;
use axum::Router;
use axum::extract::{MatchedPath, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder,
};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Posts that are remembered; older ones are answered with 404.
const KEPT_POSTS: usize = 1_000;
/// In this share of cases something is in the way and an answer takes long.
const SLOW_SHARE: f64 = 0.03;
/// In this share of cases the search has no answer.
const SEARCH_FAILS: f64 = 0.06;

const BUCKETS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// A small wiki: people sign up, write posts, read and search them.
#[derive(Clone)]
pub(super) struct Wiki(Arc<Shared>);

struct Shared {
    content: Mutex<Content>,
    registry: Registry,
    users_created: IntCounter,
    posts_created: IntCounter,
    requests: IntCounterVec,
    durations: HistogramVec,
}

struct Content {
    users: usize,
    /// The number of the oldest post that is kept.
    first_post: usize,
    titles: VecDeque<String>,
    dice: Dice,
}

impl Wiki {
    /// The wiki's pages and its metrics, at `/metrics`.
    ///
    /// # Errors
    /// [`prometheus::Error`] when two metrics have the same name.
    pub(super) fn routes(seed: u64) -> Result<Router, prometheus::Error> {
        let duration = HistogramOpts::new(
            "http_request_duration_seconds",
            "Time from a request to its answer.",
        );
        let shared = Shared {
            content: Mutex::new(Content {
                users: 0,
                first_post: 0,
                titles: VecDeque::new(),
                dice: Dice::new(!seed),
            }),
            registry: Registry::new(),
            users_created: IntCounter::new("users_created_total", "Users that signed up.")?,
            posts_created: IntCounter::new("posts_created_total", "Posts that were written.")?,
            requests: IntCounterVec::new(
                Opts::new("http_requests_total", "Requests that were answered."),
                &["method", "endpoint", "status"],
            )?,
            durations: HistogramVec::new(
                duration.buckets(BUCKETS.to_vec()),
                &["method", "endpoint"],
            )?,
        };
        let registry = &shared.registry;
        registry.register(Box::new(shared.users_created.clone()))?;
        registry.register(Box::new(shared.posts_created.clone()))?;
        registry.register(Box::new(shared.requests.clone()))?;
        registry.register(Box::new(shared.durations.clone()))?;
        let wiki = Self(Arc::new(shared));
        Ok(Router::new()
            .route("/", get(Self::home))
            .route("/users", get(Self::users).post(Self::sign_up))
            .route("/posts", get(Self::posts).post(Self::write))
            .route("/posts/{id}", get(Self::read))
            .route("/search", get(Self::search))
            .route_layer(from_fn_with_state(wiki.clone(), Self::measure))
            // Behind the layer, for a scrape is no visit.
            .route("/metrics", get(Self::metrics))
            .with_state(wiki))
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        // What is counted stays right when a request panicked.
        self.0
            .content
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes about as long as a database would, which is `usual`, and sometimes much longer.
    async fn work(&self, usual: Duration) {
        let takes = {
            let dice = &mut self.content().dice;
            let slow = if dice.happens(SLOW_SHARE) { 6.0 } else { 1.0 };
            usual.mul_f64(dice.spread() * slow)
        };
        tokio::time::sleep(takes).await;
    }

    async fn home(State(wiki): State<Self>) -> String {
        wiki.work(Duration::from_millis(8)).await;
        let content = wiki.content();
        let newest = content.titles.back().map_or("nothing yet", String::as_str);
        format!("A wiki of {} users. Newest: {newest}\n", content.users)
    }

    async fn users(State(wiki): State<Self>) -> String {
        wiki.work(Duration::from_millis(15)).await;
        format!("{} users\n", wiki.content().users)
    }

    async fn sign_up(State(wiki): State<Self>) -> (StatusCode, String) {
        wiki.work(Duration::from_millis(60)).await;
        let mut content = wiki.content();
        content.users += 1;
        wiki.0.users_created.inc();
        (StatusCode::CREATED, format!("user {}\n", content.users))
    }

    async fn posts(State(wiki): State<Self>) -> String {
        wiki.work(Duration::from_millis(25)).await;
        let content = wiki.content();
        let newest = content.titles.iter().rev().take(10);
        newest.map(|title| format!("{title}\n")).collect()
    }

    async fn write(State(wiki): State<Self>, title: String) -> (StatusCode, String) {
        wiki.work(Duration::from_millis(45)).await;
        if title.trim().is_empty() {
            let reason = "a post needs a title\n".to_owned();
            return (StatusCode::UNPROCESSABLE_ENTITY, reason);
        }
        let mut content = wiki.content();
        content.titles.push_back(title);
        if content.titles.len() > KEPT_POSTS {
            content.titles.pop_front();
            content.first_post += 1;
        }
        wiki.0.posts_created.inc();
        let id = content.first_post + content.titles.len() - 1;
        (StatusCode::CREATED, format!("post {id}\n"))
    }

    async fn read(State(wiki): State<Self>, Path(id): Path<usize>) -> Result<String, StatusCode> {
        wiki.work(Duration::from_millis(12)).await;
        let content = wiki.content();
        let place = id.checked_sub(content.first_post);
        let title = place.and_then(|place| content.titles.get(place));
        title.cloned().ok_or(StatusCode::NOT_FOUND)
    }

    async fn search(State(wiki): State<Self>) -> Result<String, StatusCode> {
        wiki.work(Duration::from_millis(140)).await;
        let mut content = wiki.content();
        if content.dice.happens(SEARCH_FAILS) {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        Ok(format!("searched {} posts\n", content.titles.len()))
    }

    async fn measure(
        State(wiki): State<Self>,
        path: MatchedPath,
        request: Request,
        next: Next,
    ) -> Response {
        let method = request.method().clone();
        let started = Instant::now();
        let answer = next.run(request).await;
        let seconds = started.elapsed().as_secs_f64();
        let (method, endpoint) = (method.as_str(), path.as_str());
        let status = answer.status();
        let shared = &wiki.0;
        shared
            .durations
            .with_label_values(&[method, endpoint])
            .observe(seconds);
        shared
            .requests
            .with_label_values(&[method, endpoint, status.as_str()])
            .inc();
        answer
    }

    async fn metrics(State(wiki): State<Self>) -> Response {
        let mut page = Vec::new();
        let encoder = TextEncoder::new();
        match encoder.encode(&wiki.0.registry.gather(), &mut page) {
            Ok(()) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], page).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    }
}
