//! Rewrites label sets by rules, with the semantics of Prometheus (configuration reference,
//! `<relabel_config>`; facts checked against `model/relabel` of 3.12).

mod text;

pub use text::{RelabelMistake, read_rules};

use crate::keys::{Item, Keys};
use crate::{Error, Result};
use md5::{Digest, Md5};
use regex::{Captures, Regex};
use series::LabelsBuilder;

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelabelAction {
    /// Writes the expanded replacement to the expanded target label where the pattern matches.
    Replace,
    /// Drops the label set where the pattern does not match.
    Keep,
    /// Drops the label set where the pattern matches.
    Drop,
    /// Drops the label set where the sources do not equal the target label.
    KeepEqual,
    /// Drops the label set where the sources equal the target label.
    DropEqual,
    /// Writes the MD5 of the sources modulo `modulus`.
    HashMod,
    /// Copies labels whose name matches to the name that the replacement makes.
    LabelMap,
    /// Removes labels whose name matches.
    LabelDrop,
    /// Removes labels whose name does not match.
    LabelKeep,
    /// Writes the sources in lower case.
    Lowercase,
    /// Writes the sources in upper case.
    Uppercase,
}

const ACTIONS: [(&str, RelabelAction); 11] = [
    ("replace", RelabelAction::Replace),
    ("keep", RelabelAction::Keep),
    ("drop", RelabelAction::Drop),
    ("keepequal", RelabelAction::KeepEqual),
    ("dropequal", RelabelAction::DropEqual),
    ("hashmod", RelabelAction::HashMod),
    ("labelmap", RelabelAction::LabelMap),
    ("labeldrop", RelabelAction::LabelDrop),
    ("labelkeep", RelabelAction::LabelKeep),
    ("lowercase", RelabelAction::Lowercase),
    ("uppercase", RelabelAction::Uppercase),
];

/// One rule.
#[derive(Debug, Clone)]
pub struct RelabelRule {
    action: RelabelAction,
    source_labels: Vec<String>,
    separator: String,
    pattern: String,
    regex: Regex,
    modulus: u64,
    target_label: Template,
    replacement: Template,
}

/// Rules are equal when they are written alike.
impl PartialEq for RelabelRule {
    fn eq(&self, other: &Self) -> bool {
        let text = |rule: &Self| {
            (
                rule.action,
                rule.separator.clone(),
                rule.pattern.clone(),
                rule.modulus,
                rule.target_label.source.clone(),
                rule.replacement.clone().source,
            )
        };
        self.source_labels == other.source_labels && text(self) == text(other)
    }
}

/// Applies `rules` in their order. `false` means that the label set is dropped, in whatever
/// state it is then.
#[must_use]
pub fn relabel(labels: &mut LabelsBuilder, rules: &[RelabelRule]) -> bool {
    rules.iter().all(|rule| rule.apply(labels))
}

const DEFAULT_PATTERN: &str = "(.*)";
const DEFAULT_REPLACEMENT: &str = "$1";
const DEFAULT_SEPARATOR: &str = ";";

impl RelabelRule {
    pub(crate) fn read(item: &Item<'_>) -> Result<Self> {
        let keys = item.keys()?;
        let action = read_action(&keys)?;
        let modulus = keys.count("modulus")?.unwrap_or(0);
        let target_label = keys.text("target_label")?.unwrap_or_default();
        let source_labels = keys.texts("source_labels")?;
        let pattern = keys.text("regex")?;
        let replacement = keys.text("replacement")?;
        let separator = keys.text("separator")?;

        let name = ACTIONS
            .iter()
            .find(|(_, a)| *a == action)
            .map_or("", |(n, _)| *n);
        let refuse = |key: &str, reason: String| {
            Err(Error::Setting {
                path: keys.path_of(key),
                reason,
            })
        };
        use RelabelAction as A;
        let writes = matches!(
            action,
            A::Replace | A::HashMod | A::Lowercase | A::Uppercase | A::KeepEqual | A::DropEqual
        );
        if writes && target_label.is_empty() {
            return refuse(
                "target_label",
                format!("the action {name} needs a label to write to"),
            );
        }
        if action == A::HashMod && modulus == 0 {
            return refuse(
                "modulus",
                "the action hashmod needs a modulus above 0".to_owned(),
            );
        }
        let given = [
            (
                "replacement",
                replacement
                    .as_deref()
                    .is_some_and(|r| r != DEFAULT_REPLACEMENT),
            ),
            (
                "regex",
                pattern.as_deref().is_some_and(|p| p != DEFAULT_PATTERN),
            ),
            (
                "separator",
                separator.as_deref().is_some_and(|s| s != DEFAULT_SEPARATOR),
            ),
            ("modulus", modulus != 0),
            ("source_labels", keys.has("source_labels")),
            ("target_label", !target_label.is_empty()),
        ];
        let unused: &[&str] = match action {
            A::Lowercase | A::Uppercase => &["replacement"],
            A::KeepEqual | A::DropEqual => &["replacement", "regex", "separator", "modulus"],
            A::LabelDrop | A::LabelKeep => &[
                "replacement",
                "separator",
                "modulus",
                "source_labels",
                "target_label",
            ],
            _ => &[],
        };
        // Prometheus refuses these too: whoever sets them expects something of them.
        if let Some((key, _)) = given
            .iter()
            .find(|(key, given)| *given && unused.contains(key))
        {
            return refuse(key, format!("the action {name} does not use it"));
        }
        if action == A::LabelMap && replacement.as_deref() == Some("") {
            return refuse(
                "replacement",
                "the action labelmap needs a name to map to".to_owned(),
            );
        }

        let pattern = pattern.unwrap_or_else(|| DEFAULT_PATTERN.to_owned());
        let regex = series::anchored_regex(&pattern).map_err(|error| Error::Setting {
            path: keys.path_of("regex"),
            reason: error.to_string(),
        })?;
        let replacement = replacement.unwrap_or_else(|| DEFAULT_REPLACEMENT.to_owned());
        Ok(Self {
            action,
            source_labels,
            separator: separator.unwrap_or_else(|| DEFAULT_SEPARATOR.to_owned()),
            modulus,
            target_label: Template::compile(target_label, &regex),
            replacement: Template::compile(replacement, &regex),
            pattern,
            regex,
        })
    }

