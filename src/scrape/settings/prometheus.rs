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
    // Prometheus scrapes every minute where nothing is said.
    let prometheus = serde_json::json!({"scrape_interval": "1m"});
    let outer = Defaults::read(&Keys::of(&prometheus, "")?, None)?;
    let defaults = Defaults::read(&global, Some(&outer))?;
    let mut jobs: Vec<Job> = Vec::new();
    for entry in keys.list("scrape_configs")? {
        for job in Job::read(&entry, &defaults, origin)? {
            if jobs.iter().any(|other| other.name == job.name) {
                return Err(entry.wrong(format!("there is another job named {:?}", job.name)));
            }
            jobs.push(job);
        }
    }
    Ok(Settings { jobs })
}
