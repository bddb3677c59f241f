use super::data_dir::DataDir;
use super::running::Running;
use super::stored::forgotten;
use engine::embedded::Condition;
use engine::{Health, HealthStatus};
use scrape::{Clock, TargetState};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many targets a message lists before it only counts them.
const LISTED: usize = 3;

/// How long a diagnosis waits for targets to be asked again.
const FRESH_SCRAPE: Duration = Duration::from_secs(3);
/// How long it waits for the first answer of any target: without one, nothing can be said. That
/// is the usual timeout of a scrape and its place within the first second.
const FIRST_SCRAPE: Duration = Duration::from_secs(11);
/// What a target said so long ago says nothing of how it is now, in milliseconds.
const LATELY_MS: u64 = 60_000;
/// A failure so long ago may be over, in milliseconds. Whoever asks over and over asks the
/// target no more often.
const AT_ONCE_MS: u64 = 1_000;

/// Tells a person how the targets and the store of a data source are.
pub(super) struct Living {
    pub(super) running: Arc<Running>,
    pub(super) clock: Arc<dyn Clock>,
    /// Where the folders of all data sources lie, to tell which nobody needs.
    pub(super) others: Option<DataDir>,
}

impl Condition for Living {
    fn health(&self) -> Health {
        let status = self.settled_status();
        let stored = self.running.store.health();
        let sizes = self.running.store.statistics();
        let targets = &status.targets;
        let up = targets
            .iter()
            .filter(|target| target.health == scrape::Health::Up)
            .count();
        let mut complaints: Vec<String> = Vec::new();
        complaints.extend(
            stored
                .write_error
                .map(|error| format!("Nothing is stored now: {error}")),
        );
        complaints.extend(
            status
                .problems
                .iter()
                .map(|problem| problem.error.to_string()),
        );
        complaints.extend(
            targets
                .iter()
                .filter_map(|target| Some(target.error.as_ref()?.to_string())),
        );
        complaints.extend(
            targets
                .iter()
                .filter_map(|target| Some(target.store_error.as_ref()?.to_string())),
        );
        complaints.dedup();
        let damage = stored.damage.iter();
        let damage: Vec<String> = damage
            .map(|damage| format!("{}: {}", damage.path.display(), damage.what))
            .collect();
        let mut details = vec![
            ("engine", "embedded".to_owned()),
            ("targets", format!("{up} of {} up", targets.len())),
            ("series", sizes.head_series.to_string()),
            (
                "diskBytes",
                (sizes.block_bytes + sizes.wal_bytes).to_string(),
            ),
            ("dataDir", self.running.store.dir().display().to_string()),
        ];
        if !damage.is_empty() {
            details.push(("damage", damage.join("; ")));
        }
        let others = self.others.as_ref();
        if let Some(forgotten) = others.and_then(|dir| forgotten(dir, self.clock.now())) {
            details.push(("forgottenData", forgotten));
        }
        let is_ok = complaints.is_empty() && !targets.is_empty();
        let message = match (targets.as_slice(), is_ok) {
            ([], _) if complaints.is_empty() => {
                "No target to scrape: enter the URL of your app's metrics page, for example \
                 http://wiki:8000/metrics"
                    .to_owned()
            }
            (_, false) => listed(&complaints),
            (_, true) if up == 0 => format!(
                "Scraping has begun, but no target of {} has answered yet. Test again in some \
                 seconds.",
                targets.len(),
            ),
            (_, true) => format!("Scraping works: {}.", described(targets, up)),
        };
        let advice = (!damage.is_empty()).then(|| {
            "Some stored data was damaged and is left out; everything else is there. See the \
             details."
                .to_owned()
        });
        let status = if is_ok {
            HealthStatus::Ok
        } else {
            HealthStatus::Error
        };
        Health {
            status,
            message,
            advice,
            details,
        }
    }
}

impl Living {
    /// How the targets are, once each has been asked lately: a new one is within its first
    /// second, and one that failed or was asked long ago is asked now, because whoever wants to
    /// know has perhaps just mended it.
    fn settled_status(&self) -> scrape::Status {
        let asked = Instant::now();
        let now = self.clock.now();
        let is_stale = |target: &TargetState| {
            target.last_scrape.is_some_and(|last| {
                let age = now.abs_diff(last);
                let failed = target.error.is_some() || target.store_error.is_some();
                age > LATELY_MS || (failed && age > AT_ONCE_MS)
            })
        };
        let before = self.running.scraper.status().targets;
        self.running.scraper.hurry(is_stale);
        let is_settled = |target: &TargetState| {
            let waits_for_secret = matches!(target.error, Some(scrape::Error::SecretUnknown(_)));
            let was = |before: &&TargetState| {
                before.url == target.url && before.labels == target.labels && is_stale(before)
            };
            let hurried = before.iter().find(was);
            waits_for_secret
                || target.last_scrape.is_some()
                    && hurried.is_none_or(|before| before.last_scrape != target.last_scrape)
        };
        loop {
            let status = self.running.scraper.status();
            let was_asked = |target: &TargetState| target.last_scrape.is_some();
            let wait = if status.targets.iter().any(was_asked) {
                FRESH_SCRAPE
            } else {
                FIRST_SCRAPE
            };
            if status.targets.iter().all(is_settled) || asked.elapsed() > wait {
                return status;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn listed(complaints: &[String]) -> String {
    let mut message = complaints[..complaints.len().min(LISTED)].join(" · ");
    if complaints.len() > LISTED {
        message.push_str(&format!(" · and {} more", complaints.len() - LISTED));
    }
    message
}

fn described(targets: &[TargetState], up: usize) -> String {
    let series: u64 = targets.iter().map(|target| target.series).sum();
    let waiting = targets.len() - up;
    let mut text = match targets {
        [one] if up == 1 => format!("{} gives {series} series", one.url),
        _ => format!("{up} of {} targets up, {series} series", targets.len()),
    };
    if waiting > 0 {
        text.push_str(", the others are asked for the first time within their interval");
    }
    text
}
