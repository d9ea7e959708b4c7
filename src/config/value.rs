//! One setting's value, read as the type of its default.
//!
//! The default decides, never the look of the text: a token of digits is a text, and so is one like `1e10`. No message
//! contains a value that may be a credential.

use toml::Value;

/// Reads the text of an environment variable for the setting `key`.
///
/// # Errors
/// A description of a valid value.
pub(super) fn of_text(key: &str, default: &Value, text: &str) -> Result<Value, String> {
    match default {
        Value::Integer(_) => whole_number(key, text).map(Value::Integer),
        Value::Float(_) => {
            let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
            number.map(Value::Float).ok_or_else(|| "must be a number".to_owned())
        }
        Value::Boolean(_) => truth(text)
            .map(Value::Boolean)
            .ok_or_else(|| "must be true or false".to_owned()),
        Value::Array(_) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Ok(Value::Array(parts.map(|part| Value::String(part.to_owned())).collect()))
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// Reads the value of a configuration file for the setting `key`.
///
/// # Errors
/// A description of a valid value.
pub(super) fn of_file(key: &str, default: &Value, value: Value) -> Result<Value, String> {
    match (default, value) {
        (Value::String(_), value @ Value::String(_))
        | (Value::Integer(_), value @ Value::Integer(_))
        | (Value::Float(_), value @ Value::Float(_))
        | (Value::Boolean(_), value @ Value::Boolean(_))
        | (Value::Array(_), value @ Value::Array(_)) => Ok(value),
        // Digits without quotes would lose their zeros, or become another number.
        (Value::String(_), _) => Err("must be a text in quotes".to_owned()),
        #[allow(clippy::cast_precision_loss)] // No setting's range is beyond what a float holds.
        (Value::Float(_), Value::Integer(number)) => Ok(Value::Float(number as f64)),
        (_, Value::String(text)) => of_text(key, default, &text),
        (Value::Integer(_), _) => Err(must_be_whole(key)),
        (Value::Float(_), _) => Err("must be a number".to_owned()),
        (Value::Boolean(_), _) => Err("must be true or false".to_owned()),
        (_, _) => Err("must be a list: [\"one\", \"another\"]".to_owned()),
    }
}

fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Returns whether a setting counts bytes.
fn is_size(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    name.split('_').any(|word| word == "bytes")
}

fn must_be_whole(key: &str) -> String {
    let units = [
        ("_seconds", " of seconds"),
        ("_ms", " of milliseconds"),
        ("_micros", " of microseconds"),
        ("_days", " of days"),
    ];
    if is_size(key) {
        return "must be a whole number of bytes, or a size such as 64MiB or 4GiB".to_owned();
    }
    let unit = units.iter().find(|(ending, _)| key.ends_with(ending));
    match unit {
        Some((_, unit)) => format!("must be a whole number{unit}, without a unit"),
        None => "must be a whole number".to_owned(),
    }
}

fn whole_number(key: &str, text: &str) -> Result<i64, String> {
    let text = text.trim();
    let wrong = || must_be_whole(key);
    if let Some(number) = digits(text) {
        return number.parse().map_err(|_| "is too large a number".to_owned());
    }
    if !is_size(key) {
        return Err(wrong());
    }
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'));
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let factor = factor(unit.trim()).map_err(|ambiguous| ambiguous.unwrap_or_else(wrong))?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let whole = digits(whole)
        .and_then(|number| number.parse::<u64>().ok())
        .ok_or_else(wrong)?;
    let mut bytes = whole.checked_mul(factor).ok_or("is too large a size")?;
    if number.contains('.') {
        let scale = 10_u64.checked_pow(u32::try_from(decimals.len()).unwrap_or(u32::MAX));
        let decimals = digits(decimals).and_then(|number| number.parse::<u64>().ok());
        let (Some(scale), Some(decimals)) = (scale, decimals) else {
            return Err(wrong());
        };
        let part = u128::from(decimals) * u128::from(factor) / u128::from(scale);
        bytes = u64::try_from(part)
            .ok()
            .and_then(|part| bytes.checked_add(part))
            .ok_or("is too large a size")?;
    }
    i64::try_from(bytes).map_err(|_| "is too large a size".to_owned())
}

/// Returns a whole number's digits with its sign, as TOML writes them: `_` may stand between two.
fn digits(text: &str) -> Option<String> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let parts: Vec<&str> = unsigned.split('_').collect();
    let is_number = parts
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    is_number.then(|| text.replace('_', ""))
}

/// Returns the bytes of a unit. An error has the ambiguity, if the text is a unit at all.
fn factor(unit: &str) -> Result<u64, Option<String>> {
    const POWERS: [char; 5] = ['k', 'm', 'g', 't', 'p'];
    let unit = unit.to_ascii_lowercase();
    let mut letters = unit.chars();
    let first = letters.next().unwrap_or_default();
    if unit == "b" || unit == "bytes" {
        return Ok(1);
    }
    let power = POWERS.iter().position(|letter| *letter == first).ok_or(None)?;
    let exponent = u32::try_from(power).unwrap_or_default() + 1;
    match letters.as_str() {
        "ib" | "i" => Ok(1 << (10 * exponent)),
        "b" => Ok(1_000_u64.pow(exponent)),
        "" => {
            let letter = first.to_ascii_uppercase();
            let text =
                format!("has an unclear unit: write {letter}iB for powers of 1,024, or {letter}B for powers of 1,000");
            Err(Some(text))
        }
        _ => Err(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_texts() {
        let text = Value::String(String::new());
        for written in [
            "12345678901234567890",
            "0007",
            "1e10",
            "true",
            "0x10",
            " a,b ",
            "1_000",
            "nan",
        ] {
            let expected = Ok(Value::String(written.to_owned()));
            assert_eq!(of_text("storage.admin_token", &text, written), expected);
        }
        for value in [Value::Integer(7), Value::Float(1e20), Value::Boolean(true)] {
            let error = of_file("storage.admin_token", &text, value).unwrap_err();
            assert_eq!(error, "must be a text in quotes");
        }
    }

    #[test]
    fn sizes_are_understood_or_refused_with_words() {
        let size = |text: &str| of_text("journal.max_bytes", &Value::Integer(0), text);
        for (text, bytes) in [
            ("4294967296", 4 << 30),
            ("4_294_967_296", 4 << 30),
            ("4GiB", 4 << 30),
            ("4 gib", 4 << 30),
            ("4Gi", 4 << 30),
            ("64MiB", 64 << 20),
            ("1.5KiB", 1_536),
            ("2TB", 2_000_000_000_000),
            ("500kB", 500_000),
            ("12B", 12),
            ("+3", 3),
            ("-3", -3),
        ] {
            assert_eq!(size(text), Ok(Value::Integer(bytes)), "{text}");
        }
        for (text, expected) in [
            ("4G", "GiB"),
            ("4096m", "MiB"),
            ("4 gigabytes", "whole number of bytes"),
            ("4,294,967,296", "whole number of bytes"),
            ("1e9", "whole number of bytes"),
            ("GiB", "whole number of bytes"),
            ("-1GiB", "whole number of bytes"),
            ("1.GiB", "whole number of bytes"),
            ("_1", "whole number of bytes"),
            ("16777216TiB", "too large"),
            ("99999999999999999999", "too large"),
        ] {
            let error = size(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let default = Value::Integer(0);
        assert_eq!(
            of_file("journal.max_bytes_per_controller", &default, "1GiB".into()),
            Ok(Value::Integer(1 << 30))
        );
        assert!(of_text("server.workers", &default, "4GiB").is_err());
    }

    #[test]
    fn other_kinds_are_read_as_their_defaults_are() {
        let truth = |text| of_text("receipts.enabled", &Value::Boolean(true), text);
        assert_eq!(truth("False"), Ok(Value::Boolean(false)));
        assert_eq!(truth("1"), Ok(Value::Boolean(true)));
        assert!(truth("maybe").is_err());
        let list = of_text("server.trusted_proxies", &Value::Array(Vec::new()), "10.0.0.1, ::1,");
        assert_eq!(list, Ok(Value::Array(vec!["10.0.0.1".into(), "::1".into()])));
        let ratio = |text| of_text("telemetry.sampling_ratio", &Value::Float(0.1), text);
        assert_eq!(ratio("0.5"), Ok(Value::Float(0.5)));
        assert!(ratio("inf").is_err() && ratio("half").is_err());
        assert_eq!(
            of_file("telemetry.sampling_ratio", &Value::Float(0.1), 1.into()),
            Ok(Value::Float(1.0))
        );
        let window = |text| of_text("dedup.window_seconds", &Value::Integer(60), text);
        assert!(window("30s").unwrap_err().contains("of seconds, without a unit"));
        assert!(window("60.0").is_err());
        assert!(of_file("dedup.window_seconds", &Value::Integer(60), Value::Float(60.7)).is_err());
    }
}
