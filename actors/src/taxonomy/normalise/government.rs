//! Numbers that authorities issue.

use super::normalised::Invalid;
use crate::codes::EventCode;

/// Returns whether a character only separates the parts of a document's number, and is not kept.
pub(in crate::taxonomy) const fn is_document_sign(c: char) -> bool {
    matches!(c, ' ' | '-' | '.' | '/' | '\u{a0}')
}

const DOCUMENT: Invalid = Invalid::new(
    EventCode::InvalidDocumentNumber,
    "must have 3 to 40 letters and digits, after an optional country tag (DE:…)",
);
const ISSUED: Invalid = Invalid::new(
    EventCode::InvalidDocumentNumber,
    "must have 1 to 40 letters and digits, after an optional country tag (DE:…)",
);
const NATIONAL_ID: Invalid = Invalid::new(
    EventCode::InvalidNationalId,
    "must be a national identification number; behind a country tag (US:, PL:, GB:, IN:) its checksum must be right",
);

/// Returns upper-case letters and digits, after a country tag if there is one: `de: l01x-00t4` is `DE:L01X00T4`.
pub(super) fn document(raw: &str) -> Result<String, Invalid> {
    number(raw, 3, DOCUMENT)
}

/// Returns the same of a number that a processor counts by itself. Its first numbers are short.
pub(super) fn issued(raw: &str) -> Result<String, Invalid> {
    number(raw, 1, ISSUED)
}

fn number(raw: &str, shortest: usize, invalid: Invalid) -> Result<String, Invalid> {
    let (tag, number) = split_tag(raw);
    let number: String = number
        .chars()
        .filter(|c| !is_document_sign(*c))
        .collect::<String>()
        .to_uppercase();
    let ok = (shortest..=40).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_alphanumeric());
    if !ok {
        return Err(invalid);
    }
    Ok(tag.map_or(number.clone(), |tag| format!("{tag}:{number}")))
}

fn split_tag(raw: &str) -> (Option<String>, &str) {
    match raw.split_once(':') {
        Some((tag, number)) if (2..=6).contains(&tag.trim().len()) => (Some(tag.trim().to_uppercase()), number),
        _ => (None, raw),
    }
}

pub(super) fn national_id(raw: &str) -> Result<String, Invalid> {
    let normalised = document(raw).map_err(|_| NATIONAL_ID)?;
    let Some((tag, number)) = normalised.split_once(':') else {
        return Ok(normalised);
    };
    let digits: Vec<u32> = number.chars().filter_map(|c| c.to_digit(10)).collect();
    let all_digits = digits.len() == number.len();
    let ok = match tag {
        "US" => all_digits && is_ssn(number),
        "PL" => all_digits && is_pesel(&digits),
        "GB" => !all_digits || is_nhs(&digits),
        "IN" => all_digits && digits.len() == 12 && digits[0] >= 2 && verhoeff(&digits),
        _ => true,
    };
    if ok { Ok(normalised) } else { Err(NATIONAL_ID) }
}

/// Returns whether it is a possible social security number. These have no checksum, but some groups are never issued.
fn is_ssn(number: &str) -> bool {
    number.len() == 9
        && !matches!(&number[..3], "000" | "666")
        && !number.starts_with('9')
        && &number[3..5] != "00"
        && &number[5..] != "0000"
}

fn is_pesel(digits: &[u32]) -> bool {
    let weights = [1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1];
    digits.len() == 11
        && digits
            .iter()
            .zip(weights)
            .map(|(digit, weight)| digit * weight)
            .sum::<u32>()
            .is_multiple_of(10)
}

/// Returns whether it is an NHS number: ten digits, modulus 11.
fn is_nhs(digits: &[u32]) -> bool {
    if digits.len() != 10 {
        return false;
    }
    let sum: u32 = digits[..9]
        .iter()
        .zip((2..=10).rev())
        .map(|(digit, weight)| digit * weight)
        .sum();
    match 11 - sum % 11 {
        11 => digits[9] == 0,
        10 => false,
        check => digits[9] == check,
    }
}

/// Checks digits in the dihedral group D5 (J. Verhoeff, 1969), computed rather than tabulated.
fn verhoeff(digits: &[u32]) -> bool {
    let multiply = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a - 5 + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    const STEP: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let permute = |digit: u32, times: usize| (0..times % 8).fold(digit, |digit, _| STEP[digit as usize]);
    digits
        .iter()
        .rev()
        .enumerate()
        .fold(0, |check, (place, digit)| multiply(check, permute(*digit, place)))
        == 0
}
