//! Numbers as they are written: a double holds about 16 digits, and an order's number may have more.

use serde_json::{Number, Value};

/// Zeros that are written out; beyond, there is an exponent.
const WRITTEN_ZEROS: i64 = 40;

/// Returns the one spelling of a number: 1, 1.0 and 10e-1 are the same, and no digit is lost. `pointer` says where in the
/// body, which is valid JSON, it stands.
pub(crate) fn canonical(number: &Number, body: &[u8], pointer: &str) -> String {
    if number.is_i64() || number.is_u64() {
        return number.to_string();
    }
    match written(body, pointer) {
        Some(text) => spelling(text),
        None => spelling(&number.to_string()),
    }
}

/// Digits without zeros at either end, and where the point is.
pub(crate) fn spelling(text: &str) -> String {
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return "0".to_owned();
    }
    let Ok(exponent) = exponent.parse::<i64>() else {
        return format!("{sign}{text}");
    };
    let dropped = digits.len() - significant.len();
    let place = exponent
        .saturating_add(i64::try_from(dropped).unwrap_or(0))
        .saturating_sub(i64::try_from(fraction.len()).unwrap_or(0));
    let length = i64::try_from(significant.len()).unwrap_or(0);
    match usize::try_from(place) {
        Ok(zeros) if place <= WRITTEN_ZEROS => format!("{sign}{significant}{}", "0".repeat(zeros)),
        Ok(_) => format!("{sign}{significant}e{place}"),
        Err(_) if length + place > 0 => {
            let point = usize::try_from(length + place).unwrap_or(0);
            format!("{sign}{}.{}", &significant[..point], &significant[point..])
        }
        Err(_) if place >= -WRITTEN_ZEROS => {
            let zeros = usize::try_from(-(length + place)).unwrap_or(0);
            format!("{sign}0.{}{significant}", "0".repeat(zeros))
        }
        Err(_) => format!("{sign}{significant}e{place}"),
    }
}

/// The text of the number at a JSON Pointer.
fn written<'a>(body: &'a [u8], pointer: &str) -> Option<&'a str> {
    let mut scanner = Scanner { body, at: 0 };
    scanner.space();
    for segment in pointer.split('/').skip(1) {
        match scanner.body.get(scanner.at)? {
            b'{' => scanner.member(&segment.replace("~1", "/").replace("~0", "~"))?,
            b'[' => scanner.element(segment.parse().ok()?)?,
            _ => return None,
        }
    }
    let start = scanner.at;
    scanner.value()?;
    std::str::from_utf8(body.get(start..scanner.at)?).ok()
}

/// Goes through JSON that is known to be valid.
struct Scanner<'a> {
    body: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn space(&mut self) {
        while self.body.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    /// Goes into an object, to the value of this name.
    fn member(&mut self, name: &str) -> Option<()> {
        loop {
            self.at += 1;
            self.space();
            let start = self.at;
            self.string()?;
            let key: Value = serde_json::from_slice(self.body.get(start..self.at)?).ok()?;
            self.space();
            self.at += 1;
            self.space();
            if key.as_str() == Some(name) {
                return Some(());
            }
            self.value()?;
            self.space();
            if self.body.get(self.at) != Some(&b',') {
                return None;
            }
        }
    }

    /// Goes into an array, to this element.
    fn element(&mut self, index: usize) -> Option<()> {
        for _ in 0..index {
            self.at += 1;
            self.space();
            self.value()?;
            self.space();
            if self.body.get(self.at) != Some(&b',') {
                return None;
            }
        }
        self.at += 1;
        self.space();
        Some(())
    }

    /// Goes behind a string.
    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.body.get(self.at)? {
                b'\\' => self.at += 2,
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                _ => self.at += 1,
            }
        }
    }

    /// Goes behind a value.
    fn value(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            match self.body.get(self.at)? {
                b'"' => {
                    self.string()?;
                    if depth == 0 {
                        return Some(());
                    }
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                    if depth == 0 {
                        return Some(());
                    }
                }
                _ if depth > 0 => self.at += 1,
                _ => {
                    let is_end = |b: &u8| b.is_ascii_whitespace() || matches!(b, b',' | b'}' | b']');
                    while self.body.get(self.at).is_some_and(|b| !is_end(b)) {
                        self.at += 1;
                    }
                    return Some(());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str, pointer: &str) -> String {
        let root: Value = serde_json::from_str(body).unwrap();
        let Some(Value::Number(number)) = root.pointer(pointer) else {
            panic!("{pointer}");
        };
        canonical(number, body.as_bytes(), pointer)
    }

    #[test]
    fn equal_numbers_are_spelt_alike_and_no_digit_is_lost() {
        for (text, expected) in [
            ("1", "1"),
            ("1.0", "1"),
            ("10e-1", "1"),
            ("0.1E1", "1"),
            ("-0.0", "0"),
            ("0e9", "0"),
            ("100", "100"),
            ("1e2", "100"),
            ("1.5", "1.5"),
            ("150e-2", "1.5"),
            ("0.05", "0.05"),
            ("-12.50", "-12.5"),
            ("123456789012345678901", "123456789012345678901"),
            ("123456789012345678902", "123456789012345678902"),
            ("1.00000000000000000001", "1.00000000000000000001"),
            ("18446744073709551616.0", "18446744073709551616"),
            ("1e300", "1e300"),
            ("10e299", "1e300"),
            ("5e-300", "5e-300"),
        ] {
            assert_eq!(of(text, ""), expected, "{text}");
        }
    }

    #[test]
    fn the_number_at_the_pointer_is_taken() {
        let body = r#" { "a\"b" : [ {"x": "}]", "y": [1.0]}, { "n/~" : 123456789012345678901.50 , "m":2.5} ], "n":7.25 } "#;
        assert_eq!(of(body, "/a\"b/1/n~1~0"), "123456789012345678901.5");
        assert_eq!(of(body, "/a\"b/1/m"), "2.5");
        assert_eq!(of(body, "/a\"b/0/y/0"), "1");
        assert_eq!(of(body, "/n"), "7.25");
    }
}
