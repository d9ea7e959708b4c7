//! Telephone numbers.
//!
//! libphonenumber knows the numbering plans. This module adds the rest: extensions in more languages, letters that are
//! no number, and former numbers of a plan that messengers still send.

use std::borrow::Cow;

use rlibphonenumber::{PhoneNumber, Region};

use super::normalised::Invalid;
use crate::codes::EventCode;

const PHONE: Invalid = Invalid::new(
    EventCode::InvalidPhoneNumber,
    "must be a valid telephone number with its country code (+49…), or set the integration's defaultRegion",
);

/// Longest extension (RFC 3966 sets no limit; longer ones are a second number).
const MAX_EXTENSION: usize = 9;

/// Longest extension of a parameter, as libphonenumber has it.
const MAX_PARAMETER: usize = 20;

/// A number, and its extension if that is written apart.
type Parted<'a> = (Cow<'a, str>, Option<String>);

/// The labels of an extension, in lower case and without a dot.
const EXTENSION_LABELS: [&str; 44] = [
    "#",
    "~",
    "ankn",
    "anknytning",
    "anexo",
    "ap",
    "app",
    "apparat",
    "dahili",
    "durchwahl",
    "dw",
    "ext",
    "extensao",
    "extension",
    "extensión",
    "extensão",
    "extn",
    "int",
    "interno",
    "klapka",
    "lok",
    "lokal",
    "mellék",
    "nbst",
    "nebenstelle",
    "nst",
    "p",
    "post",
    "poste",
    "ramal",
    "toestel",
    "tst",
    "w",
    "wew",
    "wewn",
    "x",
    "εσωτ",
    "вн",
    "внутр",
    "доб",
    "добавочный",
    "内線",
    "分机",
    "내선",
];

/// Calling codes of plans in which numbers are written with letters (1 800 FLOWERS).
const WITH_LETTERS: [i32; 3] = [1, 61, 64];

/// Returns E.164, followed by the extension as RFC 3966 writes it: `+4930901820;ext=101`.
pub(super) fn phone(text: &str, default_region: Option<&str>) -> Result<String, Invalid> {
    let region = default_region.and_then(|code| Region::from_code(code).ok());
    let (main, labelled) = match split_parameters(text)? {
        Some(parted) => parted,
        None => split_extension(text),
    };
    let letters = first_letter(&main);
    let parsed = valid(&main, region)
        .filter(|number| letters.is_none() || WITH_LETTERS.contains(&number.country_code))
        .or_else(|| match letters {
            Some(letter) => without_remark(&main, letter, region),
            None => former(&main, region),
        });
    let number = parsed.ok_or(PHONE)?;
    let extension = labelled
        .or_else(|| number.extension.clone())
        .filter(|digits| !digits.is_empty());
    let e164 = number.to_string();
    Ok(match extension {
        None => e164,
        Some(extension) => format!("{e164};ext={extension}"),
    })
}

/// Separates a number from its parameters (RFC 3966), in any order. The extension is returned, and the context is put
/// before the number. Other parameters, such as the subaddress (`isub`), do not belong to the number. Returns `None`
/// without parameters.
fn split_parameters(text: &str) -> Result<Option<Parted<'_>>, Invalid> {
    let Some((number, parameters)) = text.split_once(';').filter(|(_, rest)| rest.contains('=')) else {
        return Ok(None);
    };
    let (mut extension, mut context) = (None, "");
    for parameter in parameters.split(';') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (name, value) = (name.trim(), value.trim());
        if name.eq_ignore_ascii_case("ext") {
            let is_sign = |c: &char| matches!(c, '-' | '.' | '(' | ')' | ' ');
            let digits: String = value.chars().filter(|c| !is_sign(c)).collect();
            if digits.len() > MAX_PARAMETER || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(PHONE);
            }
            extension = Some(digits);
        } else if name.eq_ignore_ascii_case("phone-context") {
            context = value;
        } else if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Ok(None);
        }
    }
    // A context that is a domain says whose private number it is: libphonenumber takes it for one of the region.
    let is_global = number.contains('+') || !context.starts_with('+');
    let main = if is_global {
        Cow::Borrowed(number)
    } else {
        let digits = number
            .find(|c: char| c.is_numeric())
            .map_or("", |place| &number[place..]);
        Cow::Owned(format!("{context}{digits}"))
    };
    Ok(Some((main, extension)))
}

