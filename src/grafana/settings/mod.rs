//! A data source instance's settings, from Grafana's JSON to types.
//!
//! Names are those of Grafana's Prometheus data source (query-contract.md, "Settings"). Unknown
//! keys are left alone; a value that cannot be used is an error that names its key.

mod keys;
mod remote;

pub(crate) use keys::Keys;

use crate::proto::pluginv2::{DataSourceInstanceSettings, PluginContext};
use engine::remote::RemoteSettings;
use serde_json::{Map, Value};
use series::Secret;
use std::collections::BTreeMap;

/// Why settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The request names no data source.
    #[error("the request names no data source: headwater has no settings without one")]
    Missing,
    /// `jsonData` is no JSON object.
    #[error("jsonData is not a JSON object: {0}")]
    Malformed(String),
    /// A value of the wrong kind or outside its range.
    #[error("setting {key}: {found} is not {expected}")]
    Wrong {
        /// The key as Grafana's settings spell it.
        key: String,
        /// What stands there; never a secret.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
}

/// Which data source of which organisation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId {
    /// Grafana's organisation.
    pub org_id: i64,
    /// The data source's uid, unique in its organisation.
    pub uid: String,
}

/// The settings of one data source. It has no `Debug`, for it holds secrets.
pub struct InstanceSettings {
    /// Whose they are.
    pub id: InstanceId,
    /// The data source's name, for people.
    pub name: String,
    /// When the settings were last changed, in milliseconds since the epoch.
    pub updated_ms: i64,
    /// `timeInterval`: how often samples are scraped, in milliseconds.
    pub scrape_interval_ms: Option<i64>,
    /// Which engine answers, and its own settings.
    pub engine: EngineSettings,
}

/// `engine`: which of the two answers.
pub enum EngineSettings {
    /// Scrape, store and evaluate here; the default.
    Embedded(EmbeddedSettings),
    /// Ask a Prometheus-compatible server.
    Remote(Box<RemoteSettings>),
}

/// What the embedded engine is configured from. The rooms that own targets and storage read
/// their keys from it.
pub struct EmbeddedSettings {
    /// `url`: the first target's metrics page; empty where none is given.
    pub url: String,
    /// `basicAuthUser`, where `basicAuth` is on.
    pub basic_auth_user: Option<String>,
    /// `jsonData` as it is.
    pub json: Map<String, Value>,
    /// `secureJsonData`, by key.
    pub secrets: BTreeMap<String, Secret>,
}

/// What the host brings to every instance.
#[derive(Clone, Default)]
pub struct HostSettings {
    /// `HTTP_PROXY`, as Grafana forwards it.
    pub http_proxy: Option<String>,
    /// `HTTPS_PROXY`.
    pub https_proxy: Option<String>,
    /// `NO_PROXY`.
    pub no_proxy: String,
}

impl InstanceId {
    pub(crate) fn of(context: &PluginContext) -> Result<Self, SettingsError> {
        let instance = instance_of(context)?;
        Ok(Self {
            org_id: context.org_id,
            uid: instance.uid.clone(),
        })
    }
}

pub(crate) fn instance_of(
    context: &PluginContext,
) -> Result<&DataSourceInstanceSettings, SettingsError> {
    context
        .data_source_instance_settings
        .as_ref()
        // Without a uid nobody could tell whose data it is.
        .filter(|instance| !instance.uid.is_empty())
        .ok_or(SettingsError::Missing)
}

