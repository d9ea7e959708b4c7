//! JSON values as texts that are equal if the values are.

use serde_json::{Number, Value};

use crate::ids::Timestamp;
use crate::mapping::FieldType;

/// Longer numbers stay in scientific notation.
const PLAIN_DIGITS: i64 = 40;

/// The value as text, if it is of the type.
pub(super) fn typed(field_type: FieldType, at: &Value) -> Option<String> {
    match (field_type, at) {
        (FieldType::String, Value::String(text)) => Some(text.clone()),
        (FieldType::Boolean, Value::Bool(value)) => Some(value.to_string()),
        (FieldType::Number, Value::Number(number)) => Some(canonical(&number.to_string())),
        (FieldType::Integer, Value::Number(number)) => integer(number),
        (FieldType::Timestamp, Value::String(text)) => Timestamp::parse_rfc3339(text).map(|time| time.to_string()),
        _ => None,
    }
}

/// `5`, `5.0` and `5e0` are the same integer.
fn integer(number: &Number) -> Option<String> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.is_i64() || number.is_u64() {
        return Some(number.to_string());
    }
    let value = number
        .as_f64()
        .filter(|value| value.fract() == 0.0 && value.abs() <= EXACT)?;
    Some(format!("{value:.0}"))
}

/// A JSON number in the one spelling that all its spellings share: `1`, `1.0` and `10e-1` are the same number.
fn canonical(number: &str) -> String {
    let (sign, rest) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let Ok(exponent) = exponent.parse::<i64>() else {
        return number.to_owned();
    };
    let digits = [whole, fraction].concat();
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return "0".to_owned();
    }
    let places = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    // The number is `significant` times ten to this.
    let power = exponent
        .saturating_sub(places(fraction.len()))
        .saturating_add(places(digits.len() - significant.len()));
    let point = places(significant.len()).saturating_add(power);
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    match point {
        _ if !(-PLAIN_DIGITS..=PLAIN_DIGITS).contains(&point) => format!("{sign}{significant}e{power}"),
        _ if power >= 0 => format!("{sign}{significant}{}", zeros(power)),
        1.. => {
            let (whole, fraction) = significant.split_at(usize::try_from(point).unwrap_or(0));
            format!("{sign}{whole}.{fraction}")
        }
        _ => format!("{sign}0.{}{significant}", zeros(-point)),
    }
}

pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

pub(super) fn name(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::String => "string",
        FieldType::Integer => "integer",
        FieldType::Number => "number",
        FieldType::Boolean => "boolean",
        FieldType::Timestamp => "timestamp (RFC 3339)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_equal_as_numbers() {
        for (spelt, same) in [
            ("1", ["1.0", "1e0", "10E-1", "0.1e1", "1.000"]),
            ("-12.5", ["-12.50", "-125e-1", "-1.25e1", "-1.25E+1", "-0.125e2"]),
            ("0", ["-0", "0.0", "-0.0e5", "0e9", "0.000"]),
            ("0.001", ["1e-3", "0.0010", "10e-4", "0.1e-2", "1.0E-3"]),
            ("1200", ["12e2", "1.2e3", "1200.0", "0.12e4", "120E1"]),
            ("1e400", ["1.0e400", "10e399", "0.1e401", "100E398", "1.00E+400"]),
        ] {
            assert_eq!(canonical(spelt), spelt);
            for other in same {
                assert_eq!(canonical(other), spelt, "{other}");
            }
        }
        for (one, other) in [
            ("1", "10"),
            ("1", "-1"),
            ("0.1", "0.01"),
            ("12345678901234567890", "12345678901234567891"),
        ] {
            assert_ne!(canonical(one), canonical(other));
        }
    }
}
