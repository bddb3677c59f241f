use super::*;
use proptest::prelude::*;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// 2023-11-14T22:13:20Z: on the grid of 20 s, not of 30 s.
const NOW: i64 = 1_700_000_000_000;

fn question(range_ms: i64) -> Question {
    Question {
        expr: "rate(m[$__rate_interval])".to_owned(),
        kind: Kind::Range,
        min_step: String::new(),
        interval_ms: 0,
        call_interval_ms: 0,
        interval_factor: 0,
        max_data_points: 0,
        time_range: TimeRange {
            start: NOW - range_ms,
            end: NOW,
        },
        utc_offset_sec: 0,
        scrape_interval_ms: None,
    }
}

fn step(change: impl FnOnce(&mut Question), range_ms: i64) -> i64 {
    let mut question = question(range_ms);
    change(&mut question);
    question.resolve().unwrap().step_ms
}

fn expr(text: &str, change: impl FnOnce(&mut Question), range_ms: i64) -> String {
    let mut question = question(range_ms);
    question.expr = text.to_owned();
    change(&mut question);
    question.resolve().unwrap().expr
}

#[test]
fn the_minimum_comes_from_the_nearest_setting() {
    assert_eq!(step(|_| {}, HOUR), 15 * SECOND);
    assert_eq!(
        step(|q| q.scrape_interval_ms = Some(10 * SECOND), HOUR),
        10 * SECOND
    );
    let with_panel = |q: &mut Question| {
        q.scrape_interval_ms = Some(10 * SECOND);
        q.interval_ms = 20 * SECOND;
    };
    assert_eq!(step(with_panel, HOUR), 20 * SECOND);
    let with_min_step = |q: &mut Question| {
        with_panel(q);
        q.min_step = "7s".to_owned();
    };
    assert_eq!(step(with_min_step, HOUR), 7 * SECOND);
    for nothing in ["", "0s", " "] {
        let with_nothing = |q: &mut Question| {
            with_panel(q);
            q.min_step = nothing.to_owned();
        };
        assert_eq!(step(with_nothing, HOUR), 20 * SECOND, "{nothing:?}");
    }
}

#[test]
fn a_minimum_is_taken_as_it_is_and_a_longer_interval_is_rounded() {
    assert_eq!(step(|q| q.min_step = "17s".to_owned(), HOUR), 17 * SECOND);
    assert_eq!(step(|q| q.min_step = "13".to_owned(), HOUR), 13 * SECOND);
    // 48 h / 1500 = 115.2 s.
    assert_eq!(step(|q| q.min_step = "17s".to_owned(), 2 * DAY), 2 * MINUTE);
    // Exactly the minimum is not below it, and so is rounded: 17 s becomes 15 s.
    let exactly = |q: &mut Question| {
        q.min_step = "17s".to_owned();
        q.max_data_points = 100;
    };
    assert_eq!(step(exactly, 1_700 * SECOND), 15 * SECOND);
    // No minimum at all.
    for none in ["0", "-5s", "0m"] {
        assert_eq!(step(|q| q.min_step = none.to_owned(), MINUTE), 50, "{none}");
    }
}

#[test]
fn points_decide_the_step_of_long_ranges() {
    for (points, range_ms, expected) in [
        (0, 30 * DAY, 30 * MINUTE),
        (1, HOUR, HOUR),
        (1, 10 * 365 * DAY, 365 * DAY),
        (2, 4 * 365 * DAY, 365 * DAY),
        (2, 4 * 365 * DAY - 1, 30 * DAY),
        (1_000, DAY, MINUTE),
        (100, DAY, 15 * MINUTE),
        (100, 7 * DAY, 2 * HOUR),
        (10, 7 * DAY, 12 * HOUR),
        (3, 7 * DAY, DAY),
        (1, 7 * DAY, DAY),
        (1, 14 * DAY, 7 * DAY),
        // Never more than 11,000 points or so, whatever the panel asks for.
        (1_000_000, 30 * DAY, 5 * MINUTE),
        (i64::MAX, 10 * 365 * DAY, 6 * HOUR),
        (-1, HOUR, 15 * SECOND),
        (i64::MIN, HOUR, 15 * SECOND),
    ] {
        let found = step(|q| q.max_data_points = points, range_ms);
        assert_eq!(found, expected, "{points} points, {range_ms} ms");
    }
}

#[test]
fn the_factor_multiplies_the_step_and_the_interval_macro() {
    let text = "$__interval $__interval_ms $__rate_interval";
    let change = |q: &mut Question| q.interval_factor = 10;
    assert_eq!(step(change, HOUR), 150 * SECOND);
    assert_eq!(expr(text, change, HOUR), "2m 150000 1m0s");
    for nothing in [0, 1, -3] {
        assert_eq!(step(|q| q.interval_factor = nothing, HOUR), 15 * SECOND);
    }
}

