//! Fetches pages of metrics, when and from whom the settings say, and writes what they hold.
//!
//! Enters `exposition` and `series`. Knows nothing of the store behind [`series::Appender`], of
//! queries or of Grafana.
//! Start at [`Scraper::start`]; [`Settings`] says what is scraped, [`fetch_once`] asks one page.

#[cfg(test)]
mod app;
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

pub use clock::Clock;
pub use discovery::{NameLookup, NameRecord, Names, SystemNames};
pub use error::{Error, Result};
pub use fetch::{Page, fetch_once};
pub use files::{DiskFiles, FILE_LIMIT, Files};
pub use ingest::{Ingest, Outcome, Reading};
pub use relabel::{RelabelAction, RelabelRule, relabel};
pub use scraper::{Scraper, Surroundings};
pub use settings::{
    Authorization, BasicAuth, Credential, DEFAULT_INTERVAL, DEFAULT_TIMEOUT, DataSource, DnsRecord,
    DnsSource, FileSource, HttpSettings, Job, Limits, Origin, SecretLookup, Settings, Source,
    TargetGroup, TlsSettings,
};
pub use status::{DroppedTarget, Health, Problem, Status, TargetState};
