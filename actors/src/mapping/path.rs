//! Paths to fields: names divided by dots, `[]` behind a name for each element of an array.
//!
//! A name with dots or brackets, or with other characters that would be misread, is quoted as in JSON:
//! `customer["e-mail.address"]`. So every JSON name has a spelling, except names with U+0000, which no database
//! accepts.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::json::Json;

/// Longest path, in bytes.
pub const MAX_BYTES: usize = 256;
/// Most steps.
pub const MAX_STEPS: usize = 16;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathStep {
    /// The member of this name.
    Name(Box<str>),
    /// Each element.
    Each,
}

/// A path to a field. Two spellings of the same steps are equal.
#[derive(Debug, Clone)]
pub struct Path {
    steps: Box<[PathStep]>,
    /// As it was written.
    text: Box<str>,
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        self.steps == other.steps
    }
}

impl Eq for Path {}

impl Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.steps.hash(state);
    }
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// The fault of the path.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() || text.len() > MAX_BYTES {
            return Err("must have 1 to 256 bytes");
        }
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            rest = step(rest, &mut steps)?;
        }
        if steps.len() > MAX_STEPS {
            return Err("has more than 16 steps");
        }
        Ok(Self {
            steps: steps.into(),
            text: text.into(),
        })
    }

    /// Returns the path of these steps in its plainest spelling; `None` if it is too long, or cannot be written.
    #[must_use]
    pub fn of(steps: &[PathStep]) -> Option<Self> {
        let mut text = String::new();
        for (index, step) in steps.iter().enumerate() {
            match step {
                PathStep::Each => text.push_str("[]"),
                PathStep::Name(name) if is_quoted(name) => {
                    text.push('[');
                    text.push_str(&quoted(name));
                    text.push(']');
                }
                PathStep::Name(name) => {
                    if index > 0 {
                        text.push('.');
                    }
                    text.push_str(name);
                }
            }
        }
        Self::parse(&text).ok()
    }

    /// Returns the steps, outermost first.
    #[must_use]
    pub fn steps(&self) -> &[PathStep] {
        &self.steps
    }

    /// Returns whether a JSON Pointer (RFC 6901) is one of the places of the path, or the place of the path without its
    /// elements, as for a missing field.
    #[must_use]
    pub fn leads_to(&self, pointer: &str) -> bool {
        let mut places = pointer.split('/').skip(1).peekable();
        for step in &self.steps {
            match step {
                PathStep::Each => {
                    // A missing field is in no element.
                    places.next_if(|place| !place.is_empty() && place.bytes().all(|byte| byte.is_ascii_digit()));
                }
                PathStep::Name(name) => {
                    let is_same = |place: &str| place.replace("~1", "/").replace("~0", "~") == **name;
                    if !places.next().is_some_and(is_same) {
                        return false;
                    }
                }
            }
        }
        places.next().is_none()
    }
}

/// Reads one name, or the brackets of elements behind one; the text that follows.
fn step<'t>(rest: &'t str, steps: &mut Vec<PathStep>) -> Result<&'t str, &'static str> {
    if let Some(rest) = rest.strip_prefix("[]") {
        if steps.is_empty() {
            return Err("begins with []: an event is an object, so a name comes first");
        }
        steps.push(PathStep::Each);
        return Ok(rest);
    }
    if let Some(inside) = rest.strip_prefix('[') {
        let (name, rest) = quoted_name(inside)?;
        steps.push(PathStep::Name(name.into()));
        return Ok(rest);
    }
    let rest = match (rest.strip_prefix('.'), steps.is_empty()) {
        (None, true) => rest,
        (Some(rest), false) => rest,
        (Some(_), true) => return Err(EMPTY_NAME),
        (None, false) => return Err("needs a dot or a bracket behind each ]"),
    };
    let end = rest.find(['.', '[', ']']).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    if name.is_empty() {
        return Err(EMPTY_NAME);
    }
    if rest.starts_with(']') {
        return Err("has a ] without its [: quote names that have brackets, as [\"a]b\"]");
    }
    if name.chars().any(char::is_control) {
        return Err("has a control character: quote the name, and write it as in JSON, as [\"a\\tb\"]");
    }
    steps.push(PathStep::Name(name.into()));
    Ok(rest)
}

const EMPTY_NAME: &str = "has an empty name: names are divided by single dots, [] stands behind a name, and names with dots are quoted, as [\"a.b\"]";

/// Reads a name in quotation marks, and the bracket that closes it.
fn quoted_name(inside: &str) -> Result<(String, &str), &'static str> {
    const WRONG: &str =
        "has a bracket that is neither [] nor a quoted name, as [\"a.b\"]: single elements cannot be named";
    if inside.starts_with('\'') {
        return Err("has a name in single quotes: use double ones, as [\"a.b\"]");
    }
    if !inside.starts_with('"') {
        return Err(WRONG);
    }
    let mut is_escaped = false;
    let end = inside.char_indices().skip(1).find(|(_, character)| {
        let ends = *character == '"' && !is_escaped;
        is_escaped = *character == '\\' && !is_escaped;
        ends
    });
    let (end, _) = end.ok_or("has a quotation mark that is not closed")?;
    let (literal, rest) = inside.split_at(end + 1);
    let rest = rest
        .strip_prefix(']')
        .ok_or("has a quoted name without the ] behind it")?;
    let Ok(Json::String(name)) = Json::parse(literal.as_bytes()) else {
        return Err("has a quoted name that is no text of JSON: escape \\ and \" with a \\");
    };
    if name.contains('\0') {
        return Err("has the character U+0000");
    }
    Ok((name.into_owned(), rest))
}

/// Returns whether a name must be quoted: without quotes it would be read differently, or be invisible.
fn is_quoted(name: &str) -> bool {
    name.is_empty()
        || name.trim() != name
        || name.contains(['.', '[', ']', '"', '\\'])
        || name
            .chars()
            .any(|character| character.is_control() || is_invisible(character))
}

/// Returns whether a character turns its surroundings, or cannot be seen. A path writes it as an escape.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

/// Returns a name as a text of JSON.
fn quoted(name: &str) -> String {
    let mut text = String::from("\"");
    for character in name.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            hidden if hidden.is_control() || is_invisible(hidden) => {
                text.push_str(&format!("\\u{:04x}", u32::from(hidden)));
            }
            shown => text.push(shown),
        }
    }
    text.push('"');
    text
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