#[test]
fn a_rate_interval_as_min_step_is_the_step_whatever_the_factor() {
    for spelling in [
        "$__rate_interval",
        "${__rate_interval}",
        "$__rate_interval_ms",
        "${__rate_interval_ms}",
    ] {
        let change = |q: &mut Question| {
            q.min_step = spelling.to_owned();
            q.interval_factor = 5;
            q.scrape_interval_ms = Some(30 * SECOND);
        };
        assert_eq!(step(change, HOUR), 2 * MINUTE, "{spelling}");
        let text = "$__interval $__rate_interval";
        assert_eq!(expr(text, change, HOUR), "2m 2m0s", "{spelling}");
        // 48 h / 1500 is rounded to 2 min, and one scrape is added.
        assert_eq!(step(change, 2 * DAY), 150 * SECOND, "{spelling}");
    }
}

#[test]
fn an_interval_as_min_step_is_no_minimum_of_its_own() {
    for spelling in [
        "$__interval",
        "${__interval}",
        "$__interval_ms",
        "${__interval_ms}",
    ] {
        let change = |q: &mut Question| {
            q.min_step = spelling.to_owned();
            q.interval_ms = 30 * SECOND;
            q.call_interval_ms = 30 * SECOND;
        };
        assert_eq!(step(change, HOUR), 30 * SECOND, "{spelling}");
        // The step stands where the scrape interval stood: four of them.
        assert_eq!(expr("$__rate_interval", change, HOUR), "2m0s", "{spelling}");
    }
}

#[test]
fn the_rate_interval_is_one_scrape_more_than_the_interval_and_at_least_four() {
    for (interval_s, scrape_s, min_step, expected) in [
        (15, None, "", "1m0s"),
        (60, None, "", "1m15s"),
        (45, None, "", "1m0s"),
        (46, None, "", "1m1s"),
        (60, Some(30), "", "2m0s"),
        (3_600, Some(15), "", "1h0m15s"),
        (60, Some(5), "", "1m5s"),
        (60, Some(5), "1m", "4m0s"),
        (600, Some(5), "1m", "11m0s"),
        (0, Some(0), "", "0s"),
        (0, None, "", "1m0s"),
    ] {
        let change = |q: &mut Question| {
            q.interval_ms = interval_s * SECOND;
            q.call_interval_ms = interval_s * SECOND;
            q.scrape_interval_ms = scrape_s.map(|s| s * SECOND);
            q.min_step = min_step.to_owned();
        };
        let found = expr("$__rate_interval", change, HOUR);
        assert_eq!(found, expected, "{interval_s} {scrape_s:?} {min_step}");
    }
}

#[test]
fn ranges_from_a_millisecond_to_ten_years_are_told_as_they_are() {
    for (range_ms, range, range_s, interval) in [
        (0, "0s", "0", "15s"),
        (1, "0s", "0", "15s"),
        (500, "1s", "1", "15s"),
        (HOUR, "3600s", "3600", "15s"),
        (10 * 365 * DAY, "315360000s", "315360000", "1d"),
    ] {
        let found = expr("$__range $__range_s $__range_ms", |_| {}, range_ms);
        assert_eq!(found, format!("{range} {range_s} {range_ms}"));
        // 10 years / 1500 = 58.4 h, for which a day is the nice step.
        assert_eq!(expr("$__interval", |_| {}, range_ms), interval);
    }
}

#[test]
fn start_and_end_stand_on_the_grid_and_an_instant_does_not() {
    let mut both = question(HOUR);
    both.kind = Kind::Both;
    both.min_step = "30s".to_owned();
    let resolved = both.resolve().unwrap();
    let range = resolved.range.unwrap();
    assert_eq!(
        (range.start_ms, range.end_ms),
        (NOW - HOUR - 20 * SECOND, NOW - 20 * SECOND)
    );
    assert_eq!(range.step_ms, 30 * SECOND);
    assert_eq!(resolved.instant.unwrap().time_ms, NOW);
    assert_eq!(range.expr, "rate(m[2m0s])");
}

#[test]
fn the_kind_decides_what_is_asked() {
    for (range, instant, kind) in [
        (false, false, Kind::Range),
        (true, false, Kind::Range),
        (false, true, Kind::Instant),
        (true, true, Kind::Both),
    ] {
        assert_eq!(Kind::from_switches(range, instant), kind);
        let mut asked = question(HOUR);
        asked.kind = kind;
        let resolved = asked.resolve().unwrap();
        assert_eq!(resolved.range.is_some(), range || !instant);
        assert_eq!(resolved.instant.is_some(), instant);
    }
}

