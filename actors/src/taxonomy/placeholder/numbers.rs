//! Numbers of documents, of authorities and of issuers, with any tag in front.

use super::super::normalise::Normaliser;
use super::super::normalise::contact::is_region;
use super::words::Words;
use super::{digits, syntax};

/// So many digits in a row stand before check digits, as in 123.456.789-09.
const BEFORE_CHECK: usize = 8;
/// So many check digits or letters stand behind a number at most.
const CHECK: usize = 2;
/// So many letters and digits has a number whose form is shown.
const FORM: usize = 8;
/// So many zeros it has.
const FORM_ZEROS: usize = 4;
/// So many zeros stand in place of a serial.
const SERIAL_ZEROS: usize = 8;
/// So many digits stand before a serial at most: a country, a class.
const CLASS: usize = 3;
/// So many digits in a row begin again, as in 123-123-1234.
const COUNTED: usize = 3;
/// So few zeros behind letters are still somebody's.
const ZEROS: usize = 5;

/// Names of countries and of numbers that people write before a number, beside the codes of two letters (ISO 3166-1).
const TAGS: [&str; 48] = [
    "AADHAAR", "AUS", "AUT", "BEL", "BRA", "BSN", "CAN", "CHE", "CNP", "CPF", "CPR", "CURP", "DEU", "DNI", "DNK",
    "ESP", "FIN", "FRA", "GBR", "IND", "IRL", "ITA", "MEX", "NHS", "NIE", "NIF", "NIN", "NINO", "NIR", "NLD", "NOR",
    "PAN", "PESEL", "POL", "PPS", "PRT", "RFC", "RUN", "RUT", "SIN", "SSN", "STEUERID", "SVNR", "SWE", "TIN", "TUR",
    "USA", "UTR",
];

/// Returns whether a number, in upper case and without signs, is a placeholder, with or without a tag.
pub(super) fn is_placeholder(words: &Words, normaliser: Normaliser, value: &str) -> bool {
    let repeated = match normaliser {
        Normaliser::IssuedNumber => digits::REPEATED,
        _ => digits::REPEATED_IN_DOCUMENTS,
    };
    let is_plain = |number: &str| {
        digits::is_placeholder(number, repeated) || words.is_identifier_word(number) || syntax::is_masked(number)
    };
    let of_authority = normaliser == Normaliser::NationalId;
    let is_form = |number: &str| is_sample_form(number) || (of_authority && is_without_serial(number));
    // An authority's number is not letters alone.
    (of_authority && value.bytes().all(|b| b.is_ascii_alphabetic()))
        || is_form(value)
        || behind_tag(value).is_some_and(is_form)
        || is_plain(value)
        || behind_tag(value).is_some_and(is_plain)
        || is_between_letters(value, of_authority)
}

/// Returns the number behind a country's code or a number's name: `078051120` for `US078051120` and `USSSN078051120`.
/// Returns `None` without such a tag.
pub(in crate::taxonomy) fn behind_tag(number: &str) -> Option<&str> {
    let named = |number: &'_ str| {
        let length = TAGS.iter().find(|tag| number.starts_with(**tag))?.len();
        Some(length).filter(|length| number.len() > *length)
    };
    let coded = |number: &str| number.get(..2).is_some_and(is_region).then_some(2);
    let length = match (named(number), coded(number)) {
        (Some(length), _) => length,
        (None, Some(length)) => length + number.get(length..).and_then(named).unwrap_or(0),
        (None, None) => return None,
    };
    number.get(length..).filter(|rest| !rest.is_empty())
}

/// Returns whether the digits between letters are zeros, one digit again and again, or digits in a row.
fn is_between_letters(value: &str, of_authority: bool) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic();
    let number = value.trim_start_matches(is_letter);
    let digits = number.trim_end_matches(is_letter).as_bytes();
    // Two digits tell most numbers: they are not equal, nor one behind the other.
    let (Some(first), Some(second)) = (digits.first(), digits.get(1)) else {
        return false;
    };
    let is_near = first.abs_diff(*second) <= 1 || first.abs_diff(*second) == 9;
    if !is_near || number.len() - digits.len() > CHECK || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let is_dull = |digits: &[u8]| {
        let is_long = digits.len() >= digits::REPEATED || (digits.len() >= ZEROS && *first == b'0');
        is_long && (digits::is_repeated(digits, digits::REPEATED) || digits::is_in_a_row(digits))
    };
    let before_check = |check: usize| {
        let length = digits.len() - check;
        length >= BEFORE_CHECK && is_dull(&digits[..length])
    };
    is_dull(digits) || (of_authority && digits.len() > CHECK && (1..=CHECK).any(before_check))
}

/// Returns whether it shows the form of a number only: letters between zeros, as in `AAAAAA00A00A000A`.
fn is_sample_form(number: &str) -> bool {
    let zeros = number.bytes().filter(|b| *b == b'0').count();
    let letters = number.bytes().filter(u8::is_ascii_alphabetic).count();
    number.len() >= FORM && letters >= 2 && zeros >= FORM_ZEROS && zeros + letters == number.len()
}

