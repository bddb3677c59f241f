use api::{Clock, Targets, TsdbStatistics};
use engine::Engine;
use series::Appender;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

/// Work on its way.
pub type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The machine as `serve`, `demo` and `query` need it: its clock, its signals, and a store on
/// its disk. The front door implements it, for this room knows no store.
pub trait Machine {
    /// The program's version: that of the root package, which rooms do not carry.
    fn version(&self) -> &'static str;

    /// What time it is.
    fn clock(&self) -> Clock;

    /// Ends when a person (Ctrl-C) or the system (SIGTERM) wants the process to end. Called
    /// within a tokio runtime; signals are caught from the call on.
    ///
    /// # Errors
    /// When signals cannot be caught.
    fn asked_to_stop(&self) -> io::Result<Task<()>>;

    /// Opens a store for writing and scrapes into it from then on. Called within a tokio runtime
    /// with timers and I/O.
    ///
    /// # Errors
    /// [`CannotOpen`] when the directory cannot be used.
    fn open(&self, opening: Opening) -> Result<Running, CannotOpen>;

    /// An engine over the samples that lie in a directory now, also beside a process that
    /// writes there. Nothing on disk is changed.
    ///
    /// # Errors
    /// [`CannotOpen`] when there is no such directory, or it cannot be read.
    fn open_to_read(&self, dir: &Path) -> Result<Arc<dyn Engine>, CannotOpen>;

    /// What the plugin stored for data sources in `dir`, or where it does so by itself. Nothing
    /// on disk is changed.
    ///
    /// # Errors
    /// [`CannotOpen`] when the folder cannot be listed; one that is not there holds nothing.
    fn stored(&self, dir: Option<&Path>) -> Result<Stored, CannotOpen>;

    /// Removes one folder of those that [`Machine::stored`] lists, by its name.
    ///
    /// # Errors
    /// [`CannotOpen`] when somebody uses it, or it cannot be removed.
    fn remove_stored(&self, dir: Option<&Path>, name: &str) -> Result<(), CannotOpen>;
}

/// The samples of all data sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The folder that holds the data sources' folders.
    pub dir: PathBuf,
    /// One for each data source, by name.
    pub folders: Vec<StoredFolder>,
}

/// The samples of one data source. What cannot be found out is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredFolder {
    /// The folder's name.
    pub name: String,
    /// The organisation in Grafana.
    pub org_id: Option<i64>,
    /// The data source's uid.
    pub uid: Option<String>,
    /// The data source's name when Grafana last asked.
    pub title: Option<String>,
    /// Bytes on disk, with all that was set aside.
    pub bytes: u64,
    /// Time of the oldest sample, in milliseconds since the epoch.
    pub min_time: Option<i64>,
    /// Time of the newest sample, in milliseconds since the epoch.
    pub max_time: Option<i64>,
    /// When Grafana last asked for the data source, to a day, in milliseconds since the epoch.
    pub asked_ms: Option<i64>,
    /// Who has it open for writing.
    pub used_by: Option<String>,
    /// Why something of this is not known.
    pub problem: Option<String>,
}

/// What is opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    /// Where the samples lie.
    pub place: Place,
    /// What is scraped.
    pub scrape: scrape::Settings,
    /// How long samples stay, in milliseconds; `None` for the store's default.
    pub retention_ms: Option<i64>,
    /// How many bytes they may take; `None` for no bound.
    pub retention_bytes: Option<u64>,
}

/// Where samples lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder that stays. It is made where it is not there.
    Folder(PathBuf),
    /// A new folder that goes when the store is closed.
    Temporary,
}

/// A store that is scraped into, and what can be asked of it.
pub struct Running {
    /// Answers from the store.
    pub engine: Arc<dyn Engine>,
    /// Writes into the store.
    pub appender: Arc<dyn Appender>,
    /// Knows the targets.
    pub targets: Arc<dyn Targets>,
    /// What the store holds; each list with at most so many entries.
    pub statistics: Arc<dyn Fn(usize) -> TsdbStatistics + Send + Sync>,
    /// The process's own metrics, as text in the Prometheus format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// The folder.
    pub dir: PathBuf,
    /// Damage that was found and left out, a line each.
    pub damage: Vec<String>,
    /// Stops scraping and closes the store; the text says what went wrong with that.
    pub close: Box<dyn FnOnce() -> Task<Result<(), String>> + Send>,
}

/// Why a store cannot be opened: what happened, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CannotOpen(pub String);

impl CannotOpen {
    /// The text, with `advice` behind it where it has none of its own.
    pub(crate) fn advised(&self, advice: &str) -> String {
        let Self(text) = self;
        if text.ends_with('.') {
            return text.clone();
        }
        format!("{text}. {advice}")
    }
}
