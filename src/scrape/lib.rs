//! Fetches pages of metrics, when and from whom the settings say, and writes what they hold.
//!
//! Enters `exposition` and `series`. Knows nothing of the store behind [`series::Appender`], of
//! queries or of Grafana.
//! Start at [`Scraper::start`]; [`Settings`] says what is scraped, [`fetch_once`] asks one page,
//! [`check_page`] looks it over, [`Trial`] does both for settings that are being written.

#[cfg(test)]
mod app;
mod check;
mod clock;
mod discovery;
mod error;
#[cfg(test)]
mod fake;
mod fetch;
mod files;
mod ingest;
mod keys;
mod relabel;
mod schedule;
mod scraper;
mod settings;
mod status;
mod target;
mod target_loop;
mod trial;

pub use check::{FamilyReport, Finding, PageReport, Refusal, Rule, Severity, check_page};
pub use clock::Clock;
pub use discovery::{NameLookup, NameRecord, Names, SystemNames};
pub use error::{Error, Result};
pub use fetch::{Page, fetch_once};
pub use files::{DiskFiles, FILE_LIMIT, Files};
pub use ingest::{Ingest, Outcome, Reading};
pub use relabel::{RelabelAction, RelabelMistake, RelabelRule, read_rules, relabel};
pub use scraper::{Scraper, Surroundings};
pub use settings::{
    Authorization, BasicAuth, Credential, DEFAULT_INTERVAL, DEFAULT_TIMEOUT, DataSource, DnsRecord,
    DnsSource, FileSource, HttpSettings, Job, Limits, Origin, SecretLookup, Settings, Source,
    TargetGroup, TlsSettings,
};
pub use status::{DroppedTarget, Health, Problem, Status, TargetState};
pub use trial::{Draft, Trial};