/// Returns whether it has no serial. Zeros or counting stand behind a country or a class (`756.0000.0000.00`), or zeros
/// behind the first day of a year (`010101-0000`). Others count from 1 again and again (`123456-1234567`).
fn is_without_serial(number: &str) -> bool {
    let digits = number.as_bytes();
    if digits.len() < FORM || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let is_serial = |prefix: usize, check: usize| {
        let serial = digits.get(prefix..digits.len() - check).unwrap_or_default();
        let counts = serial.first() == Some(&b'1') && digits::is_in_a_row(serial);
        serial.len() >= SERIAL_ZEROS && (is_zeros(serial) || counts)
    };
    (0..=CLASS).any(|prefix| (0..=CHECK).any(|check| is_serial(prefix, check)))
        || is_first_day_alone(digits)
        || is_one_pair(digits)
        || is_counting_again(digits)
}

fn is_zeros(digits: &[u8]) -> bool {
    digits.iter().all(|b| *b == b'0')
}

/// Returns whether it is the first of January with any year, as `010190`, `900101` or `19900101`, and then zeros. The code
/// of a place may stand before the date.
fn is_first_day_alone(digits: &[u8]) -> bool {
    let parted = [6, 8, 14]
        .into_iter()
        .filter_map(|length| digits.split_at_checked(length));
    parted.into_iter().any(|(date, serial)| {
        let is_first_day = date.ends_with(b"0101") || (date.len() < 14 && date.starts_with(b"0101"));
        is_first_day && matches!(serial.len(), 4 | 5) && is_zeros(serial)
    })
}

/// Returns whether it is one pair of digits again and again, with or without a century: `19121212-1212`.
fn is_one_pair(digits: &[u8]) -> bool {
    let is_pair =
        |digits: &[u8]| digits.len().is_multiple_of(2) && digits.chunks(2).all(|pair| Some(pair) == digits.get(..2));
    let behind_century = digits.strip_prefix(b"19").or_else(|| digits.strip_prefix(b"20"));
    is_pair(digits) || behind_century.is_some_and(is_pair)
}

/// Returns whether it consists of parts that count up from 1, three digits or more each.
fn is_counting_again(digits: &[u8]) -> bool {
    digits
        .chunk_by(|before, digit| *digit == before + 1)
        .all(|part| part.len() >= COUNTED && part[0] == b'1')
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn numbers_behind_tags() {
        let nobody = [
            "US-123-45-6789",
            "US 123-45-6789",
            "US123456789",
            "USA 123-45-6789",
            "SSN 000-00-0000",
            "US SSN 078-05-1120",
            "US-078-05-1120",
            "PL 00000000000",
            "PL/00000000000",
            "DE-000000",
            "DE.n/a",
            "US-unknown",
            "US XXX-XX-1234",
            "00000000T",
            "X0000000T",
            "12345678Z",
            "ES 12345678Z",
            "99999999R",
            "XAXX010101000",
            "MX XAXX010101000",
            "xexx010101000",
            "123.456.789-09",
            "BR 123.456.789-09",
            "987.654.321-00",
            "123456782",
            "12.345.678-5",
            "not known here",
            "123-45-6789 US",
            "US:000000000",
            "de: 000000",
            "ES-X0000000T",
            "IT 00000000000",
            "BR:000.000.000-00",
            "IN-1234 5678 9012",
            "IT:XXXXXX00X00X000X",
            "AAAAAA00A00A000A",
            "CH:756.0000.0000.00",
            "CH 756.0000.0000.02",
            "AE:784-0000-0000000-0",
            "DK:010101-0000",
            "010190-0000",
            "19900101-0000",
            "190001010000",
            "KR:123456-1234567",
            "123-123-1234",
            "1234 1234 1234",
            "IT:ABCDEF00A00A000A",
            "NO:01010100000",
            "SE:19121212-1212",
            "DK:121212-1212",
            "CN:110101190001010000",
            "CH:756.1234.5678.97",
        ];
        let somebody = [
            "AB123456C",
            "US-536-90-4399",
            "US 536904399",
            "PL 44051401359",
            "X1234560L",
            "12435678Z",
            "VECJ880326XXX0",
            "10000000T",
            "529.982.247-25",
            "CH:756.9217.0769.85",
            "AE:784-1982-1234567-1",
            "DK:010190-1235",
            "DK:211062-5629",
            "KR:900101-1234568",
            "199001012384",
            "IT:RSSMRA85T10A562T",
            "234123410000",
        ];
        check("user.government_id.national_identification_number", &somebody, &nobody);
        check(
            "user.government_id.passport_number",
            &[
                "C01X00T47",
                "AB123456",
                "YA1234507",
                "123456782",
                "X1000000",
                "AA0000123",
            ],
            &[
                "FR:00AA00000",
                "DE-000000000",
                "DE XXXXXXXXX",
                "FR unknown",
                "A00000000",
                "DE-123456789",
            ],
        );
        check(
            "user.government_id.vehicle_registration",
            &["B-AB 1234", "HB-X 111"],
            &["B-AB 00000"],
        );
        check(
            "user.health_and_medical.record_id",
            &["MRN-0042", "MRN-11111", "MR 123456"],
            &["MRN-00000", "MRN 1234567"],
        );
    }
}