    fn apply(&self, labels: &mut LabelsBuilder) -> bool {
        let sources: Vec<&str> = self
            .source_labels
            .iter()
            .map(|name| labels.get(name).unwrap_or_default())
            .collect();
        let value = sources.join(&self.separator);
        let target = self.target_label.source.as_str();
        match self.action {
            RelabelAction::Keep => return self.regex.is_match(&value),
            RelabelAction::Drop => return !self.regex.is_match(&value),
            RelabelAction::KeepEqual => return labels.get(target).unwrap_or_default() == value,
            RelabelAction::DropEqual => return labels.get(target).unwrap_or_default() != value,
            RelabelAction::Replace => {
                if let Some(captures) = self.regex.captures(&value) {
                    let target = self.target_label.expand(&captures);
                    // A name that comes out empty is no name: Prometheus then does nothing.
                    if !target.is_empty() {
                        let replacement = self.replacement.expand(&captures);
                        labels.set(target, replacement);
                    }
                }
            }
            RelabelAction::HashMod => {
                let digest = Md5::digest(value.as_bytes());
                // Prometheus takes the last eight bytes, most significant first.
                let tail = digest
                    .iter()
                    .skip(8)
                    .fold(0u64, |n, b| (n << 8) | u64::from(*b));
                labels.set(target, (tail % self.modulus).to_string());
            }
            RelabelAction::LabelMap => {
                for (name, value) in sorted_pairs(labels) {
                    if let Some(captures) = self.regex.captures(&name) {
                        let mapped = self.replacement.expand(&captures);
                        if !mapped.is_empty() {
                            labels.set(mapped, value);
                        }
                    }
                }
            }
            RelabelAction::LabelDrop | RelabelAction::LabelKeep => {
                let drop_matching = self.action == RelabelAction::LabelDrop;
                for (name, _) in sorted_pairs(labels) {
                    if self.regex.is_match(&name) == drop_matching {
                        labels.remove(&name);
                    }
                }
            }
            RelabelAction::Lowercase => {
                labels.set(
                    target,
                    value.chars().map(simple_lowercase).collect::<String>(),
                );
            }
            RelabelAction::Uppercase => {
                labels.set(
                    target,
                    value.chars().map(simple_uppercase).collect::<String>(),
                );
            }
        }
        true
    }
}

fn read_action(keys: &Keys<'_>) -> Result<RelabelAction> {
    let Some(text) = keys.text("action")? else {
        return Ok(RelabelAction::Replace);
    };
    let wanted = text.to_lowercase();
    ACTIONS
        .iter()
        .find(|(name, _)| *name == wanted)
        .map(|(_, action)| *action)
        .ok_or_else(|| Error::Setting {
            path: keys.path_of("action"),
            reason: format!(
                "there is no action {text:?}; there are {}",
                ACTIONS.map(|(name, _)| name).join(", ")
            ),
        })
}

fn sorted_pairs(labels: &LabelsBuilder) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = labels
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    pairs.sort();
    pairs
}

/// One character for one, as Go maps case: `ß` stays `ß`, where Rust writes `SS`.
fn simple_uppercase(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(only), None) => only,
        _ => c,
    }
}

fn simple_lowercase(c: char) -> char {
    // The one letter whose lower case is two characters in Rust and one in Go.
    if c == 'İ' {
        return 'i';
    }
    c.to_lowercase().next().unwrap_or(c)
}

/// A replacement text with `$1`, `${1}`, `$name`, `${name}` and `$$`, as Go expands them
/// (`regexp.Expand`): a name is the longest run of letters, digits and underscores, a group
/// that does not exist is empty, and a `$` that opens none of these stands for itself.
#[derive(Debug, Clone)]
struct Template {
    source: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Group(usize),
}

impl Template {
    fn compile(source: String, regex: &Regex) -> Self {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = source.as_str();
        while let Some(at) = rest.find('$') {
            text.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if let Some(behind) = after.strip_prefix('$') {
                text.push('$');
                rest = behind;
            } else if let Some((name, behind)) = group_name(after) {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                if let Some(group) = group_index(name, regex) {
                    pieces.push(Piece::Group(group));
                }
                rest = behind;
            } else {
                text.push('$');
                rest = after;
            }
        }
        text.push_str(rest);
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Self { source, pieces }
    }

    fn expand(&self, captures: &Captures<'_>) -> String {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Group(group) => captures.get(*group).map_or("", |found| found.as_str()),
            })
            .collect()
    }
}

fn group_name(text: &str) -> Option<(&str, &str)> {
    let (braced, inner) = match text.strip_prefix('{') {
        Some(inner) => (true, inner),
        None => (false, text),
    };
    let end = inner
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(inner.len());
    let (name, behind) = inner.split_at(end);
    if name.is_empty() {
        return None;
    }
    if braced {
        Some((name, behind.strip_prefix('}')?))
    } else {
        Some((name, behind))
    }
}

fn group_index(name: &str, regex: &Regex) -> Option<usize> {
    let is_number =
        name.bytes().all(|b| b.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    if is_number {
        return name
            .parse()
            .ok()
            .filter(|group| *group < regex.captures_len());
    }
    regex.capture_names().position(|group| group == Some(name))
}

#[cfg(test)]
mod tests;
