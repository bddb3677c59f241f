//! From what was discovered to what is scraped.

use crate::error::milliseconds;
use crate::relabel::relabel;
use crate::settings::{Job, TargetGroup};
use crate::{Error, Result};
use series::{Labels, LabelsBuilder, format_duration, parse_duration};
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

const ADDRESS: &str = "__address__";
const SCHEME: &str = "__scheme__";
const METRICS_PATH: &str = "__metrics_path__";
const PARAM: &str = "__param_";
const INTERVAL: &str = "__scrape_interval__";
const TIMEOUT: &str = "__scrape_timeout__";

/// One page that is scraped.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    /// The labels that its series get.
    pub(crate) labels: Labels,
    /// What was known before relabelling, for people who write rules.
    pub(crate) discovered: Labels,
    pub(crate) url: String,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// What makes a target the same one after settings or discovery changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Identity {
    pub(crate) labels: Labels,
    pub(crate) url: String,
}

impl Target {
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            labels: self.labels.clone(),
            url: self.url.clone(),
        }
    }
}

impl Identity {
    /// Where in each interval the target is scraped: the same place after every start, and
    /// another one for each target.
    pub(crate) fn offset(&self, interval: Duration) -> Duration {
        let text = format!("{}{}", self.labels, self.url);
        // FNV-1a: good enough to spread, and the same on every machine and in every version.
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let interval = milliseconds(interval).max(1).unsigned_abs();
        // The low bits of FNV vary least between texts that end alike.
        Duration::from_millis((hash ^ (hash >> 32)) % interval)
    }
}

/// What a target group comes to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) targets: Vec<Target>,
    /// The discovered labels of what relabelling dropped.
    pub(crate) dropped: Vec<Labels>,
    /// Why some of it cannot be scraped.
    pub(crate) errors: Vec<Error>,
}

impl Found {
    pub(crate) fn add(&mut self, job: &Job, group: &TargetGroup) {
        for pairs in &group.targets {
            let discovered = discovered_labels(job, pairs, &group.labels);
            match make_target(job, discovered.clone()) {
                Ok(Some(target)) => self.targets.push(target),
                Ok(None) => self.dropped.push(discovered.build()),
                Err(error) => self.errors.push(error),
            }
        }
    }
}

/// What rules see: the target's own labels, weaker those of its group, weaker the job's.
fn discovered_labels(
    job: &Job,
    own: &[(String, String)],
    group: &[(String, String)],
) -> LabelsBuilder {
    let mut labels = LabelsBuilder::new();
    let mut weaker = |name: &str, value: &str| {
        if labels.get(name).is_none() {
            labels.set(name, value);
        }
    };
    for (name, value) in own.iter().chain(group) {
        weaker(name, value);
    }
    weaker("job", &job.name);
    weaker(INTERVAL, &format_duration(milliseconds(job.interval)));
    weaker(TIMEOUT, &format_duration(milliseconds(job.timeout)));
    weaker(METRICS_PATH, &job.metrics_path);
    weaker(SCHEME, &job.scheme);
    for (name, values) in &job.params {
        if let Some(first) = values.first() {
            weaker(&format!("{PARAM}{name}"), first);
        }
    }
    labels
}

/// `None` where the job's rules drop it (Prometheus `scrape.PopulateLabels`).
fn make_target(job: &Job, mut labels: LabelsBuilder) -> Result<Option<Target>> {
    let discovered = labels.build();
    if !relabel(&mut labels, &job.relabel) {
        return Ok(None);
    }
    let refuse = |reason: String| {
        Err(Error::Target {
            target: discovered.to_string(),
            reason,
        })
    };
    let Some(address) = labels.get(ADDRESS).map(str::to_owned) else {
        return refuse("it has no address".to_owned());
    };
    if address.contains('/') {
        return refuse(format!("{address:?} is no host name"));
    }
    let time = |name| {
        let text = labels.get(name).unwrap_or_default();
        match parse_duration(text) {
            Ok(ms) if ms > 0 => Ok(Duration::from_millis(ms.unsigned_abs())),
            _ => Err(format!("{name} is {text:?}, which is no duration above 0")),
        }
    };
    let (interval, timeout) = match (time(INTERVAL), time(TIMEOUT)) {
        (Ok(interval), Ok(timeout)) => (interval, timeout),
        (Err(reason), _) | (_, Err(reason)) => return refuse(reason),
    };
    if timeout > interval {
        return refuse("its timeout is longer than its interval".to_owned());
    }
    let url = match page_url(job, &labels, &address) {
        Ok(url) => url,
        Err(reason) => return refuse(reason),
    };
    if labels.get("instance").is_none() {
        labels.set("instance", address);
    }
    Ok(Some(Target {
        // All labels that begin so were for the rules and for the URL.
        labels: labels.build().without(|name| name.starts_with("__")),
        discovered,
        url: url.into(),
        interval,
        timeout,
    }))
}

