use super::kept::KeptSettings;
use engine::Error;
use grafana::{EmbeddedSettings, InstanceSettings};
use serde_json::{Map, Value};
use series::{Secret, parse_bytes, parse_duration};
use std::collections::BTreeMap;
use store::Options;

/// What a data source's settings ask for, read by the rooms that own it.
pub(super) struct Wanted<'a> {
    url: &'a str,
    basic_auth_user: Option<&'a str>,
    json: &'a Map<String, Value>,
    /// `None` for a secret that exists but is known to Grafana alone.
    secrets: BTreeMap<String, Option<Secret>>,
    pub(super) updated_ms: i64,
}

impl<'a> Wanted<'a> {
    /// By a request of Grafana's.
    pub(super) fn asked(settings: &InstanceSettings, embedded: &'a EmbeddedSettings) -> Self {
        let secrets = embedded.secrets.iter();
        Self {
            url: &embedded.url,
            basic_auth_user: embedded.basic_auth_user.as_deref(),
            json: &embedded.json,
            secrets: secrets
                .map(|(name, secret)| (name.clone(), Some(secret.clone())))
                .collect(),
            updated_ms: settings.updated_ms,
        }
    }

    /// Before the process ended.
    pub(super) fn kept(kept: &'a KeptSettings) -> Self {
        Self {
            url: &kept.url,
            basic_auth_user: kept.basic_auth_user.as_deref(),
            json: &kept.json,
            secrets: kept
                .secret_names
                .iter()
                .map(|name| (name.clone(), None))
                .collect(),
            updated_ms: kept.updated_ms,
        }
    }

    pub(super) fn scrape_settings(&self) -> Result<scrape::Settings, Error> {
        scrape::Settings::from_data_source(&scrape::DataSource {
            url: self.url,
            basic_auth_user: self.basic_auth_user,
            json: self.json,
            secrets: &self.secrets,
        })
        .map_err(|error| Error::Setting {
            key: "targets",
            reason: error.to_string(),
        })
    }

    /// `retention`, `retentionSize` and the store's other bounds.
    pub(super) fn store_options(&self) -> Result<Options, Error> {
        let mut options = Options::default();
        if let Some(retention) = self.duration_ms("retention")? {
            options.retention = retention;
        }
        if let Some(bytes) = self.bytes("retentionSize")? {
            options.retention_size = bytes;
        }
        if let Some(series) = self.count("maxSeries")? {
            options.max_series = usize::try_from(series).unwrap_or(usize::MAX);
        }
        Ok(options)
    }

    /// What queries may use.
    pub(super) fn query_settings(&self) -> Result<engine::embedded::EmbeddedSettings, Error> {
        let mut settings = engine::embedded::EmbeddedSettings::default();
        if let Some(lookback) = self.duration_ms("lookback")? {
            settings.lookback_ms = lookback;
        }
        if let Some(samples) = self.count("maxSamples")? {
            settings.max_samples = samples;
        }
        if let Some(queries) = self.count("maxConcurrentQueries")? {
            settings.max_concurrent_queries = usize::try_from(queries).unwrap_or(usize::MAX);
        }
        Ok(settings)
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.json
            .get(key)
            .filter(|value| !value.is_null() && value.as_str().is_none_or(|text| !text.is_empty()))
    }

    fn duration_ms(&self, key: &'static str) -> Result<Option<i64>, Error> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let ms = value
            .as_str()
            .and_then(|text| parse_duration(text.trim()).ok());
        match ms.filter(|ms| *ms > 0) {
            Some(ms) => Ok(Some(ms)),
            None => Err(wrong(key, value, "a duration such as 15d or 12h")),
        }
    }

    fn count(&self, key: &'static str) -> Result<Option<u64>, Error> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let count = value
            .as_u64()
            .or_else(|| value.as_str()?.trim().parse().ok());
        match count.filter(|count| *count > 0) {
            Some(count) => Ok(Some(count)),
            None => Err(wrong(key, value, "a whole number from 1")),
        }
    }

    /// A size as Prometheus writes it (`512MB`, `1.5GB`, powers of 1024), or a number of bytes.
    fn bytes(&self, key: &'static str) -> Result<Option<u64>, Error> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        match value.as_u64().or_else(|| parse_bytes(value.as_str()?)) {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(wrong(key, value, "a size such as 512MB or 10GB")),
        }
    }
}

fn wrong(key: &'static str, found: &Value, expected: &str) -> Error {
    Error::Setting {
        key,
        reason: format!("{found} is not {expected}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn options(json: Value) -> Result<Options, Error> {
        let Value::Object(json) = json else {
            panic!("not an object")
        };
        let secrets = BTreeMap::new();
        let wanted = Wanted {
            url: "",
            basic_auth_user: None,
            json: &json,
            secrets,
            updated_ms: 0,
        };
        wanted.store_options()
    }

    #[test]
    fn retention_is_read_as_prometheus_writes_it() {
        let read = options(json!({"retention": "30d", "retentionSize": "1.5GB"})).unwrap();
        assert_eq!(read.retention, 30 * 86_400_000);
        assert_eq!(read.retention_size, 3 << 29);
        assert_eq!(
            options(json!({"retention": "", "retentionSize": null})).unwrap(),
            Options::default()
        );
    }

    #[test]
    fn a_bound_that_cannot_be_used_is_named() {
        for (json, message) in [
            (
                json!({"retention": "soon"}),
                "setting retention: \"soon\" is not a duration",
            ),
            (
                json!({"retention": 5}),
                "setting retention: 5 is not a duration",
            ),
            (
                json!({"retentionSize": "big"}),
                "setting retentionSize: \"big\" is not a size",
            ),
            (
                json!({"maxSeries": 0}),
                "setting maxSeries: 0 is not a whole number",
            ),
        ] {
            let error = options(json).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
