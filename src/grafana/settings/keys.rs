use super::SettingsError;
use serde_json::{Map, Value};
use series::{Secret, parse_duration};
use std::collections::BTreeMap;
use std::time::Duration;

/// Reads the values of `jsonData` and `secureJsonData` by key. A missing key and `null` are the
/// same; numbers and switches may stand as text, as they do when they come from variables of the
/// environment.
pub(crate) struct Keys<'a> {
    json: &'a Map<String, Value>,
    secrets: &'a BTreeMap<String, Secret>,
}

impl<'a> Keys<'a> {
    pub(crate) fn new(json: &'a Map<String, Value>, secrets: &'a BTreeMap<String, Secret>) -> Self {
        Self { json, secrets }
    }

    fn value(&self, key: &str) -> Option<&'a Value> {
        self.json.get(key).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>, SettingsError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong_value(key, other, "text")),
        }
    }

    /// False where the key is missing.
    pub(crate) fn switch(&self, key: &str) -> Result<bool, SettingsError> {
        match self.value(key) {
            None => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(Value::String(text)) if text.is_empty() => Ok(false),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(other) => Err(wrong_value(key, other, "true or false")),
        }
    }

    pub(crate) fn count(&self, key: &str, least: u64) -> Result<Option<u64>, SettingsError> {
        let expected = if least == 0 {
            "a whole number from 0"
        } else {
            "a whole number from 1"
        };
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let number = match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) if text.is_empty() => return Ok(None),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match number.filter(|number| *number >= least) {
            Some(number) => Ok(Some(number)),
            None => Err(wrong_value(key, value, expected)),
        }
    }

    /// A duration as Prometheus writes it, or a bare number of seconds; longer than zero.
    pub(crate) fn duration_ms(&self, key: &str) -> Result<Option<i64>, SettingsError> {
        const EXPECTED: &str = "a duration such as 15s or 1m30s, or a number of seconds";
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let seconds_to_ms = |seconds: f64| {
            let ms = seconds * 1_000.0;
            (ms.is_finite() && ms < i64::MAX as f64).then_some(ms as i64)
        };
        let ms = match value {
            Value::Number(number) => number.as_f64().and_then(seconds_to_ms),
            Value::String(text) if text.trim().is_empty() => return Ok(None),
            Value::String(text) => {
                let text = text.trim();
                parse_duration(text)
                    .ok()
                    .or_else(|| text.parse().ok().and_then(seconds_to_ms))
            }
            _ => None,
        };
        match ms.filter(|ms| *ms > 0) {
            Some(ms) => Ok(Some(ms)),
            None => Err(wrong_value(key, value, EXPECTED)),
        }
    }

    pub(crate) fn duration(&self, key: &str) -> Result<Option<Duration>, SettingsError> {
        Ok(self
            .duration_ms(key)?
            .map(|ms| Duration::from_millis(ms.unsigned_abs())))
    }

    pub(crate) fn texts(&self, key: &str) -> Result<Vec<String>, SettingsError> {
        const EXPECTED: &str = "a list of texts";
        let Some(value) = self.value(key) else {
            return Ok(Vec::new());
        };
        let Value::Array(list) = value else {
            return Err(wrong_value(key, value, EXPECTED));
        };
        list.iter()
            .map(|entry| {
                entry
                    .as_str()
                    .map(str::to_owned)
                    .ok_or_else(|| wrong_value(key, entry, EXPECTED))
            })
            .collect()
    }

    /// A secret that is not empty.
    pub(crate) fn secret(&self, key: &str) -> Option<Secret> {
        self.secrets
            .get(key)
            .filter(|secret| !secret.is_empty())
            .cloned()
    }
}

pub(super) fn wrong(key: &str, found: &str, expected: &'static str) -> SettingsError {
    SettingsError::Wrong {
        key: key.to_owned(),
        found: format!("{found:?}"),
        expected,
    }
}

fn wrong_value(key: &str, found: &Value, expected: &'static str) -> SettingsError {
    let found = match found {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        plain => plain.to_string(),
    };
    SettingsError::Wrong {
        key: key.to_owned(),
        found,
        expected,
    }
}
