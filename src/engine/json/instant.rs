//! Instants of ISO 8601 in UTC.

use crate::engine::bytes::word;
use crate::engine::digits;

/// Microseconds since 1970 of an instant.
pub(super) fn parse(text: &str) -> Option<i64> {
    match common(text.as_bytes()) {
        Some((micros, length)) if length == text.len() => Some(micros),
        _ => {
            let utc = text.ends_with('Z') || text.ends_with("+00:00");
            utc.then(|| text.parse::<jiff::Timestamp>().ok()).flatten().map(jiff::Timestamp::as_microsecond)
        }
    }
}

/// Microseconds since 1970 of the instant that bytes begin with, and how long it is, if it has the form that nearly all have:
/// `2026-01-31T10:00:00Z`, with at most six decimals of a second.
pub(super) fn common(text: &[u8]) -> Option<(i64, usize)> {
    let (text, rest) = text.split_first_chunk::<19>()?;
    let [year, date, time] = [word(&text[..4]), word(&text[4..12]), word(&text[11..])];
    let (year, date, time) = (year ^ digits::values(0) & 0xFFFF_FFFF, date ^ DATE, time ^ TIME);
    // What stands between the numbers is 0 now, the digits are at most 9.
    if digits::others(year) | digits::others(date) | digits::others(time) | date & BETWEEN_DATE | time & BETWEEN_TIME != 0 {
        return None;
    }
    let [years, date, time] = [year, date, time].map(digits::pairs);
    let two = |pairs: u64, at: u32| i64::from((pairs >> (8 * at)) as u8);
    let (year, month, day) = (two(years, 0) * 100 + two(years, 2), two(date, 1), two(date, 4));
    let (hour, minute, second) = (two(time, 0), two(time, 3), two(time, 6));
    let (fraction, decimals) = match rest {
        [b'Z', ..] => (0, 0),
        [b'.', rest @ ..] => match digits::leading(rest) {
            (count @ 1..=6, number) if rest.get(count) == Some(&b'Z') => {
                (number.cast_signed() * digits::POWERS.get(6 - count)?.cast_signed(), count + 1)
            }
            _ => return None,
        },
        _ => return None,
    };
    // Days that not every month has, and seconds that only some minutes have, are left to who knows the calendar.
    if !((1..=12).contains(&month) && (1..=28).contains(&day) && hour < 24 && minute < 60 && second < 60) {
        return None;
    }
    let micros = (((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + fraction;
    Some((micros, text.len() + decimals + 1))
}

/// Month and day with what stands before, between and behind them, the hour's first digit left out; and a time.
const DATE: u64 = u64::from_le_bytes(*b"-00-00T0");
const TIME: u64 = u64::from_le_bytes(*b"00:00:00");
const BETWEEN_DATE: u64 = 0x00FF_0000_FF00_00FF;
const BETWEEN_TIME: u64 = 0x0000_FF00_00FF_0000;

/// Days since 1970-01-01. A year begins in March here: so the day that some years have more is its last one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 719_469
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by_calendar(text: &str) -> Option<i64> {
        text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond)
    }

    proptest! {
        #[test]
        fn the_common_form_is_read_as_the_calendar_has_it(
            (year, month, day) in (0..9999_i64, 1..=28_i64, 1..=31_i64),
            (hour, minute, second) in (0..26_i64, 0..62_i64, 0..62_i64),
            fraction in "(\\.[0-9]{0,8})?",
        ) {
            let text = format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z", month % 14);
            if let Some((it, length)) = common(format!("{text}Z1").as_bytes()) {
                prop_assert_eq!((Some(it), length), (by_calendar(&text), text.len()), "{}", text);
            }
            prop_assert_eq!(parse(&text), by_calendar(&text), "{}", text);
        }
    }

    #[test]
    fn what_is_no_instant_in_utc_is_refused() {
        for it in
            ["", "2026-01-01", "2026-01-01T10:00:00", "2026-01-01T10:00:00+01:00", "2026-02-30T10:00:00Z", "2026-01-01T10:00:00.Z", "é"]
        {
            assert_eq!(parse(it), None, "{it}");
        }
        assert_eq!(parse("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse("2026-01-01T00:00:00.5+00:00"), Some(1_767_225_600_500_000));
    }
}
