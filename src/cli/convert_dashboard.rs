use crate::surroundings::Surroundings;
use crate::{Ending, Streams, refuse};
use clap::Args;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// The largest dashboard that is read, in bytes.
const DASHBOARD_LIMIT: u64 = 64 * 1024 * 1024;

/// Whose dashboards are converted, and to whom.
const FROM: &str = "prometheus";
const TO: &str = "headwater-metrics-datasource";

/// `gpx_headwater convert-dashboard`: exit status 0 when the dashboard was written, 1 when nothing
/// in it asks Prometheus, 2 when the command was called wrongly.
#[derive(Debug, Args)]
#[command(after_help = "\
A panel of another data source stays as it is. A data source that is named by uid keeps its uid,
unless --uid gives another; one that is named by the variable of an export (${DS_PROMETHEUS}) is
asked for at the import, as before.

Examples:
  gpx_headwater convert-dashboard node-exporter-full.json > converted.json
  gpx_headwater convert-dashboard - --uid headwater < dashboard.json > converted.json

Exit status: 0 converted, 1 nothing in the dashboard asks Prometheus, 2 wrong usage.")]
pub struct ConvertDashboard {
    /// The uid of the data source that panels ask instead of the one that they name
    #[arg(long, value_name = "UID")]
    uid: Option<String>,

    /// A dashboard's JSON, as Grafana exports it, or - for the standard input
    #[arg(value_name = "FILE | -")]
    dashboard: String,
}

impl ConvertDashboard {
    pub(crate) fn run(&self, surroundings: &dyn Surroundings, streams: &mut Streams<'_>) -> Ending {
        let read = match self.dashboard.as_str() {
            "-" => surroundings.read_input(DASHBOARD_LIMIT),
            file => surroundings.read_file(Path::new(file), DASHBOARD_LIMIT),
        };
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(error) => {
                return refuse(
                    streams,
                    &format!("Cannot read {}: {error}.", self.dashboard),
                );
            }
        };
        let mut dashboard: Value = match serde_json::from_slice(&bytes) {
            Ok(Value::Object(object)) => Value::Object(object),
            Ok(_) => {
                let reason = format!("{} is JSON, but no dashboard.", self.dashboard);
                return refuse(streams, &reason);
            }
            Err(error) => {
                return refuse(streams, &format!("{} is no JSON: {error}.", self.dashboard));
            }
        };
        let done = convert(&mut dashboard, self.uid.as_deref());
        let written = serde_json::to_string_pretty(&dashboard)
            .map_err(std::io::Error::other)
            .and_then(|text| writeln!(streams.out, "{text}"));
        if let Err(error) = written {
            return refuse(streams, &format!("Cannot write the dashboard: {error}."));
        }
        // Nobody is left to be told when the stream is closed.
        let _ = writeln!(streams.err, "{done}");
        match done.is_nothing() {
            true => Ending::Bad,
            false => Ending::Good,
        }
    }
}

/// What was changed in a dashboard.
#[derive(Debug, Default, PartialEq, Eq)]
struct Converted {
    /// References to a data source, of panels, queries, variables and annotations.
    references: usize,
    /// Variables that let a person choose a data source.
    choices: usize,
    /// What an import asks for.
    inputs: usize,
    /// References by name alone, which do not say of which type they are.
    names: BTreeSet<String>,
}

impl Converted {
    fn is_nothing(&self) -> bool {
        self.references + self.choices + self.inputs == 0
    }
}

impl std::fmt::Display for Converted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_nothing() {
            write!(
                f,
                "Nothing in this dashboard asks a data source of type {FROM}."
            )?;
        } else {
            write!(
                f,
                "Converted: {} references, {} variables, {} inputs.",
                self.references, self.choices, self.inputs
            )?;
        }
        for name in &self.names {
            write!(
                f,
                "\nLeft alone: {name:?} is a name without a type. Rename your Headwater data source to \
                 it, or choose the data source in the panel."
            )?;
        }
        Ok(())
    }
}

/// Makes what asks Prometheus ask Headwater, wherever it stands.
fn convert(dashboard: &mut Value, uid: Option<&str>) -> Converted {
    let mut done = Converted::default();
    visit(dashboard, uid, &mut done);
    done
}

fn visit(value: &mut Value, uid: Option<&str>, done: &mut Converted) {
    match value {
        Value::Array(list) => {
            for entry in list {
                visit(entry, uid, done);
            }
        }
        Value::Object(object) => {
            convert_reference(object, uid, done);
            convert_choice(object, uid, done);
            convert_input(object, done);
            for entry in object.values_mut() {
                visit(entry, uid, done);
            }
        }
        _ => {}
    }
}

/// `"datasource": {"type": "prometheus", "uid": …}`, or a name as old dashboards have it.
fn convert_reference(object: &mut Map<String, Value>, uid: Option<&str>, done: &mut Converted) {
    match object.get_mut("datasource") {
        Some(Value::Object(reference)) if reference.get("type") == Some(&json!(FROM)) => {
            reference.insert("type".to_owned(), json!(TO));
            if let Some(uid) = uid {
                reference.insert("uid".to_owned(), json!(uid));
            }
            done.references += 1;
        }
        Some(Value::String(name))
            // A variable holds whatever is chosen, and these are no data sources of a person's.
            if !name.is_empty() && !name.starts_with('$') && !name.starts_with("-- ") =>
        {
            done.names.insert(name.clone());
        }
        _ => {}
    }
}

