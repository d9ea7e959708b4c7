//! RFC 3339 dates and times, read strictly: a text in almost this format may mean another moment.

use time::{Date, Month, UtcDateTime};

/// Returns the milliseconds since 1970 of a date and time with its offset. Returns `None` if the text is invalid, or
/// the moment lies outside the years 0000 to 9999 in UTC.
pub(super) fn millis(text: &str) -> Option<i64> {
    let mut rest = text.as_bytes();
    let year = number(&mut rest, 4)?;
    literal(&mut rest, b"-")?;
    let month = number(&mut rest, 2)?;
    literal(&mut rest, b"-")?;
    let day = number(&mut rest, 2)?;
    // The RFC's own separator, in both cases, and the space that it allows for readability (5.6).
    literal(&mut rest, b"Tt ")?;
    let hour = number(&mut rest, 2)?;
    literal(&mut rest, b":")?;
    let minute = number(&mut rest, 2)?;
    literal(&mut rest, b":")?;
    let second = number(&mut rest, 2)?;
    let millis = fraction(&mut rest)?;
    let offset = offset(&mut rest)?;
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?).ok()?;
    if !rest.is_empty() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let midnight = date.midnight().assume_utc().unix_timestamp();
    let whole = midnight + hour * 3600 + minute * 60 + second.min(59) - offset * 60;
    let utc = UtcDateTime::from_unix_timestamp(whole).ok()?;
    if !(0..=9999).contains(&utc.year()) {
        return None;
    }
    if second == 60 {
        // A leap second ends a month, in UTC (5.7). Our clock has none: it is the last moment before.
        let ends_month = utc.date().next_day().is_none_or(|next| next.day() == 1);
        let is_last = (utc.hour(), utc.minute()) == (23, 59) && ends_month;
        return is_last.then_some(whole * 1000 + 999);
    }
    Some(whole * 1000 + millis)
}

/// Takes so many digits, ASCII only.
fn number(rest: &mut &[u8], digits: usize) -> Option<i64> {
    let (found, after) = rest.split_at_checked(digits)?;
    let mut number = 0;
    for byte in found {
        number = number * 10 + i64::from(digit(*byte)?);
    }
    *rest = after;
    Some(number)
}

fn digit(byte: u8) -> Option<u8> {
    byte.is_ascii_digit().then(|| byte - b'0')
}

/// Takes one of these.
fn literal(rest: &mut &[u8], one_of: &[u8]) -> Option<u8> {
    let (found, after) = rest.split_first()?;
    if !one_of.contains(found) {
        return None;
    }
    *rest = after;
    Some(*found)
}

/// Takes the fraction of a second, if there is one: its milliseconds. Digits beyond are cut off.
fn fraction(rest: &mut &[u8]) -> Option<i64> {
    if literal(rest, b".").is_none() {
        return Some(0);
    }
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, after) = rest.split_at_checked(count).filter(|(digits, _)| !digits.is_empty())?;
    let mut millis = 0;
    for place in 0..3 {
        millis = millis * 10 + i64::from(digits.get(place).and_then(|byte| digit(*byte)).unwrap_or(0));
    }
    *rest = after;
    Some(millis)
}

