use crate::machine::{Machine, StoredFolder};
use crate::{Ending, Streams};
use clap::{Args, Subcommand};
use serde_json::json;
use std::fmt::Write;
use std::path::PathBuf;

/// `gpx_headwater data`: exit status 0 when it was done, 1 when a folder is not there, is in use
/// or cannot be removed, 2 when the command was called wrongly or not confirmed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gpx_headwater data list
  gpx_headwater data list --data-dir /var/lib/grafana/headwater --json
  gpx_headwater data remove 1-P8E80F9AEF21F6940 --yes

Exit status: 0 done, 1 not done (no such folder, in use, not removable), 2 wrong usage or not confirmed.")]
pub struct Data {
    #[command(subcommand)]
    what: What,

    /// Where the plugin keeps its data; beside Grafana's plugins folder where nothing is said
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists the folders of all data sources, those that were deleted too.
    List {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Removes the folder of one data source with all its samples.
    Remove {
        /// The folder, as `list` names it
        #[arg(value_name = "FOLDER")]
        folder: String,

        /// Do it: what is removed cannot be brought back
        #[arg(long)]
        yes: bool,
    },
}

impl Data {
    pub(crate) fn run(&self, machine: &dyn Machine, streams: &mut Streams<'_>) -> Ending {
        let done = match &self.what {
            What::List { json } => self.list(*json, machine),
            What::Remove { folder, yes } => self.remove(folder, *yes, machine),
        };
        let (stream, text, ending) = match done {
            Ok(text) => (&mut *streams.out, text, Ending::Good),
            Err((text, ending)) => (&mut *streams.err, text, ending),
        };
        match stream.write_all(text.as_bytes()) {
            Ok(()) => ending,
            Err(_) => Ending::Usage,
        }
    }

    fn list(&self, json: bool, machine: &dyn Machine) -> Result<String, (String, Ending)> {
        let stored = machine.stored(self.data_dir.as_deref());
        let stored = stored.map_err(|error| (format!("{error}\n"), Ending::Bad))?;
        if json {
            let folders: Vec<_> = stored.folders.iter().map(as_json).collect();
            let listed = json!({ "dataDir": stored.dir, "folders": folders });
            return Ok(format!("{listed:#}\n"));
        }
        if stored.folders.is_empty() {
            return Ok(format!(
                "There are no samples in {}.\n",
                stored.dir.display()
            ));
        }
        let now = machine.clock()();
        let mut text = format!("{}\n", stored.dir.display());
        for folder in &stored.folders {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n{}", described(folder, now));
        }
        Ok(text)
    }

    fn remove(
        &self,
        name: &str,
        is_confirmed: bool,
        machine: &dyn Machine,
    ) -> Result<String, (String, Ending)> {
        let refused = |error| (format!("{error}\n"), Ending::Bad);
        let stored = machine.stored(self.data_dir.as_deref()).map_err(refused)?;
        // Only what was listed can be removed, whatever path somebody writes.
        let Some(folder) = stored.folders.iter().find(|folder| folder.name == name) else {
            return Err((
                format!(
                    "There is no folder {name:?} with samples in {}; `gpx_headwater data list` \
                     names them.\n",
                    stored.dir.display()
                ),
                Ending::Bad,
            ));
        };
        if !is_confirmed {
            let text = described(folder, machine.clock()());
            return Err((
                format!("{text}\nThis would be removed for good. To do it, add --yes.\n"),
                Ending::Usage,
            ));
        }
        machine
            .remove_stored(self.data_dir.as_deref(), name)
            .map_err(refused)?;
        Ok(format!(
            "Removed {}, {}.\n",
            stored.dir.join(name).display(),
            size(folder.bytes)
        ))
    }
}

fn as_json(folder: &StoredFolder) -> serde_json::Value {
    json!({
        "folder": folder.name,
        "orgId": folder.org_id,
        "uid": folder.uid,
        "name": folder.title,
        "bytes": folder.bytes,
        "samplesFrom": folder.min_time,
        "samplesTo": folder.max_time,
        "lastRequest": folder.asked_ms,
        "usedBy": folder.used_by,
        "problem": folder.problem,
    })
}

/// A folder in a few lines.
fn described(folder: &StoredFolder, now: i64) -> String {
    let mut text = folder.name.clone();
    if let Some(title) = &folder.title {
        let _ = write!(text, "  {title:?}");
    }
    if let (Some(org), Some(uid)) = (folder.org_id, &folder.uid) {
        let _ = write!(text, "  organisation {org}, uid {uid}");
    }
    let span = match (folder.min_time, folder.max_time) {
        (Some(min), Some(max)) => format!("samples from {} to {}", time(min), time(max)),
        _ => "no samples".to_owned(),
    };
    let _ = write!(text, "\n  {}, {span}\n  ", size(folder.bytes));
    let asked = folder
        .asked_ms
        .map(|asked| now.saturating_sub(asked) / DAY_MS);
    text.push_str(&match asked {
        None => "it is not known when Grafana asked for it".to_owned(),
        Some(..1) => "Grafana asked for it within the last day".to_owned(),
        Some(1) => "Grafana last asked for it a day ago".to_owned(),
        Some(days) => format!("Grafana last asked for it {days} days ago"),
    });
    match &folder.used_by {
        Some(holder) => {
            let _ = writeln!(text, "; in use by {holder}");
        }
        None => text.push_str("; not in use\n"),
    }
    if let Some(problem) = &folder.problem {
        let _ = writeln!(text, "  {problem}");
    }
    text
}

const DAY_MS: i64 = 86_400_000;

fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .map_or_else(|_| ms.to_string(), |time| format!("{time:.0}"))
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{FakeMachine, NOW};