/// A variable of type "data source" that lists those of one type.
fn convert_choice(object: &mut Map<String, Value>, uid: Option<&str>, done: &mut Converted) {
    let is_choice = object.get("type") == Some(&json!("datasource"))
        && object.get("query") == Some(&json!(FROM));
    if !is_choice {
        return;
    }
    object.insert("query".to_owned(), json!(TO));
    // What was chosen is a Prometheus, which the list no longer has.
    object.insert(
        "current".to_owned(),
        match uid {
            Some(uid) => json!({"selected": true, "text": uid, "value": uid}),
            None => json!({}),
        },
    );
    done.choices += 1;
}

/// `__inputs` and `__requires`, which an import reads.
fn convert_input(object: &mut Map<String, Value>, done: &mut Converted) {
    let is = |key: &str, value: &str| object.get(key) == Some(&json!(value));
    if is("type", "datasource") && is("pluginId", FROM) {
        object.insert("pluginId".to_owned(), json!(TO));
        object.insert("pluginName".to_owned(), json!("Headwater"));
        done.inputs += 1;
    } else if is("type", "datasource") && is("id", FROM) {
        object.insert("id".to_owned(), json!(TO));
        object.insert("name".to_owned(), json!("Headwater"));
        // The version asked for was that of Grafana's own data source.
        object.insert("version".to_owned(), json!("0.1.0"));
        done.inputs += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_queries_annotations_and_variables_ask_headwater() {
        let mut dashboard = json!({
            "annotations": {"list": [{"datasource": {"type": "prometheus", "uid": "p"}, "expr": "up"}]},
            "panels": [
                {"datasource": {"type": "prometheus", "uid": "p"},
                 "targets": [{"datasource": {"type": "prometheus", "uid": "p"}, "expr": "up"}]},
                {"type": "row", "panels": [{"datasource": {"type": "prometheus", "uid": "${ds}"}}]},
            ],
            "templating": {"list": [
                {"type": "datasource", "name": "ds", "query": "prometheus",
                 "current": {"text": "Prometheus", "value": "p"}},
                {"type": "query", "datasource": {"type": "prometheus", "uid": "${ds}"},
                 "query": "label_values(up, job)"},
            ]},
        });
        let done = convert(&mut dashboard, None);
        assert_eq!((done.references, done.choices, done.inputs), (5, 1, 0));
        let text = dashboard.to_string();
        assert!(!text.contains("prometheus"), "{text}");
        assert_eq!(dashboard["panels"][0]["datasource"]["uid"], "p");
        assert_eq!(dashboard["panels"][0]["targets"][0]["expr"], "up");
        assert_eq!(dashboard["templating"]["list"][0]["current"], json!({}));
    }

    #[test]
    fn what_an_import_asks_for_is_headwater() {
        let mut dashboard = json!({
            "__inputs": [{"name": "DS_PROMETHEUS", "type": "datasource", "pluginId": "prometheus",
                          "pluginName": "Prometheus"}],
            "__requires": [{"type": "datasource", "id": "prometheus", "name": "Prometheus",
                            "version": "1.0.0"},
                           {"type": "panel", "id": "stat", "name": "Stat", "version": ""}],
            "panels": [],
        });
        assert_eq!(convert(&mut dashboard, None).inputs, 2);
        assert_eq!(dashboard["__inputs"][0]["pluginId"], TO);
        assert_eq!(dashboard["__inputs"][0]["name"], "DS_PROMETHEUS");
        assert_eq!(dashboard["__requires"][0]["id"], TO);
        assert_eq!(dashboard["__requires"][1]["id"], "stat");
    }

    #[test]
    fn other_data_sources_and_words_in_texts_stay() {
        let before = json!({
            "title": "prometheus", "tags": ["prometheus"],
            "panels": [
                {"datasource": {"type": "loki", "uid": "l"}, "type": "logs"},
                {"datasource": {"type": "grafana", "uid": "-- Grafana --"}},
                {"datasource": "-- Mixed --"}, {"datasource": "$ds"}, {"datasource": null},
            ],
            "templating": {"list": [{"type": "datasource", "query": "loki"}]},
        });
        let mut after = before.clone();
        let done = convert(&mut after, Some("headwater"));
        assert!(done.is_nothing() && done.names.is_empty());
        assert_eq!(after, before);
    }

    #[test]
    fn a_uid_that_is_given_replaces_the_others() {
        let mut dashboard = json!({"panels": [{"datasource": {"type": "prometheus", "uid": "p"}}]});
        convert(&mut dashboard, Some("headwater"));
        assert_eq!(
            dashboard["panels"][0]["datasource"],
            json!({"type": TO, "uid": "headwater"})
        );
    }

    #[test]
    fn a_name_without_a_type_is_told_once() {
        let mut dashboard =
            json!({"panels": [{"datasource": "Prometheus"}, {"datasource": "Prometheus"}]});
        let done = convert(&mut dashboard, None);
        assert!(done.is_nothing());
        let text = done.to_string();
        assert_eq!(
            text.matches("\"Prometheus\" is a name").count(),
            1,
            "{text}"
        );
    }

    #[test]
    fn a_converted_dashboard_is_not_converted_again() {
        let mut dashboard = json!({"panels": [{"datasource": {"type": "prometheus", "uid": "p"}}],
            "templating": {"list": [{"type": "datasource", "query": "prometheus"}]}});
        convert(&mut dashboard, None);
        let once = dashboard.clone();
        assert!(convert(&mut dashboard, None).is_nothing());
        assert_eq!(dashboard, once);
    }
}
