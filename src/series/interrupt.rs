use crate::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const RUNNING: u8 = 0;
const CANCELLED: u8 = 1;
const TIMED_OUT: u8 = 2;

/// Says whether anybody still waits for an answer.
///
/// Clones share one state. Loops call [`Interrupt::check`] every few thousand samples: it is
/// one relaxed load. The deadline is kept by whoever made the interrupt, who calls
/// [`Interrupt::time_out`] when it passes, so that no loop needs a clock.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicU8>);

impl Interrupt {
    /// An interrupt that nobody has pulled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the work because its answer is no longer wanted. The first reason given stays.
    pub fn cancel(&self) {
        self.stop(CANCELLED);
    }

    /// Stops the work because its time is over. The first reason given stays.
    pub fn time_out(&self) {
        self.stop(TIMED_OUT);
    }

    /// # Errors
    /// [`Error::Cancelled`] or [`Error::TimedOut`] once the work should stop.
    pub fn check(&self) -> Result<()> {
        match self.0.load(Ordering::Relaxed) {
            RUNNING => Ok(()),
            TIMED_OUT => Err(Error::TimedOut),
            _ => Err(Error::Cancelled),
        }
    }

    fn stop(&self, reason: u8) {
        // A failed exchange means that another reason came first, which then stands.
        let _ = self
            .0
            .compare_exchange(RUNNING, reason, Ordering::Relaxed, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_stays() {
        let interrupt = Interrupt::new();
        let seen_by_worker = interrupt.clone();
        assert_eq!(seen_by_worker.check(), Ok(()));
        interrupt.time_out();
        interrupt.cancel();
        assert_eq!(seen_by_worker.check(), Err(Error::TimedOut));
    }
}
