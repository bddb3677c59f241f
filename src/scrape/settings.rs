//! What to scrape and how: the settings of a data source, or a `prometheus.yml`.
//!
//! A target entry may be written in either spelling (`scrapeInterval`, `scrape_interval`), and
//! every key of Prometheus's `<scrape_config>` that this room fulfils is understood, so that a
//! `scrape_configs` list can be pasted as it stands. Unknown keys are ignored; ways of finding
//! targets and of proving who we are that are not fulfilled are refused by name.
//!
//! Keys of an entry of `targets` or `scrapeConfigs`:
//!
//! | what | keys |
//! |---|---|
//! | whom | `url`, `urls` with `labels`; `staticConfigs`; `dns` {`names`, `type` (A, AAAA, SRV), `port`, `refreshInterval`} or `dnsSdConfigs`; `file` {`paths`, `refreshInterval`} or `fileSdConfigs` |
//! | named | `job` (`jobName`) |
//! | when | `interval` (`scrapeInterval`), `timeout` (`scrapeTimeout`) |
//! | where | `scheme`, `metricsPath`, `params` |
//! | what | `scrapeProtocols`, `fallbackScrapeProtocol`, `compression` (`enableCompression`) |
//! | as whom | `basicAuth` {`username`, `password…`}, `authorization` {`type`, `credentials…`}, `bearerToken…`, `headers`, `headerSecrets`, `httpHeaders`; `…` is `File` or `Secret`, or nothing where secrets may stand in the text |
//! | TLS | `tls` (`tlsConfig`) {`ca`, `caFile`, `caSecret`, `cert…`, `key…`, `serverName`, `skipVerify` (`insecureSkipVerify`)} |
//! | how | `followRedirects`, `keepAlive` |
//! | labels | `honorLabels`, `honorTimestamps`, `trackTimestampsStaleness`, `relabel` (`relabelConfigs`), `metricRelabel` (`metricRelabelConfigs`) |
//! | bounds | `bodySizeLimit`, `sampleLimit`, `labelLimit`, `labelNameLengthLimit`, `labelValueLengthLimit`, `targetLimit`; see [`Limits`] |
//!
//! `timeInterval` (`scrapeInterval`), `scrapeTimeout` and the bounds may also stand at the top,
//! for all entries.

mod data_source;
mod http;
mod job;
mod prometheus;

pub use data_source::DataSource;
pub use http::{Authorization, BasicAuth, Credential, HttpSettings, TlsSettings};
pub(crate) use prometheus::yaml;

pub use job::{DnsRecord, DnsSource, FileSource, Job, Limits, Source, TargetGroup};

use crate::keys::Keys;
use crate::{Error, Result};
use serde_json::Value;
use series::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// How often a target is scraped where nothing else is said.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(15);

/// How long a scrape may take where nothing else is said; never longer than the interval.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Looks a secret up by the name under which the data source keeps it.
pub type SecretLookup<'a> = dyn Fn(&str) -> Option<Secret> + 'a;

/// Where a text of settings comes from, which decides what may stand in it.
pub struct Origin<'a> {
    /// Finds the secrets that settings name (`passwordSecret`, `credentialsSecret`, …).
    pub secrets: &'a SecretLookup<'a>,
    /// Whether passwords and tokens may stand in the settings themselves, as they do in a
    /// `prometheus.yml`. A data source's settings are readable for everybody who may query it.
    pub plain_secrets: bool,
    /// What relative paths are relative to; `None` leaves them to the working directory.
    pub directory: Option<PathBuf>,
}

impl Origin<'_> {
    /// A data source without secrets.
    #[must_use]
    pub fn data_source() -> Self {
        Self {
            secrets: &|_| None,
            plain_secrets: false,
            directory: None,
        }
    }
}

/// Everything that is scraped.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// What is scraped together, in the order of the settings.
    pub jobs: Vec<Job>,
}

impl Settings {
    /// Reads settings: `timeInterval` (or `scrapeInterval`) and `scrapeTimeout`, limits, and
    /// the entries of `targets` and `scrapeConfigs`.
    ///
    /// ```json
    /// {
    ///   "timeInterval": "15s",
    ///   "targets": [
    ///     "http://wiki:8000/metrics",
    ///     {"url": "https://shop/metrics", "labels": {"team": "shop"},
    ///      "basicAuth": {"username": "u", "passwordFile": "/run/secrets/shop"}},
    ///     {"job": "replicas", "dns": {"names": ["tasks.wiki"], "type": "A", "port": 8000}},
    ///     {"job": "files", "file": {"paths": ["/etc/headwater/targets/*.yml"]}}
    ///   ]
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::Setting`] with the key path of the first value that cannot be used.
    pub fn from_json(value: &Value, origin: &Origin<'_>) -> Result<Self> {
        let keys = Keys::of(value, "")?;
        Ok(Self {
            jobs: read_jobs(&keys, origin)?,
        })
    }

    /// Reads the `scrape_configs` of a `prometheus.yml` and what of `global` concerns them. No
    /// other section is looked at.
    ///
    /// # Errors
    /// [`Error::Setting`] when the text is no YAML, or a value cannot be used.
    pub fn from_prometheus_yaml(text: &str, origin: &Origin<'_>) -> Result<Self> {
        prometheus::read(text, origin)
    }

    /// The names of secrets that the settings refer to and that were not found, sorted. What
    /// needs them waits: an app must not be asked without its credentials.
    #[must_use]
    pub fn missing_secrets(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .jobs
            .iter()
            .filter_map(|job| job.http.missing_secret())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The shortest interval of all jobs, or the default where there is none.
    #[must_use]
    pub fn shortest_interval(&self) -> Duration {
        self.jobs
            .iter()
            .map(|job| job.interval)
            .min()
            .unwrap_or(DEFAULT_INTERVAL)
    }
}

/// The entries of `targets` and `scrapeConfigs`.
fn read_jobs(keys: &Keys<'_>, origin: &Origin<'_>) -> Result<Vec<Job>> {
    let defaults = job::Defaults::read(keys, None)?;
    let mut jobs = Vec::new();
    for list in ["targets", "scrape_configs"] {
        for entry in keys.list(list)? {
            jobs.extend(Job::read(&entry, &defaults, origin)?);
        }
    }
    Ok(jobs)
}

fn unsupported(keys: &Keys<'_>, key: &str) -> Error {
    Error::Setting {
        path: keys.path_of(key),
        reason: "this is not supported".to_owned(),
    }
}

#[cfg(test)]
mod tests;
