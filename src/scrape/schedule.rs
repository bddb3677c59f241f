use crate::error::milliseconds;
use std::time::Duration;

/// When a target is scraped: at fixed places of the wall clock, once per interval, so that a
/// restart, a late scrape or a clock that was set goes on where the target's place is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Schedule {
    interval: i64,
    offset: i64,
}

/// A scrape that begins at most so late (in milliseconds), and at most a hundredth of the
/// interval, counts as begun at its place: equal distances take fewer bytes to store
/// (Prometheus `scrape.ScrapeTimestampTolerance`).
const TOLERANCE: i64 = 2;

impl Schedule {
    pub(crate) fn new(interval: Duration, offset: Duration) -> Self {
        let interval = milliseconds(interval).max(1);
        Self {
            interval,
            offset: milliseconds(offset).rem_euclid(interval),
        }
    }

    /// The time to give a scrape that begins at `now`.
    pub(crate) fn time_of(&self, now: i64) -> i64 {
        let tolerance = TOLERANCE.min(self.interval / 100);
        let late = self.since_place(now);
        if late <= tolerance {
            now - late
        } else if self.interval - late <= tolerance {
            now + (self.interval - late)
        } else {
            now
        }
    }

    /// How long to wait at `now` for the place after the scrape of `last`. Never longer than
    /// the interval, wherever the clock was set to meanwhile.
    pub(crate) fn wait(&self, now: i64, last: i64) -> Duration {
        // The clock may run a little behind the time that was given to the last scrape; if it
        // is further off, it was set.
        let from = if now < last && last - now < self.interval {
            last
        } else {
            now
        };
        let next = from + (self.interval - self.since_place(from));
        Duration::from_millis((next - now).clamp(0, self.interval).unsigned_abs())
    }

    /// How long to wait at `now` for the very first scrape: at most a second, so that a person
    /// who has just set up a target sees it; the targets of one start are spread over it.
    pub(crate) fn first_wait(&self) -> Duration {
        let within = self.interval.min(FIRST_WITHIN);
        Duration::from_millis((self.offset % within).unsigned_abs())
    }

    /// How long to wait at `now` after the first scrape, which was off its place: the next
    /// place that is at least half an interval away.
    pub(crate) fn wait_after_first(&self, now: i64) -> Duration {
        let half = self.interval / 2;
        Duration::from_millis(half.unsigned_abs()) + self.wait(now + half, i64::MIN)
    }

    fn since_place(&self, now: i64) -> i64 {
        (now - self.offset).rem_euclid(self.interval)
    }
}

/// Milliseconds within which a new target is scraped first.
const FIRST_WITHIN: i64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> Schedule {
        Schedule::new(Duration::from_secs(10), Duration::from_millis(300))
    }

    #[test]
    fn a_scrape_near_its_place_is_given_the_places_time() {
        for (now, time) in [
            (20_300, 20_300),
            (20_302, 20_300),
            (20_298, 20_300),
            (20_303, 20_303),
            (20_297, 20_297),
            (25_000, 25_000),
        ] {
            assert_eq!(schedule().time_of(now), time, "{now}");
        }
        // At 50 ms a hundredth of the interval is nothing.
        let fast = Schedule::new(Duration::from_millis(50), Duration::ZERO);
        assert_eq!(fast.time_of(101), 101);
    }

    #[test]
    fn the_next_place_is_waited_for() {
        for (now, last, wait) in [
            (20_300, 20_300, 10_000),
            (20_450, 20_300, 9_850),
            // A millisecond early: the same place is not scraped twice.
            (20_299, 20_300, 10_000),
            // The scrape took longer than the interval: the place it missed is left out.
            (31_000, 20_300, 9_300),
        ] {
            let want = Duration::from_millis(wait);
            assert_eq!(schedule().wait(now, last), want, "{now} after {last}");
        }
    }

    #[test]
    fn a_clock_that_was_set_makes_nobody_wait_longer_than_an_interval() {
        let hour = 3_600_000;
        for now in [20_400 - hour, 20_400 + hour, 20_299 - 10_000] {
            let wait = schedule().wait(now, 20_300);
            assert!(
                wait <= Duration::from_secs(10) && wait > Duration::ZERO,
                "{now}: {wait:?}"
            );
            let next = now + milliseconds(wait);
            assert_eq!((next - 300).rem_euclid(10_000), 0);
        }
    }

    #[test]
    fn the_first_scrape_comes_soon_and_the_second_not_at_once() {
        assert!(schedule().first_wait() < Duration::from_secs(1));
        for now in (20_000..30_000).step_by(70) {
            let wait = schedule().wait_after_first(now);
            assert!(wait >= Duration::from_secs(5) && wait <= Duration::from_secs(15));
            assert_eq!((now + milliseconds(wait) - 300).rem_euclid(10_000), 0);
        }
    }
}
