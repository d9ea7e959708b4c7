//! A list of words, and the texts that are one of them.

use std::borrow::Cow;
use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization as _;

/// Longest value that is looked at, in bytes.
pub(super) const LONGEST: usize = 64;
/// The least letters of a word that is recognised when it is doubled without a separator.
const REPEATED: usize = 4;
/// The least letters of a word that is recognised without its accents.
const UNACCENTED: usize = 6;

/// The words of one kind.
#[derive(Debug, Default)]
pub(super) struct List {
    /// As they are in the file, in lower case.
    pub(super) exact: HashSet<String>,
    /// Without what separates their parts.
    bare: HashSet<String>,
    /// The same of long words, without accents.
    plain: HashSet<String>,
    /// Bytes of the longest, with room for signs around it and between its parts.
    longest: usize,
}

impl List {
    pub(super) fn new(words: &[String]) -> Self {
        let exact: HashSet<String> = words.iter().map(|word| word.to_lowercase()).collect();
        let is_plain = |word: &&String| {
            word.chars()
                .all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        };
        let bare: HashSet<String> = exact
            .iter()
            .filter(is_plain)
            .map(|word| bare(word).into_owned())
            .collect();
        let plain = bare.iter().filter_map(|word| without_accents(word)).collect();
        let longest = exact.iter().map(String::len).max().unwrap_or(0);
        Self {
            exact,
            bare,
            plain,
            longest: longest + 12,
        }
    }

    pub(super) fn contains(&self, value: &str) -> bool {
        if value.len() > self.longest {
            return false;
        }
        let lower = lower(value);
        if self.exact.contains(&*lower) {
            return true;
        }
        let inner = lower.trim_matches(is_around);
        if inner.len() < lower.len() && self.exact.contains(inner) {
            return true;
        }
        // Most identifiers have a digit, and hardly a word has one.
        if lower.bytes().any(|b| b.is_ascii_digit()) {
            return false;
        }
        let bare = bare(&lower);
        self.bare.contains(&*bare) || self.is_unaccented(&bare) || self.is_spaced(inner) || self.is_repeated(&lower)
    }

    fn is_unaccented(&self, bare: &str) -> bool {
        if bare.is_ascii() {
            return self.plain.contains(bare);
        }
        without_accents(bare).is_some_and(|plain| self.plain.contains(&plain))
    }

    /// Returns whether it is an abbreviation with spaces at its signs: `n / a`, `k. A.`.
    fn is_spaced(&self, inner: &str) -> bool {
        let is_abbreviation = inner.contains(' ') && inner.contains(['/', '.']) && inner.len() <= LONGEST;
        is_abbreviation && {
            let unspaced = inner.replace(' ', "");
            self.exact.contains(&unspaced) || self.exact.contains(&format!("{unspaced}."))
        }
    }

    /// Returns whether it is the same word again, such as `null null`, which is a first and a last name. Anything may
    /// stand between the words, or nothing.
    fn is_repeated(&self, lower: &str) -> bool {
        let mut parts = parts(lower);
        let first = parts.next().unwrap_or_default();
        if first.len() == lower.len() {
            return repeated(lower).is_some_and(|word| self.exact.contains(word));
        }
        let mut again = parts.peekable();
        again.peek().is_some() && again.all(|part| part == first) && self.exact.contains(first)
    }

    /// Returns whether it is the same word again, in any case.
    pub(super) fn repeats(&self, value: &str) -> bool {
        value.len() <= LONGEST && self.is_repeated(&lower(value))
    }

    /// Returns whether it is a word without signs in it.
    pub(super) fn has(&self, word: &str) -> bool {
        self.bare.contains(word)
    }
}

/// Returns the text in lower case, which most values already are.
pub(in crate::taxonomy) fn lower(value: &str) -> Cow<'_, str> {
    if value.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        Cow::Borrowed(value)
    } else {
        Cow::Owned(value.to_lowercase())
    }
}

/// Returns whether it may stand around a word: a space, punctuation of ASCII, quotes and brackets of all scripts.
fn is_around(c: char) -> bool {
    c == ' '
        || c.is_ascii_punctuation()
        || matches!(c, '«' | '»' | '´' | '·' | '¿' | '¡' | '\u{2010}'..='\u{201f}' | '…' | '‹' | '›' | '\u{275b}'..='\u{2760}'
            | '\u{2768}'..='\u{2775}' | '\u{27e6}'..='\u{27ef}' | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}'
            | '\u{3014}'..='\u{301f}' | '・')
}

/// Returns a long word without accents: people leave them out, most of all on capitals. Returns `None` for a short one,
/// which may be another word without them (`boş` and `Bos`).
fn without_accents(bare: &str) -> Option<String> {
    let is_accent = |c: &char| matches!(c, '\u{300}'..='\u{36f}');
    let plain: String = if bare.is_ascii() {
        bare.to_owned()
    } else {
        bare.nfd().filter(|c| !is_accent(c)).nfc().collect()
    };
    (plain.chars().count() >= UNACCENTED).then_some(plain)
}

/// Returns the text without the signs around a word and between its parts: `(Not_Set)` is `notset`.
fn bare(lower: &str) -> Cow<'_, str> {
    if lower.bytes().all(|b| b.is_ascii_lowercase()) {
        return Cow::Borrowed(lower);
    }
    let inner = lower.trim_matches(is_around);
    Cow::Owned(inner.chars().filter(|c| !matches!(c, ' ' | '-' | '_' | '.')).collect())
}

/// Returns what stands between signs.
pub(super) fn parts(lower: &str) -> impl Iterator<Item = &str> {
    lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|part| !part.is_empty())
}

/// Returns the word that the text repeats directly: `null` for `nullnull`. Returns `None` otherwise.
fn repeated(lower: &str) -> Option<&str> {
    (2..=4).find_map(|times| {
        let length = lower.len() / times;
        let word = lower.get(..length).filter(|_| length * times == lower.len())?;
        let is_long = length >= REPEATED || matches!(word, "nan" | "nil");
        (is_long && lower.as_bytes().chunks(length).all(|chunk| chunk == word.as_bytes())).then_some(word)
    })
}
