use super::{
    Authorization, BasicAuth, Credential, HttpSettings, Job, Origin, Settings, TlsSettings, job,
};
use crate::Result;
use crate::keys::{Item, Keys};
use serde_json::{Map, Value};
use series::Secret;
use std::collections::BTreeMap;

/// A Grafana data source of the embedded engine, as far as it concerns what is scraped.
#[derive(Clone, Copy)]
pub struct DataSource<'a> {
    /// The page of the first target; empty where there is none.
    pub url: &'a str,
    /// The user name, where basic authentication is switched on.
    pub basic_auth_user: Option<&'a str>,
    /// `jsonData`.
    pub json: &'a Map<String, Value>,
    /// `secureJsonData` by key. A secret without a value exists, but is not known yet: after a
    /// restart Grafana hands secrets over with the first request. What needs it waits for it.
    pub secrets: &'a BTreeMap<String, Option<Secret>>,
}

/// Headers are looked for under `httpHeaderName1`, `2`, … until so many are missing in a row,
/// because a deleted one leaves a gap.
const HEADER_GAP: u32 = 16;

impl Settings {
    /// Reads the settings of a data source: `url`, which the data source's own HTTP settings
    /// fetch (`basicAuth…`, `apiKey`, `tls…`, `serverName`, `httpHeaderName1`…), and what
    /// [`Settings::from_json`] reads.
    ///
    /// The data source's credentials go to `url` only. Another target names the secrets that it
    /// needs: `"bearerTokenSecret": "apiKey"`.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) with the key path of the first value that cannot
    /// be used.
    pub fn from_data_source(source: &DataSource<'_>) -> Result<Self> {
        let known = |name: &str| source.secrets.get(name).cloned().flatten();
        let origin = Origin {
            secrets: &known,
            plain_secrets: false,
            directory: None,
        };
        let keys = Keys::of_map(source.json);
        let mut jobs = Vec::new();
        if !source.url.trim().is_empty() {
            let page = Value::Object(Map::from_iter([(
                "url".to_owned(),
                Value::String(source.url.to_owned()),
            )]));
            let entry = Item {
                value: &page,
                path: String::new(),
            };
            let http = source.http()?;
            for mut job in Job::read(&entry, &job::Defaults::read(&keys, None)?, &origin)? {
                job.http = http.clone();
                jobs.push(job);
            }
        }
        jobs.extend(super::read_jobs(&keys, &origin)?);
        Ok(Self { jobs })
    }
}