/// 2025-03-30: Berlin's clocks go from +1 h to +2 h at 01:00 UTC; 2025-10-26: back again.
#[test]
fn days_start_at_the_viewers_midnight_on_both_sides_of_a_clock_change() {
    let spring = 1_743_296_400_000;
    let autumn = 1_761_440_400_000;
    for (end, offset_hours, midnight) in [
        (spring - 1, 1, spring - 2 * HOUR),
        (spring + HOUR, 2, spring - 3 * HOUR),
        (spring + DAY, 2, spring + 21 * HOUR),
        (autumn - 1, 2, autumn - 3 * HOUR),
        (autumn, 1, autumn - 2 * HOUR),
        (autumn + DAY, 1, autumn + 22 * HOUR),
    ] {
        let mut daily = question(7 * DAY);
        daily.min_step = "1d".to_owned();
        daily.time_range.end = end;
        daily.utc_offset_sec = offset_hours * 3_600;
        let range = daily.resolve().unwrap().range.unwrap();
        assert_eq!(range.end_ms, midnight, "{end} {offset_hours}");
        assert_eq!((range.end_ms - range.start_ms) % DAY, 0);
    }
}

#[test]
fn a_range_that_ends_before_it_starts_is_refused() {
    for kind in [Kind::Range, Kind::Instant, Kind::Both] {
        let mut reversed = question(-1);
        reversed.kind = kind;
        assert_eq!(
            reversed.resolve(),
            Err(Error::Reversed {
                start: NOW + 1,
                end: NOW
            })
        );
    }
}

#[test]
fn a_range_of_no_length_is_one_evaluation() {
    let range = question(0).resolve().unwrap().range.unwrap();
    assert_eq!(range.start_ms, range.end_ms);
    assert_eq!(range.step_ms, 15 * SECOND);
}

#[test]
fn all_of_time_is_out_of_range_and_no_panic() {
    let mut all = question(0);
    all.time_range = TimeRange::ALL;
    assert_eq!(all.resolve(), Err(Error::OutOfRange { what: "time range" }));
    all.kind = Kind::Instant;
    assert_eq!(all.resolve().unwrap().instant.unwrap().time_ms, i64::MAX);
    let mut wide = question(HOUR);
    wide.interval_factor = i64::MAX;
    assert_eq!(wide.resolve(), Err(Error::OutOfRange { what: "step" }));
    let mut slow = question(HOUR);
    slow.scrape_interval_ms = Some(i64::MAX);
    assert!(matches!(slow.resolve(), Err(Error::OutOfRange { .. })));
}

#[test]
fn a_min_step_that_says_nothing_known_is_named() {
    for text in ["soon", "$interval", "1 m", "$__range"] {
        let mut asked = question(HOUR);
        asked.min_step = text.to_owned();
        let error = asked.resolve().unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
    let mut negative = question(HOUR);
    negative.scrape_interval_ms = Some(-1);
    assert!(matches!(negative.resolve(), Err(Error::NotPositive { .. })));
}

proptest! {
    #[test]
    fn no_question_panics_and_every_step_is_positive(
        start in any::<i64>(), end in any::<i64>(), offset in any::<i64>(),
        points in any::<i64>(), factor in any::<i64>(), interval in any::<i64>(),
        scrape in prop::option::of(any::<i64>()),
        min_step in "|[0-9]{1,25}[a-zM]{0,2}|\\$__rate_interval|\\$\\{__interval\\}",
    ) {
        let asked = Question {
            expr: "$__range $__interval $__rate_interval".to_owned(),
            kind: Kind::Both,
            min_step,
            interval_ms: interval,
            call_interval_ms: interval,
            interval_factor: factor,
            max_data_points: points,
            time_range: TimeRange { start, end },
            utc_offset_sec: offset,
            scrape_interval_ms: scrape,
        };
        if let Ok(resolved) = asked.resolve() {
            prop_assert!(resolved.step_ms > 0);
            let range = resolved.range.unwrap();
            prop_assert!(range.start_ms <= start && range.end_ms <= end);
            prop_assert!(!resolved.expr.contains('$'));
        }
    }

    #[test]
    fn a_panel_gets_about_as_many_points_as_it_can_draw(
        range_s in 1i64..400 * 86_400, points in 1i64..5_000,
    ) {
        let found = step(|q| { q.max_data_points = points; q.min_step = "1ms".to_owned(); },
            range_s * SECOND);
        // Rounding goes down to seven times at worst (a day for up to a week).
        prop_assert!(range_s * SECOND / found <= points.saturating_mul(12).max(12));
    }
}
