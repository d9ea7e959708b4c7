//! Whole numbers as JSON has them: 60 and 60.0 are the same (RFC 8259, section 6; JSON Schema's `integer`).

use serde::{Deserialize, Deserializer};

/// Deserialises a whole number from 0, or nothing, for `#[serde(deserialize_with)]`.
///
/// # Errors
/// The number is negative, too large, or has a fraction.
pub fn optional<'de, D: Deserializer<'de>, N: TryFrom<u64>>(deserializer: D) -> Result<Option<N>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Integer(u64),
        Float(f64),
        Other(serde::de::IgnoredAny),
    }
    /// Up to here, each whole number is a `f64` of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let whole = match Option::<Number>::deserialize(deserializer)? {
        None => return Ok(None),
        Some(Number::Integer(number)) => Some(number),
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Both are ruled out.
        Some(Number::Float(number)) if number.fract() == 0.0 && (0.0..=EXACT).contains(&number) => Some(number as u64),
        Some(Number::Float(_) | Number::Other(_)) => None,
    };
    let whole = whole.and_then(|number| N::try_from(number).ok());
    whole
        .map(Some)
        .ok_or_else(|| serde::de::Error::custom("expected a whole number, from 0, that is not too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Body {
        #[serde(default, deserialize_with = "optional")]
        seconds: Option<u32>,
    }

    #[test]
    fn a_number_without_a_fraction_is_whole_however_it_is_written() {
        let read = |text: &str| serde_json::from_str::<Body>(text).map(|sent| sent.seconds).ok();
        for (text, expected) in [
            ("{}", Some(None)),
            (r#"{"seconds": null}"#, Some(None)),
            (r#"{"seconds": 60}"#, Some(Some(60))),
            (r#"{"seconds": 60.0}"#, Some(Some(60))),
            (r#"{"seconds": 6e1}"#, Some(Some(60))),
            (r#"{"seconds": 60.5}"#, None),
            (r#"{"seconds": -1}"#, None),
            (r#"{"seconds": 1e300}"#, None),
            (r#"{"seconds": 4294967296}"#, None),
            (r#"{"seconds": "60"}"#, None),
            (r#"{"seconds": []}"#, None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
