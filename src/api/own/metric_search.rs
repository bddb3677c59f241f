//! `GET metric-search?text=…&limit=…`: the metrics that a person means by a few letters, best
//! first, each with its type, help and unit.
//!
//! An editor asks this at every key, of any number of names, so names and metadata are kept for a
//! few seconds: a server behind the engine would otherwise be asked for all of them each time.

use super::metrics::SUFFIXES;
use crate::error::{Error, Result};
use crate::parameters::Parameters;
use crate::{Api, forwarded};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use engine::{Context, ForwardedHeader, LabelQuestion};
use serde::Serialize;
use series::METRIC_NAME;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Metrics in an answer where the question names no number.
const DEFAULT_LIMIT: usize = 100;
/// Most metrics in an answer: a list that a person scrolls through is shorter.
const MAX_LIMIT: usize = 10_000;
/// Most names that are searched; the answer says when there were more.
const MAX_NAMES: usize = 1_000_000;
/// How long names and metadata are kept.
const KEPT_MS: i64 = 20_000;
/// For how many people at a time, where a server shows each of them other names.
const MAX_KEPT: usize = 8;

/// Names and metadata as an engine had them a moment ago.
#[derive(Default)]
pub(crate) struct KeptNames(Mutex<Vec<Kept>>);

struct Kept {
    asked_by: Vec<ForwardedHeader>,
    since_ms: i64,
    names: Arc<Names>,
}

/// One engine's names, with what is known of their families.
struct Names {
    names: Vec<String>,
    families: HashMap<String, Family>,
    truncated: bool,
}

struct Family {
    kind: &'static str,
    help: String,
    lowercase_help: String,
    unit: String,
}

#[derive(Debug, Serialize, PartialEq)]
pub(crate) struct Found {
    /// How many metrics fit, of which `metrics` holds the best.
    found: usize,
    /// How many names there are at all.
    names: usize,
    /// Whether there are more names than were searched.
    truncated: bool,
    metrics: Vec<FoundMetric>,
}

#[derive(Debug, Serialize, PartialEq)]
struct FoundMetric {
    name: String,
    r#type: &'static str,
    description: String,
    unit: String,
}

/// How well a name fits, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// The name is what was typed.
    Whole,
    /// It starts with it.
    Start,
    /// Each word that was typed starts a word of the name.
    Words,
    /// Each word stands somewhere in the name.
    Inside,
    /// Each word stands in the name or in its help.
    Help,
    /// Its letters stand in the name in this order, others between them.
    Letters,
}

/// `GET metric-search`.
pub(crate) async fn answer(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Json<Found>> {
    let limit = match parameters.limit()? {
        None => DEFAULT_LIMIT,
        Some(limit) => limit.min(MAX_LIMIT),
    };
    let text = parameters.first("text").to_lowercase();
    let names = names(&api, forwarded::context(&headers)).await?;
    // Some hundred thousand names take milliseconds, in which no other answer should wait.
    tokio::task::spawn_blocking(move || names.search(&text, limit))
        .await
        .map(Json)
        .map_err(|_| Error::Internal("searching the metrics' names failed"))
}

async fn names(api: &Api, context: Context) -> Result<Arc<Names>> {
    // Without a server behind the engine, everybody sees the same names.
    let asked_by = match api.engine.passes_through() {
        true => context.forwarded.clone(),
        false => Vec::new(),
    };
    let now_ms = api.host.clock.as_ref().map(|clock| clock());
    if let Some(now_ms) = now_ms
        && let Some(names) = api.kept_names.find(&asked_by, now_ms)
    {
        return Ok(names);
    }
    let question = LabelQuestion {
        limit: Some(MAX_NAMES),
        ..LabelQuestion::default()
    };
    let names = api
        .engine
        .label_values(METRIC_NAME, &question, &context)
        .await?;
    // A server without metadata still has names.
    let families = api
        .engine
        .metadata(None, &context)
        .await
        .unwrap_or_default();
    let families = families.into_iter().filter_map(|(family, mut list)| {
        let metadata = list.pop()?;
        let family_facts = Family {
            kind: metadata.kind.as_str(),
            lowercase_help: metadata.help.to_lowercase(),
            help: metadata.help,
            unit: metadata.unit,
        };
        Some((family, family_facts))
    });
    let names = Arc::new(Names {
        families: families.collect(),
        names: names.entries,
        truncated: names.truncated,
    });
    if let Some(now_ms) = now_ms {
        api.kept_names.keep(asked_by, now_ms, Arc::clone(&names));
    }
    Ok(names)
}

impl KeptNames {
    fn find(&self, asked_by: &[ForwardedHeader], now_ms: i64) -> Option<Arc<Names>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|entry| now_ms - entry.since_ms < KEPT_MS);
        let entry = kept.iter().find(|entry| entry.asked_by == asked_by)?;
        Some(Arc::clone(&entry.names))
    }

    fn keep(&self, asked_by: Vec<ForwardedHeader>, now_ms: i64, names: Arc<Names>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|entry| entry.asked_by != asked_by);
        if kept.len() >= MAX_KEPT {
            kept.remove(0);
        }
        kept.push(Kept {
            asked_by,
            since_ms: now_ms,
            names,
        });
    }
}

