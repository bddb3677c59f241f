use grafana::InstanceId;
use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const VARIABLE: &str = "GF_PLUGIN_DATA_DIR";
const FOLDER: &str = "headwater";

/// Where samples lie: below one folder, by organisation and data source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// `GF_PLUGIN_DATA_DIR`; else beside Grafana's `plugins` folder, found from where this
    /// program lies; else below `data` of Grafana's home, which is the working directory.
    ///
    /// `programs` are the paths under which the program is known, best first: the one it was
    /// started by, which may lead through a link, and the real one. Never inside of `plugins`: a
    /// signed plugin with a file too many does not load.
    pub(crate) fn find(
        variables: &HashMap<String, String>,
        programs: &[PathBuf],
        working_dir: &Path,
    ) -> Self {
        if let Some(named) = variables.get(VARIABLE).filter(|dir| !dir.is_empty()) {
            return Self(working_dir.join(named));
        }
        let beside_plugins = programs.iter().find_map(|program| {
            let plugins = working_dir.join(program);
            let plugins = plugins.ancestors().find(|dir| dir.ends_with("plugins"))?;
            Some(plugins.parent()?.join(FOLDER))
        });
        Self(beside_plugins.unwrap_or_else(|| working_dir.join("data").join(FOLDER)))
    }

    /// The folder that a person names.
    pub(crate) fn named(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The folder of one data source: `<orgId>-<uid>`.
    pub(crate) fn of(&self, id: &InstanceId) -> PathBuf {
        let mut name = format!("{}-", id.org_id);
        for byte in id.uid.bytes() {
            if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
                name.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(name, "%{byte:02x}");
            }
        }
        self.0.join(name)
    }

    /// What to do when the folder cannot be used.
    pub(crate) fn advice(&self) -> String {
        format!(
            "Headwater keeps its data in {}: Grafana's user must be able to write there. Another \
             folder is set with data_dir in the [plugin.headwater-metrics-datasource] section of \
             Grafana's configuration",
            self.0.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(named: Option<&str>, programs: &[&str]) -> PathBuf {
        let variables = named.map(|dir| (VARIABLE.to_owned(), dir.to_owned()));
        let programs: Vec<PathBuf> = programs.iter().map(PathBuf::from).collect();
        DataDir::find(
            &variables.into_iter().collect(),
            &programs,
            Path::new("/usr/share/grafana"),
        )
        .0
    }

    #[test]
    fn data_lies_beside_the_plugins_and_never_among_them() {
        let linked =
            "/var/lib/grafana/plugins/headwater-metrics-datasource/gpx_headwater_linux_amd64";
        let real = "/home/me/headwater/dist/gpx_headwater_linux_amd64";
        assert_eq!(
            find(None, &[linked, real]),
            Path::new("/var/lib/grafana/headwater")
        );
        assert_eq!(
            find(None, &[real]),
            Path::new("/usr/share/grafana/data/headwater")
        );
        assert_eq!(
            find(None, &["data/plugins/x/gpx"]),
            Path::new("/usr/share/grafana/data/headwater")
        );
        assert_eq!(find(Some("/data"), &[linked]), Path::new("/data"));
        assert_eq!(
            find(Some(""), &[linked]),
            Path::new("/var/lib/grafana/headwater")
        );
    }

    #[test]
    fn a_strange_uid_cannot_leave_the_folder() {
        let dir = DataDir(PathBuf::from("/d"));
        let id = |uid: &str| InstanceId {
            org_id: 1,
            uid: uid.to_owned(),
        };
        assert_eq!(dir.of(&id("a_B-1")), Path::new("/d/1-a_B-1"));
        assert_eq!(dir.of(&id("../x")), Path::new("/d/1-%2e%2e%2fx"));
    }
}
