//! Texts that programs write in place of a value: unfilled templates, objects printed as texts, masks.

use super::printed;
use crate::percent;

/// Characters that hide others in a mask.
const MASKS: [char; 10] = ['x', 'X', '*', '#', '•', '●', '·', '∗', '█', '_'];
/// Hashes of nothing, and of the words null and undefined: MD5, SHA-1 and SHA-256 in hexadecimal.
const HASHES_OF_NOTHING: [&str; 9] = [
    "d41d8cd98f00b204e9800998ecf8427e",
    "37a6259cc0c1dae299a7866489dff0bd",
    "5e543256c480ac577d30f76f9120eb74",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "2be88ca4242c76e8253ac62474851065032d6833",
    "d5d4cd07616a542891b7ec2d0257b3a24b69856e",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b",
    "eb045d78d273107348b0300c01d29b7552d622abbc6faf81b3ec55359aa9950c",
];

/// Returns whether it is a template, an object printed as a text, or signs without a letter or digit.
pub(super) fn is_placeholder(value: &str) -> bool {
    let is_ordinary = |b: u8| b.is_ascii_alphanumeric() || b" .,-_@+:/".contains(&b);
    if value.bytes().all(is_ordinary) {
        return !value.bytes().any(|b| b.is_ascii_alphanumeric())
            || printed::is_name(value)
            || is_hash_of_nothing(value);
    }
    !value.chars().any(char::is_alphanumeric) || is_template(value) || printed::is_printed(value)
}

/// Returns whether it is hidden except for a few characters at an end: `XXX-XX-1234`, `****1234`, `A*****`.
pub(super) fn is_masked(value: &str) -> bool {
    if !value.contains(MASKS) {
        return false;
    }
    let shown = value
        .chars()
        .filter(|c| c.is_alphanumeric() && !MASKS.contains(c))
        .count();
    let hidden = value.chars().filter(|c| MASKS.contains(c)).count();
    if hidden < 3 || shown > 4 || hidden < shown {
        return false;
    }
    // The letter x hides nothing in a word.
    let is_word = value.chars().all(char::is_alphabetic)
        || (hidden < 5 && value.chars().any(|c| c.is_alphabetic() && !MASKS.contains(&c)));
    if is_word && !value.contains(|c| MASKS.contains(&c) && !c.is_alphabetic()) {
        return false;
    }
    // The visible part stands at one end, or at both.
    let inner = value.trim_matches(|c: char| !MASKS.contains(&c));
    inner.chars().all(|c| MASKS.contains(&c) || !c.is_alphanumeric())
}

/// Returns whether a part of it is one of the others, as `https://shop.example/users/undefined`.
pub(super) fn is_placeholder_url(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let encoded = [
        "%7b%7b",
        "{{",
        "${",
        "$%7b",
        "%3c%",
        "[object",
        "%5bobject",
        "%7buser",
        "%5b%5b",
    ];
    if encoded.iter().any(|sign| lower.contains(sign)) {
        return true;
    }
    let rest = lower.split_once("://").map_or(&*lower, |(_, rest)| rest);
    let mut parts = rest
        .split(['/', '?', '&', '#', '='])
        .skip(1)
        .filter(|part| !part.is_empty());
    parts.any(|part| {
        matches!(part, "undefined" | "null" | "nan" | "(null)" | "none" | "%s" | "nil") || is_place_in_url(part)
    })
}

/// Returns whether a part of an address is a place of a template, encoded or not: `{id}`, `:id`, `%24%7Bid%7D`. A dollar
/// sign stands before names of people on some sites.
fn is_place_in_url(part: &str) -> bool {
    let is_place = |text: &str| {
        let is_of_person = text.starts_with('$') && !text.contains('{');
        !is_of_person && is_template(text)
    };
    is_place(part) || percent::decoded(part).is_some_and(|decoded| is_place(&decoded))
}

