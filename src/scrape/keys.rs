//! Reads settings out of JSON key by key, so that every complaint names its key path.
//!
//! Keys are asked for as Prometheus spells them (`honor_labels`) and found in Grafana's spelling
//! too (`honorLabels`): a piece of a `prometheus.yml` and a data source's settings read alike.

use crate::{Error, Result};
use serde_json::{Map, Value};
use std::time::Duration;

/// An object of settings and where it stands.
pub(crate) struct Keys<'a> {
    object: &'a Map<String, Value>,
    path: String,
}

/// A value and where it stands.
pub(crate) struct Item<'a> {
    pub(crate) value: &'a Value,
    pub(crate) path: String,
}

impl<'a> Keys<'a> {
    pub(crate) fn of(value: &'a Value, path: &str) -> Result<Self> {
        match value {
            Value::Object(object) => Ok(Self {
                object,
                path: path.to_owned(),
            }),
            other => Err(wrong(
                path,
                format!("expected keys and values, not {}", kind(other)),
            )),
        }
    }

    /// The keys at the top.
    pub(crate) fn of_map(object: &'a Map<String, Value>) -> Self {
        Self {
            object,
            path: String::new(),
        }
    }

    pub(crate) fn item(&self, key: &str) -> Option<Item<'a>> {
        let camel = camel_case(key);
        [key, camel.as_str()].into_iter().find_map(|spelling| {
            let value = self.object.get(spelling).filter(|value| !value.is_null())?;
            Some(Item {
                value,
                path: self.path_of(spelling),
            })
        })
    }

    /// The path of a key, in the spelling in which it stands; in Grafana's where it is absent.
    pub(crate) fn path_of(&self, key: &str) -> String {
        let key = if self.object.contains_key(key) {
            key.to_owned()
        } else {
            camel_case(key)
        };
        if self.path.is_empty() {
            key
        } else {
            format!("{}.{key}", self.path)
        }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = (&'a str, Item<'a>)> + '_ {
        self.object.iter().map(|(key, value)| {
            let path = self.path_of(key);
            (key.as_str(), Item { value, path })
        })
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.item(key).is_some()
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<String>> {
        self.item(key).map(|item| item.text()).transpose()
    }

    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.item(key).map(|item| item.flag()).transpose()
    }

    pub(crate) fn count(&self, key: &str) -> Result<Option<u64>> {
        self.item(key).map(|item| item.count()).transpose()
    }

    #[cfg(test)]
    pub(crate) fn duration(&self, key: &str) -> Result<Option<Duration>> {
        self.item(key).map(|item| item.duration()).transpose()
    }

    pub(crate) fn size(&self, key: &str) -> Result<Option<u64>> {
        self.item(key).map(|item| item.size()).transpose()
    }

    pub(crate) fn list(&self, key: &str) -> Result<Vec<Item<'a>>> {
        self.item(key).map_or(Ok(Vec::new()), |item| item.list())
    }

    pub(crate) fn texts(&self, key: &str) -> Result<Vec<String>> {
        self.list(key)?.iter().map(Item::text).collect()
    }

    pub(crate) fn keys(&self, key: &str) -> Result<Option<Keys<'a>>> {
        self.item(key).map(|item| item.keys()).transpose()
    }

    /// The pairs of an object of texts, in the order of their names.
    pub(crate) fn pairs(&self, key: &str) -> Result<Vec<(String, String)>> {
        let Some(keys) = self.keys(key)? else {
            return Ok(Vec::new());
        };
        let mut pairs = keys
            .items()
            .map(|(name, item)| Ok((name.to_owned(), item.text()?)))
            .collect::<Result<Vec<_>>>()?;
        pairs.sort();
        Ok(pairs)
    }
}

