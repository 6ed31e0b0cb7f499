//! Instants of ISO 8601 in UTC.

/// Microseconds since 1970 of an instant.
pub(super) fn parse(text: &str) -> Option<i64> {
    common(text).or_else(|| {
        let utc = text.ends_with('Z') || text.ends_with("+00:00");
        utc.then(|| text.parse::<jiff::Timestamp>().ok()).flatten().map(jiff::Timestamp::as_microsecond)
    })
}

/// The form that nearly all have, `2026-01-31T10:00:00Z` with at most six decimals of a second; `None` says nothing about the others.
fn common(text: &str) -> Option<i64> {
    let (bytes, rest) = text.as_bytes().split_first_chunk::<19>()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2] = bytes else { return None };
    // All are looked at first, and asked afterwards whether one was no digit.
    let mut greatest = 0;
    let mut two = |a: &u8, b: &u8| {
        let (a, b) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'));
        greatest = greatest.max(a).max(b);
        i64::from(a) * 10 + i64::from(b)
    };
    let (year, month, day) = (two(y1, y2) * 100 + two(y3, y4), two(m1, m2), two(d1, d2));
    let (hour, minute, second) = (two(h1, h2), two(n1, n2), two(s1, s2));
    if 9 < greatest {
        return None;
    }
    let fraction = match rest {
        b"Z" => 0,
        [b'.', decimals @ .., b'Z'] if decimals.len() <= 6 => {
            digits(decimals)? * 10_i64.pow(6_u32.checked_sub(u32::try_from(decimals.len()).ok()?)?)
        }
        _ => return None,
    };
    // Days that not every month has, and seconds that only some minutes have, are left to who knows the calendar.
    if !((1..=12).contains(&month) && (1..=28).contains(&day) && hour < 24 && minute < 60 && second < 60) {
        return None;
    }
    Some((((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + fraction)
}

fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0, |number, it| it.is_ascii_digit().then(|| number * 10 + i64::from(it - b'0')))
}

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
            if let Some(it) = common(&text) {
                prop_assert_eq!(Some(it), by_calendar(&text), "{}", text);
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
