//! Asks a target once for settings that are being written, before they are saved.

use crate::discovery::discover;
use crate::fetch::{Fetcher, Page};
use crate::settings::{DataSource, Job, Settings, Source};
use crate::target::Found;
use crate::{Error, Files, Names, PageReport, Result, check_page};
use serde_json::{Map, Value};
use series::Secret;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The largest page that is looked at, in bytes.
const PAGE_LIMIT: u64 = 16 << 20;

/// How long one page may take, whatever the target's own timeout.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// A data source while it is edited.
///
/// Secrets that are stored are not in the hands of whoever edits. They are sent only to where
/// the stored settings send them: otherwise a change of the address alone would hand them over
/// to any host.
#[derive(Clone, Copy)]
pub struct Draft<'a> {
    /// The settings as they are in the editor. Secrets with a value were typed there; those
    /// without one are stored.
    pub edited: DataSource<'a>,
    /// The settings as they are stored, with all their secrets.
    pub stored: DataSource<'a>,
    /// Which entry of `targets` to ask; `None` for the page at `url`.
    pub entry: Option<usize>,
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// How many pages the entry stands for, as it was found just now.
    pub targets: usize,
    /// How many more there are that relabelling drops.
    pub dropped: usize,
    /// Which page was asked: the first one.
    pub url: String,
    /// What it holds.
    pub report: PageReport,
    /// The kind of Prometheus-compatible server whose own metrics these are, if they are.
    pub server: Option<&'static str>,
}

impl Draft<'_> {
    /// Finds the entry's targets, asks the first of them once, and looks its page over.
    ///
    /// # Errors
    /// [`Error::Setting`] for a value that cannot be used, [`Error::SecretElsewhere`] where a
    /// stored secret would go to another place, and whatever a scrape would report.
    pub async fn ask(&self, files: Arc<dyn Files>, names: &dyn Names) -> Result<Trial> {
        let mut jobs = self.jobs()?;
        for job in &mut jobs {
            job.limits.body_size = job.limits.body_size.min(PAGE_LIMIT);
            job.timeout = job.timeout.min(PAGE_TIMEOUT);
        }
        let mut found = Found::default();
        let mut asked: Option<&Job> = None;
        for job in &jobs {
            for source in &job.sources {
                match source {
                    Source::Static(groups) => groups.iter().for_each(|group| found.add(job, group)),
                    Source::Dns(_) | Source::Files(_) => {
                        let groups = discover(source, names, &files).await;
                        let groups = groups.unwrap_or_else(|| Ok(Vec::new()))?;
                        groups.iter().for_each(|group| found.add(job, group));
                    }
                }
            }
            if !found.targets.is_empty() {
                asked = asked.or(Some(job));
            }
        }
        let (Some(job), Some(target)) = (asked, found.targets.first()) else {
            return Err(found.errors.pop().unwrap_or_else(|| Error::Target {
                target: jobs
                    .first()
                    .map_or_else(String::new, |job| job.name.clone()),
                reason: match found.dropped.len() {
                    0 => "nothing was found to scrape".to_owned(),
                    dropped => format!("relabelling drops all of its {dropped} targets"),
                },
            }));
        };
        let fetched = Fetcher::new(job, files).fetch(target, Vec::new()).await?;
        let (limit, fallback) = (job.limits.body_size, job.fallback_format);
        let (page, report) = tokio::task::spawn_blocking(move || {
            let page: Page = fetched.into_page(limit, fallback)?;
            let report = check_page(&page.body, page.format);
            Ok::<_, Error>((page, report))
        })
        .await
        .map_err(|_| Error::Internal)??;
        Ok(Trial {
            targets: found.targets.len(),
            dropped: found.dropped.len(),
            server: page.prometheus_server(),
            url: page.url,
            report,
        })
    }

    /// The entry's jobs with their credentials, where these may be used.
    fn jobs(&self) -> Result<Vec<Job>> {
        let json = self.only_entry();
        let edited = DataSource {
            url: if self.entry.is_none() {
                self.edited.url
            } else {
                ""
            },
            json: &json,
            ..self.edited
        };
        let jobs = Settings::from_data_source(&edited)?.jobs;
        if jobs.iter().all(|job| job.http.missing_secret().is_none()) {
            return Ok(jobs);
        }
        // What was typed stands before what is stored.
        let mut secrets: BTreeMap<String, Option<Secret>> = self.stored.secrets.clone();
        for (name, typed) in self.edited.secrets {
            if typed.is_some() {
                secrets.insert(name.clone(), typed.clone());
            }
        }
        let edited = DataSource {
            secrets: &secrets,
            ..edited
        };
        let stored = Settings::from_data_source(&self.stored)
            .unwrap_or_default()
            .jobs;
        let jobs = Settings::from_data_source(&edited)?.jobs;
        for job in &jobs {
            if let Some(name) = job.http.missing_secret() {
                return Err(Error::SecretNotSet(name.to_owned()));
            }
            if !stored.iter().any(|stored| goes_where(job, stored)) {
                return Err(Error::SecretElsewhere);
            }
        }
        Ok(jobs)
    }

    /// `jsonData` with the entry in question as its only target.
    fn only_entry(&self) -> Map<String, Value> {
        let mut json = self.edited.json.clone();
        for key in ["scrapeConfigs", "scrape_configs"] {
            json.remove(key);
        }
        let targets = json.remove("targets");
        let entry = self.entry.and_then(|entry| targets?.get(entry).cloned());
        if let Some(entry) = entry {
            json.insert("targets".to_owned(), Value::Array(vec![entry]));
        }
        json
    }
}

