//! Names and other words.

use std::borrow::Cow;

use time::macros::format_description;
use time::{Date, OffsetDateTime};
use unicode_normalization::UnicodeNormalization as _;

use super::normalised::Invalid;
use super::{clock, unicode};
use crate::codes::EventCode;

const DATE: Invalid = Invalid::new(
    EventCode::InvalidDateOfBirth,
    "must be an ISO 8601 date from 1900-01-01 to today",
);
const LANGUAGE: Invalid = Invalid::new(
    EventCode::InvalidLanguage,
    "must be a BCP 47 language tag, as de or pt-BR",
);

/// Returns the text in NFKC with spaces collapsed.
pub(super) fn label(raw: &str) -> String {
    // ASCII is composed already (UAX 15), and most names are ASCII.
    let composed = if raw.is_ascii() {
        Cow::Borrowed(raw)
    } else {
        Cow::Owned(raw.nfkc().collect::<String>())
    };
    composed.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns a label, case-folded. Lower-casing can undo the composition, hence twice.
pub(super) fn name(raw: &str) -> String {
    label(&label(raw).to_lowercase().replace('ß', "ss"))
}

/// Returns a user name as RFC 8265 compares it: case-folded and composed, but not in NFKC, which would make `x²` and `x2`
/// equal. Spaces are collapsed. The text is clean already.
pub(super) fn username(text: &str) -> String {
    let lower = unicode::lower(text).replace('ß', "ss");
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns a value that is unique only at one processor. The length separates the two.
pub(super) fn scoped(processor: &str, value: &str) -> String {
    format!("{}:{processor}:{value}", processor.len())
}

/// Returns the date as written, also from a date and time with any offset.
pub(super) fn birth_date(raw: &str) -> Result<String, Invalid> {
    let (date, time) = match raw.find(['T', 't', ' ']) {
        Some(place) => (&raw[..place], Some(&raw[place + 1..])),
        None => (raw, None),
    };
    let digits = |length: usize| date.len() == length && date.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let date = if digits(10) {
        Date::parse(date, &format_description!("[year]-[month]-[day]"))
    } else if digits(8) {
        Date::parse(date, &format_description!("[year][month][day]"))
    } else {
        return Err(DATE);
    };
    let date = date.map_err(|_| DATE)?;
    if time.is_some_and(|time| !clock::is_time(time)) {
        return Err(DATE);
    }
    // A day more, for those who are ahead of UTC.
    let latest = OffsetDateTime::now_utc().date().next_day().ok_or(DATE)?;
    if date.year() < 1900 || date > latest {
        return Err(DATE);
    }
    Ok(format!(
        "{:04}-{:02}-{:02}",
        date.year(),
        u8::from(date.month()),
        date.day()
    ))
}

/// Returns a language tag that is well-formed by RFC 5646, section 2.1: language, then subtags of up to 8 letters and
/// digits. The language is in lower case, the script in title case, the region in upper case.
pub(super) fn language(raw: &str) -> Result<String, Invalid> {
    let raw = raw.replace('_', "-");
    let mut parts = raw.split('-');
    let language = parts.next().unwrap_or_default();
    if !(2..=8).contains(&language.len()) || !language.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Err(LANGUAGE);
    }
    let mut tag = language.to_lowercase();
    for part in parts {
        if !(1..=8).contains(&part.len()) || !part.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(LANGUAGE);
        }
        tag.push('-');
        let part = part.to_lowercase();
        match part.len() {
            2 => tag.push_str(&part.to_uppercase()),
            4 if part.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                tag.push_str(&part[..1].to_uppercase());
                tag.push_str(&part[1..]);
            }
            _ => tag.push_str(&part),
        }
    }
    Ok(tag)
}