/// Returns whether it has the places of a template, in the languages of shops and mailers.
fn is_template(value: &str) -> bool {
    let can_mark = |b: u8| matches!(b, b'{' | b'[' | b'<' | b'%' | b'$' | b'*' | b'\\' | b':') || !b.is_ascii();
    if !value.bytes().any(can_mark) {
        return false;
    }
    let has = |open: &str, close: &str| {
        value
            .split_once(open)
            .is_some_and(|(_, rest)| rest.contains(close) || close.is_empty())
    };
    has("{{", "}}")
        || has("${", "}")
        || has("#{", "}")
        || has("@{", "}")
        || has("<%", "%>")
        || has("<?", "?>")
        || has("{%", "%}")
        || has("[[", "]]")
        || has("*|", "|*")
        || has("%%", "%%")
        || has("%(", ")s")
        || has("«", "»")
        || value.starts_with("%!")
        || is_lone_place(value)
}

/// Returns whether it may name a variable. It may have a short number behind a word: `userId2`, but not `c4711`.
fn is_name(name: &str) -> bool {
    let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ' ' | '-' | '!');
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let is_named = digits == 0 || (digits <= 2 && name.chars().filter(|c| c.is_alphabetic()).count() > 2 * digits);
    is_named && name.starts_with(|c: char| c.is_alphabetic() || c == '_') && name.chars().all(is_of_name)
}

/// Returns whether the whole value is one place: `%s`, `%EMAIL%`, `$user_id`, `$1`, `:id`, `{0}`, `{name}`, `<email>`,
/// `[NAME]`, `\N`.
fn is_lone_place(value: &str) -> bool {
    let inside = |open: char, close: char| value.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    let is_number = |text: &str| text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit());
    let is_name_or_number = |name: &str| is_name(name) || is_number(name);
    inside('{', '}').is_some_and(is_name_or_number)
        || inside('<', '>').is_some_and(is_name)
        || inside('[', ']')
            .is_some_and(|name| is_name(name) || name.starts_with("object ") || name.starts_with("Function"))
        || inside('%', '%').is_some_and(is_name)
        || value.strip_prefix('$').is_some_and(is_name_or_number)
        || value.strip_prefix(':').is_some_and(is_name)
        || matches!(
            value,
            "%s" | "%d" | "%i" | "%u" | "%v" | "%@" | "%p" | "%x" | "%ld" | "%lu" | "\\N" | "\\0" | "?"
        )
        || value.starts_with("{!") && value.ends_with('}')
}

fn is_hash_of_nothing(value: &str) -> bool {
    matches!(value.len(), 32 | 40 | 64) && HASHES_OF_NOTHING.iter().any(|hash| value.eq_ignore_ascii_case(hash))
}

/// Returns a text with the characters that HTML escapes: `<id>` for `&lt;id&gt;`. Returns `None` without any.
pub(super) fn unescaped(value: &str) -> Option<String> {
    const NAMED: [(&str, char); 12] = [
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("amp", '&'),
        ("nbsp", ' '),
        ("lbrace", '{'),
        ("lcub", '{'),
        ("rbrace", '}'),
        ("rcub", '}'),
        ("lsqb", '['),
        ("rsqb", ']'),
    ];
    if value.len() > 256 {
        return None;
    }
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, behind)) = rest.split_once('&') {
        text.push_str(before);
        let escaped = behind.split_once(';').and_then(|(name, after)| {
            let numbered = |number: &str| match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => number.parse().ok(),
            };
            let named = || NAMED.iter().find(|(known, _)| *known == name).map(|(_, c)| *c);
            let c = match name.strip_prefix('#') {
                Some(number) => numbered(number).and_then(char::from_u32),
                None => named(),
            };
            Some((c?, after))
        });
        match escaped {
            Some((c, after)) => {
                text.push(c);
                rest = after;
            }
            None => {
                text.push('&');
                rest = behind;
            }
        }
    }
    text.push_str(rest);
    (text.len() < value.len()).then_some(text)
}
