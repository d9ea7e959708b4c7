//! How many there are of something, in words for people.

/// Returns a number with separated thousands.
pub(crate) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a count with its noun: `one` for 1, else `more`.
pub(crate) fn counted(count: u64, one: &str, more: &str) -> String {
    format!("{} {}", thousands(count), if count == 1 { one } else { more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_thousands_are_apart() {
        for (count, text) in [
            (0, "0 events"),
            (1, "1 event"),
            (2, "2 events"),
            (1_000, "1,000 events"),
            (1_234_567, "1,234,567 events"),
        ] {
            assert_eq!(counted(count, "event", "events"), text);
        }
    }
}
