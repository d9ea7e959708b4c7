//! Times of day, as they stand behind a date.

/// Returns whether it is a time of day (ISO 8601): `10:30`, `10:30:00.123`, `103000`. An offset, `Z`, `UTC` or `GMT`
/// may follow, and then the name of a time zone in brackets (RFC 9557).
pub(super) fn is_time(text: &str) -> bool {
    let text = match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        Some((before, zone)) if !zone.is_empty() && zone.bytes().all(is_of_zone) => before,
        Some(_) => return false,
        None => text,
    };
    let Some(end) = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.' | ','))) else {
        return is_clock(text);
    };
    is_clock(&text[..end]) && is_offset(text[end..].trim_start_matches(' '))
}

const fn is_of_zone(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+' | b'=')
}

/// Returns whether it is hours and minutes, with optional seconds and an optional fraction.
fn is_clock(text: &str) -> bool {
    let (clock, fraction) = match text.split_once(['.', ',']) {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (text, None),
    };
    let Some((parts, count)) = two_digit_parts(clock) else {
        return false;
    };
    let fraction_ok =
        fraction.is_none_or(|digits| count == 3 && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    let [hour, minute, second] = parts;
    // A leap second is 60. Midnight at the end of a day is 24:00.
    let clock_ok = (hour < 24 && minute < 60 && second <= 60) || (hour == 24 && minute == 0 && second == 0);
    count >= 2 && clock_ok && fraction_ok
}

fn is_offset(text: &str) -> bool {
    if matches!(text, "Z" | "z" | "UTC" | "GMT") {
        return true;
    }
    // Go writes both: `+0000 UTC`.
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    let Some(digits) = text.strip_prefix(['+', '-']) else {
        return false;
    };
    two_digit_parts(digits).is_some_and(|([hour, minute, _], count)| count <= 2 && hour < 24 && minute < 60)
}

/// Reads up to three parts of two digits each, as in `10:30:00` or `103000`. Returns them with their number, or `None`
/// for other text.
fn two_digit_parts(text: &str) -> Option<([u32; 3], usize)> {
    let (mut parts, mut count) = ([0; 3], 0);
    let mut take = |part: &str| {
        let is_number = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        *parts.get_mut(count)? = part.parse().ok().filter(|_| is_number)?;
        count += 1;
        Some(())
    };
    if text.contains(':') {
        text.split(':').try_for_each(&mut take)?;
    } else {
        let mut rest = text;
        while !rest.is_empty() {
            let (part, after) = rest.split_at_checked(2)?;
            take(part)?;
            rest = after;
        }
    }
    (count > 0).then_some((parts, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_what_only_looks_like_one() {
        for time in [
            "00:00",
            "10:30:00",
            "10:30:00.123",
            "10:30:00,5",
            "103000",
            "10:30Z",
            "10:30:00+02:00",
            "10:30:00-0330",
            "24:00",
            "23:59:60Z",
            "00:00:00 UTC",
            "00:00:00 +0000 UTC",
            "00:00:00 +02:00",
            "00:00+02:00[Europe/Berlin]",
            "10:30:00+02",
        ] {
            assert!(is_time(time), "{time}");
        }
        for other in [
            "",
            "foo",
            "99:99",
            "24:01",
            "10",
            "10:",
            "10:3",
            "10:30:",
            "1:30",
            "10:30:00.",
            "10:30.5",
            "10:30Zx",
            "10:30+",
            "10:30+25:00",
            "10:30+02:0",
            "10:30:00:00",
            "10:30[",
            "10:30[]",
            "10:30[a b]",
            "１０:３０",
            "-1:30",
        ] {
            assert!(!is_time(other), "{other}");
        }
    }
}
