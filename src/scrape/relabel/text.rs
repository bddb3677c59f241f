//! Rules as a person writes them: a YAML list, with the line of each mistake.

use super::RelabelRule;
use crate::Error;
use crate::keys::{Item, camel_case};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// A rule's keys as Prometheus spells them.
const KEYS: [&str; 7] = [
    "source_labels",
    "separator",
    "target_label",
    "regex",
    "modulus",
    "replacement",
    "action",
];

/// Something in a text of rules that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelabelMistake {
    /// The line, counted from 1.
    pub line: u64,
    /// What is wrong there.
    pub reason: String,
}

/// Reads a list of rules from YAML into what a data source's settings hold, `relabel` or
/// `metricRelabel`. A text without any rule is an empty list.
///
/// # Errors
/// Every mistake with its line, keys that mean nothing among them: settings pass over such keys,
/// but whoever has just written one expects something of it.
pub fn read_rules(text: &str) -> Result<Vec<Value>, Vec<RelabelMistake>> {
    let is_blank = |line: &str| line.trim().is_empty() || line.trim().starts_with('#');
    if text.lines().all(is_blank) {
        return Ok(Vec::new());
    }
    type Rules = Vec<Spanned<BTreeMap<String, Spanned<Value>>>>;
    let rules: Rules = serde_saphyr::from_str(text).map_err(|error| vec![unreadable(&error)])?;
    let mut mistakes = Vec::new();
    let mut values = Vec::with_capacity(rules.len());
    for rule in rules {
        let start = rule.referenced.line();
        let mut lines = BTreeMap::new();
        let mut keys = Map::new();
        for (key, value) in rule.value {
            let line = value.referenced.line();
            if !KEYS
                .iter()
                .any(|known| key == *known || key == camel_case(known))
            {
                mistakes.push(RelabelMistake {
                    line,
                    reason: format!("{key:?} means nothing here; there are {}", KEYS.join(", ")),
                });
            }
            lines.insert(key.clone(), line);
            keys.insert(key, value.value);
        }
        let value = Value::Object(keys);
        let item = Item {
            value: &value,
            path: String::new(),
        };
        if let Err(error) = RelabelRule::read(&item) {
            mistakes.push(placed(error, start, &lines));
        }
        values.push(value);
    }
    if mistakes.is_empty() {
        return Ok(values);
    }
    mistakes.sort_by_key(|mistake| mistake.line);
    Err(mistakes)
}

/// At the key that the error names; at the rule's start where the key is missing.
fn placed(error: Error, start: u64, lines: &BTreeMap<String, u64>) -> RelabelMistake {
    match error {
        Error::Setting { path, reason } => {
            // `source_labels[1]` stands with its key.
            let key = path.split('[').next().unwrap_or_default();
            let line = lines.get(key).copied().unwrap_or(start);
            RelabelMistake {
                line,
                reason: format!("{key}: {reason}"),
            }
        }
        other => RelabelMistake {
            line: start,
            reason: other.to_string(),
        },
    }
}

fn unreadable(error: &serde_saphyr::Error) -> RelabelMistake {
    // The message goes on with a drawing of the place; its first line says what is wrong.
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let reason = first.strip_prefix("error: ").unwrap_or(first);
    RelabelMistake {
        line: error.location().map_or(1, |location| location.line()),
        reason: format!("{reason}. Write a list of rules, each beginning with \"- \""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lines(text: &str) -> Vec<(u64, String)> {
        let mistakes = read_rules(text).unwrap_err();
        mistakes.into_iter().map(|m| (m.line, m.reason)).collect()
    }

    #[test]
    fn rules_are_read_as_settings_hold_them() {
        let text = "# comment\n- action: drop\n  source_labels: [__name__]\n  regex: go_.*\n\
                    - {targetLabel: team, replacement: shop}\n";
        assert_eq!(
            read_rules(text).unwrap(),
            [
                json!({"action": "drop", "source_labels": ["__name__"], "regex": "go_.*"}),
                json!({"targetLabel": "team", "replacement": "shop"}),
            ]
        );
        for nothing in ["", "\n  \n", "# only this\n"] {
            assert_eq!(read_rules(nothing).unwrap(), Vec::<Value>::new());
        }
    }

    #[test]
    fn each_mistake_has_its_line() {
        let found = lines(
            "- action: drop\n  source_labels: [a]\n  regex: '('\n\n- action: replace\n  \
             source_label: [a]\n  target_label: x\n- action: nothing\n",
        );
        let at: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(at, [3, 6, 8], "{found:?}");
        assert!(found[0].1.starts_with("regex: "), "{found:?}");
        assert!(
            found[1].1.contains("\"source_label\" means nothing"),
            "{found:?}"
        );
        // A key that is missing has no line of its own.
        assert_eq!(
            lines("- regex: a\n- action: lowercase\n  source_labels: [a]\n")[0].0,
            1
        );
    }

    #[test]
    fn what_is_no_list_of_rules_is_named_with_its_line() {
        for (text, line) in [
            ("action: drop\n", 1),
            ("- action: drop\n  regex: [\n", 2),
            ("- drop\n", 1),
        ] {
            let found = lines(text);
            assert!(found[0].0 >= line, "{text:?}: {found:?}");
            assert!(found[0].1.contains("list of rules"), "{found:?}");
        }
    }
}
