//! Telephone numbers.
//!
//! libphonenumber knows the numbering plans. This module adds the rest: letters that are no number, and former numbers of
//! a plan that messengers still send. No digit of a value is dropped: a value with digits that belong neither to the number
//! nor to its extension is refused.

use std::borrow::Cow;

use rlibphonenumber::{PhoneNumber, Region};

use super::extension::{PHONE, split_extension, split_parameters};
use super::normalised::Invalid;

/// Calling codes of plans in which numbers are written with letters (1 800 FLOWERS).
const WITH_LETTERS: [i32; 3] = [1, 61, 64];

/// Returns E.164, followed by the extension as RFC 3966 writes it: `+4930901820;ext=101`.
pub(super) fn phone(text: &str, default_region: Option<&str>) -> Result<String, Invalid> {
    let region = default_region.and_then(|code| Region::from_code(code).ok());
    let text = &*in_ascii_digits(text);
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
    let inner = number.extension.clone().filter(|digits| !digits.is_empty());
    let has_two = inner.is_some() && labelled.as_ref().is_some_and(|digits| !digits.is_empty());
    let is_whole = letters.is_some_and(|_| WITH_LETTERS.contains(&number.country_code)) || ends_alike(&main, &number);
    if has_two || !is_whole {
        return Err(PHONE);
    }
    let extension = labelled.filter(|digits| !digits.is_empty()).or(inner);
    let e164 = number.to_string();
    Ok(match extension {
        None => e164,
        Some(extension) => format!("{e164};ext={extension}"),
    })
}

/// Returns the text with the decimal digits of other scripts as ASCII ones.
fn in_ascii_digits(text: &str) -> Cow<'_, str> {
    /// The zeros of scripts in which telephone numbers are written; nine digits follow each.
    const ZEROS: [u32; 17] = [
        0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50, 0xed0, 0xf20,
        0x1040, 0x17e0,
    ];
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let ascii = |c: char| {
        let digit = ZEROS
            .iter()
            .find_map(|zero| (c as u32).checked_sub(*zero).filter(|digit| *digit < 10));
        digit.and_then(|digit| char::from_digit(digit, 10)).unwrap_or(c)
    };
    Cow::Owned(text.chars().map(ascii).collect())
}

/// Returns whether a text ends with the last digits of its number, and with its extension: nothing behind was dropped.
fn ends_alike(text: &str, number: &PhoneNumber) -> bool {
    /// So many digits of a number stay the same in each of its forms.
    const SAME: usize = 4;
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let before = match &number.extension {
        Some(extension) => digits.strip_suffix(extension.as_str()),
        None => Some(&*digits),
    };
    let national = number.get_national_significant_number();
    let end = &national[national.len().saturating_sub(SAME)..];
    before.is_some_and(|before| before.ends_with(end))
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
    // Each region has its own prefix for calls abroad, which libphonenumber knows: 011 in North America, 010 in Japan.
    let abroad = || {
        let number = PhoneNumber::parse(number, region).ok()?;
        let is_former = matches!(number.country_code, 52 | 55);
        is_former.then(|| format!("{}{}", number.country_code, number.get_national_significant_number()))
    };
    let is_at_home = |home: &str| region.is_some_and(|region| Region::from_code(home).is_ok_and(|home| home == region));
    let is_away = !(is_at_home("MX") || is_at_home("BR"));
    let international: Option<Cow<'_, str>> = if has_plus {
        Some(Cow::Borrowed(&digits))
    } else {
        let dialled = digits
            .strip_prefix("00")
            .filter(|rest| rest.starts_with('5'))
            .map(Cow::Borrowed);
        dialled.or_else(|| abroad().filter(|_| is_away).map(Cow::Owned))
    };
    let national = |calling_code: &str, home: &str| match international.as_deref() {
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

#[cfg(test)]
mod tests {
    use super::super::{NormaliseContext, Normaliser};

    fn normalised(raw: &str, region: &str) -> Option<String> {
        let context = NormaliseContext {
            processor: "shop",
            default_region: Some(region),
        };
        let normalised = Normaliser::Phone.normalise(raw, &context).ok()?;
        Some(normalised.value?.expose().clone())
    }

    #[test]
    fn no_digit_is_dropped() {
        for behind in [
            ",,101#",
            ",101#",
            ";101#",
            ",,,101#",
            "#101#",
            ",,101",
            ", 101#",
            ";;101",
            ";ext=101#",
            "; extension=101",
            ";x=101",
            "; EXT=101",
            ";extn=1-01",
            " ext. 101#",
            " ext. 101 (home)",
            " ext no 101",
            " ext. no. 101",
            " ext #101",
            " x 101 (office)",
            " toestel nr. 101",
            " 转 101",
            " 转101",
            " 分机号 101",
            " 分機 101",
            " 내선번호 101",
            " 내선 101",
            " שלוחה 101",
            " تحويلة 101",
            " linka 101",
            " mell. 101",
            " дод. 101",
            " доб.№ 101",
            " dahili no: 101",
            " (ext. 101)",
            ",,١٠١#",
            ";ext=101;ext=101",
            ";npdi;ext=101;rn=123",
        ] {
            let raw = format!("+49 30 901820{behind}");
            assert_eq!(normalised(&raw, "DE").as_deref(), Some("+4930901820;ext=101"), "{raw}");
        }
        for behind in [
            ";ext=1;ext=2",
            ";postd=101",
            ";foo=101",
            ";line2",
            ",,1,,2#",
            ",101 x 7",
            ";ext=101;foo=2",
            " room 101",
            " / 101 / 102",
            ",,101#102#",
            " ext. 101 ext. 102",
            " (home 2)",
            ",,1234567890123#",
        ] {
            let raw = format!("+49 30 901820{behind}");
            let found = normalised(&raw, "DE");
            assert!(found.as_deref() != Some("+4930901820"), "{raw}");
            assert!(
                found.is_none_or(|found| found.bytes().filter(u8::is_ascii_digit).count() > 12),
                "{raw}"
            );
        }
        for (raw, expected) in [
            ("+1 212-736-1237,,5551#", "+12127361237;ext=5551"),
            ("(212) 736-1237 ext no 5", "+12127361237;ext=5"),
            ("+1 212 736 1237;type=work", "+12127361237"),
            ("1-800-FLOWERS ext. 5", "+18003569377;ext=5"),
            ("+٤٩ ٣٠ ٩٠١٨٢٠", "+4930901820"),
            ("+54 9 11 2345-6789", "+5491123456789"),
            ("+49 30 901820 #", "+4930901820"),
            ("+49 30 901820,", "+4930901820"),
        ] {
            assert_eq!(normalised(raw, "US").as_deref(), Some(expected), "{raw}");
        }
    }

    #[test]
    fn former_numbers_behind_the_prefix_of_a_region() {
        for (raw, region, expected) in [
            ("011 52 1 81 1234 5678", "US", "+528112345678"),
            ("011 52 1 55 1234 5678", "CA", "+525512345678"),
            ("011 55 11 8765 4321", "US", "+5511987654321"),
            ("010 52 1 55 1234 5678", "JP", "+525512345678"),
            ("0011 52 1 55 1234 5678", "AU", "+525512345678"),
            ("0011 55 11 8765 4321", "AU", "+5511987654321"),
            ("00 52 1 55 1234 5678", "DE", "+525512345678"),
            ("011 52 55 1234 5678", "US", "+525512345678"),
        ] {
            assert_eq!(normalised(raw, region).as_deref(), Some(expected), "{raw}");
        }
        assert_eq!(normalised("011 52 1 55 1234 567", "US"), None);
    }
}