fn page_url(job: &Job, labels: &LabelsBuilder, address: &str) -> Result<Url, String> {
    let scheme = labels.get(SCHEME).unwrap_or("http");
    if scheme != "http" && scheme != "https" {
        return Err(format!("{SCHEME} is {scheme:?}, not http or https"));
    }
    let mut url = Url::parse(&format!("{scheme}://{address}/"))
        .map_err(|error| format!("{address:?} is no address: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("its address holds a user name".to_owned());
    }
    url.set_path(labels.get(METRICS_PATH).unwrap_or("/metrics"));
    let mut params: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, values) in &job.params {
        params.insert(name, values.iter().map(String::as_str).collect());
    }
    for (name, value) in labels.iter() {
        if let Some(name) = name.strip_prefix(PARAM) {
            let values = params.entry(name).or_default();
            match values.first_mut() {
                Some(first) => *first = value,
                None => values.push(value),
            }
        }
    }
    let pairs = params
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    for (name, value) in pairs {
        url.query_pairs_mut().append_pair(name, value);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Origin, Settings, Source};
    use serde_json::{Value, json};

    fn found(entry: Value) -> Found {
        let settings = json!({ "targets": [entry] });
        let settings = Settings::from_json(&settings, &Origin::data_source()).unwrap();
        let mut found = Found::default();
        for source in &settings.jobs[0].sources {
            if let Source::Static(groups) = source {
                groups
                    .iter()
                    .for_each(|group| found.add(&settings.jobs[0], group));
            }
        }
        found
    }

    #[track_caller]
    fn check(entry: Value, url: &str, labels: &str) {
        let found = found(entry);
        let only = &found.targets[0];
        assert_eq!(
            (only.url.as_str(), only.labels.to_string().as_str()),
            (url, labels)
        );
    }

    #[test]
    fn a_target_gets_job_and_instance() {
        check(
            json!("http://wiki:8000"),
            "http://wiki:8000/metrics",
            r#"{instance="wiki:8000", job="wiki"}"#,
        );
        check(
            json!({"url": "https://wiki/a?x=1&x=2", "job": "j", "labels": {"team": "t"}}),
            "https://wiki/a?x=1&x=2",
            r#"{instance="wiki", job="j", team="t"}"#,
        );
    }

    #[test]
    fn rules_decide_address_path_scheme_and_parameters() {
        check(
            json!({"job": "probe", "static_configs": [{"targets": ["https://a.b/c"]}],
                "params": {"module": ["http"]}, "relabel": [
                {"source_labels": ["__address__"], "target_label": "__param_target"},
                {"source_labels": ["__param_target"], "target_label": "instance"},
                {"target_label": "__address__", "replacement": "probe:9115"},
                {"target_label": "__metrics_path__", "replacement": "/probe"},
                {"target_label": "__meta_x", "replacement": "gone"},
            ]}),
            "http://probe:9115/probe?module=http&target=https%3A%2F%2Fa.b%2Fc",
            r#"{instance="https://a.b/c", job="probe"}"#,
        );
    }

    #[test]
    fn what_rules_drop_is_known_by_its_discovered_labels() {
        let found = found(
            json!({"job": "j", "static_configs": [{"targets": ["a:1", "b:1"]}],
            "relabel": [{"action": "drop", "source_labels": ["__address__"], "regex": "a.*"}]}),
        );
        assert_eq!(found.targets.len(), 1);
        assert_eq!(found.dropped[0].get("__address__"), Some("a:1"));
        assert_eq!(found.dropped[0].get("__scrape_interval__"), Some("15s"));
    }

    #[test]
    fn a_target_without_sense_is_an_error_and_stops_no_other() {
        let relabel = |label: &str, value: &str| {
            found(
                json!({"job": "j", "static_configs": [{"targets": ["a:1", "b:1"]}], "relabel": [
                {"source_labels": ["__address__"], "regex": "a:1", "target_label": label,
                 "replacement": value}]}),
            )
        };
        for (label, value) in [
            ("__address__", ""),
            ("__address__", "a/b"),
            ("__address__", "a:port"),
            ("__scheme__", "ftp"),
            ("__scrape_interval__", "soon"),
            ("__scrape_timeout__", "1h"),
        ] {
            let found = relabel(label, value);
            assert_eq!(
                (found.errors.len(), found.targets.len()),
                (1, 1),
                "{label}={value}"
            );
        }
        assert_eq!(
            relabel("__scrape_interval__", "1m").targets[0]
                .interval
                .as_secs(),
            60
        );
    }

    #[test]
    fn offsets_spread_over_the_interval() {
        let interval = Duration::from_secs(10);
        let mut tenths = [0; 10];
        for i in 0..1_000 {
            let labels = Labels::new([("job", "j"), ("instance", &format!("host{i}:9100"))]);
            let identity = Identity {
                labels: labels.unwrap(),
                url: format!("http://host{i}:9100/metrics"),
            };
            let offset = identity.offset(interval);
            assert!(offset < interval);
            assert_eq!(offset, identity.offset(interval));
            tenths[(offset.as_millis() / 1_000) as usize] += 1;
        }
        assert!(tenths.iter().all(|n| (60..140).contains(n)), "{tenths:?}");
    }
}
