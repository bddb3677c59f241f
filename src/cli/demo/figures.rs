use engine::{Context, Engine, Error, InstantQuery};
use scrape::TargetState;
use series::QueryResult;
use std::io::{self, Write};
use std::time::Duration;

/// The window of rates, once the demo runs for that long.
const LONGEST_WINDOW_S: u64 = 60;
/// A rate needs a few scrapes.
const SHORTEST_WINDOW_S: u64 = 5;

/// What the wiki's metrics say, computed by PromQL.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Figures {
    /// The window of the rates, in seconds.
    window_s: u64,
    users: Option<f64>,
    users_per_minute: Option<f64>,
    posts: Option<f64>,
    posts_per_minute: Option<f64>,
    posts_per_user: Option<f64>,
    /// Requests per second by status.
    requests: Vec<(String, f64)>,
    /// 95 of 100 answers are quicker, in seconds.
    p95: Option<f64>,
}

impl Figures {
    /// Asks for the figures at `now_ms` of a demo that runs for `elapsed`.
    pub(super) async fn ask(
        engine: &dyn Engine,
        now_ms: i64,
        elapsed: Duration,
    ) -> Result<Self, Error> {
        let window_s = elapsed.as_secs().clamp(SHORTEST_WINDOW_S, LONGEST_WINDOW_S);
        let asked = Asked { engine, now_ms };
        let rate = |metric: &str| format!("rate({metric}[{window_s}s])");
        let p95 = format!(
            "histogram_quantile(0.95, sum by (le) ({}))",
            rate("http_request_duration_seconds_bucket")
        );
        let by_status = format!("sum by (status) ({})", rate("http_requests_total"));
        Ok(Self {
            window_s,
            users: asked.one("sum(users_created_total)").await?,
            users_per_minute: asked
                .one(&format!("sum({}) * 60", rate("users_created_total")))
                .await?,
            posts: asked.one("sum(posts_created_total)").await?,
            posts_per_minute: asked
                .one(&format!("sum({}) * 60", rate("posts_created_total")))
                .await?,
            posts_per_user: asked
                .one("sum(posts_created_total) / sum(users_created_total)")
                .await?,
            requests: asked.by("status", &by_status).await?,
            p95: asked.one(&p95).await?,
        })
    }

    /// Writes the figures as a table.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub(super) fn write(
        &self,
        title: &str,
        elapsed: Duration,
        target: Option<&TargetState>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let seconds = elapsed.as_secs();
        write!(out, "\n{title}, after {seconds} s")?;
        match target {
            Some(TargetState {
                error: Some(error), ..
            }) => writeln!(out, ": {error}")?,
            Some(target) => {
                let (stored, series) = (target.appended.stored, target.series);
                writeln!(out, ": {series} series, {stored} samples stored")?;
            }
            None => writeln!(out)?,
        }
        let per_minute = |rate: Option<f64>| format!("{:>10} /min", shown(rate, 1));
        let rows = [
            (
                "users",
                shown(self.users, 0),
                per_minute(self.users_per_minute),
            ),
            (
                "posts",
                shown(self.posts, 0),
                per_minute(self.posts_per_minute),
            ),
            (
                "posts per user",
                shown(self.posts_per_user, 2),
                String::new(),
            ),
        ];
        for (name, value, rate) in rows {
            writeln!(
                out,
                "{}",
                format!("  {name:<26}{value:>10}{rate}").trim_end()
            )?;
        }
        for (status, rate) in &self.requests {
            let name = format!("requests with {status}");
            writeln!(out, "  {name:<26}{:>20} /s", shown(Some(*rate), 2))?;
        }
        let p95 = self.p95.map(|seconds| seconds * 1_000.0);
        writeln!(
            out,
            "  {:<26}{:>10} ms",
            "95 of 100 answers within",
            shown(p95, 0)
        )?;
        writeln!(out, "  (rates over the last {} s)", self.window_s)
    }
}

/// A number for a person; a dash where there is none yet.
fn shown(value: Option<f64>, decimals: usize) -> String {
    match value.filter(|value| value.is_finite()) {
        Some(value) => format!("{value:.decimals$}"),
        None => "–".to_owned(),
    }
}

struct Asked<'a> {
    engine: &'a dyn Engine,
    now_ms: i64,
}

impl Asked<'_> {
    async fn vector(&self, expr: &str) -> Result<Vec<(series::Labels, f64)>, Error> {
        let query = InstantQuery {
            expr: expr.to_owned(),
            time_ms: self.now_ms,
        };
        let context = Context {
            now_ms: Some(self.now_ms),
            ..Context::default()
        };
        let answer = self.engine.instant(&query, &context).await?;
        let QueryResult::Vector(samples) = answer.result else {
            return Err(Error::Internal(format!("{expr} gave no vector")));
        };
        let samples = samples.into_iter();
        Ok(samples.map(|s| (s.labels, s.sample.value)).collect())
    }

    /// The one value of an expression; `None` where there is no sample yet.
    async fn one(&self, expr: &str) -> Result<Option<f64>, Error> {
        Ok(self.vector(expr).await?.first().map(|(_, value)| *value))
    }

    /// The values of an expression by one label, sorted by it.
    async fn by(&self, label: &str, expr: &str) -> Result<Vec<(String, f64)>, Error> {
        let samples = self.vector(expr).await?.into_iter();
        let mut values: Vec<_> = samples
            .map(|(labels, value)| (labels.get(label).unwrap_or_default().to_owned(), value))
            .collect();
        values.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_below_each_other_and_what_is_not_known_is_a_dash() {
        let figures = Figures {
            window_s: 5,
            users: Some(12.0),
            users_per_minute: Some(144.04),
            posts: Some(f64::NAN),
            requests: vec![("200".to_owned(), 18.25), ("404".to_owned(), 0.5)],
            p95: Some(0.1824),
            ..Figures::default()
        };
        let mut out = Vec::new();
        let elapsed = Duration::from_millis(5_900);
        figures.write("so far", elapsed, None, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\nso far, after 5 s\n\
             \x20 users                             12     144.0 /min\n\
             \x20 posts                              –         – /min\n\
             \x20 posts per user                     –\n\
             \x20 requests with 200                        18.25 /s\n\
             \x20 requests with 404                         0.50 /s\n\
             \x20 95 of 100 answers within         182 ms\n\
             \x20 (rates over the last 5 s)\n"
        );
    }
}
