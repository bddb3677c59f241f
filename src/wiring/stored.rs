//! What lies in the plugin's data folder, also for data sources that Grafana has no more.

use super::data_dir::DataDir;
use super::kept::KeptSettings;
use cli::{CannotOpen, Stored, StoredFolder};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Options, RealDisk, Store};

/// The folders of all data sources, by name.
pub(super) fn stored(dir: &DataDir) -> Result<Stored, CannotOpen> {
    let folders = folders(dir.path()).map_err(|error| {
        CannotOpen(format!(
            "Cannot list {}: {error}. Who may read it is Grafana's user.",
            dir.path().display()
        ))
    })?;
    Ok(Stored {
        dir: dir.path().to_owned(),
        folders: folders.iter().map(|folder| described(folder)).collect(),
    })
}

/// Removes a data source's folder while nobody else can open it.
pub(super) fn remove(dir: &DataDir, name: &str) -> Result<(), CannotOpen> {
    let listed = folders(dir.path()).unwrap_or_default();
    let Some(folder) = listed.iter().find(|folder| name_of(folder) == name) else {
        return Err(CannotOpen(format!(
            "There is no folder {name:?} in {}.",
            dir.path().display()
        )));
    };
    let failed = |error: String| CannotOpen(format!("Nothing was removed: {error}"));
    let lock = Store::lock(&RealDisk, folder).map_err(|error| failed(error.to_string()))?;
    let removed = fs::remove_dir_all(folder).map_err(|error| {
        CannotOpen(format!(
            "Cannot remove all of {}: {error}.",
            folder.display()
        ))
    });
    drop(lock);
    removed
}

/// Folders that a store or a data source's settings stand in. None is there before the plugin
/// first ran.
pub(super) fn folders(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry?;
        // A link leads to what is somebody else's.
        if entry.file_type()?.is_dir() && is_ours(&entry.path()) {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

fn is_ours(folder: &Path) -> bool {
    KeptSettings::path_in(folder).is_file() || Store::is_store(&RealDisk, folder)
}

fn described(folder: &Path) -> StoredFolder {
    let mut problems = Vec::new();
    let kept = match KeptSettings::of(folder) {
        Ok(kept) => Some(kept),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            problems.push(format!("its settings cannot be read: {error}"));
            None
        }
    };
    let used_by = Store::used_by(&RealDisk, folder).unwrap_or_else(|error| {
        problems.push(format!("it cannot be seen who uses it: {error}"));
        None
    });
    // No time is asked for: nothing is written.
    let clock = Arc::new(|| 0);
    let opened = Store::open_read_only(Arc::new(RealDisk), folder, Options::default(), clock);
    let sizes = match opened {
        Ok(store) => {
            let damage = store.health().damage.len();
            if damage > 0 {
                problems.push(format!("{damage} pieces of it are damaged"));
            }
            Some(store.statistics())
        }
        Err(error) => {
            problems.push(error.to_string());
            None
        }
    };
    StoredFolder {
        name: name_of(folder),
        org_id: kept.as_ref().map(|kept| kept.id().org_id),
        uid: kept.as_ref().map(|kept| kept.id().uid),
        title: kept.as_ref().map(|kept| kept.name.clone()),
        bytes: bytes_in(folder),
        min_time: sizes.and_then(|sizes| sizes.min_time),
        max_time: sizes.and_then(|sizes| sizes.max_time),
        asked_ms: kept.as_ref().map(|kept| kept.asked_ms),
        used_by,
        problem: (!problems.is_empty()).then(|| problems.join("; ")),
    }
}

fn name_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Bytes of all files in a folder. What vanishes meanwhile does not count.
fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let metadata = entries.filter_map(|entry| entry.metadata().ok());
    metadata.map(|metadata| metadata.len()).sum()
}

/// Says for CheckHealth what lies in the data folder that no data source has needed for long;
/// `None` where there is nothing of that kind.
pub(super) fn forgotten(dir: &DataDir, now_ms: i64) -> Option<String> {
    let folders = folders(dir.path()).ok()?;
    let is_forgotten = |folder: &&PathBuf| {
        let kept = KeptSettings::of(folder);
        kept.is_ok_and(|kept| kept.is_forgotten(now_ms))
            && !matches!(Store::used_by(&RealDisk, folder), Ok(Some(_)))
    };
    let listed: Vec<String> = folders
        .iter()
        .filter(is_forgotten)
        .map(|folder| format!("{} ({} bytes)", name_of(folder), bytes_in(folder)))
        .collect();
    (!listed.is_empty()).then(|| {
        format!(
            "{} in {}: not asked for since {} days, perhaps of deleted data sources; \
             `gpx_headwater data list` shows them",
            listed.join(", "),
            dir.path().display(),
            super::kept::FORGOTTEN_AFTER_DAYS
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::kept::{DAY_MS, tests::kept};
    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    /// The folder of a data source that Grafana asked for so many days before now.
    fn folder(dir: &DataDir, uid: &str, days: i64) -> PathBuf {
        let mut kept = kept();
        kept.uid = uid.into();
        kept.asked_ms = NOW_MS - days * DAY_MS;
        let folder = dir.of(&kept.id());
        fs::create_dir(&folder).unwrap();
        kept.write(&folder).unwrap();
        folder
    }

    #[test]
    fn health_names_what_nobody_asked_for_since_long_and_is_not_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let named = DataDir::named(dir.path());
        folder(&named, "asked", 29);
        let used = folder(&named, "used", 31);
        let held = Store::lock(&RealDisk, &used).unwrap();
        assert_eq!(forgotten(&named, NOW_MS), None);
        let gone = folder(&named, "gone", 31);
        let said = forgotten(&named, NOW_MS).unwrap();
        let begin = format!(
            "1-gone ({} bytes) in {}: ",
            bytes_in(&gone),
            dir.path().display()
        );
        assert!(
            said.starts_with(&begin) && said.contains("data list"),
            "{said}"
        );
        drop(held);
        assert!(forgotten(&named, NOW_MS).unwrap().contains("1-used ("));
    }

    #[test]
    fn only_the_folder_that_is_named_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let named = DataDir::named(dir.path());
        let (kept, gone) = (folder(&named, "kept", 1), folder(&named, "gone", 1));
        for name in ["", ".", "/", "gone", "1-gone/.."] {
            let refused = remove(&named, name).unwrap_err();
            assert!(refused.0.starts_with("There is no folder"), "{refused:?}");
        }
        remove(&named, "1-gone").unwrap();
        assert!(kept.exists() && !gone.exists());
    }
}
