//! Words that stand for nobody.

use std::collections::HashSet;

/// Longer values are no word of a list.
const LONGEST: usize = 48;

/// The words of the taxonomy file, by what they are said of.
#[derive(Debug, Default)]
pub(in crate::taxonomy) struct Words {
    identifiers: List,
    names: List,
}

#[derive(Debug, Default)]
struct List {
    /// As they are in the file, in lower case.
    exact: HashSet<String>,
    /// Without what separates their parts.
    bare: HashSet<String>,
}

impl List {
    fn new(words: &[String]) -> Self {
        let exact: HashSet<String> = words.iter().map(|word| word.to_lowercase()).collect();
        let is_plain = |word: &&String| {
            word.chars()
                .all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        };
        let bare = exact.iter().filter(is_plain).map(|word| bare(word)).collect();
        Self { exact, bare }
    }

    fn contains(&self, value: &str) -> bool {
        if value.len() > LONGEST {
            return false;
        }
        let lower = value.to_lowercase();
        if self.exact.contains(&lower) {
            return true;
        }
        // Most identifiers have a digit, and hardly a word has one.
        if lower.bytes().any(|b| b.is_ascii_digit()) {
            return false;
        }
        if self.bare.contains(&bare(&lower)) {
            return true;
        }
        // The same word again, as `null null`, which is a first and a last name.
        let mut parts = lower.split([' ', '_', '-']);
        let first = parts.next().unwrap_or_default();
        first.len() < lower.len() && self.exact.contains(first) && parts.all(|part| part == first)
    }
}

/// Without the signs around a word and between its parts: `(Not_Set)` is `notset`.
fn bare(lower: &str) -> String {
    let is_around = |c: char| "(){}<>[]\"'`*#.,:;!?~_- ".contains(c);
    let inner = lower.trim_matches(is_around);
    inner.chars().filter(|c| !matches!(c, ' ' | '-' | '_' | '.')).collect()
}

impl Words {
    pub(in crate::taxonomy) fn new(identifiers: &[String], names: &[String]) -> Self {
        Self {
            identifiers: List::new(identifiers),
            names: List::new(names),
        }
    }

    /// Whether it is a word that stands in the place of an identifier.
    pub(super) fn is_identifier_word(&self, value: &str) -> bool {
        self.identifiers.contains(value)
    }

    /// Whether it is a word that is nobody's name: a surname may be Null, but is not `null null`.
    pub(super) fn is_name_word(&self, value: &str) -> bool {
        self.names.contains(value) || {
            let mut parts = value.split(' ');
            let first = parts.next().unwrap_or_default();
            first.len() < value.len() && self.identifiers.exact.contains(first) && parts.all(|part| part == first)
        }
    }

    /// All words, as the file has them: what links of earlier builds may have been made of.
    pub(in crate::taxonomy) fn all(&self) -> impl Iterator<Item = &str> {
        self.identifiers
            .exact
            .iter()
            .chain(&self.names.exact)
            .map(String::as_str)
    }
}