impl<'a> Item<'a> {
    pub(crate) fn keys(&self) -> Result<Keys<'a>> {
        Keys::of(self.value, &self.path)
    }

    /// A text; YAML reads unquoted numbers and booleans as such, and they are texts here.
    pub(crate) fn text(&self) -> Result<String> {
        match self.value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            other => Err(self.wrong(format!("expected a text, not {}", kind(other)))),
        }
    }

    pub(crate) fn flag(&self) -> Result<bool> {
        match self.value {
            Value::Bool(flag) => Ok(*flag),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            other => Err(self.wrong(format!("expected true or false, not {}", kind(other)))),
        }
    }

    pub(crate) fn count(&self) -> Result<u64> {
        let count = match self.value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        count.ok_or_else(|| {
            self.wrong(format!(
                "expected a whole number from 0 on, not {}",
                kind(self.value)
            ))
        })
    }

    /// A duration as Prometheus writes it, or a bare number of seconds.
    pub(crate) fn duration(&self) -> Result<Duration> {
        let from_seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).ok();
        match self.value {
            Value::Number(number) => number
                .as_f64()
                .and_then(from_seconds)
                .ok_or_else(|| self.wrong(format!("{number} is no duration"))),
            Value::String(text) => {
                let text = text.trim();
                match series::parse_duration(text) {
                    Ok(ms) => Ok(Duration::from_millis(ms.unsigned_abs())),
                    Err(error) => text
                        .parse()
                        .ok()
                        .and_then(from_seconds)
                        .ok_or_else(|| self.wrong(error.to_string())),
                }
            }
            other => Err(self.wrong(format!(
                "expected a duration such as 15s, not {}",
                kind(other)
            ))),
        }
    }

    /// A size in bytes: a number, or one with a unit in powers of 1024 (`10MB`), as Prometheus
    /// reads its `body_size_limit`.
    pub(crate) fn size(&self) -> Result<u64> {
        let refused = || self.wrong("expected a size such as 10MB or a number of bytes".to_owned());
        match self.value {
            Value::Number(number) => number.as_u64().ok_or_else(refused),
            Value::String(text) => {
                let text = text.trim();
                let digits = text.bytes().take_while(u8::is_ascii_digit).count();
                let count: u64 = text[..digits].parse().map_err(|_| refused())?;
                let shift = match text[digits..].trim() {
                    "" | "B" => 0,
                    "KB" | "KiB" => 10,
                    "MB" | "MiB" => 20,
                    "GB" | "GiB" => 30,
                    "TB" | "TiB" => 40,
                    _ => return Err(refused()),
                };
                count.checked_mul(1 << shift).ok_or_else(refused)
            }
            _ => Err(refused()),
        }
    }

    pub(crate) fn list(&self) -> Result<Vec<Item<'a>>> {
        match self.value {
            Value::Array(values) => Ok(values
                .iter()
                .enumerate()
                .map(|(index, value)| Item {
                    value,
                    path: format!("{}[{index}]", self.path),
                })
                .collect()),
            other => Err(self.wrong(format!("expected a list, not {}", kind(other)))),
        }
    }

    pub(crate) fn wrong(&self, reason: String) -> Error {
        wrong(&self.path, reason)
    }
}

pub(crate) fn wrong(path: &str, reason: impl Into<String>) -> Error {
    let path = if path.is_empty() { "(top)" } else { path };
    Error::Setting {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        // A text may be a secret in the wrong place, so it is not repeated.
        Value::String(_) => "this text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "keys and values".to_owned(),
    }
}

pub(crate) fn camel_case(key: &str) -> String {
    let mut camel = String::with_capacity(key.len());
    let mut raise = false;
    for c in key.chars() {
        match c {
            '_' if !camel.is_empty() => raise = true,
            c if raise => {
                camel.push(c.to_ascii_uppercase());
                raise = false;
            }
            c => camel.push(c),
        }
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_spellings_of_a_key_are_found() {
        let value = json!({"honor_labels": true, "honorTimestamps": false, "x": null});
        let keys = Keys::of(&value, "").unwrap();
        assert_eq!(keys.flag("honor_labels"), Ok(Some(true)));
        assert_eq!(keys.flag("honor_timestamps"), Ok(Some(false)));
        assert_eq!(keys.flag("x"), Ok(None));
    }

    #[test]
    fn durations_and_sizes_have_units_or_are_bare() {
        let value = json!({"a": "1m30s", "b": 60, "c": "2.5", "d": "10MB", "e": 512, "f": "1 GiB"});
        let keys = Keys::of(&value, "").unwrap();
        assert_eq!(keys.duration("a"), Ok(Some(Duration::from_secs(90))));
        assert_eq!(keys.duration("b"), Ok(Some(Duration::from_secs(60))));
        assert_eq!(keys.duration("c"), Ok(Some(Duration::from_millis(2_500))));
        assert_eq!(keys.size("d"), Ok(Some(10 << 20)));
        assert_eq!(keys.size("e"), Ok(Some(512)));
        assert_eq!(keys.size("f"), Ok(Some(1 << 30)));
    }

    #[test]
    fn a_wrong_value_is_named_by_its_key_path() {
        let value = json!({"targets": [{"timeout": "soon"}, {"limit": -1}]});
        let keys = Keys::of(&value, "").unwrap();
        let targets = keys.list("targets").unwrap();
        let error = targets[0].keys().unwrap().duration("timeout").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("setting targets[0].timeout: "),
            "{error}"
        );
        let error = targets[1].keys().unwrap().count("limit").unwrap_err();
        assert_eq!(
            error.to_string(),
            "setting targets[1].limit: expected a whole number from 0 on, not -1"
        );
    }
}
