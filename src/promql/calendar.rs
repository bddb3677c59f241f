//! Days and months of the proleptic Gregorian calendar in UTC, for the date functions.

const DAY: i64 = 86_400;

/// A moment taken apart. `month` and `day` count from 1, `weekday` from Sunday as 0, `year_day`
/// from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) year: i64,
    pub(crate) month: u32,
    pub(crate) day: u32,
    pub(crate) weekday: u32,
    pub(crate) year_day: u32,
    pub(crate) hour: u32,
    pub(crate) minute: u32,
    pub(crate) second: u32,
}

pub(crate) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(crate) fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Takes seconds since the epoch apart.
pub(crate) fn moment(seconds: i64) -> Moment {
    let days = seconds.div_euclid(DAY);
    let of_day = seconds.rem_euclid(DAY);
    // Counting from 0000-03-01 puts the leap day at the end of its year.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let from_march = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * from_march + 2) / 153;
    let day = (from_march - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let year_day = (1..month).map(|m| days_in_month(year, m)).sum::<u32>() + day;
    Moment {
        year,
        month,
        day,
        weekday: (days + 4).rem_euclid(7) as u32,
        year_day,
        hour: (of_day / 3_600) as u32,
        minute: (of_day % 3_600 / 60) as u32,
        second: (of_day % 60) as u32,
    }
}

/// `2024-02-29T12:00:00Z`.
pub(crate) fn rfc3339(seconds: i64) -> String {
    let m = moment(seconds);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        m.year, m.month, m.day, m.hour, m.minute, m.second
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_as_the_calendar_does() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_208_000, "2024-02-29T12:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (-62_135_596_800, "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
        assert_eq!(moment(951_782_400).year_day, 60);
        assert_eq!(moment(951_782_400).weekday, 2);
        assert_eq!(moment(0).weekday, 4);
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        moment(i64::MIN);
        moment(i64::MAX);
    }
}
