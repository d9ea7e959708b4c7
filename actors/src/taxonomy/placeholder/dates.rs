//! Dates of birth that forms fill in.

use time::macros::format_description;
use time::{Date, Month, OffsetDateTime};

/// Nobody lives for more years.
const LONGEST_LIFE: i32 = 120;
/// Forms and clerks write the first day of such a year for a birthday that they do not know.
const ROUND: i32 = 5;

/// Returns whether a date of birth is a default: so long ago that nobody lives, today or later, or the first day of a round
/// year. A person who was born then loses weak evidence only.
pub(super) fn is_placeholder(value: &str) -> bool {
    is_default(value, OffsetDateTime::now_utc().date())
}

fn is_default(value: &str, today: Date) -> bool {
    let Ok(date) = Date::parse(value, &format_description!("[year]-[month]-[day]")) else {
        return false;
    };
    let is_first_day = date.month() == Month::January && date.day() == 1;
    date.year() < today.year() - LONGEST_LIFE || date >= today || (is_first_day && date.year() % ROUND == 0)
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::super::tests::check;
    use super::*;

    #[test]
    fn defaults_are_no_birthdays() {
        let today = date!(2026 - 04 - 06);
        for default in [
            "1900-05-17",
            "1905-12-31",
            "2026-04-06",
            "2026-04-07",
            "1910-01-01",
            "1930-01-01",
            "1985-01-01",
            "1995-01-01",
            "2000-01-01",
            "2010-01-01",
        ] {
            assert!(is_default(default, today), "{default}");
        }
        for birthday in [
            "1906-01-02",
            "1985-12-10",
            "1985-01-02",
            "1986-01-01",
            "2026-04-05",
            "2000-02-29",
            "1990-10-01",
            "2000-12-31",
        ] {
            assert!(!is_default(birthday, today), "{birthday}");
        }
        check(
            "user.demographic.date_of_birth",
            &["1985-12-10", "1999-12-30"],
            &[
                "1999-12-31",
                "1904-07-01",
                "1940-01-01",
                "1985-01-01T00:00:00Z",
                "1911-11-11",
            ],
        );
    }
}