/// Whether a request of `job` goes to the same place, in the same way, as one of `stored`.
fn goes_where(job: &Job, stored: &Job) -> bool {
    job.sources == stored.sources
        && job.scheme == stored.scheme
        && job.relabel == stored.relabel
        && job.http == stored.http
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{App, page, status};
    use crate::{DiskFiles, SystemNames};
    use serde_json::json;

    const PAGE: &str = "# HELP a_total h\n# TYPE a_total counter\na_total 1\n";

    struct Side<'a> {
        url: &'a str,
        json: Value,
        secrets: &'a [(&'a str, Option<&'a str>)],
    }

    async fn ask(edited: Side<'_>, stored: Side<'_>, entry: Option<usize>) -> Result<Trial> {
        let secrets = |side: &Side<'_>| -> BTreeMap<String, Option<Secret>> {
            let secret = |value: &&str| Secret::new((*value).to_owned());
            side.secrets
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.as_ref().map(secret)))
                .collect()
        };
        let (edited_secrets, stored_secrets) = (secrets(&edited), secrets(&stored));
        let draft = Draft {
            edited: DataSource {
                url: edited.url,
                basic_auth_user: None,
                json: edited.json.as_object().unwrap(),
                secrets: &edited_secrets,
            },
            stored: DataSource {
                url: stored.url,
                basic_auth_user: None,
                json: stored.json.as_object().unwrap(),
                secrets: &stored_secrets,
            },
            entry,
        };
        draft
            .ask(Arc::new(DiskFiles::anywhere()), &SystemNames)
            .await
    }

    fn nothing() -> Side<'static> {
        Side {
            url: "",
            json: json!({}),
            secrets: &[],
        }
    }

    fn plain(url: &str, json: Value) -> Side<'_> {
        Side {
            url,
            json,
            secrets: &[],
        }
    }

    #[tokio::test]
    async fn a_page_is_asked_once_and_looked_over() {
        let app = App::start(|_| page(PAGE)).await;
        let url = app.url();
        let trial = ask(plain(&url, json!({})), nothing(), None).await.unwrap();
        assert_eq!((trial.targets, trial.dropped), (1, 0));
        assert_eq!(trial.url, url);
        assert_eq!(trial.report.families[0].name, "a_total");
        assert_eq!(app.asked().len(), 1);
    }

    #[tokio::test]
    async fn one_entry_of_the_list_is_asked_and_no_other() {
        let (first, second) = (
            App::start(|_| page(PAGE)).await,
            App::start(|_| page(PAGE)).await,
        );
        let json = json!({"targets": [first.url(), {"urls": [second.url(), second.url()]}]});
        let trial = ask(plain("http://unused:1", json), nothing(), Some(1))
            .await
            .unwrap();
        assert_eq!((trial.targets, trial.url), (2, second.url()));
        assert_eq!((first.asked().len(), second.asked().len()), (0, 1));
    }

    #[tokio::test]
    async fn targets_in_a_file_are_found_first() {
        let app = App::start(|_| page(PAGE)).await;
        let dir = std::env::temp_dir().join(format!("headwater-trial-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("t.json");
        let list = json!([{"targets": [app.address.to_string(), "gone:1"]}]);
        std::fs::write(&file, list.to_string()).unwrap();
        let entry = json!({"job": "f", "file": {"paths": [file]},
            "relabel": [{"action": "drop", "source_labels": ["__address__"], "regex": "gone.*"}]});
        let trial = ask(plain("", json!({"targets": [entry]})), nothing(), Some(0)).await;
        std::fs::remove_dir_all(&dir).unwrap();
        let trial = trial.unwrap();
        assert_eq!((trial.targets, trial.dropped, trial.url), (1, 1, app.url()));
    }

    #[tokio::test]
    async fn what_is_wrong_is_what_a_scrape_would_say() {
        let app = App::start(|_| status(401)).await;
        let error = ask(plain(&app.url(), json!({})), nothing(), None)
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::Status { status: 401, .. }),
            "{error}"
        );
        let entry = json!({"targets": [{"url": "ftp://a"}]});
        let error = ask(plain("", entry), nothing(), Some(0)).await.unwrap_err();
        assert!(error.to_string().contains("targets[0].url"), "{error}");
        let error = ask(nothing(), nothing(), Some(3)).await.unwrap_err();
        assert!(error.to_string().contains("nothing was found"), "{error}");
    }

    #[tokio::test]
    async fn a_stored_secret_goes_where_the_stored_settings_send_it_and_nowhere_else() {
        let (own, other) = (
            App::start(|_| page(PAGE)).await,
            App::start(|_| page(PAGE)).await,
        );
        let stored = |url| Side {
            url,
            json: json!({}),
            secrets: &[("apiKey", Some("st0red"))],
        };
        let edited = |url, json| Side {
            url,
            json,
            secrets: &[("apiKey", None)],
        };
        let (own_url, other_url) = (own.url(), other.url());
        ask(edited(&own_url, json!({})), stored(&own_url), None)
            .await
            .unwrap();
        assert_eq!(
            own.asked()[0].header("authorization"),
            Some("Bearer st0red")
        );

        let elsewhere = edited(&other_url, json!({}));
        let error = ask(elsewhere, stored(&own_url), None).await.unwrap_err();
        assert_eq!(error, Error::SecretElsewhere);
        let entry = json!({"targets": [{"url": other.url(), "bearerTokenSecret": "apiKey"}]});
        let error = ask(edited(&own_url, entry), stored(&own_url), Some(0))
            .await
            .unwrap_err();
        assert_eq!(error, Error::SecretElsewhere);
        // The address is the same until a rule changes it.
        let rules =
            [json!({"target_label": "__address__", "replacement": other.address.to_string()})];
        let entry = json!({"targets": [
            {"url": own.url(), "bearerTokenSecret": "apiKey", "relabel": rules}]});
        let error = ask(edited(&own_url, entry), stored(&own_url), Some(0))
            .await
            .unwrap_err();
        assert_eq!(error, Error::SecretElsewhere);
        assert!(other.asked().is_empty());
    }

    #[tokio::test]
    async fn a_secret_that_was_just_typed_goes_to_the_address_beside_it() {
        let app = App::start(|_| page(PAGE)).await;
        let url = app.url();
        let typed = Side {
            url: &url,
            json: json!({}),
            secrets: &[("apiKey", Some("typed"))],
        };
        let stored = Side {
            url: "http://before:1",
            json: json!({}),
            secrets: &[("apiKey", Some("st0red"))],
        };
        ask(typed, stored, None).await.unwrap();
        assert_eq!(app.asked()[0].header("authorization"), Some("Bearer typed"));
    }

    #[tokio::test]
    async fn a_secret_that_is_named_and_nowhere_set_is_asked_for() {
        let entry = json!({"targets": [{"url": "http://a:1", "bearerTokenSecret": "shopToken"}]});
        let error = ask(plain("", entry), nothing(), Some(0)).await.unwrap_err();
        assert_eq!(error, Error::SecretNotSet("shopToken".to_owned()));
    }
}
