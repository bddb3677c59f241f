//! How many requests are in flight, and whose turn is next.

use crate::{Error, Priority, Result};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Lets a bounded number of requests through. Those that wait are let in by turns, a dashboard's
/// and an alert rule's, so that neither can starve the other.
pub(super) struct Gate {
    open: usize,
    max_queued: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    inside: usize,
    dashboards: VecDeque<oneshot::Sender<Permit>>,
    alerting: VecDeque<oneshot::Sender<Permit>>,
    last_was_alerting: bool,
}

/// A place inside; dropping it lets the next one in.
pub(super) struct Permit {
    gate: Option<Arc<Gate>>,
}

impl Gate {
    /// `open` requests may be inside, `max_queued` may wait.
    pub(super) fn new(open: usize, max_queued: usize) -> Arc<Self> {
        Arc::new(Self {
            open: open.max(1),
            max_queued,
            state: Mutex::default(),
        })
    }

    /// Waits for a place. Dropping the future gives the place in the queue up.
    pub(super) async fn enter(self: &Arc<Self>, priority: Priority) -> Result<Permit> {
        let waiting = {
            let mut state = self.lock();
            if state.inside < self.open {
                state.inside += 1;
                return Ok(Permit {
                    gate: Some(Arc::clone(self)),
                });
            }
            // Whoever gave up waiting does not count.
            state.dashboards.retain(|waiter| !waiter.is_closed());
            state.alerting.retain(|waiter| !waiter.is_closed());
            if state.dashboards.len() + state.alerting.len() >= self.max_queued {
                return Err(Error::Limit {
                    what: "too many queries wait for this data source",
                    bound: "maxQueuedQueries",
                    limit: self.max_queued as u64,
                });
            }
            let (waiter, waiting) = oneshot::channel();
            match priority {
                Priority::Dashboard => state.dashboards.push_back(waiter),
                Priority::Alerting => state.alerting.push_back(waiter),
            }
            waiting
        };
        waiting
            .await
            .map_err(|_| Error::Internal("the queue of requests is gone".to_owned()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(self: &Arc<Self>) {
        loop {
            let waiter = {
                let mut state = self.lock();
                let alerting_first = !state.last_was_alerting;
                let next = if alerting_first {
                    let alerting = state.alerting.pop_front().map(|waiter| (waiter, true));
                    alerting.or_else(|| Some((state.dashboards.pop_front()?, false)))
                } else {
                    let dashboard = state.dashboards.pop_front().map(|waiter| (waiter, false));
                    dashboard.or_else(|| Some((state.alerting.pop_front()?, true)))
                };
                let Some((waiter, alerting)) = next else {
                    state.inside -= 1;
                    return;
                };
                state.last_was_alerting = alerting;
                waiter
            };
            let permit = Permit {
                gate: Some(Arc::clone(self)),
            };
            match waiter.send(permit) {
                Ok(()) => return,
                // It gave up: the place is still free, and must not be given back twice.
                Err(mut permit) => permit.gate = None,
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_that_wait_are_let_in_by_turns() {
        let gate = Gate::new(1, 100);
        let inside = gate.enter(Priority::Dashboard).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (name, priority) in [
            ("d1", Priority::Dashboard),
            ("d2", Priority::Dashboard),
            ("d3", Priority::Dashboard),
            ("a1", Priority::Alerting),
            ("a2", Priority::Alerting),
        ] {
            let (gate, order) = (Arc::clone(&gate), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let _permit = gate.enter(priority).await.unwrap();
                order.lock().unwrap().push(name);
            }));
            tokio::task::yield_now().await;
        }
        drop(inside);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), ["a1", "d1", "a2", "d2", "d3"]);
        assert_eq!(gate.lock().inside, 0);
    }

    #[tokio::test]
    async fn whoever_gives_up_takes_no_place() {
        let gate = Gate::new(1, 1);
        let inside = gate.enter(Priority::Dashboard).await.unwrap();
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.enter(Priority::Dashboard).await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert!(matches!(
            gate.enter(Priority::Alerting).await,
            Err(Error::Limit {
                bound: "maxQueuedQueries",
                limit: 1,
                ..
            })
        ));
        waiting.abort();
        assert!(waiting.await.is_err());
        drop(inside);
        assert_eq!(gate.lock().inside, 0);
        drop(gate.enter(Priority::Alerting).await.unwrap());
        assert_eq!(gate.lock().inside, 0);
    }
}
