//! Words that stand for nobody.

use std::borrow::Cow;
use std::collections::HashSet;

use super::compound::{self, Roles};

/// The words of the taxonomy file, by their use.
#[derive(Debug, Default)]
pub(in crate::taxonomy) struct Words {
    identifiers: List,
    names: List,
    /// The roles beside a placeholder word: `unknown user`.
    roles: Roles,
}

/// The words of one kind.
#[derive(Debug, Default)]
pub(super) struct List {
    /// As they are in the file, in lower case.
    exact: HashSet<String>,
    /// Without what separates their parts.
    bare: HashSet<String>,
    /// Bytes of the longest, with room for signs around it and between its parts.
    longest: usize,
}

impl List {
    fn new(words: &[String]) -> Self {
        let exact: HashSet<String> = words.iter().map(|word| word.to_lowercase()).collect();
        let is_plain = |word: &&String| {
            word.chars()
                .all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        };
        let bare = exact
            .iter()
            .filter(is_plain)
            .map(|word| bare(word).into_owned())
            .collect();
        let longest = exact.iter().map(String::len).max().unwrap_or(0);
        Self {
            exact,
            bare,
            longest: longest + 8,
        }
    }

    fn contains(&self, value: &str) -> bool {
        if value.len() > self.longest {
            return false;
        }
        let lower = lower(value);
        if self.exact.contains(&*lower) {
            return true;
        }
        // Most identifiers have a digit, and hardly a word has one.
        if lower.bytes().any(|b| b.is_ascii_digit()) {
            return false;
        }
        self.bare.contains(&*bare(&lower)) || self.is_repeated(&lower)
    }

    /// Returns whether it is the same word again, such as `null null`, which is a first and a last name. Anything may
    /// stand between the words, or nothing.
    fn is_repeated(&self, lower: &str) -> bool {
        let mut parts = compound::parts(lower);
        let first = parts.next().unwrap_or_default();
        if first.len() == lower.len() {
            return compound::repeated(lower).is_some_and(|word| self.exact.contains(word));
        }
        let mut again = parts.peekable();
        again.peek().is_some() && again.all(|part| part == first) && self.exact.contains(first)
    }

    /// Returns whether it is the same word again, in any case.
    fn repeats(&self, value: &str) -> bool {
        value.len() <= compound::LONGEST && self.is_repeated(&lower(value))
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

/// Returns the text without the signs around a word and between its parts: `(Not_Set)` is `notset`.
fn bare(lower: &str) -> Cow<'_, str> {
    if lower.bytes().all(|b| b.is_ascii_lowercase()) {
        return Cow::Borrowed(lower);
    }
    let is_around = |c: char| "(){}<>[]\"'`*#.,:;!?~_- ".contains(c);
    let inner = lower.trim_matches(is_around);
    Cow::Owned(inner.chars().filter(|c| !matches!(c, ' ' | '-' | '_' | '.')).collect())
}

impl Words {
    pub(in crate::taxonomy) fn new(identifiers: &[String], names: &[String], roles: &[String]) -> Self {
        Self {
            identifiers: List::new(identifiers),
            names: List::new(names),
            roles: Roles::new(roles),
        }
    }

    /// Returns whether it is a word in place of an identifier.
    pub(super) fn is_identifier_word(&self, value: &str) -> bool {
        self.identifiers.contains(value) || compound::is_identifier(&self.identifiers, &self.roles, value)
    }

    /// Returns whether it is a word that is nobody's name: a surname may be Null, but is not `null null`.
    pub(super) fn is_name_word(&self, value: &str) -> bool {
        self.names.contains(value)
            || self.identifiers.repeats(value)
            || compound::is_name(&self.names, &self.roles, value)
    }

    /// Returns all words, as the file has them: links of earlier builds may have been made from them.
    pub(in crate::taxonomy) fn all(&self) -> impl Iterator<Item = &str> {
        self.identifiers
            .exact
            .iter()
            .chain(&self.names.exact)
            .map(String::as_str)
    }
}
