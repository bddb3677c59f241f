use super::Running;
use engine::embedded::Condition;
use engine::{Health, HealthStatus};
use scrape::TargetState;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many targets a message lists before it only counts them.
const LISTED: usize = 3;

/// How long a diagnosis waits for targets that were never asked.
const FIRST_SCRAPE: Duration = Duration::from_secs(3);

/// Tells a person how the targets and the store of a data source are.
pub(super) struct Living(pub(super) Arc<Running>);

impl Condition for Living {
    fn health(&self) -> Health {
        let status = self.settled_status();
        let stored = self.0.store.health();
        let sizes = self.0.store.statistics();
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
            ("dataDir", self.0.store.dir().display().to_string()),
        ];
        if !damage.is_empty() {
            details.push(("damage", damage.join("; ")));
        }
        let is_ok = complaints.is_empty() && !targets.is_empty();
        let message = match (targets.as_slice(), is_ok) {
            ([], _) if complaints.is_empty() => {
                "No target to scrape: enter the URL of your app's metrics page, for example \
                 http://wiki:8000/metrics"
                    .to_owned()
            }
            (_, false) => listed(&complaints),
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
    /// How the targets are, once each has been asked: a new one is within its first second.
    fn settled_status(&self) -> scrape::Status {
        let asked = Instant::now();
        loop {
            let status = self.0.scraper.status();
            let is_settled = status
                .targets
                .iter()
                .all(|target| target.last_scrape.is_some());
            if is_settled || asked.elapsed() > FIRST_SCRAPE {
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
