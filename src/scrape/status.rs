use crate::Error;
use series::{Appended, Labels};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How a target is (the words of Prometheus's targets API).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// Not scraped yet.
    #[default]
    Unknown,
    /// The last scrape succeeded.
    Up,
    /// The last scrape failed.
    Down,
}

impl Health {
    /// The spelling of Prometheus's targets API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What is known of a target.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetState {
    /// The job that found it.
    pub job: String,
    /// The page.
    pub url: String,
    /// The labels that its series get.
    pub labels: Labels,
    /// What was known before relabelling.
    pub discovered: Labels,
    /// How often it is scraped.
    pub interval: Duration,
    /// How long a scrape may take.
    pub timeout: Duration,
    /// How the last scrape went.
    pub health: Health,
    /// Why the last scrape failed.
    pub error: Option<Error>,
    /// Why the last scrape could not be stored, although it may have succeeded.
    pub store_error: Option<Error>,
    /// When the last scrape began, in milliseconds since the epoch.
    pub last_scrape: Option<i64>,
    /// How long it took.
    pub last_duration: Duration,
    /// Samples on the last page.
    pub samples: u64,
    /// Series of the target that are alive, without the synthetic ones.
    pub series: u64,
    /// What is odd about the last scrape although it counts, in words for a person.
    pub warnings: Vec<String>,
    /// What became of all samples since the target is scraped.
    pub appended: Appended,
}

/// What is known of everything that is scraped.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    /// The targets, in the order of the settings.
    pub targets: Vec<TargetState>,
    /// What relabelling dropped.
    pub dropped: Vec<DroppedTarget>,
    /// What keeps targets from being found or scraped.
    pub problems: Vec<Problem>,
}

/// A target that relabelling dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedTarget {
    /// The job that found it.
    pub job: String,
    /// What was known of it.
    pub discovered: Labels,
}

/// Something that keeps targets of a job from being found or scraped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The job.
    pub job: String,
    /// What is wrong.
    pub error: Error,
}

/// A target's state, written by its loop and read by everybody.
#[derive(Debug, Clone)]
pub(crate) struct SharedState(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<TargetState>,
    /// Wakes the loop for a scrape out of turn.
    hurry: Notify,
}

impl SharedState {
    pub(crate) fn new(state: TargetState) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            hurry: Notify::new(),
        }))
    }

    pub(crate) fn read(&self) -> TargetState {
        let state = self.0.state.lock();
        state.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut TargetState)) {
        let state = self.0.state.lock();
        change(&mut state.unwrap_or_else(PoisonError::into_inner));
    }

    /// Has the target scraped now, or right after the scrape that is under way.
    pub(crate) fn hurry(&self) {
        self.0.hurry.notify_one();
    }

    /// Ends when somebody wants the target scraped now.
    pub(crate) async fn hurried(&self) {
        self.0.hurry.notified().await;
    }
}