/// Takes the offset from UTC, in minutes.
fn offset(rest: &mut &[u8]) -> Option<i64> {
    let sign = match literal(rest, b"Zz+-")? {
        b'+' => 1,
        b'-' => -1,
        _ => return Some(0),
    };
    let hours = number(rest, 2)?;
    literal(rest, b":")?;
    let minutes = number(rest, 2)?;
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;

    use super::millis;

    #[test]
    fn what_the_rfc_allows_is_read() {
        let expected = millis("2026-04-06T10:30:00Z");
        assert_eq!(expected, Some(1_775_471_400_000));
        for same in [
            "2026-04-06t10:30:00z",
            "2026-04-06 10:30:00Z",
            "2026-04-06T10:30:00.0009Z",
            "2026-04-06T10:30:00+00:00",
            "2026-04-06T10:30:00-00:00",
            "2026-04-06T12:30:00+02:00",
            "2026-04-05T10:31:00-23:59",
            "2026-04-07T10:29:00+23:59",
        ] {
            assert_eq!(millis(same), expected, "{same}");
        }
        assert_eq!(millis("2026-04-06T10:30:00.5Z"), Some(1_775_471_400_500));
        assert_eq!(millis("2026-04-06T10:30:00.123456789012345Z"), Some(1_775_471_400_123));
        assert_eq!(millis("1969-12-31T23:59:59.999Z"), Some(-1));
        assert!(millis("2024-02-29T00:00:00Z").is_some() && millis("0000-01-01T00:00:00Z").is_some());
    }

    #[test]
    fn a_leap_second_ends_a_month_of_utc() {
        for leap in [
            "2016-12-31T23:59:60Z",
            "2017-01-01T00:59:60.7+01:00",
            "1990-06-30T15:59:60-08:00",
        ] {
            assert_eq!(
                millis(leap).map(|millis| millis.rem_euclid(86_400_000)),
                Some(86_399_999),
                "{leap}"
            );
        }
        for none in [
            "2016-12-30T23:59:60Z",
            "2016-12-31T23:58:60Z",
            "2016-12-31T23:59:60+01:00",
            "2016-12-31T23:59:61Z",
        ] {
            assert_eq!(millis(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_nearly_one_is_refused() {
        for between in 0..=0x7f_u8 {
            let text = format!("2026-04-06{}10:30:00Z", char::from(between));
            assert_eq!(millis(&text).is_some(), b"Tt ".contains(&between), "{text:?}");
        }
        for bad in [
            "",
            "2026-04-06",
            "2026-04-06T10:30:00",
            "2026-04-06T10:30Z",
            "2026-04-06T10:30:00 Z",
            " 2026-04-06T10:30:00Z",
            "2026-04-06T10:30:00Z ",
            "2026-04-06T10:30:00Z\n",
            "2026-04-06  10:30:00Z",
            "2026-04-06\u{a0}10:30:00Z",
            "2026-04-06T10:30:00,5Z",
            "2026-04-06T10:30:00.Z",
            "2026-04-06T10:30:00.5",
            "2026-04-06T24:00:00Z",
            "2026-04-06T10:60:00Z",
            "2026-04-31T10:30:00Z",
            "2026-00-06T10:30:00Z",
            "2025-02-29T10:30:00Z",
            "2026-4-6T10:30:00Z",
            "20260406T103000Z",
            "2026-04-06T103000Z",
            "+2026-04-06T10:30:00Z",
            "-0001-04-06T10:30:00Z",
            "12026-04-06T10:30:00Z",
            "26-04-06T10:30:00Z",
            "2026-096T10:30:00Z",
            "2026-W15-1T10:30:00Z",
            "2026-04-06T10:30:00+0200",
            "2026-04-06T10:30:00+02",
            "2026-04-06T10:30:00+2:00",
            "2026-04-06T10:30:00+00:60",
            "2026-04-06T10:30:00+24:00",
            "2026-04-06T10:30:00\u{2212}02:00",
            "2026-04-06T10:30:00+-2:00",
            "2026-04-06T10:30:00UTC",
            "2026-04-06T10:30:00+02:00[Europe/Berlin]",
            "2026\u{2010}04\u{2010}06T10:30:00Z",
            "2026-04-06T１０:30:00Z",
            "٢٠٢٦-04-06T10:30:00Z",
            "0000-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert_eq!(millis(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn right_times_are_what_another_reader_says(millis_of in -62_135_596_800_000_i64..253_402_300_799_999, offset in -1439..1440_i32) {
            let offset = time::UtcOffset::from_whole_seconds(offset * 60).unwrap();
            let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis_of) * 1_000_000).unwrap();
            if let Some(moment) = moment.checked_to_offset(offset) && let Ok(text) = moment.format(&Rfc3339) {
                prop_assert_eq!(millis(&text), Some(millis_of), "{}", text);
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = millis(&text);
        }
    }
}