impl InstanceSettings {
    pub(crate) fn parse(
        context: &PluginContext,
        host: &HostSettings,
    ) -> Result<Self, SettingsError> {
        let instance = instance_of(context)?;
        let json = parse_json(&instance.json_data)?;
        let secrets = instance
            .decrypted_secure_json_data
            .iter()
            .map(|(key, value)| (key.clone(), Secret::new(value.clone())))
            .collect();
        let keys = Keys::new(&json, &secrets);
        let url = [instance.url.as_str(), keys.text("url")?.unwrap_or_default()]
            .into_iter()
            .map(str::trim)
            .find(|url| !url.is_empty())
            .unwrap_or_default()
            .to_owned();
        let basic_auth_user = instance
            .basic_auth_enabled
            .then(|| instance.basic_auth_user.clone());
        let scrape_interval_ms = keys.duration_ms("timeInterval")?;
        let is_remote = match keys.text("engine")? {
            None | Some("" | "embedded") => false,
            Some("remote") => true,
            Some(other) => return Err(keys::wrong("engine", other, "embedded or remote")),
        };
        let engine = if is_remote {
            let settings = remote::parse(&keys, url, basic_auth_user, host)?;
            EngineSettings::Remote(Box::new(settings))
        } else {
            EngineSettings::Embedded(EmbeddedSettings {
                url,
                basic_auth_user,
                json,
                secrets,
            })
        };
        let id = InstanceId::of(context)?;
        Ok(Self {
            id,
            name: instance.name.clone(),
            updated_ms: instance.last_updated_ms,
            scrape_interval_ms,
            engine,
        })
    }
}

/// The settings as they are stored, for those who edit them: not even looked at.
pub(crate) fn stored_settings(
    context: &PluginContext,
) -> Result<api::StoredSettings, SettingsError> {
    let instance = instance_of(context)?;
    Ok(api::StoredSettings {
        url: instance.url.clone(),
        basic_auth_user: instance
            .basic_auth_enabled
            .then(|| instance.basic_auth_user.clone()),
        json: parse_json(&instance.json_data)?,
        secrets: instance
            .decrypted_secure_json_data
            .iter()
            .map(|(key, value)| (key.clone(), Secret::new(value.clone())))
            .collect(),
    })
}

