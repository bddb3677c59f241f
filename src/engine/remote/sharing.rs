//! One request for all who ask the same at the same time.

use crate::{ForwardedHeader, Priority, Reply, Result};
use futures_util::FutureExt;
use futures_util::future::{Shared, WeakShared};
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What makes two requests the same.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// Path and parameters.
    pub(super) request: String,
    /// Who asks, where the server is told.
    pub(super) identity: Vec<ForwardedHeader>,
    /// Alert rules and dashboards wait in queues of their own, and are told different things at
    /// a bound.
    pub(super) priority: Priority,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Tokens stay out of the hash; equality tells them apart.
        self.request.hash(state);
    }
}

/// Headers by which Grafana says from where a question comes: the dashboard, the panel, the trace.
/// The answer is the same for all of them. The server gets those of whoever asked first.
const WHEREABOUTS: [&str; 13] = [
    "baggage",
    "fromalert",
    "traceparent",
    "tracestate",
    "x-dashboard-title",
    "x-dashboard-uid",
    "x-datasource-uid",
    "x-grafana-from-expr",
    "x-panel-id",
    "x-panel-plugin-id",
    "x-panel-title",
    "x-plugin-id",
    "x-query-group-id",
];

/// Of the headers that are sent, those that may change the answer.
pub(super) fn identity(forwarded: &[ForwardedHeader]) -> Vec<ForwardedHeader> {
    let may_matter = |header: &&ForwardedHeader| {
        !WHEREABOUTS
            .iter()
            .any(|name| header.name.eq_ignore_ascii_case(name))
    };
    let mut identity: Vec<_> = forwarded.iter().filter(may_matter).cloned().collect();
    // They come from a map, in any order.
    identity.sort_by(|a, b| a.name.cmp(&b.name));
    identity
}

type Work<T> = Shared<Reply<'static, Result<T>>>;
type Watched<T> = WeakShared<Reply<'static, Result<T>>>;

/// The requests that are in flight.
///
/// Whoever waits for one drives it; when the last one stops waiting it is dropped, and with it
/// the connection. Nothing is remembered once it is done.
pub(super) struct InFlight<T: Clone> {
    table: Arc<Mutex<Table<T>>>,
}

struct Table<T: Clone> {
    works: HashMap<Key, (u64, Watched<T>)>,
    next_id: u64,
}

impl<T: Clone + Send + Sync + 'static> InFlight<T> {
    pub(super) fn new() -> Self {
        Self {
            table: Arc::new(Mutex::new(Table {
                works: HashMap::new(),
                next_id: 0,
            })),
        }
    }

    /// Joins the request of that key, or starts it with `start`.
    pub(super) fn join(
        &self,
        key: Key,
        start: impl FnOnce() -> Reply<'static, Result<T>>,
    ) -> Work<T> {
        let mut table = lock(&self.table);
        if let Some(work) = table.works.get(&key).and_then(|(_, work)| work.upgrade()) {
            return work;
        }
        let id = table.next_id;
        table.next_id += 1;
        let done = Done {
            table: Arc::clone(&self.table),
            key: key.clone(),
            id,
        };
        let work = start();
        let work: Reply<'static, Result<T>> = Box::pin(async move {
            // Dropped when the work is done and when nobody waits for it any more.
            let _done = done;
            work.await
        });
        let work = work.shared();
        if let Some(weak) = work.downgrade() {
            table.works.insert(key, (id, weak));
        }
        work
    }
}

fn lock<T: Clone>(table: &Mutex<Table<T>>) -> MutexGuard<'_, Table<T>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a request off the table.
struct Done<T: Clone> {
    table: Arc<Mutex<Table<T>>>,
    key: Key,
    id: u64,
}

impl<T: Clone> Drop for Done<T> {
    fn drop(&mut self) {
        let mut table = lock(&self.table);
        // Another request of the same key may stand there by now.
        if table
            .works
            .get(&self.key)
            .is_some_and(|(id, _)| *id == self.id)
        {
            table.works.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Notify;

    fn key(request: &str) -> Key {
        Key {
            request: request.to_owned(),
            identity: Vec::new(),
            priority: Priority::Dashboard,
        }
    }

    #[test]
    fn the_panel_makes_no_difference_and_the_person_does() {
        let header = |name: &str| ForwardedHeader {
            name: name.to_owned(),
            value: series::Secret::new("x".to_owned()),
        };
        let headers = [
            "x-grafana-user",
            "X-Panel-Id",
            "authorization",
            "Traceparent",
        ];
        let identity = identity(&headers.map(header));
        let names: Vec<&str> = identity.iter().map(|h| h.name.as_str()).collect();
        assert_eq!(names, ["authorization", "x-grafana-user"]);
    }

    #[tokio::test]
    async fn the_same_question_is_asked_once_while_it_is_in_flight() {
        let in_flight = InFlight::<usize>::new();
        let (started, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let start = || {
            let (started, go) = (Arc::clone(&started), Arc::clone(&go));
            let work: Reply<'static, Result<usize>> = Box::pin(async move {
                let number = started.fetch_add(1, Ordering::SeqCst);
                go.notified().await;
                Ok(number)
            });
            work
        };
        let first = in_flight.join(key("a"), start);
        let second = in_flight.join(key("a"), start);
        let other = in_flight.join(key("b"), start);
        let both = tokio::spawn(async move { (first.await, second.await) });
        tokio::task::yield_now().await;
        go.notify_one();
        assert_eq!(both.await.unwrap(), (Ok(0), Ok(0)));
        drop(other);
        assert!(lock(&in_flight.table).works.is_empty());
        let again = in_flight.join(key("a"), start);
        go.notify_one();
        assert_eq!(again.await, Ok(1));
    }

    #[tokio::test]
    async fn one_that_stops_waiting_does_not_stop_the_others() {
        let in_flight = InFlight::<u8>::new();
        let go = Arc::new(Notify::new());
        let start = || {
            let go = Arc::clone(&go);
            let work: Reply<'static, Result<u8>> = Box::pin(async move {
                go.notified().await;
                Ok(7)
            });
            work
        };
        let first = tokio::spawn(in_flight.join(key("a"), start));
        tokio::task::yield_now().await;
        let second = tokio::spawn(in_flight.join(key("a"), start));
        tokio::task::yield_now().await;
        first.abort();
        assert!(first.await.is_err());
        go.notify_one();
        assert_eq!(second.await.unwrap(), Ok(7));
        assert!(lock(&in_flight.table).works.is_empty());
    }
}
