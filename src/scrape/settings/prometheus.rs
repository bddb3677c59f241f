use super::job::Defaults;
use super::{Job, Origin, Settings};
use crate::Result;
use crate::keys::{Keys, wrong};
use serde_json::Value;

/// Reads YAML into JSON's model, which is what the settings are read from.
pub(crate) fn yaml(text: &str) -> std::result::Result<Value, String> {
    serde_saphyr::from_str::<Value>(text).map_err(|error| {
        // The message goes on with a drawing of the place; its first line says what and where.
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        first.strip_prefix("error: ").unwrap_or(first).to_owned()
    })
}

pub(super) fn read(text: &str, origin: &Origin<'_>) -> Result<Settings> {
    let value = yaml(text).map_err(|reason| wrong("", format!("no YAML at {reason}")))?;
    let keys = Keys::of(&value, "")?;
    if keys.has("scrape_config_files") {
        return Err(super::unsupported(&keys, "scrape_config_files"));
    }
    let nothing = Value::Object(serde_json::Map::new());
    let global = keys
        .keys("global")?
        .map_or(Keys::of(&nothing, "global"), Ok)?;
    check_spelling(&keys, &["global", "scrape_configs", "scrape_config_files"])?;
    check_spelling(&global, GLOBAL)?;
    // Prometheus scrapes every minute where nothing is said.
    let prometheus = serde_json::json!({"scrape_interval": "1m"});
    let outer = Defaults::read(&Keys::of(&prometheus, "")?, None)?;
    let defaults = Defaults::read(&global, Some(&outer))?;
    let mut jobs: Vec<Job> = Vec::new();
    for entry in keys.list("scrape_configs")? {
        let config = entry.keys()?;
        check_spelling(&config, &[GLOBAL, SCRAPE].concat())?;
        for group in config.list("static_configs")? {
            check_spelling(&group.keys()?, &["targets", "labels"])?;
        }
        for job in Job::read(&entry, &defaults, origin)? {
            if jobs.iter().any(|other| other.name == job.name) {
                return Err(entry.wrong(format!("there is another job named {:?}", job.name)));
            }
            jobs.push(job);
        }
    }
    Ok(Settings { jobs })
}

/// Keys under `global` and of a scrape config, where a slip would change what is scraped.
const GLOBAL: &[&str] = &[
    "scrape_interval",
    "scrape_timeout",
    "scrape_protocols",
    "body_size_limit",
    "sample_limit",
    "label_limit",
    "label_name_length_limit",
    "label_value_length_limit",
    "target_limit",
];

/// Beside those of [`GLOBAL`].
const SCRAPE: &[&str] = &[
    "job_name",
    "metrics_path",
    "scheme",
    "params",
    "honor_labels",
    "honor_timestamps",
    "track_timestamps_staleness",
    "enable_compression",
    "fallback_scrape_protocol",
    "basic_auth",
    "authorization",
    "tls_config",
    "proxy_url",
    "follow_redirects",
    "static_configs",
    "dns_sd_configs",
    "file_sd_configs",
    "relabel_configs",
    "metric_relabel_configs",
];

/// Refuses a key that is nearly one of these: it would be passed over as one of Prometheus's that
/// means nothing here.
fn check_spelling(keys: &Keys<'_>, known: &[&str]) -> Result<()> {
    for (key, item) in keys.items() {
        if known.contains(&key) {
            continue;
        }
        let near = known
            .iter()
            .map(|known| (strsim::osa_distance(key, known), known))
            .filter(|(distance, known)| *distance <= 2 && distance * 3 < known.len())
            .min();
        if let Some((_, known)) = near {
            return Err(item.wrong(format!("there is no such key; did you mean {known}?")));
        }
    }
    Ok(())
}
