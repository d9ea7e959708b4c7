//! Zeros, one repeated character, digits in a row.

/// So many equal digits are a placeholder in an id: shorter ones are somebody's number in a short row.
pub(super) const REPEATED: usize = 7;
/// So many in a document's number, which is never short.
pub(super) const REPEATED_IN_DOCUMENTS: usize = 5;
/// So many digits in a row are a placeholder, as 1234567.
const IN_A_ROW: usize = 7;
/// So many equal letters are a placeholder, as xxx.
const LETTERS: usize = 3;

/// Returns whether it is zeros, one repeated character or digits in a row, with any separators.
pub(super) fn is_placeholder(value: &str, repeated: usize) -> bool {
    if !value.is_ascii() {
        return false;
    }
    let value = unwrapped(value);
    let mut characters = value.bytes().filter(|b| !is_separator(*b));
    let (Some(first), Some(second)) = (characters.next(), characters.next()) else {
        return value.contains('0') && is_zeros(value);
    };
    // Most values are told by two characters: they are not equal, nor one behind the other.
    let is_row = second == next(first) || first == next(second);
    if !(first.eq_ignore_ascii_case(&second) || is_row) {
        return is_dummy_uuid(value);
    }
    let all: Vec<u8> = value
        .bytes()
        .filter(|b| !is_separator(*b))
        .map(|b| b.to_ascii_lowercase())
        .collect();
    is_repeated(&all, repeated) || is_in_a_row(&all) || is_dummy_uuid(value)
}

/// Returns whether zeros are its only digits and letters.
pub(super) fn is_zeros(value: &str) -> bool {
    value.contains('0') && value.bytes().all(|b| b == b'0' || is_separator(b))
}

/// Returns whether it is one letter again and again.
pub(super) fn is_one_letter(value: &str) -> bool {
    let mut letters = value.chars();
    let Some(first) = letters.next().filter(|first| first.is_alphabetic()) else {
        return false;
    };
    let first: Vec<char> = first.to_lowercase().collect();
    value.chars().count() >= LETTERS && letters.all(|letter| letter.to_lowercase().eq(first.iter().copied()))
}

/// Removes the wrapping of a UUID or of a number in hexadecimal.
fn unwrapped(value: &str) -> &str {
    let value = value.strip_prefix("urn:uuid:").unwrap_or(value);
    value.strip_prefix("0x").unwrap_or(value)
}

const fn is_separator(b: u8) -> bool {
    matches!(
        b,
        b'-' | b' ' | b'.' | b',' | b'/' | b':' | b'_' | b'{' | b'}' | b'(' | b')' | b'+' | b'='
    )
}

pub(super) fn is_repeated(all: &[u8], repeated: usize) -> bool {
    let Some(first) = all.first() else {
        return false;
    };
    let enough = match first {
        b'0' => 1,
        b'1'..=b'9' => repeated,
        b'a'..=b'z' | b'A'..=b'Z' => LETTERS,
        _ => return false,
    };
    all.len() >= enough && all.iter().all(|b| b == first)
}

/// Returns the digit after it, 0 after 9.
const fn next(digit: u8) -> u8 {
    match digit {
        b'9' => b'0',
        b'0'..=b'8' => digit + 1,
        other => other,
    }
}

pub(super) fn is_in_a_row(all: &[u8]) -> bool {
    let rises = || all.windows(2).all(|pair| pair[1] == next(pair[0]));
    let falls = || all.windows(2).all(|pair| pair[0] == next(pair[1]));
    all.len() >= IN_A_ROW && all.iter().all(u8::is_ascii_digit) && (rises() || falls())
}

/// Returns whether it is a UUID of documentation or of templates: `11111111-2222-3333-4444-555555555555`,
/// `12345678-1234-1234-1234-123456789012`, `xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx`, or all zeros except for the version.
fn is_dummy_uuid(value: &str) -> bool {
    let value = value.trim_matches(['{', '}']);
    if value.len() != 36 {
        return false;
    }
    let lower = value.to_ascii_lowercase();
    let mut groups = lower.split('-');
    let is_dull = |group: &str| {
        let group = group.as_bytes();
        let is_one = group.iter().all(|b| Some(b) == group.first());
        is_one || (group.first() == Some(&b'1') && group.windows(2).all(|pair| pair[1] == next(pair[0])))
    };
    let zeros = lower.bytes().filter(|b| *b == b'0').count();
    lower == "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx"
        || lower.starts_with("123e4567-e89b-12d3-a456-4266")
        || lower == "12345678-1234-5678-1234-567812345678"
        || (zeros >= 30 && lower.starts_with("00000000-0000-"))
        || groups.all(is_dull)
}
