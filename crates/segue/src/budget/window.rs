//! Windows of time over which a budget counts, named as people write them: `2026-11-29`, `2026-11`.

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};

use super::standing::TimeZone;
use crate::clock::Time;

/// The largest offset from UTC that is taken as one, in seconds.
const MOST: i32 = 25 * 3600;

/// The day of a moment.
pub(crate) fn day(zone: &dyn TimeZone, at: Time) -> String {
    let date = date(zone, at);
    format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
}

/// The month of a moment.
pub(crate) fn month(zone: &dyn TimeZone, at: Time) -> String {
    let date = date(zone, at);
    format!("{:04}-{:02}", date.year(), date.month())
}

/// When the day of a moment is over.
pub(crate) fn day_end(zone: &dyn TimeZone, at: Time) -> Time {
    let next = date(zone, at).tomorrow();
    next.map_or(at, |next| midnight(zone, next))
}

/// When the month of a moment is over.
pub(crate) fn month_end(zone: &dyn TimeZone, at: Time) -> Time {
    let next = date(zone, at).first_of_month().checked_add(1.month());
    next.map_or(at, |next| midnight(zone, next))
}

/// When a day begins. Where clocks are put forward over midnight it is off by as much.
fn midnight(zone: &dyn TimeZone, date: Date) -> Time {
    let utc = Offset::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight()));
    let utc = utc.map_or(0, Timestamp::as_microsecond);
    let ahead = |at: i64| i64::from(zone.offset(Time::from_micros(at)).clamp(-MOST, MOST)) * 1_000_000;
    let guess = utc - ahead(utc);
    Time::from_micros(utc - ahead(guess))
}

fn date(zone: &dyn TimeZone, at: Time) -> Date {
    let offset = Offset::from_seconds(zone.offset(at).clamp(-MOST, MOST)).unwrap_or(Offset::UTC);
    // A clock that is millions of years off still names a day, though always the same.
    let time = Timestamp::from_microsecond(at.micros()).unwrap_or(Timestamp::UNIX_EPOCH);
    offset.to_datetime(time).date()
}

#[cfg(test)]
mod tests {
    use super::super::standing::Utc;
    use super::*;

    /// A moment, in seconds since 1970.
    fn at(seconds: i64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_day_ends_at_midnight_of_its_zone() {
        // 2026-11-29T23:00:00Z
        let eleven = 1_795_993_200;
        for (offset, seconds, name) in [
            (0, 0, "2026-11-29"),
            (0, 3599, "2026-11-29"),
            (0, 3600, "2026-11-30"),
            (3600, -1, "2026-11-29"),
            (3600, 0, "2026-11-30"),
            (-5 * 3600, 6 * 3600 - 1, "2026-11-29"),
            (-5 * 3600, 6 * 3600, "2026-11-30"),
            (99 * 3600, 0, "2026-12-01"),
            (i32::MIN, 0, "2026-11-28"),
        ] {
            let zone = move |_at: Time| offset;
            assert_eq!(day(&zone, at(eleven + seconds)), name, "{offset} {seconds}");
        }
        assert_eq!(month(&Utc, at(eleven)), "2026-11");
        assert_eq!(month(&Utc, at(eleven + 25 * 3600)), "2026-12");
    }

    #[test]
    fn a_zone_may_change_its_offset() {
        // Clocks are put back from two hours ahead to one at 2026-10-25T01:00:00Z.
        let zone = |time: Time| if time < at(1_792_890_000) { 7200 } else { 3600 };
        // 22:00Z of the 24th is midnight before, 23:00Z of the 25th is midnight after: a day of 25 hours.
        assert_eq!(day(&zone, at(1_792_879_200 - 1)), "2026-10-24");
        assert_eq!(day(&zone, at(1_792_879_200)), "2026-10-25");
        assert_eq!(day(&zone, at(1_792_879_200 + 25 * 3600 - 1)), "2026-10-25");
        assert_eq!(day(&zone, at(1_792_879_200 + 25 * 3600)), "2026-10-26");
    }

    #[test]
    fn a_window_ends_where_the_next_begins() {
        let zone = |time: Time| if time < at(1_792_890_000) { 7200 } else { 3600 };
        let quarters = (0..8 * 24 * 4).map(|n| at(1_792_540_000 + 900 * n));
        for now in quarters {
            for (name, end) in [
                (day as fn(&dyn TimeZone, Time) -> String, day_end(&zone, now)),
                (month, month_end(&zone, now)),
            ] {
                let before = Time::from_micros(end.micros() - 1);
                assert!(now < end, "{now}");
                assert_eq!(name(&zone, before), name(&zone, now), "{now}");
                assert_ne!(name(&zone, end), name(&zone, now), "{now}");
            }
        }
    }

    #[test]
    fn no_clock_is_too_far_off() {
        for micros in [i64::MIN, i64::MAX] {
            assert_eq!(day(&Utc, Time::from_micros(micros)), "1970-01-01");
        }
    }
}