impl DataSource<'_> {
    fn http(&self) -> Result<HttpSettings> {
        let keys = Keys::of_map(self.json);
        let switch = |key: &str| keys.flag(key).map(|flag| flag.unwrap_or(false));
        let secret_if = |wanted: bool, key: &str| self.secret(key).filter(|_| wanted);
        let basic_auth = self.basic_auth_user.map(|username| BasicAuth {
            username: username.to_owned(),
            password: self.secret("basicAuthPassword"),
        });
        // One header carries one of both; a user name that was switched on is the clearer word.
        let bearer = secret_if(basic_auth.is_none(), "apiKey");
        let (has_ca, has_client) = (switch("tlsAuthWithCACert")?, switch("tlsAuth")?);
        Ok(HttpSettings {
            basic_auth,
            authorization: bearer.map(|credential| Authorization {
                scheme: "Bearer".to_owned(),
                credential,
            }),
            tls: TlsSettings {
                ca: secret_if(has_ca, "tlsCACert"),
                certificate: secret_if(has_client, "tlsClientCert"),
                key: secret_if(has_client, "tlsClientKey"),
                server_name: keys.text("serverName")?.filter(|name| !name.is_empty()),
                skip_verify: switch("tlsSkipVerify")?,
            },
            headers: self.headers(&keys)?,
            ..HttpSettings::default()
        })
    }

    fn headers(&self, keys: &Keys<'_>) -> Result<Vec<(String, Credential)>> {
        let mut headers = Vec::new();
        let mut missing = 0;
        for number in 1.. {
            let name = keys
                .text(&format!("httpHeaderName{number}"))?
                .unwrap_or_default();
            if name.is_empty() {
                missing += 1;
                if missing > HEADER_GAP {
                    break;
                }
                continue;
            }
            missing = 0;
            if let Some(value) = self.secret(&format!("httpHeaderValue{number}")) {
                super::http::check_header(
                    &name,
                    &keys.path_of(&format!("httpHeaderName{number}")),
                )?;
                headers.push((name, value));
            }
        }
        Ok(headers)
    }

    /// A secret that is set, known or not.
    fn secret(&self, key: &str) -> Option<Credential> {
        match self.secrets.get(key)? {
            None => Some(Credential::Missing(key.to_owned())),
            Some(secret) if secret.is_empty() => None,
            Some(secret) => Some(Credential::Text(secret.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Source;
    use serde_json::json;

    fn read(
        url: &str,
        user: Option<&str>,
        json: &Value,
        secrets: &[(&str, Option<&str>)],
    ) -> Settings {
        let secrets: BTreeMap<String, Option<Secret>> = secrets
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.map(|v| Secret::new(v.to_owned()))))
            .collect();
        Settings::from_data_source(&DataSource {
            url,
            basic_auth_user: user,
            json: json.as_object().unwrap(),
            secrets: &secrets,
        })
        .unwrap()
    }

    fn is(credential: Option<&Credential>, text: &str) -> bool {
        matches!(credential, Some(Credential::Text(secret)) if secret.reveal() == text)
    }

    #[test]
    fn the_data_sources_own_settings_fetch_its_url_and_nothing_else() {
        let json = json!({
            "timeInterval": "5s", "tlsSkipVerify": true, "serverName": "wiki",
            "tlsAuthWithCACert": true, "tlsAuth": false,
            "httpHeaderName1": "X-A", "httpHeaderName3": "X-C",
            "targets": ["http://other:1", {"url": "http://third", "bearerTokenSecret": "apiKey"}],
        });
        let settings = read(
            "http://wiki:8000",
            None,
            &json,
            &[
                ("apiKey", Some("t0ken")),
                ("tlsCACert", Some("PEM")),
                ("tlsClientCert", Some("unused")),
                ("httpHeaderValue1", Some("a")),
                ("httpHeaderValue3", Some("c")),
            ],
        );
        let [wiki, other, third] = &settings.jobs[..] else {
            panic!()
        };
        assert_eq!((wiki.name.as_str(), wiki.interval.as_secs()), ("wiki", 5));
        assert!(matches!(&wiki.sources[0], Source::Static(_)));
        let http = &wiki.http;
        assert!(is(
            http.authorization.as_ref().map(|a| &a.credential),
            "t0ken"
        ));
        assert!(is(http.tls.ca.as_ref(), "PEM") && http.tls.certificate.is_none());
        assert!(http.tls.skip_verify);
        assert_eq!(http.headers.len(), 2);
        assert!(other.http == HttpSettings::default());
        assert!(is(
            third.http.authorization.as_ref().map(|a| &a.credential),
            "t0ken"
        ));
    }

    #[test]
    fn a_user_name_comes_before_a_token() {
        let secrets = [("apiKey", Some("t")), ("basicAuthPassword", Some("p"))];
        let settings = read("http://wiki", Some("u"), &json!({}), &secrets);
        let http = &settings.jobs[0].http;
        let auth = http.basic_auth.as_ref().unwrap();
        assert!(auth.username == "u" && is(auth.password.as_ref(), "p"));
        assert!(http.authorization.is_none());
    }

    #[test]
    fn a_secret_that_is_not_known_yet_is_waited_for() {
        let settings = read("http://wiki", None, &json!({}), &[("apiKey", None)]);
        assert_eq!(settings.missing_secrets(), ["apiKey"]);
        let settings = read("http://wiki", None, &json!({}), &[("apiKey", Some(""))]);
        assert_eq!(settings.missing_secrets(), Vec::<&str>::new());
    }

    #[test]
    fn without_a_url_only_the_list_counts() {
        let settings = read(" ", None, &json!({"targets": ["http://a"]}), &[]);
        assert_eq!(settings.jobs.len(), 1);
        assert_eq!(read("", None, &json!({}), &[]), Settings::default());
    }
}
