use super::*;
use crate::app::{App, Asked, Reply, page, status as http_status};
use crate::fake::{FakeAppender, Scrape};
use crate::settings::{DnsRecord, Origin};
use crate::{DiskFiles, NameLookup, NameRecord};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Instant;

/// A clock that runs by itself and can be set.
struct TestClock {
    start: Instant,
    epoch: AtomicI64,
}

impl Clock for TestClock {
    fn now(&self) -> i64 {
        self.epoch.load(Ordering::SeqCst) + milliseconds(self.start.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Names whose records a test sets.
#[derive(Default)]
struct TestNames(Mutex<Vec<NameRecord>>);

impl Names for TestNames {
    fn lookup<'a>(&'a self, _name: &'a str, _record: DnsRecord) -> NameLookup<'a> {
        let records = self.0.lock().unwrap().clone();
        Box::pin(async move { Ok(records) })
    }
}

struct Bench {
    appender: FakeAppender,
    clock: Arc<TestClock>,
    names: Arc<TestNames>,
    scraper: Scraper,
    stop: CancellationToken,
}

fn settings(value: &Value) -> Settings {
    Settings::from_json(value, &Origin::data_source()).unwrap()
}

/// Targets at an interval that lets a test see several scrapes.
fn fast(targets: &Value) -> Settings {
    settings(&json!({"timeInterval": "100ms", "targets": targets}))
}

impl Bench {
    fn start(settings: Settings) -> Self {
        Self::start_with(settings, FakeAppender::default())
    }

    fn start_with(settings: Settings, appender: FakeAppender) -> Self {
        let clock = Arc::new(TestClock {
            start: Instant::now(),
            epoch: AtomicI64::new(1_700_000_000_000),
        });
        let names = Arc::new(TestNames::default());
        let stop = CancellationToken::new();
        let surroundings = Surroundings {
            appender: Arc::new(appender.clone()),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            files: Arc::new(DiskFiles::anywhere()),
            names: Arc::clone(&names) as Arc<dyn Names>,
        };
        Self {
            appender,
            clock,
            names,
            scraper: Scraper::start(surroundings, settings, &stop),
            stop,
        }
    }

    /// Waits until something is so; how long that may take is no matter of the test.
    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "never: {what}; status {:?}",
                self.scraper.status()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn until_scrape(&self, what: &str, is_it: impl Fn(&Scrape) -> bool) -> Scrape {
        let find = |bench: &Self| bench.appender.scrapes("").into_iter().find(|s| is_it(s));
        self.until(what, |bench| find(bench).is_some()).await;
        find(self).unwrap()
    }

    async fn until_scrapes(&self, more: usize) {
        let before = self.appender.scrapes("").len();
        self.until("more scrapes", |bench| {
            bench.appender.scrapes("").len() >= before + more
        })
        .await;
    }

    fn first_target(&self) -> TargetState {
        self.scraper.status().targets.into_iter().next().unwrap()
    }
}

fn has_page(scrape: &Scrape) -> bool {
    !scrape.page().is_empty()
}

#[tokio::test]
async fn a_target_is_scraped_again_and_again() {
    let app = App::start(|_| page("a 1\n")).await;
    let bench = Bench::start(fast(&json!([{"url": app.url(), "job": "j"}])));
    bench.until_scrapes(4).await;
    let scrapes = bench.appender.scrapes("");
    assert!(scrapes.windows(2).all(|pair| pair[0].time < pair[1].time));
    assert!(
        scrapes.iter().all(
            |s| s.find(&format!("up{{instance=\"{}\", job=\"j\"}}", app.address)) == Some(1.0)
        )
    );
    assert_eq!(bench.appender.state().opened.len(), 1);
    let state = bench.first_target();
    assert_eq!(
        (state.health, state.error, state.samples, state.series),
        (Health::Up, None, 1, 1)
    );
    assert!(state.last_scrape.is_some());
    // The state follows what was written.
    bench
        .until("the count", |b| b.first_target().appended.stored >= 24)
        .await;
    assert_eq!(state.url, app.url());
    bench.scraper.stop().await;
}

#[tokio::test]
async fn a_target_that_is_hurried_is_scraped_once_out_of_turn() {
    let app = App::start(|_| page("a 1\n")).await;
    let slow = settings(&json!({"timeInterval": "1h", "targets": [app.url()]}));
    let bench = Bench::start(slow);
    bench.until_scrape("the first page", has_page).await;
    // The samples are there a moment before the report.
    bench
        .until("its report", |b| b.first_target().health == Health::Up)
        .await;
    bench.scraper.hurry(|target| target.health == Health::Down);
    bench.scraper.hurry(|target| target.health == Health::Up);
    bench.until_scrapes(1).await;
    let first = bench.first_target().last_scrape;
    bench
        .until("its report", |b| b.first_target().last_scrape.is_some())
        .await;
    // Nobody hurries it again: the next is an hour away.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(bench.appender.scrapes("").len(), 2);
    assert!(first.is_some());
    bench.scraper.stop().await;
}

#[tokio::test]
async fn an_app_that_fails_and_recovers_is_down_and_up() {
    let broken = Arc::new(AtomicBool::new(false));
    let is_broken = Arc::clone(&broken);
    let app = App::start(move |_| match is_broken.load(Ordering::SeqCst) {
        true => http_status(500),
        false => page("a 1\n"),
    })
    .await;
    let bench = Bench::start(fast(&json!([app.url()])));
    bench.until_scrape("a page", has_page).await;
    broken.store(true, Ordering::SeqCst);
    let failed = bench
        .until_scrape("a mark", |s| !s.stale().is_empty())
        .await;
    assert!(
        failed
            .rows
            .iter()
            .any(|(l, v)| l.metric_name() == Some("up") && *v == 0.0)
    );
    bench
        .until("down", |b| b.first_target().health == Health::Down)
        .await;
    let error = bench.first_target().error.unwrap().to_string();
    assert!(error.contains("HTTP status 500"), "{error}");
    broken.store(false, Ordering::SeqCst);
    bench
        .until("up", |b| b.first_target().health == Health::Up)
        .await;
    bench.scraper.stop().await;
}

#[tokio::test]
async fn a_page_that_cannot_be_read_names_url_line_and_column() {
    let app = App::start(|_| page("a 1\nb two\n")).await;
    let bench = Bench::start(fast(&json!([app.url()])));
    bench
        .until("down", |b| b.first_target().health == Health::Down)
        .await;
    let error = bench.first_target().error.unwrap().to_string();
    assert!(
        error.starts_with(&format!("{}: line 2, column 3", app.url())),
        "{error}"
    );
}

#[tokio::test]
async fn a_target_that_is_taken_away_is_marked_and_its_neighbour_is_not_disturbed() {
    let app = App::start(|_| page("a 1\n")).await;
    let url = app.url();
    let both = fast(&json!([{"url": url, "job": "stays"}, {"url": url, "job": "goes"}]));
    let bench = Bench::start(both);
    let of = |job: &'static str| move |s: &Scrape| s.target.get("job") == Some(job);
    bench
        .until_scrape("the one", |s| of("goes")(s) && has_page(s))
        .await;
    bench
        .until_scrape("the other", |s| of("stays")(s) && has_page(s))
        .await;
    bench
        .scraper
        .apply(fast(&json!([{"url": url, "job": "stays"}])));
    let marked = bench
        .until_scrape("a mark", |s| !s.stale().is_empty())
        .await;
    assert!(of("goes")(&marked));
    // Its own series and the five synthetic ones.
    assert_eq!((marked.stale().len(), marked.rows.len()), (6, 6));
    assert_eq!(bench.appender.state().opened.len(), 2);
    assert_eq!(bench.scraper.status().targets.len(), 1);
    bench.until_scrapes(2).await;
    let stale = bench
        .appender
        .scrapes("")
        .into_iter()
        .filter(|s| !s.stale().is_empty());
    assert_eq!(stale.count(), 1);
}

#[tokio::test]
async fn a_target_that_comes_back_in_time_goes_on() {
    let app = App::start(|_| page("a 1\n")).await;
    let entry = json!([{"url": app.url(), "interval": "500ms"}]);
    let bench = Bench::start(settings(&json!({ "targets": entry })));
    bench.until_scrape("a page", has_page).await;
    bench.scraper.apply(Settings::default());
    bench
        .until("gone", |b| b.scraper.status().targets.is_empty())
        .await;
    bench.scraper.apply(settings(&json!({ "targets": entry })));
    bench.until_scrapes(5).await;
    assert_eq!(bench.appender.state().opened.len(), 1);
    assert!(
        bench
            .appender
            .scrapes("")
            .iter()
            .all(|s| s.stale().is_empty())
    );
}

#[tokio::test]
async fn another_url_under_the_same_labels_takes_over() {
    let app = App::start(|asked: &Asked| match asked.path() {
        "/old" => page("a 1\nold 1\n"),
        _ => page("a 1\nnew 1\n"),
    })
    .await;
    let at = |path: &str| fast(&json!([format!("http://{}{path}", app.address)]));
    let bench = Bench::start(at("/old"));
    bench.until_scrape("a page", has_page).await;
    bench.scraper.apply(at("/new"));
    let first = bench
        .until_scrape("the new page", |s| {
            s.page().iter().any(|(name, _)| name.starts_with("new"))
        })
        .await;
    assert_eq!(first.stale().len(), 1);
    assert!(first.stale()[0].starts_with("old{"));
    bench.until_scrapes(4).await;
    assert_eq!(bench.appender.state().opened.len(), 1);
}

#[tokio::test]
async fn other_settings_of_the_same_target_count_from_the_next_scrape() {
    let app = App::start(|_| page("a 1\nb 2\n")).await;
    let entry = |extra: Value| {
        let mut entry = json!({"url": app.url()});
        entry
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        fast(&json!([entry]))
    };
    let bench = Bench::start(entry(json!({})));
    bench.until_scrape("a page", has_page).await;
    bench.scraper.apply(entry(json!({"metricRelabel": [
        {"action": "drop", "source_labels": ["__name__"], "regex": "b"}]})));
    let marked = bench
        .until_scrape("a mark", |s| !s.stale().is_empty())
        .await;
    assert!(marked.stale()[0].starts_with("b{"));
    bench
        .scraper
        .apply(entry(json!({"interval": "70ms", "sampleLimit": 1})));
    bench
        .until("down", |b| b.first_target().health == Health::Down)
        .await;
    assert_eq!(bench.first_target().interval, Duration::from_millis(70));
    assert!(matches!(
        bench.first_target().error,
        Some(Error::Limit {
            bound: "sampleLimit",
            limit: 1,
            ..
        })
    ));
    assert_eq!(bench.appender.state().opened.len(), 1);
}

fn scratch(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("headwater-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

#[tokio::test]
async fn a_file_of_targets_is_watched() {
    let app = App::start(|_| page("a 1\n")).await;
    let directory = scratch("file-sd");
    let path = directory.join("targets.yml");
    let write = |jobs: &[&str]| {
        let text: String = jobs
            .iter()
            .map(|job| format!("- targets: ['{}']\n  labels: {{job: {job}}}\n", app.address))
            .collect();
        std::fs::write(&path, text).unwrap();
    };
    write(&["one"]);
    let entry = json!([{"job": "j", "file": {"paths": [path], "refreshInterval": "100ms"}}]);
    let bench = Bench::start(fast(&entry));
    let jobs = |bench: &Bench| -> Vec<String> {
        let targets = bench.scraper.status().targets;
        targets
            .iter()
            .map(|t| t.labels.get("job").unwrap().to_owned())
            .collect()
    };
    bench.until("one", |b| jobs(b) == ["one"]).await;
    bench.until_scrape("a page", has_page).await;
    write(&["one", "two"]);
    bench.until("two", |b| jobs(b) == ["one", "two"]).await;
    // A file that is half written ends no target.
    std::fs::write(&path, "- targets: [").unwrap();
    bench
        .until("a problem", |b| !b.scraper.status().problems.is_empty())
        .await;
    assert_eq!(jobs(&bench), ["one", "two"]);
    write(&["two"]);
    bench.until("only two", |b| jobs(b) == ["two"]).await;
    assert_eq!(bench.scraper.status().problems, []);
    let marked = bench
        .until_scrape("a mark", |s| !s.stale().is_empty())
        .await;
    assert_eq!(marked.target.get("job"), Some("one"));
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn names_in_the_dns_are_looked_up_again() {
    let app = App::start(|_| page("a 1\n")).await;
    let port = app.address.port();
    let entry = json!([{"job": "j", "dns": {
        "names": ["tasks.wiki"], "type": "A", "port": port, "refreshInterval": "100ms"}}]);
    let bench = Bench::start(fast(&entry));
    let local = NameRecord::Address("127.0.0.1".parse().unwrap());
    bench.names.0.lock().unwrap().push(local);
    bench.until_scrape("a page", has_page).await;
    assert_eq!(
        bench.first_target().labels.get("instance"),
        Some(app.address.to_string().as_str())
    );
    bench.names.0.lock().unwrap().clear();
    bench
        .until("gone", |b| b.scraper.status().targets.is_empty())
        .await;
}

#[tokio::test]
async fn a_clock_that_goes_back_is_said_and_scraping_goes_on() {
    let app = App::start(|_| page("a 1\n")).await;
    let bench = Bench::start(fast(&json!([app.url()])));
    bench.until_scrapes(2).await;
    bench.clock.epoch.fetch_sub(3_600_000, Ordering::SeqCst);
    bench
        .until("a warning", |b| !b.first_target().warnings.is_empty())
        .await;
    let warning = bench.first_target().warnings.remove(0);
    assert!(
        warning.contains("went back by 59m59s") || warning.contains("went back by 1h"),
        "{warning}"
    );
    bench.until_scrapes(3).await;
    bench.clock.epoch.fetch_add(7_200_000, Ordering::SeqCst);
    bench.until_scrapes(3).await;
    assert_eq!(bench.first_target().health, Health::Up);
}

#[tokio::test]
async fn what_cannot_be_stored_is_said_and_tried_again() {
    let app = App::start(|_| page("a 1\n")).await;
    let appender = FakeAppender::default();
    let full = series::Error::Unavailable("the disk is full".into());
    appender.state().failures = vec![full; 3];
    appender.state().target_failures = 2;
    let bench = Bench::start_with(fast(&json!([app.url()])), appender);
    bench
        .until("an error", |b| {
            let error = b
                .scraper
                .status()
                .targets
                .into_iter()
                .next()
                .and_then(|t| t.store_error);
            error.is_some_and(|e| e.to_string().contains("the disk is full"))
        })
        .await;
    bench.until_scrape("a page", has_page).await;
    bench
        .until("all well", |b| b.first_target().store_error.is_none())
        .await;
}

#[tokio::test]
async fn too_many_targets_are_all_down() {
    let app = App::start(|_| page("a 1\n")).await;
    let targets: Vec<String> = (1..=3)
        .map(|i| format!("127.0.0.{i}:{}", app.address.port()))
        .collect();
    let entry = json!([{"job": "j", "targetLimit": 2, "static_configs": [{"targets": targets}]}]);
    let bench = Bench::start(fast(&entry));
    bench
        .until("all down", |b| {
            let targets = b.scraper.status().targets;
            targets.len() == 3 && targets.iter().all(|t| t.health == Health::Down)
        })
        .await;
    assert_eq!(app.asked().len(), 0);
    assert_eq!(bench.scraper.status().problems.len(), 1);
}

#[tokio::test]
async fn a_target_whose_secret_is_unknown_waits() {
    let app = App::start(|_| page("a 1\n")).await;
    let entry = json!([{"url": app.url(), "bearerTokenSecret": "token"}]);
    let bench = Bench::start(fast(&entry));
    bench
        .until("it is said", |b| b.first_target().error.is_some())
        .await;
    let state = bench.first_target();
    assert_eq!(
        (state.health, state.error),
        (Health::Unknown, Some(Error::SecretUnknown("token".into())))
    );
    assert_eq!(
        (app.asked().len(), bench.appender.scrapes("").len()),
        (0, 0)
    );
    let known = |name: &str| (name == "token").then(|| series::Secret::new("t".into()));
    let origin = Origin {
        secrets: &known,
        plain_secrets: false,
        directory: None,
    };
    let value = json!({"timeInterval": "100ms", "targets": entry});
    bench
        .scraper
        .apply(Settings::from_json(&value, &origin).unwrap());
    bench.until_scrape("a page", has_page).await;
    assert_eq!(app.asked()[0].header("authorization"), Some("Bearer t"));
}

#[tokio::test]
async fn a_page_named_twice_is_one_target() {
    let app = App::start(|_| page("a 1\n")).await;
    let bench = Bench::start(fast(&json!([app.url(), app.url()])));
    bench.until_scrapes(3).await;
    assert_eq!(bench.scraper.status().targets.len(), 1);
    assert_eq!(bench.appender.state().opened.len(), 1);
}

#[tokio::test]
async fn a_stopped_scraper_writes_nothing_more_and_marks_nothing() {
    let app = App::start(|asked: &Asked| match asked.path() {
        "/never" => Reply::Silence,
        _ => page("a 1\n"),
    })
    .await;
    let never = format!("http://{}/never", app.address);
    let slow = json!({"url": never, "interval": "1h", "timeout": "1h"});
    let bench = Bench::start(fast(&json!([app.url(), slow])));
    bench.until_scrape("a page", has_page).await;
    bench
        .until("both asked", |_| {
            app.asked().iter().any(|a| a.path() == "/never")
        })
        .await;
    bench.stop.cancel();
    bench.scraper.stop().await;
    let written = bench.appender.scrapes("").len();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(bench.appender.scrapes("").len(), written);
    assert!(
        bench
            .appender
            .scrapes("")
            .iter()
            .all(|s| s.stale().is_empty())
    );
}
