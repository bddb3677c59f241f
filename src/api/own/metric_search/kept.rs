//! Names that are kept between the keys of a person who types: fetched once for all who wait, and
//! again in the background.

use super::names::Names;
use crate::Clock;
use engine::{Context, Engine, Error, ForwardedHeader, LabelQuestion, Reply, Result};
use futures_util::FutureExt;
use futures_util::future::{Shared, join};
use series::METRIC_NAME;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::AbortHandle;

/// Most names that are searched; the answer says when there were more.
const MAX_NAMES: usize = 1_000_000;
/// How old names may be before they are fetched anew, in milliseconds.
const FRESH_MS: i64 = 20_000;
/// How old names may be to be shown at all.
const KEPT_MS: i64 = 600_000;
/// How long the one whose search begins a fetch in the background waits for it: most servers
/// answer sooner, and a person sees a metric that is new.
const PATIENCE: Duration = Duration::from_millis(30);
/// For how many people at a time, where a server shows each of them other names.
const MAX_KEPT: usize = 8;
/// How much of them, in bytes, beside those that were asked for last: a million names.
const MAX_KEPT_BYTES: usize = 96 << 20;

/// Names and metadata as an engine had them a while ago, by who asked.
#[derive(Default)]
pub(crate) struct KeptNames(Arc<Mutex<Vec<Kept>>>);

struct Kept {
    asked_by: Vec<ForwardedHeader>,
    /// When these were asked for, and what came.
    names: Option<(i64, Arc<Names>)>,
    fetch: Option<Fetch>,
    /// When the last fetch began.
    tried_ms: i64,
}

type Fetched = Shared<Reply<'static, Result<Arc<Names>>>>;

/// A fetch that goes on when nobody waits for it: a browser that sends the next key gives up the
/// one before, and would never see the names of a slow server. It ends with the data source.
struct Fetch {
    result: Fetched,
    handle: AbortHandle,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl Kept {
    fn is_fetching(&self) -> bool {
        self.fetch.as_ref().is_some_and(|f| !f.handle.is_finished())
    }
}

/// What a search has to do for its names.
enum Step {
    Take(Arc<Names>),
    Wait(Fetched),
    /// Wait for a moment, then take the old ones.
    WaitBriefly(Fetched, Arc<Names>),
    FetchAlone,
}

/// The names that a search looks through.
pub(super) async fn names(
    engine: &Arc<dyn Engine>,
    kept: &KeptNames,
    clock: Option<&Clock>,
    context: Context,
) -> Result<Arc<Names>> {
    let Some(clock) = clock else {
        return fetch(engine.as_ref(), &context).await;
    };
    match kept.step(engine, &context, clock()) {
        Step::Take(names) => Ok(names),
        Step::Wait(fetched) => fetched.await,
        Step::WaitBriefly(fetched, old) => match tokio::time::timeout(PATIENCE, fetched).await {
            Ok(Ok(names)) => Ok(names),
            // A server that fails now had these names a while ago.
            Ok(Err(_)) | Err(_) => Ok(old),
        },
        Step::FetchAlone => fetch(engine.as_ref(), &context).await,
    }
}

impl KeptNames {
    fn step(&self, engine: &Arc<dyn Engine>, context: &Context, now_ms: i64) -> Step {
        let asked_by = engine.identity(context);
        let mut all = lock(&self.0);
        let entry = match all.iter().position(|entry| entry.asked_by == asked_by) {
            // Those that were asked for last stand last.
            Some(at) => all.remove(at),
            None => Kept {
                asked_by,
                names: None,
                fetch: None,
                tried_ms: i64::MIN,
            },
        };
        if all.len() >= MAX_KEPT {
            match all.iter().position(|entry| !entry.is_fetching()) {
                Some(at) => drop(all.remove(at)),
                None => return Step::FetchAlone,
            }
        }
        all.push(entry);
        let Some(entry) = all.last_mut() else {
            return Step::FetchAlone;
        };
        let old = entry
            .names
            .as_ref()
            .filter(|(since_ms, _)| now_ms.abs_diff(*since_ms) < KEPT_MS.unsigned_abs())
            .map(|(since_ms, names)| (*since_ms, Arc::clone(names)));
        match old {
            Some((since_ms, names))
                if now_ms.abs_diff(since_ms) < FRESH_MS.unsigned_abs()
                    || now_ms.abs_diff(entry.tried_ms) < FRESH_MS.unsigned_abs() =>
            {
                Step::Take(names)
            }
            Some((_, names)) => {
                Step::WaitBriefly(self.fetch(entry, engine, context, now_ms), names)
            }
            None => Step::Wait(self.fetch(entry, engine, context, now_ms)),
        }
    }

    /// The fetch that is under way, or a new one.
    fn fetch(
        &self,
        entry: &mut Kept,
        engine: &Arc<dyn Engine>,
        context: &Context,
        now_ms: i64,
    ) -> Fetched {
        if let Some(fetch) = &entry.fetch
            && !fetch.handle.is_finished()
        {
            return fetch.result.clone();
        }
        let kept = Arc::downgrade(&self.0);
        let engine = Arc::clone(engine);
        let asked_by = entry.asked_by.clone();
        // Whoever asks first may stop waiting, and others then wait for the same.
        let context = Context {
            forwarded: context.forwarded.clone(),
            ..Context::default()
        };
        let task = tokio::spawn(async move {
            let names = fetch(engine.as_ref(), &context).await?;
            if let Some(kept) = kept.upgrade() {
                keep(&mut lock(&kept), &asked_by, now_ms, &names);
            }
            Ok(names)
        });
        let handle = task.abort_handle();
        let result: Reply<'static, Result<Arc<Names>>> = Box::pin(async move {
            let failed = |_| Err(Error::Internal("fetching the metrics' names failed".into()));
            task.await.unwrap_or_else(failed)
        });
        let result = result.shared();
        entry.tried_ms = now_ms;
        entry.fetch = Some(Fetch {
            result: result.clone(),
            handle,
        });
        result
    }
}

/// Puts what came to who asked for it, and forgets others where all of it is too much.
fn keep(all: &mut Vec<Kept>, asked_by: &[ForwardedHeader], now_ms: i64, names: &Arc<Names>) {
    let Some(entry) = all.iter_mut().find(|entry| entry.asked_by == asked_by) else {
        return;
    };
    // A server without a name may have just begun: the next look is for the first one.
    entry.names = (!names.is_empty()).then(|| (now_ms, Arc::clone(names)));
    let size = |entry: &Kept| entry.names.as_ref().map_or(0, |(_, names)| names.bytes());
    while all.len() > 1 && all.iter().map(size).sum::<usize>() > MAX_KEPT_BYTES {
        let idle = |entry: &Kept| !entry.is_fetching() && entry.asked_by != asked_by;
        match all.iter().position(idle) {
            Some(at) => drop(all.remove(at)),
            None => return,
        }
    }
}

fn lock(kept: &Mutex<Vec<Kept>>) -> MutexGuard<'_, Vec<Kept>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn fetch(engine: &dyn Engine, context: &Context) -> Result<Arc<Names>> {
    let question = LabelQuestion {
        limit: Some(MAX_NAMES),
        ..LabelQuestion::default()
    };
    let names = engine.label_values(METRIC_NAME, &question, context);
    let (names, metadata) = join(names, engine.metadata(None, context)).await;
    // A server without metadata still has names.
    let (names, metadata) = (names?, metadata.unwrap_or_default());
    tokio::task::spawn_blocking(move || Arc::new(Names::new(names, metadata)))
        .await
        .map_err(|_| Error::Internal("preparing the metrics' names failed".into()))
}