fn parse_json(bytes: &[u8]) -> Result<Map<String, Value>, SettingsError> {
    // Grafana sends nothing, or `null`, for a data source that was never saved.
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err(SettingsError::Malformed(
            "it is another JSON value".to_owned(),
        )),
        Err(error) => Err(SettingsError::Malformed(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Method;
    use engine::remote::{AtBound, Compression, ServerKind};
    use serde_json::json;
    use std::time::Duration;

    fn context(json: &Value, secrets: &[(&str, &str)]) -> PluginContext {
        PluginContext {
            org_id: 1,
            data_source_instance_settings: Some(DataSourceInstanceSettings {
                uid: "u".into(),
                name: "Wiki".into(),
                url: "http://prometheus:9090".into(),
                json_data: json.to_string().into_bytes().into(),
                decrypted_secure_json_data: secrets
                    .iter()
                    .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                    .collect(),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn parse(json: &Value, secrets: &[(&str, &str)]) -> Result<InstanceSettings, SettingsError> {
        InstanceSettings::parse(&context(json, secrets), &HostSettings::default())
    }

    fn remote(mut json: Value, secrets: &[(&str, &str)]) -> RemoteSettings {
        json["engine"] = "remote".into();
        match parse(&json, secrets).map(|settings| settings.engine) {
            Ok(EngineSettings::Remote(settings)) => *settings,
            Ok(EngineSettings::Embedded(_)) => panic!("not remote"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_data_source_that_was_never_saved_is_embedded() {
        let mut never_saved = context(&json!({}), &[]);
        for bytes in ["", "null", "{}"] {
            let instance = never_saved.data_source_instance_settings.as_mut().unwrap();
            instance.json_data = bytes.as_bytes().to_vec().into();
            let settings = InstanceSettings::parse(&never_saved, &HostSettings::default());
            let settings = settings.unwrap_or_else(|error| panic!("{bytes:?}: {error}"));
            assert!(matches!(settings.engine, EngineSettings::Embedded(_)));
        }
    }

    #[test]
    fn settings_of_a_prometheus_data_source_mean_the_same_here() {
        let settings = remote(
            json!({
                "httpMethod": "GET",
                "timeInterval": "30s",
                "queryTimeout": 60,
                "customQueryParameters": "max_source_resolution=5m",
                "prometheusType": "Mimir",
                "prometheusVersion": "2.9.1",
                "incrementalQuerying": true,
                "incrementalQueryOverlapWindow": "5m",
                "seriesEndpoint": true,
                "seriesLimit": 100,
                "tlsSkipVerify": true,
                "oauthPassThru": true,
                "keepCookies": ["session"],
                "httpHeaderName1": "X-Scope-OrgID",
                "cacheLevel": "Low",
                "manageAlerts": true,
                "somethingOfTheFuture": [1, 2],
            }),
            &[("httpHeaderValue1", "team"), ("apiKey", "k")],
        );
        assert_eq!(settings.url, "http://prometheus:9090");
        assert_eq!(settings.method, Method::Get);
        assert_eq!(settings.query_timeout, Some(Duration::from_secs(60)));
        assert_eq!(settings.custom_query_parameters, "max_source_resolution=5m");
        assert_eq!(settings.kind, Some(ServerKind::Mimir));
        assert_eq!(
            settings.incremental.unwrap().overlap,
            Duration::from_secs(300)
        );
        assert!(settings.series_endpoint && settings.tls.skip_verify && settings.forward_oauth);
        assert_eq!(settings.series_limit, 100);
        assert_eq!(settings.keep_cookies, ["session"]);
        assert_eq!(settings.headers[0].0, "X-Scope-OrgID");
        assert!(settings.headers[0].1 == Secret::new("team".into()));
        assert!(settings.bearer.is_some_and(|key| key.reveal() == "k"));
    }

    #[test]
    fn values_from_the_environment_come_as_text() {
        let settings = remote(
            json!({"tlsSkipVerify": "true", "seriesLimit": "7", "maxConcurrentQueries": "3",
                   "atLimit": "error", "compression": "off"}),
            &[],
        );
        assert!(settings.tls.skip_verify);
        assert_eq!(settings.series_limit, 7);
        assert_eq!(settings.max_concurrent_queries, 3);
        assert_eq!(settings.at_bound, AtBound::Error);
        assert_eq!(settings.compression, Compression::Off);
    }

    #[test]
    fn a_wrong_value_names_its_key_and_what_may_stand_there() {
        for (json, message) in [
            (
                json!({"engine": "magic"}),
                r#"setting engine: "magic" is not embedded or remote"#,
            ),
            (
                json!({"engine": "remote", "timeInterval": "soon"}),
                "setting timeInterval: \"soon\" is not a duration such as 15s or 1m30s, or a \
                 number of seconds",
            ),
            (
                json!({"engine": "remote", "tlsSkipVerify": "maybe"}),
                r#"setting tlsSkipVerify: "maybe" is not true or false"#,
            ),
            (
                json!({"engine": "remote", "httpMethod": "PUT"}),
                r#"setting httpMethod: "PUT" is not GET or POST"#,
            ),
            (
                json!({"engine": "remote", "maxConcurrentQueries": 0}),
                "setting maxConcurrentQueries: 0 is not a whole number from 1",
            ),
            (
                json!({"engine": "remote", "customQueryParameters": {"a": 1}}),
                "setting customQueryParameters: an object is not text",
            ),
        ] {
            let error = parse(&json, &[]).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), Some(message));
        }
        let mut broken = context(&json!({}), &[]);
        let instance = broken.data_source_instance_settings.as_mut().unwrap();
        instance.json_data = b"{\"engine\": ".to_vec().into();
        let error = InstanceSettings::parse(&broken, &HostSettings::default())
            .err()
            .unwrap();
        assert!(
            error
                .to_string()
                .starts_with("jsonData is not a JSON object: EOF"),
            "{error}"
        );
    }

    #[test]
    fn a_proxy_is_chosen_by_the_urls_scheme() {
        let host = HostSettings {
            http_proxy: Some("http://plain:3128".into()),
            https_proxy: Some("http://secure:3128".into()),
            no_proxy: "localhost".into(),
        };
        let settings = InstanceSettings::parse(&context(&json!({"engine": "remote"}), &[]), &host);
        let Ok(EngineSettings::Remote(settings)) = settings.map(|settings| settings.engine) else {
            panic!("not remote");
        };
        let proxy = settings.proxy.unwrap();
        assert_eq!(
            (proxy.url.as_str(), proxy.except.as_str()),
            ("http://plain:3128", "localhost")
        );
    }
}