impl Names {
    fn search(&self, text: &str, limit: usize) -> Found {
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut fits: Vec<(Fit, usize, usize)> = Vec::new();
        if words.is_empty() {
            let all = 0..self.names.len().min(limit);
            return self.found(self.names.len(), all);
        }
        for (at, name) in self.names.iter().enumerate() {
            if let Some(fit) = self.fit(name, text.trim(), &words) {
                fits.push((fit, name.len(), at));
            }
        }
        // Names stand in order, so their places do too.
        if fits.len() > limit && limit > 0 {
            fits.select_nth_unstable(limit - 1);
        }
        let found = fits.len();
        fits.truncate(limit);
        fits.sort_unstable();
        self.found(found, fits.into_iter().map(|(_, _, at)| at))
    }

    fn found(&self, found: usize, places: impl Iterator<Item = usize>) -> Found {
        let metrics = places.filter_map(|at| self.names.get(at)).map(|name| {
            let family = self.family(name);
            FoundMetric {
                name: name.clone(),
                r#type: family.map_or("unknown", |family| family.kind),
                description: family.map(|f| f.help.clone()).unwrap_or_default(),
                unit: family.map(|f| f.unit.clone()).unwrap_or_default(),
            }
        });
        Found {
            found,
            names: self.names.len(),
            truncated: self.truncated,
            metrics: metrics.collect(),
        }
    }

    fn family(&self, name: &str) -> Option<&Family> {
        self.families.get(name).or_else(|| {
            let family = SUFFIXES
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix))?;
            self.families.get(family)
        })
    }

    fn fit(&self, name: &str, text: &str, words: &[&str]) -> Option<Fit> {
        let lowercase;
        let lower = if name.bytes().any(|b| b.is_ascii_uppercase()) {
            lowercase = name.to_lowercase();
            &lowercase
        } else {
            name
        };
        if lower == text {
            return Some(Fit::Whole);
        }
        if lower.starts_with(text) {
            return Some(Fit::Start);
        }
        if words.iter().all(|word| lower.contains(word)) {
            let all_start = words.iter().all(|word| starts_a_word(lower, word));
            return Some(if all_start { Fit::Words } else { Fit::Inside });
        }
        let help = self.family(name).map_or("", |f| f.lowercase_help.as_str());
        if words
            .iter()
            .all(|word| lower.contains(word) || help.contains(word))
        {
            return Some(Fit::Help);
        }
        words
            .iter()
            .all(|word| word.len() > 2 && holds_letters(lower, word))
            .then_some(Fit::Letters)
    }
}

fn starts_a_word(name: &str, word: &str) -> bool {
    name.match_indices(word)
        .any(|(at, _)| at == 0 || !name.as_bytes()[at - 1].is_ascii_alphanumeric())
}

fn holds_letters(name: &str, letters: &str) -> bool {
    let mut rest = name.chars();
    letters.chars().all(|letter| rest.any(|c| c == letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str], helps: &[(&str, &str)]) -> Names {
        let family = |help: &str| Family {
            kind: "counter",
            lowercase_help: help.to_lowercase(),
            help: help.to_owned(),
            unit: "seconds".to_owned(),
        };
        Names {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            families: helps
                .iter()
                .map(|(name, help)| ((*name).to_owned(), family(help)))
                .collect(),
            truncated: false,
        }
    }

    fn order(names: &Names, text: &str) -> Vec<String> {
        let found = names.search(text, 100);
        found
            .metrics
            .into_iter()
            .map(|metric| metric.name)
            .collect()
    }

    #[test]
    fn the_best_fit_comes_first_and_the_shorter_name_before_the_longer() {
        let all = names(
            &[
                "a_requests_total",
                "http_requests",
                "http_requests_total",
                "prequests",
                "requests",
                "requests_per_second",
                "rx_equal_uests",
                "visits",
            ],
            &[("visits", "How many Requests came in")],
        );
        assert_eq!(
            order(&all, "requests"),
            [
                "requests",
                "requests_per_second",
                "http_requests",
                "a_requests_total",
                "http_requests_total",
                "prequests",
                "visits",
                "rx_equal_uests",
            ]
        );
    }

    #[test]
    fn several_words_may_stand_anywhere_in_any_order() {
        let all = names(&["http_requests_total", "http_errors_total"], &[]);
        assert_eq!(order(&all, "req http"), ["http_requests_total"]);
        assert!(order(&all, "req grpc").is_empty());
    }

    #[test]
    fn a_familys_facts_stand_beside_a_name_with_a_suffix() {
        let all = names(&["wait_bucket"], &[("wait", "Time spent waiting.")]);
        let found = all.search("wait", 10);
        assert_eq!(
            found.metrics,
            [FoundMetric {
                name: "wait_bucket".to_owned(),
                r#type: "counter",
                description: "Time spent waiting.".to_owned(),
                unit: "seconds".to_owned(),
            }]
        );
    }

    #[test]
    fn a_limit_keeps_the_best_and_counts_all() {
        let all = names(&["b_up", "up", "up_time"], &[]);
        let found = all.search("up", 1);
        assert_eq!((found.found, found.names), (3, 3));
        assert_eq!(found.metrics[0].name, "up");
        assert_eq!(all.search("", 2).metrics.len(), 2);
    }

    #[test]
    fn what_was_kept_is_forgotten_after_a_while_and_is_not_shown_to_others() {
        let kept = KeptNames::default();
        let someone = vec![ForwardedHeader {
            name: "cookie".to_owned(),
            value: series::Secret::new("a".to_owned()),
        }];
        kept.keep(someone.clone(), 1_000, Arc::new(names(&["up"], &[])));
        assert!(kept.find(&someone, 1_000 + KEPT_MS - 1).is_some());
        assert!(kept.find(&[], 1_000).is_none());
        assert!(kept.find(&someone, 1_000 + KEPT_MS).is_none());
    }
}
