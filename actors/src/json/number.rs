//! Numbers, by the digits that were sent: a binary fraction would change them.

use std::fmt::Write as _;

/// Digits up to which a number is written without an exponent.
const PLAIN_DIGITS: i64 = 40;

/// Returns a number of JSON in the one spelling that all its spellings share: `1`, `1.0` and `1e0` are `1`.
///
/// Returns `None` if it is beyond what a double can hold (RFC 7493, 2.2), as `1e400`: no program that reads it later
/// could.
#[must_use]
pub fn number(text: &str) -> Option<String> {
    Decimal::read(text).map(|decimal| decimal.to_string())
}

/// Returns a whole number in decimal digits, however it is written: `5`, `5.0` and `5e0` are `5`.
///
/// Returns `None` if it has a fraction, or more than 64 bits.
#[must_use]
pub fn integer(text: &str) -> Option<String> {
    let decimal = Decimal::read(text)?;
    // The longest of 64 bits has 20 digits.
    if decimal.exponent < 0 || decimal.exponent + decimal.len() > 20 {
        return None;
    }
    let digits = decimal.to_string();
    let fits = digits.parse::<i64>().is_ok() || digits.parse::<u64>().is_ok();
    fits.then_some(digits)
}

/// A number without zeros that say nothing: `digits` times ten to the power of `exponent`.
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn read(text: &str) -> Option<Self> {
        if !text.parse::<f64>().ok()?.is_finite() {
            return None;
        }
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (text, None),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole, fraction].concat();
        let digits = all.trim_start_matches('0');
        let trimmed = digits.trim_end_matches('0');
        if trimmed.is_empty() {
            return Some(Self {
                is_negative: false,
                digits: "0".to_owned(),
                exponent: 0,
            });
        }
        // A number that is too long for this is next to zero: its digits do not matter.
        let power: i64 = exponent.map_or(Some(0), |exponent| exponent.parse().ok())?;
        let shift = i64::try_from(digits.len() - trimmed.len()).ok()? - i64::try_from(fraction.len()).ok()?;
        Some(Self {
            is_negative,
            digits: trimmed.to_owned(),
            exponent: power.checked_add(shift)?,
        })
    }

    fn len(&self) -> i64 {
        i64::try_from(self.digits.len()).unwrap_or(i64::MAX)
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_negative {
            f.write_char('-')?;
        }
        let (digits, exponent) = (self.digits.as_str(), self.exponent);
        // Where the point stands, from the first digit.
        let point = exponent.saturating_add(self.len());
        if (0..=PLAIN_DIGITS).contains(&exponent) && point <= PLAIN_DIGITS {
            let zeros = usize::try_from(exponent).unwrap_or(0);
            return write!(f, "{digits}{}", "0".repeat(zeros));
        }
        if exponent < 0 && point > 0 {
            let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
            return write!(f, "{whole}.{fraction}");
        }
        if exponent < 0 && point > -PLAIN_DIGITS {
            let zeros = usize::try_from(-point).unwrap_or(0);
            return write!(f, "0.{}{digits}", "0".repeat(zeros));
        }
        write!(f, "{digits}e{exponent}")
    }
}
