//! The settings of a data source, kept beside its data without any secret, so that scraping goes
//! on after a restart before Grafana asks anything.

use grafana::{EmbeddedSettings, InstanceId, InstanceSettings};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

const FILE: &str = "data-source.json";
const VERSION: u32 = 1;
/// A data source that nobody asked for so long was deleted, or might as well have been.
pub(super) const FORGOTTEN_AFTER_DAYS: i64 = 30;
pub(super) const DAY_MS: i64 = 86_400_000;

/// What is kept. `jsonData` is readable for everybody who may query the data source; secrets are
/// kept by name only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeptSettings {
    version: u32,
    org_id: i64,
    pub(super) uid: String,
    pub(super) name: String,
    pub(super) url: String,
    pub(super) basic_auth_user: Option<String>,
    pub(super) json: Map<String, Value>,
    pub(super) secret_names: Vec<String>,
    pub(super) updated_ms: i64,
    pub(super) asked_ms: i64,
}

impl KeptSettings {
    /// Grafana asked with these settings at `now_ms`.
    pub(super) fn new(
        settings: &InstanceSettings,
        embedded: &EmbeddedSettings,
        now_ms: i64,
    ) -> Self {
        Self {
            version: VERSION,
            org_id: settings.id.org_id,
            uid: settings.id.uid.clone(),
            name: settings.name.clone(),
            url: without_password(&embedded.url),
            basic_auth_user: embedded.basic_auth_user.clone(),
            json: embedded.json.clone(),
            secret_names: embedded.secrets.keys().cloned().collect(),
            updated_ms: settings.updated_ms,
            asked_ms: now_ms,
        }
    }

    pub(super) fn id(&self) -> InstanceId {
        InstanceId {
            org_id: self.org_id,
            uid: self.uid.clone(),
        }
    }

    pub(super) fn is_forgotten(&self, now_ms: i64) -> bool {
        now_ms.saturating_sub(self.asked_ms) > FORGOTTEN_AFTER_DAYS * DAY_MS
    }

    /// Writes the file as a whole or not at all.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let _turn = turn();
        self.replace(dir)
    }

    fn replace(&self, dir: &Path) -> io::Result<()> {
        let path = dir.join(FILE);
        let temporary = dir.join(format!("{FILE}.tmp"));
        let mut file = File::create(&temporary)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(temporary, path)
    }

    /// Where the settings of the data source stand whose folder this is.
    pub(super) fn path_in(dir: &Path) -> PathBuf {
        dir.join(FILE)
    }

    /// The settings that stand in a data source's folder.
    pub(super) fn of(dir: &Path) -> io::Result<Self> {
        Self::read(&Self::path_in(dir))
    }

    fn read(path: &Path) -> io::Result<Self> {
        let kept: Self = serde_json::from_slice(&fs::read(path)?)?;
        if kept.version != VERSION {
            let text = format!("version {}, this program writes {VERSION}", kept.version);
            return Err(io::Error::other(text));
        }
        Ok(kept)
    }
}

/// Notes that Grafana still asks for the data source in `dir`.
pub(super) fn note_asked(dir: &Path, now_ms: i64) -> io::Result<()> {
    let _turn = turn();
    let mut kept = KeptSettings::of(dir)?;
    kept.asked_ms = now_ms;
    kept.replace(dir)
}

/// Lets one write at a time: Grafana asks the same data source from several sides at once, and
/// what is noted must not bring older settings back.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All settings that are kept below `dir`. What cannot be read is passed over and said: Grafana's
/// first request writes it anew.
pub(super) fn find(dir: &Path) -> Vec<KeptSettings> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut all: Vec<KeptSettings> = entries
        .flatten()
        .map(|entry| entry.path().join(FILE))
        .filter(|path| path.exists())
        .filter_map(|path| {
            KeptSettings::read(&path)
                .inspect_err(|error| tracing::warn!("{}: {error}", path.display()))
                .ok()
        })
        .collect();
    all.sort_by(|a, b| (a.org_id, &a.uid).cmp(&(b.org_id, &b.uid)));
    all
}

/// The URL without the password that may stand in it.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{}", &rest[end..]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use grafana::EngineSettings;
    use series::Secret;
    use std::collections::BTreeMap;

    pub(in super::super) fn kept() -> KeptSettings {
        let embedded = EmbeddedSettings {
            url: "http://user:p4ss@wiki:8000/metrics?x=a@b".into(),
            basic_auth_user: None,
            json: Map::from_iter([("timeInterval".to_owned(), "5s".into())]),
            secrets: BTreeMap::from([("apiKey".to_owned(), Secret::new("s3cret".into()))]),
        };
        let settings = InstanceSettings {
            id: InstanceId {
                org_id: 1,
                uid: "u".into(),
            },
            name: "Wiki".into(),
            updated_ms: 7,
            scrape_interval_ms: None,
            engine: EngineSettings::Embedded(EmbeddedSettings {
                url: String::new(),
                basic_auth_user: None,
                json: Map::new(),
                secrets: BTreeMap::new(),
            }),
        };
        KeptSettings::new(&settings, &embedded, 1_000)
    }

    #[test]
    fn settings_are_found_again_and_hold_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("1-u");
        fs::create_dir(&own).unwrap();
        kept().write(&own).unwrap();
        assert_eq!(find(dir.path()), [kept()]);
        let text = fs::read_to_string(own.join(FILE)).unwrap();
        assert!(!text.contains("s3cret") && !text.contains("p4ss"), "{text}");
        assert!(text.contains("apiKey") && text.contains("http://wiki:8000/metrics?x=a@b"));
    }

    #[test]
    fn settings_written_from_several_sides_at_once_stay_whole() {
        let dir = tempfile::tempdir().unwrap();
        kept().write(dir.path()).unwrap();
        std::thread::scope(|scope| {
            for side in 0..4 {
                let dir = dir.path();
                scope.spawn(move || {
                    for round in 0..50 {
                        match side {
                            0 => note_asked(dir, round).unwrap(),
                            _ => kept().write(dir).unwrap(),
                        }
                        KeptSettings::of(dir).unwrap();
                    }
                });
            }
        });
    }

    #[test]
    fn a_damaged_file_does_not_stand_in_the_way_of_others() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("1-a", "{"), ("1-b", "{\"version\": 9}")] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join(FILE), text).unwrap();
        }
        fs::create_dir(dir.path().join("1-u")).unwrap();
        kept().write(&dir.path().join("1-u")).unwrap();
        assert_eq!(find(dir.path()).len(), 1);
    }

    #[test]
    fn what_nobody_asked_for_long_is_forgotten() {
        assert!(!kept().is_forgotten(1_000 + FORGOTTEN_AFTER_DAYS * DAY_MS));
        assert!(kept().is_forgotten(1_001 + FORGOTTEN_AFTER_DAYS * DAY_MS));
        let dir = tempfile::tempdir().unwrap();
        kept().write(dir.path()).unwrap();
        note_asked(dir.path(), 9_000).unwrap();
        let noted = KeptSettings::of(dir.path()).unwrap();
        assert!(!noted.is_forgotten(9_000 + FORGOTTEN_AFTER_DAYS * DAY_MS));
    }
}
