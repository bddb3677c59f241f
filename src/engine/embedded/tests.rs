use super::*;
use series::{Columns, LabelQuery, Matcher, Metadata, QueryResult, SeriesSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A source without series, whose selection takes until it is interrupted when told so.
#[derive(Default)]
struct Empty {
    is_slow: bool,
    was_stopped: AtomicBool,
}

struct NoSeries;

impl SeriesSource for Empty {
    fn select(
        &self,
        _: &[Matcher],
        _: TimeRange,
        interrupt: &Interrupt,
        _: &dyn series::Workers,
    ) -> series::Result<Box<dyn SeriesSet>> {
        if !self.is_slow {
            return Ok(Box::new(NoSeries));
        }
        loop {
            if let Err(stopped) = interrupt.check() {
                self.was_stopped.store(true, Ordering::Relaxed);
                return Err(stopped);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn label_names(
        &self,
        _: &LabelQuery<'_>,
        _: &Interrupt,
    ) -> series::Result<Limited<Vec<String>>> {
        Ok(Limited {
            entries: Vec::new(),
            truncated: false,
        })
    }

    fn label_values(
        &self,
        name: &str,
        query: &LabelQuery<'_>,
        _: &Interrupt,
    ) -> series::Result<Limited<Vec<String>>> {
        let entries = vec![format!("{name} of {} selectors", query.selectors.len())];
        Ok(Limited {
            entries,
            truncated: false,
        })
    }

    fn series(&self, _: &LabelQuery<'_>, _: &Interrupt) -> series::Result<Limited<Vec<Labels>>> {
        Ok(Limited {
            entries: Vec::new(),
            truncated: false,
        })
    }

    fn exemplars(
        &self,
        selectors: &[Vec<Matcher>],
        _: TimeRange,
        _: &Interrupt,
    ) -> series::Result<Vec<SeriesExemplars>> {
        let text = |matchers: &Vec<Matcher>| matchers.iter().map(ToString::to_string).collect();
        let labels = selectors.iter().map(text).enumerate();
        let labels = labels.map(|(i, text): (usize, String)| (format!("s{i}"), text));
        let labels = Labels::new(labels).unwrap_or_default();
        Ok(vec![SeriesExemplars {
            labels,
            exemplars: Vec::new(),
        }])
    }

    fn metadata(&self, _: Option<&str>) -> Vec<(String, Vec<Metadata>)> {
        Vec::new()
    }
}

impl SeriesSet for NoSeries {
    fn len(&self) -> usize {
        0
    }

    fn labels(&self, _: usize) -> &Labels {
        unreachable!("there are no series")
    }

    fn sample_bound(&self, _: usize) -> usize {
        0
    }

    fn timelines(&self) -> usize {
        0
    }

    fn read_times(&self, _: usize, times: &mut Vec<i64>) -> series::Result<()> {
        times.clear();
        Ok(())
    }

    fn read(&self, _: usize, columns: &mut Columns) -> series::Result<()> {
        columns.clear();
        Ok(())
    }

    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

struct Fine;

impl Condition for Fine {
    fn health(&self) -> Health {
        Health {
            status: HealthStatus::Ok,
            message: "fine".to_owned(),
            advice: None,
            details: Vec::new(),
        }
    }
}

fn engine(source: Arc<Empty>) -> EmbeddedEngine {
    EmbeddedEngine::new(source, Arc::new(Fine), EmbeddedSettings::default())
}

fn instant(expr: &str) -> InstantQuery {
    InstantQuery {
        expr: expr.to_owned(),
        time_ms: 1_000,
    }
}

#[tokio::test]
async fn a_query_is_parsed_and_evaluated() {
    let engine = engine(Arc::default());
    let context = Context::default();
    let answer = engine.instant(&instant("1 + 1"), &context).await.unwrap();
    assert!(matches!(answer.result, QueryResult::Scalar(sample) if sample.value == 2.0));
    let error = engine.instant(&instant("1 +"), &context).await.unwrap_err();
    assert_eq!(error.status(), Some(400));
    assert!(error.to_string().starts_with("1:4: parse error"), "{error}");
    let expr = "label_replace(vector(1), \"x\", \"y\", \"z\", \"(\")";
    let error = engine.instant(&instant(expr), &context).await.unwrap_err();
    assert_eq!(error.status(), Some(422));
}

#[tokio::test]
async fn evaluation_stops_when_nobody_waits() {
    let source = Arc::new(Empty {
        is_slow: true,
        ..Empty::default()
    });
    let engine = engine(Arc::clone(&source));
    let context = Context::default();
    let query = instant("up");
    let asking = engine.instant(&query, &context);
    let waited = tokio::time::timeout(Duration::from_millis(20), asking).await;
    assert!(waited.is_err());
    let stopped = async {
        while !source.was_stopped.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), stopped)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_deadline_ends_a_query_with_a_reason() {
    let source = Arc::new(Empty {
        is_slow: true,
        ..Empty::default()
    });
    let engine = engine(source);
    let deadline = Some(Instant::now() + Duration::from_millis(20));
    let context = Context {
        deadline,
        ..Context::default()
    };
    let error = engine.instant(&instant("up"), &context).await.unwrap_err();
    assert!(matches!(error, Error::OutOfTime { .. }), "{error}");
}

#[tokio::test]
async fn look_ups_hand_on_their_selectors() {
    let engine = engine(Arc::default());
    let context = Context::default();
    let selectors = vec!["up".to_owned(), "{job=\"a\"}".to_owned()];
    let question = LabelQuestion {
        selectors,
        ..LabelQuestion::default()
    };
    let values = engine
        .label_values("job", &question, &context)
        .await
        .unwrap();
    assert_eq!(values.entries, ["job of 2 selectors"]);
    let question = LabelQuestion {
        selectors: vec!["up{".to_owned()],
        ..question
    };
    assert!(
        engine
            .label_values("job", &question, &context)
            .await
            .is_err()
    );
    let query = RangeQuery {
        expr: "rate(a[5m]) / on (x) sum(b)".to_owned(),
        start_ms: 0,
        end_ms: 1,
        step_ms: 1,
    };
    let exemplars = engine.exemplars(&query, &context).await.unwrap();
    let mut selectors: Vec<&str> = exemplars[0].labels.iter().map(|(_, text)| text).collect();
    selectors.sort_unstable();
    assert_eq!(selectors, ["__name__=\"a\"", "__name__=\"b\""]);
}