/// Separates a number from its extension, if that follows a label. A label without an extension is dropped, because a
/// dial with letters would read it as digits.
fn split_extension(text: &str) -> Parted<'_> {
    let is_plain = |b: u8| b.is_ascii_digit() || b" +()-./".contains(&b);
    if text.bytes().all(is_plain) {
        return (Cow::Borrowed(text), None);
    }
    let trimmed = text.trim_end_matches([' ', ')', ']', '.']);
    let head = trimmed.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &trimmed[head.len()..];
    let before = head
        .trim_end_matches([' ', '.', ':', '-', '(', '[', '='])
        .to_lowercase();
    let label = EXTENSION_LABELS.iter().find(|label| {
        before
            .strip_suffix(**label)
            .is_some_and(|rest| !rest.ends_with(char::is_alphabetic) && rest.chars().any(|c| c.is_ascii_digit()))
    });
    match label {
        Some(label) if digits.len() <= MAX_EXTENSION => {
            let main = before[..before.len() - label.len()].trim_end_matches([' ', ',', ';', '(', '[', '-']);
            (Cow::Owned(main.to_owned()), Some(digits.to_owned()))
        }
        _ => (Cow::Borrowed(text), None),
    }
}

/// Returns the place of the first letter after the first digit, except labels of extensions that libphonenumber knows.
/// A dial with letters would read it as a digit. Returns `None` without one.
fn first_letter(text: &str) -> Option<usize> {
    if text.is_ascii() && !text.bytes().any(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    let start = text.find(|c: char| c.is_numeric() || c == '+')?;
    let end = text[start..].find(';').map_or(text.len(), |length| start + length);
    text[start..end].find(char::is_alphabetic).map(|place| start + place)
}

/// Returns the number before a remark: `+49 30 901820 (home)`. Returns `None` without one.
fn without_remark(text: &str, letter: usize, region: Option<Region>) -> Option<PhoneNumber> {
    let (number, remark) = text.split_at_checked(letter)?;
    if remark.chars().any(char::is_numeric) {
        return None;
    }
    let number = number.trim_end_matches(|c: char| !c.is_numeric());
    valid(number, region).or_else(|| former(number, region))
}

/// Returns a number in a former form of its plan: Mexico's mobile prefix 1 and its trunk prefixes (until 2019), and
/// Brazil's mobile numbers without the ninth digit (until 2016). Returns `None` for other text.
fn former(text: &str, region: Option<Region>) -> Option<PhoneNumber> {
    // A scheme or a word may stand before the number: `whatsapp:+52…`.
    let number = &text[text.find(|c: char| c == '+' || c.is_ascii_digit())?..];
    let has_plus = number.starts_with('+');
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let international = if has_plus {
        Some(&*digits)
    } else {
        digits.strip_prefix("00")
    };
    let is_at_home = |home: &str| region.is_some_and(|region| Region::from_code(home).is_ok_and(|home| home == region));
    let national = |calling_code: &str, home: &str| match international {
        Some(digits) => digits.strip_prefix(calling_code),
        None if is_at_home(home) => Some(
            digits
                .strip_prefix(calling_code)
                .filter(|rest| rest.len() >= 10)
                .unwrap_or(&digits),
        ),
        None => None,
    };
    if let Some(number) = national("52", "MX") {
        let rest = ["044", "045", "01", "1"]
            .iter()
            .find_map(|prefix| number.strip_prefix(prefix))?;
        return valid(&format!("+52{rest}"), None).filter(|_| rest.len() == 10);
    }
    let number = national("55", "BR")?;
    let number = number.strip_prefix('0').unwrap_or(number);
    let (area, subscriber) = number.split_at_checked(2)?;
    let is_mobile = subscriber.len() == 8 && subscriber.starts_with(['6', '7', '8', '9']);
    is_mobile.then(|| valid(&format!("+55{area}9{subscriber}"), None))?
}

fn valid(number: &str, region: Option<Region>) -> Option<PhoneNumber> {
    PhoneNumber::parse(number, region).ok().filter(PhoneNumber::is_valid)
}
