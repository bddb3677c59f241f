use crate::{Error, Result};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where this room reads the files that settings name: passwords, tokens, certificates and
/// lists of targets.
pub trait Files: Send + Sync {
    /// The bytes of a file.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read, is larger than [`FILE_LIMIT`], or must not be read.
    fn read(&self, path: &Path) -> Result<Vec<u8>>;

    /// The files in `directory` whose name fulfils `wanted`, sorted.
    ///
    /// # Errors
    /// [`Error::File`] when the directory cannot be listed.
    fn list(&self, directory: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<PathBuf>>;
}

/// No file that settings name is read beyond this many bytes.
pub const FILE_LIMIT: u64 = 16 << 20;

/// The machine's files, all of them or those below some directories.
///
/// Whoever edits a data source need not be whoever owns the machine: with free choice of a
/// token file and a URL they could have any file sent to them. So a host that takes settings
/// from Grafana should name the directories.
#[derive(Debug, Clone, Default)]
pub struct DiskFiles {
    below: Option<Vec<PathBuf>>,
}

impl DiskFiles {
    /// Every file that the process may read.
    #[must_use]
    pub fn anywhere() -> Self {
        Self { below: None }
    }

    /// Only files below these directories, symbolic links resolved.
    #[must_use]
    pub fn below(directories: Vec<PathBuf>) -> Self {
        Self {
            below: Some(directories),
        }
    }

    fn allowed(&self, path: &Path) -> Result<PathBuf> {
        let real = path.canonicalize().map_err(|error| failed(path, &error))?;
        let Some(directories) = &self.below else {
            return Ok(real);
        };
        let inside = directories
            .iter()
            .filter_map(|directory| directory.canonicalize().ok())
            .any(|directory| real.starts_with(directory));
        if inside {
            Ok(real)
        } else {
            Err(Error::File {
                path: path.to_owned(),
                reason: "it is not below a directory from which files may be read".to_owned(),
            })
        }
    }
}

impl Files for DiskFiles {
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let real = self.allowed(path)?;
        let file = std::fs::File::open(real).map_err(|error| failed(path, &error))?;
        let mut bytes = Vec::new();
        file.take(FILE_LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| failed(path, &error))?;
        if bytes.len() as u64 > FILE_LIMIT {
            return Err(Error::File {
                path: path.to_owned(),
                reason: format!("it is larger than {FILE_LIMIT} bytes"),
            });
        }
        Ok(bytes)
    }

    fn list(&self, directory: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
        let real = self.allowed(directory)?;
        let entries = std::fs::read_dir(real).map_err(|error| failed(directory, &error))?;
        let mut found: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| wanted(name))
            .map(|name| directory.join(name))
            .collect();
        found.sort();
        Ok(found)
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_outside_is_not_followed() {
        let base = std::env::temp_dir().join(format!("headwater-files-{}", std::process::id()));
        let inside = base.join("inside");
        std::fs::create_dir_all(&inside).unwrap();
        std::fs::write(base.join("secret"), "s").unwrap();
        std::fs::write(inside.join("token"), "t").unwrap();
        let files = DiskFiles::below(vec![inside.clone()]);
        assert_eq!(files.read(&inside.join("token")), Ok(b"t".to_vec()));
        assert!(files.read(&inside.join("../secret")).is_err());
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(base.join("secret"), inside.join("link")).unwrap();
            assert!(files.read(&inside.join("link")).is_err());
        }
        assert_eq!(
            DiskFiles::anywhere().read(&base.join("secret")),
            Ok(b"s".to_vec())
        );
        std::fs::remove_dir_all(&base).unwrap();
    }
}
