use crate::Error;

/// Puts a time on the grid of a step: `floor((time + offset) / step) · step − offset`.
///
/// `time_ms` is in milliseconds since the epoch, `step_ms` in milliseconds and greater than zero,
/// `utc_offset_sec` in seconds that the viewer's clock is ahead of UTC. With the offset, steps of
/// a day begin at the viewer's midnight. The grid is fixed, so that a range that moves asks for
/// the same points again and answers can be shared (query contract, "Alignment").
///
/// # Errors
/// [`Error::NotPositive`] for a step of zero or less, [`Error::OutOfRange`] when the point of
/// the grid lies before the first millisecond that 64 bits hold.
pub fn align(time_ms: i64, step_ms: i64, utc_offset_sec: i64) -> Result<i64, Error> {
    if step_ms <= 0 {
        return Err(Error::NotPositive {
            what: "step",
            text: format!("{step_ms} ms"),
        });
    }
    let offset = i128::from(utc_offset_sec) * 1_000;
    let step = i128::from(step_ms);
    let aligned = (i128::from(time_ms) + offset).div_euclid(step) * step - offset;
    i64::try_from(aligned).map_err(|_| Error::OutOfRange { what: "time range" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2025-03-29T23:00:00Z, midnight of the day in Berlin on which clocks go forward.
    const BERLIN_SPRING_MIDNIGHT: i64 = 1_743_289_200_000;
    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;

    #[test]
    fn times_go_down_to_the_grid() {
        for (time, step, offset, aligned) in [
            (0, 15_000, 0, 0),
            (14_999, 15_000, 0, 0),
            (15_000, 15_000, 0, 15_000),
            (-1, 15_000, 0, -15_000),
            (-15_000, 15_000, 0, -15_000),
            (1_700_000_000_123, 1, 0, 1_700_000_000_123),
            // A week's grid starts on a Thursday, for the epoch did.
            (1_700_000_000_000, 7 * DAY, 0, 1_699_488_000_000),
            // India and Nepal are not whole hours away.
            (1_700_000_000_000, DAY, 19_800, 1_699_986_600_000),
            (1_700_000_000_000, DAY, 20_700, 1_699_985_700_000),
            (1_700_000_000_000, DAY, -36_000, 1_699_956_000_000),
        ] {
            assert_eq!(
                align(time, step, offset),
                Ok(aligned),
                "{time} {step} {offset}"
            );
        }
    }

    #[test]
    fn a_day_starts_at_midnight_before_and_after_clocks_change() {
        // The browser sends the offset of now: before the change one hour, after it two.
        let before = BERLIN_SPRING_MIDNIGHT + HOUR;
        assert_eq!(align(before, DAY, 3_600), Ok(BERLIN_SPRING_MIDNIGHT));
        let next_midnight = BERLIN_SPRING_MIDNIGHT + 23 * HOUR;
        assert_eq!(align(next_midnight, DAY, 7_200), Ok(next_midnight));
        assert_eq!(
            align(next_midnight - 1, DAY, 7_200),
            Ok(next_midnight - DAY)
        );
    }

    #[test]
    fn a_step_of_nothing_is_refused() {
        for step in [0, -1, i64::MIN] {
            assert!(matches!(align(1, step, 0), Err(Error::NotPositive { .. })));
        }
    }

    #[test]
    fn the_edges_of_time_are_errors_and_no_panics() {
        assert_eq!(align(i64::MIN, 1, 0), Ok(i64::MIN));
        assert!(matches!(
            align(i64::MIN, 1_000, 0),
            Err(Error::OutOfRange { .. })
        ));
        assert_eq!(align(i64::MAX, i64::MAX, 0), Ok(i64::MAX));
        assert!(align(0, 7, i64::MAX).is_ok_and(|t| t <= 0 && t > -7));
    }

    proptest! {
        #[test]
        fn an_aligned_time_is_the_last_of_the_grid(
            time in -1i64 << 50..1 << 50, step in 1i64..1 << 40, offset in -50_400i64..50_400,
        ) {
            let aligned = align(time, step, offset).unwrap();
            prop_assert!(aligned <= time && time - aligned < step);
            prop_assert_eq!((aligned + offset * 1_000).rem_euclid(step), 0);
            prop_assert_eq!(align(aligned, step, offset), Ok(aligned));
        }
    }
}
