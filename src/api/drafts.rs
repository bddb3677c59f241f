//! Questions about settings that are being edited, before they are saved: what a target answers,
//! and whether rules can be read.
//!
//! Whoever may ask makes this process send requests to any address, so that the caller lets only
//! those in who may change a data source anyway.

use crate::own::Question;
use crate::reply::{self, Refusal};
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use scrape::{DataSource, Draft, Files, Names, read_rules};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use series::Secret;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long finding and asking a target may take together.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(20);
/// How many targets are asked at once, for all data sources together.
const TRIALS: usize = 4;
/// How many metrics and findings an answer lists; beyond them it only counts.
const LISTED: usize = 2_000;

/// A data source's settings as they are stored.
#[derive(Clone)]
pub struct StoredSettings {
    /// `url`.
    pub url: String,
    /// `basicAuthUser`, where `basicAuth` is on.
    pub basic_auth_user: Option<String>,
    /// `jsonData`.
    pub json: Map<String, Value>,
    /// `secureJsonData`, by key.
    pub secrets: BTreeMap<String, Secret>,
}

#[derive(Clone)]
struct Drafts {
    files: Arc<dyn Files>,
    names: Arc<dyn Names>,
    trials: Arc<Semaphore>,
}

/// Answers `POST /drafts/try` and `POST /drafts/rules`.
///
/// Each request carries [`StoredSettings`] as an extension. `files` and `names` are those with
/// which targets are scraped.
pub fn drafts(files: Arc<dyn Files>, names: Arc<dyn Names>) -> Router {
    Router::new()
        .route("/drafts/try", post(try_target))
        .route("/drafts/rules", post(check_rules))
        .fallback(reply::not_found)
        .method_not_allowed_fallback(reply::method_not_allowed)
        .with_state(Drafts {
            files,
            names,
            trials: Arc::new(Semaphore::new(TRIALS)),
        })
}

/// Settings as they stand in the editor.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Edited {
    #[serde(default)]
    url: String,
    /// Where basic authentication is on.
    #[serde(default)]
    basic_auth_user: Option<String>,
    #[serde(default)]
    json_data: Map<String, Value>,
    /// Secrets that were typed or emptied since the settings were stored.
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    /// The entry of `jsonData.targets` to ask; the page at `url` without it.
    #[serde(default)]
    entry: Option<usize>,
}

/// `POST drafts/try`: `{"ok": true, "url", "targets", "dropped", "server", "page"}` with the
/// report that `scrape-check --json` writes, or `{"ok": false, "error"}`. What is wrong with a
/// target is an answer, not a failure of this call.
async fn try_target(
    State(drafts): State<Drafts>,
    Extension(stored): Extension<StoredSettings>,
    Question(edited): Question<Edited>,
) -> Result<Json<Value>, Refusal> {
    let Ok(_turn) = drafts.trials.try_acquire() else {
        return Err(Refusal {
            status: StatusCode::TOO_MANY_REQUESTS,
            message: format!("{TRIALS} targets are being tried already; try again in a moment"),
        });
    };
    // What is stored and was not typed anew is there, but not to be sent anywhere.
    let edited_secrets: BTreeMap<String, Option<Secret>> = stored
        .secrets
        .keys()
        .map(|name| (name.clone(), None))
        .chain(
            edited
                .secrets
                .into_iter()
                .map(|(name, typed)| (name, Some(Secret::new(typed)))),
        )
        .collect();
    let stored_secrets: BTreeMap<String, Option<Secret>> = stored
        .secrets
        .into_iter()
        .map(|(name, secret)| (name, Some(secret)))
        .collect();
    let draft = Draft {
        edited: DataSource {
            url: &edited.url,
            basic_auth_user: edited.basic_auth_user.as_deref(),
            json: &edited.json_data,
            secrets: &edited_secrets,
        },
        stored: DataSource {
            url: &stored.url,
            basic_auth_user: stored.basic_auth_user.as_deref(),
            json: &stored.json,
            secrets: &stored_secrets,
        },
        entry: edited.entry,
    };
    let asking = draft.ask(Arc::clone(&drafts.files), &*drafts.names);
    let failed = |error: String| Json(json!({ "ok": false, "error": error }));
    Ok(match tokio::time::timeout(TRIAL_TIMEOUT, asking).await {
        Err(_) => failed(format!(
            "no answer within {} s: is the name server slow?",
            TRIAL_TIMEOUT.as_secs()
        )),
        // The entry stood alone, whatever its place in the list.
        Ok(Err(error)) => failed(
            error
                .to_string()
                .replace("targets[0].", "")
                .replace("targets[0]", "this target"),
        ),
        Ok(Ok(trial)) => {
            let mut page = trial.report.to_json(&trial.url);
            for list in ["metrics", "findings"] {
                if let Some(Value::Array(entries)) = page.get_mut(list) {
                    entries.truncate(LISTED);
                }
            }
            page["metricCount"] = trial.report.families.len().into();
            page["findingCount"] = trial.report.findings.len().into();
            Json(json!({
                "ok": true,
                "url": trial.url,
                "targets": trial.targets,
                "dropped": trial.dropped,
                "server": trial.server,
                "page": page,
            }))
        }
    })
}

#[derive(Deserialize)]
struct RulesText {
    yaml: String,
}

#[derive(Serialize)]
struct Mistake {
    line: u64,
    reason: String,
}

/// `POST drafts/rules` with `{"yaml"}`: `{"rules": […]}` as settings hold them, or
/// `{"mistakes": [{"line", "reason"}]}`.
async fn check_rules(Question(text): Question<RulesText>) -> Json<Value> {
    Json(match read_rules(&text.yaml) {
        Ok(rules) => json!({ "rules": rules }),
        Err(mistakes) => {
            let mistakes: Vec<Mistake> = mistakes
                .into_iter()
                .map(|mistake| Mistake {
                    line: mistake.line,
                    reason: mistake.reason,
                })
                .collect();
            json!({ "mistakes": mistakes })
        }
    })
}