    fn machine() -> FakeMachine {
        FakeMachine {
            stored: vec![
                StoredFolder {
                    name: "1-gone".to_owned(),
                    org_id: Some(1),
                    uid: Some("gone".to_owned()),
                    title: Some("Wiki".to_owned()),
                    bytes: 1_234_567,
                    min_time: Some(NOW - 40 * DAY_MS),
                    max_time: Some(NOW - 31 * DAY_MS),
                    asked_ms: Some(NOW - 31 * DAY_MS),
                    used_by: None,
                    problem: None,
                },
                StoredFolder {
                    name: "1-live".to_owned(),
                    used_by: Some("process 7".to_owned()),
                    ..StoredFolder::default()
                },
            ],
            ..FakeMachine::default()
        }
    }

    #[test]
    fn what_is_stored_is_listed_with_size_times_and_use() {
        let (ending, out, err) = machine().run(&["data", "list"]);
        assert_eq!((ending, err.as_str()), (Ending::Good, ""));
        let expected = "/fake/headwater

1-gone  \"Wiki\"  organisation 1, uid gone
  1.2 MB, samples from 2024-03-22T12:00:00Z to 2024-03-31T12:00:00Z
  Grafana last asked for it 31 days ago; not in use

1-live
  0 bytes, no samples
  it is not known when Grafana asked for it; in use by process 7
";
        assert_eq!(out, expected);
        let (_, out, _) = machine().run(&["data", "list", "--json"]);
        let listed: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(listed["folders"][0]["bytes"], 1_234_567);
        assert_eq!(listed["folders"][1]["usedBy"], "process 7");
        let (_, out, _) = FakeMachine::default().run(&["data", "list"]);
        assert!(out.contains("no samples in /fake/headwater"), "{out}");
    }

    #[test]
    fn nothing_is_removed_without_confirmation_or_by_any_other_name() {
        let machine = machine();
        let (ending, _, err) = machine.run(&["data", "remove", "1-gone"]);
        assert_eq!(ending, Ending::Usage);
        assert!(err.contains("1.2 MB") && err.contains("add --yes"), "{err}");
        for name in ["1-other", "../1-gone", "", "1-gone/"] {
            let (ending, _, err) = machine.run(&["data", "remove", name, "--yes"]);
            assert_eq!(ending, Ending::Bad, "{name}");
            assert!(err.contains("There is no folder"), "{err}");
        }
        assert!(machine.removed.lock().unwrap().is_empty());
    }

    #[test]
    fn a_confirmed_folder_goes_and_one_in_use_stays() {
        let machine = machine();
        let (ending, out, _) = machine.run(&["data", "remove", "1-gone", "--yes"]);
        assert_eq!(ending, Ending::Good);
        assert_eq!(out, "Removed /fake/headwater/1-gone, 1.2 MB.\n");
        let (ending, _, err) = machine.run(&["data", "remove", "1-live", "--yes"]);
        assert_eq!(ending, Ending::Bad);
        assert!(err.contains("in use by process 7"), "{err}");
        assert_eq!(*machine.removed.lock().unwrap(), ["1-gone"]);
    }
}
