//! Characters that look alike: brought into one form, as PRECIS does for identifiers (RFC 8264 and 8265).
//!
//! The steps have this order. Invisible characters are removed. Full-width and half-width forms become the ordinary ones.
//! Spaces of all kinds become the ASCII space. The rest is composed (NFC). This is not NFKC, which would make `x²` and `x2`
//! equal.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

/// Ordinary forms of the half-width and full-width characters from U+FF5F to U+FFEE; U+0000 for characters without one.
///
/// These are the decompositions `<narrow>` and `<wide>` of the Unicode Character Database. U+FF01 to U+FF5E are ASCII,
/// shifted.
const WIDTH: &str = "⦅⦆。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン\
    \u{3099}\u{309a}\u{3164}ㄱㄲㄳㄴㄵㄶㄷㄸㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅃㅄㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ\0\0\0ㅏㅐㅑㅒㅓㅔ\0\0ㅕㅖㅗㅘㅙㅚ\0\0ㅛㅜㅝㅞㅟㅠ\0\0ㅡㅢㅣ\0\0\0\
    ¢£¬¯¦¥₩\0│←↑→↓■○";

/// Returns the value without invisible characters, in ordinary width and composed. ASCII is returned as it is.
pub(super) fn clean(raw: &str) -> Cow<'_, str> {
    if raw.is_ascii() {
        return Cow::Borrowed(raw);
    }
    let is_clean = |c: char| !is_invisible(c) && ordinary(c) == c;
    if raw.chars().all(is_clean) && is_nfc_quick(raw.chars()) == IsNormalized::Yes {
        return Cow::Borrowed(raw);
    }
    Cow::Owned(raw.chars().filter(|c| !is_invisible(*c)).map(ordinary).nfc().collect())
}

/// Returns lower case, composed again, because lower-casing can undo the composition.
pub(super) fn lower(text: &str) -> String {
    let lower = text.to_lowercase();
    if lower.is_ascii() { lower } else { lower.nfc().collect() }
}

/// Returns whether nothing of the text can be seen.
pub(super) fn is_blank(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_whitespace() || c.is_control() || is_invisible(c))
}

/// Returns whether it is a dash, a minus or a hyphen outside of ASCII.
pub(super) const fn is_dash(c: char) -> bool {
    matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}')
}

/// Returns whether it is invisible: Default_Ignorable_Code_Point of the Unicode Character Database, the interlinear
/// annotation characters, and the blank of Braille. These include the soft hyphen, zero-width characters, the byte
/// order mark, marks of writing direction, variation selectors and tags.
pub(super) const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns the ordinary form of a full-width or half-width character, or of a space.
fn ordinary(c: char) -> char {
    match c {
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{ff5f}'..='\u{ffee}' => {
            let place = (c as u32 - 0xff5f) as usize;
            WIDTH
                .chars()
                .nth(place)
                .filter(|ordinary| *ordinary != '\0')
                .unwrap_or(c)
        }
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_decide_and_meaning_stays() {
        for (raw, expected) in [
            ("ada", "ada"),
            ("e\u{301}", "é"),
            ("\u{feff}a\u{200b}d\u{ad}a\u{2060}\u{200d}\u{e0041}", "ada"),
            ("ＡＤＡ＠ｓｈｏｐ．ｅｘａｍｐｌｅ", "ADA@shop.example"),
            ("ｶﾞ", "ガ"),
            ("ﾊﾟ", "パ"),
            ("ﾡ", "ㄱ"),
            ("￦￡", "₩£"),
            ("ￜ￮", "ㅣ○"),
            ("a\u{a0}b\u{3000}c", "a b c"),
            ("Å", "Å"),
            ("x²", "x²"),
            ("ﬁ①", "ﬁ①"),
            ("\u{1100}\u{1161}", "가"),
        ] {
            assert_eq!(clean(raw), expected, "{raw:?}");
            assert_eq!(clean(expected), expected, "{expected:?} again");
        }
        assert!(matches!(clean("Müller"), Cow::Borrowed(_)));
        assert!(is_blank("\u{200b}\u{feff} \t\u{3164}\u{2800}"));
        assert!(is_blank("\0\u{1}\u{7f}"));
        assert!(!is_blank("\u{200b}a"));
    }

    #[test]
    fn width_is_mapped_as_the_unicode_database_says() {
        assert_eq!(WIDTH.chars().count(), 0xffee - 0xff5f + 1);
        for code in 0xff01..=0xffee {
            let c = char::from_u32(code).unwrap();
            let mapped = ordinary(c);
            if mapped != c {
                // The rest is one character, of the same meaning in NFKC.
                assert_eq!(
                    mapped.nfkc().collect::<String>(),
                    c.nfkc().collect::<String>(),
                    "{code:x}"
                );
            } else {
                assert_eq!(c.nfkc().collect::<String>(), c.to_string(), "{code:x} is not mapped");
            }
        }
    }
}
