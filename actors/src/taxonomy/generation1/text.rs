//! Names and other words, as generation 1 spelt them.

use std::borrow::Cow;

use time::macros::format_description;
use time::{Date, OffsetDateTime};
use unicode_normalization::UnicodeNormalization as _;

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

/// Returns a value that is unique only at one processor. The length separates the two.
pub(super) fn scoped(processor: &str, value: &str) -> String {
    format!("{}:{processor}:{value}", processor.len())
}

pub(super) fn birth_date(raw: &str) -> Option<String> {
    // A time of day is allowed and dropped; which zone it is in does not matter to the date written.
    let date = raw.split(['T', ' ']).next().unwrap_or(raw);
    let iso = format_description!("[year]-[month]-[day]");
    let compact = format_description!("[year][month][day]");
    let date = Date::parse(date, &iso).or_else(|_| Date::parse(date, &compact)).ok()?;
    // A day more, for those who are ahead of UTC.
    let latest = OffsetDateTime::now_utc().date().next_day()?;
    if date.year() < 1900 || date > latest {
        return None;
    }
    Some(format!(
        "{:04}-{:02}-{:02}",
        date.year(),
        u8::from(date.month()),
        date.day()
    ))
}

/// Returns a language tag that is well-formed by RFC 5646, section 2.1: language, then subtags of up to 8 letters and
/// digits. The language is in lower case, the script in title case, the region in upper case. Returns `None` for other
/// text.
pub(super) fn language(raw: &str) -> Option<String> {
    let raw = raw.replace('_', "-");
    let mut parts = raw.split('-');
    let language = parts.next().unwrap_or_default();
    if !(2..=8).contains(&language.len()) || !language.bytes().all(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    let mut tag = language.to_lowercase();
    for part in parts {
        if !(1..=8).contains(&part.len()) || !part.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
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
    Some(tag)
}
