//! A machine for tests: a fixed clock, and a store that answers what the test says.

use crate::machine::{CannotOpen, Machine, Opening, Running, Stored, StoredFolder, Task};
use crate::surroundings::{FetchFailure, FetchedPage, Surroundings};
use crate::{Ending, Streams, run};
use api::Clock;
use engine::{
    Context, Engine, Error, FamilyMetadata, Health, HealthStatus, InstantQuery, LabelQuestion,
    RangeQuery, Reply, ResourceRequest, ResourceResponse, Result,
};
use series::{Answer, Labels, Limited, QueryResult, SeriesExemplars};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// 2024-05-01T12:00:00Z.
pub(crate) const NOW: i64 = 1_714_564_800_000;

/// A machine whose only folder with samples is `data`, and whose folders are all in use.
#[derive(Default)]
pub(crate) struct FakeMachine {
    pub(crate) answer: Option<Result<Answer>>,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
    pub(crate) opened: Mutex<Vec<Opening>>,
    pub(crate) files: HashMap<&'static str, Vec<u8>>,
    pub(crate) stored: Vec<StoredFolder>,
    pub(crate) removed: Mutex<Vec<String>>,
}

impl FakeMachine {
    pub(crate) fn answering(result: QueryResult) -> Self {
        Self {
            answer: Some(Ok(Answer::new(result))),
            ..Self::default()
        }
    }

    /// Runs a command line on this machine: how it ended, what it wrote, what it complained of.
    pub(crate) fn run(&self, arguments: &[&str]) -> (Ending, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut streams = Streams {
            out: &mut out,
            err: &mut err,
        };
        let line = ["gpx_headwater"].iter().chain(arguments);
        let ending = run(line.map(OsString::from), self, self, &mut streams);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (ending, text(out), text(err))
    }
}

impl Surroundings for FakeMachine {
    fn read_file(&self, path: &Path, _: u64) -> io::Result<Vec<u8>> {
        let found = path.to_str().and_then(|path| self.files.get(path));
        found.cloned().ok_or(io::ErrorKind::NotFound.into())
    }

    fn read_input(&self, _: u64) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn fetch(&self, _: &str, _: u64) -> std::result::Result<FetchedPage, FetchFailure> {
        Err(FetchFailure::Failed("There is no network.".to_owned()))
    }
}

impl Machine for FakeMachine {
    fn version(&self) -> &'static str {
        "1.2.3"
    }

    fn clock(&self) -> Clock {
        Arc::new(|| NOW)
    }

    fn asked_to_stop(&self) -> io::Result<Task<()>> {
        Ok(Box::pin(std::future::ready(())))
    }

    fn open(&self, opening: Opening) -> std::result::Result<Running, CannotOpen> {
        self.opened.lock().unwrap().push(opening);
        Err(CannotOpen("The folder is in use by process 7.".to_owned()))
    }

    fn open_to_read(&self, dir: &Path) -> std::result::Result<Arc<dyn Engine>, CannotOpen> {
        match (&self.answer, dir.to_str()) {
            (Some(answer), Some("data")) => Ok(Arc::new(FakeEngine {
                answer: answer.clone(),
                asked: Arc::clone(&self.asked),
            })),
            _ => Err(CannotOpen(format!("There is no {}.", dir.display()))),
        }
    }

    fn stored(&self, _: Option<&Path>) -> std::result::Result<Stored, CannotOpen> {
        Ok(Stored {
            dir: "/fake/headwater".into(),
            folders: self.stored.clone(),
        })
    }

    fn remove_stored(&self, _: Option<&Path>, name: &str) -> std::result::Result<(), CannotOpen> {
        let folder = self.stored.iter().find(|folder| folder.name == name);
        if let Some(holder) = folder.and_then(|folder| folder.used_by.as_ref()) {
            return Err(CannotOpen(format!("{name} is in use by {holder}.")));
        }
        self.removed.lock().unwrap().push(name.to_owned());
        Ok(())
    }
}

/// Answers every query with the same, and notes what was asked.
struct FakeEngine {
    answer: Result<Answer>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl FakeEngine {
    fn note(&self, asked: String) -> Reply<'_, Result<Answer>> {
        self.asked.lock().unwrap().push(asked);
        Box::pin(std::future::ready(self.answer.clone()))
    }
}

fn nothing<'a, T: Send + 'a>() -> Reply<'a, Result<T>> {
    Box::pin(std::future::ready(Err(Error::Cancelled)))
}

impl Engine for FakeEngine {
    fn range<'a>(&'a self, query: &'a RangeQuery, _: &'a Context) -> Reply<'a, Result<Answer>> {
        let RangeQuery {
            expr,
            start_ms,
            end_ms,
            step_ms,
        } = query;
        let (start, end) = (start_ms - NOW, end_ms - NOW);
        self.note(format!("{expr} from {start} to {end} by {step_ms}"))
    }

    fn instant<'a>(&'a self, query: &'a InstantQuery, _: &'a Context) -> Reply<'a, Result<Answer>> {
        self.note(format!("{} at {}", query.expr, query.time_ms - NOW))
    }

    fn exemplars<'a>(
        &'a self,
        _: &'a RangeQuery,
        _: &'a Context,
    ) -> Reply<'a, Result<Vec<SeriesExemplars>>> {
        nothing()
    }

    fn health<'a>(&'a self, _: &'a Context) -> Reply<'a, Health> {
        Box::pin(std::future::ready(Health {
            status: HealthStatus::Ok,
            message: String::new(),
            advice: None,
            details: Vec::new(),
        }))
    }

    fn passes_through(&self) -> bool {
        false
    }

    fn resource<'a>(
        &'a self,
        _: ResourceRequest,
        _: &'a Context,
    ) -> Reply<'a, Result<ResourceResponse>> {
        nothing()
    }

    fn label_names<'a>(
        &'a self,
        _: &'a LabelQuestion,
        _: &'a Context,
    ) -> Reply<'a, Result<Limited<Vec<String>>>> {
        nothing()
    }

    fn label_values<'a>(
        &'a self,
        _: &'a str,
        _: &'a LabelQuestion,
        _: &'a Context,
    ) -> Reply<'a, Result<Limited<Vec<String>>>> {
        nothing()
    }

    fn series<'a>(
        &'a self,
        _: &'a LabelQuestion,
        _: &'a Context,
    ) -> Reply<'a, Result<Limited<Vec<Labels>>>> {
        nothing()
    }

    fn metadata<'a>(
        &'a self,
        _: Option<&'a str>,
        _: &'a Context,
    ) -> Reply<'a, Result<FamilyMetadata>> {
        nothing()
    }
}
