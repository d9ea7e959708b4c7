//! Filters for foreign texts on pages: names, purposes, messages with parts of both.
//!
//! Such a text may have characters that cannot be seen, or that turn the direction of surrounding text (UAX #9). So it
//! is isolated, and these characters are shown by their numbers. Every template passes such a text through one of these
//! filters; `tests/dashboard/bidi.rs` checks this. Fields of forms are excluded: their content is sent back unchanged,
//! and browsers isolate them by themselves.

use std::convert::Infallible;
use std::fmt::{Display, Write as _};

use askama::Values;
use askama::filters::{HtmlSafe, Safe};

/// Returns a text for elements, isolated from its surroundings.
#[askama::filter_fn]
pub(super) fn isolated<T: Display>(text: T, _: &dyn Values) -> Result<Safe<String>, Infallible> {
    let mut out = String::new();
    write_isolated(&mut out, &text.to_string());
    Ok(Safe(out))
}

/// Returns a text for attributes, titles and options, where no element can be.
#[askama::filter_fn]
pub(super) fn plain<T: Display>(text: T, _: &dyn Values) -> Result<String, Infallible> {
    Ok(super::words::isolated(&visible(&text.to_string(), false)))
}

/// Returns a program over several lines. Each line, and each quoted text in it, is isolated from the others.
#[askama::filter_fn]
pub(super) fn program<T: Display>(text: T, _: &dyn Values) -> Result<Safe<String>, Infallible> {
    let text = visible(&text.to_string(), true);
    let mut out = String::new();
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        write_line(&mut out, line);
    }
    Ok(Safe(out))
}

/// A phrase of our own words and others' names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Phrase(String);

impl Phrase {
    /// Begins with our own words.
    pub(super) fn new(words: &str) -> Self {
        Self::default().words(words)
    }

    /// Adds our own words.
    pub(super) fn words(mut self, words: &str) -> Self {
        escape(&mut self.0, words);
        self
    }

    /// Adds what somebody else wrote.
    pub(super) fn name(mut self, name: &str) -> Self {
        write_isolated(&mut self.0, name);
        self
    }
}

impl Display for Phrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Phrase {}

fn write_isolated(out: &mut String, text: &str) {
    out.push_str("<bdi>");
    escape(out, &visible(text, false));
    out.push_str("</bdi>");
}

/// Sets a line apart, and in it the texts in quotation marks that could turn it.
fn write_line(out: &mut String, line: &str) {
    out.push_str("<bdi>");
    for (index, part) in line.split('"').enumerate() {
        if index > 0 {
            escape(out, "\"");
        }
        if part.is_ascii() {
            escape(out, part);
        } else {
            out.push_str("<bdi>");
            escape(out, part);
            out.push_str("</bdi>");
        }
    }
    out.push_str("</bdi>");
}

fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}

/// Returns a text with the numbers of all characters that hide, or turn their surroundings. Joiners stay: they belong
/// to the spelling of names in several scripts.
pub(super) fn visible(text: &str, keeps_lines: bool) -> String {
    if !text.chars().any(is_hidden) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_hidden(character) && !(keeps_lines && matches!(character, '\n' | '\t')) {
            // Writing to a text does not fail.
            let _ = write!(out, "[U+{:04X}]", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out
}

fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{200b}'
                | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
                | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_or_turns_is_shown_by_its_number() {
        assert_eq!(visible("plain Straße שלום 👩‍💻", false), "plain Straße שלום 👩‍💻");
        assert_eq!(
            visible("a\u{202e}b\u{2066}c\u{0}d\n\u{feff}\u{e0041}", false),
            "a[U+202E]b[U+2066]c[U+0000]d[U+000A][U+FEFF][U+E0041]"
        );
        assert_eq!(visible("a\n\tb\r", true), "a\n\tb[U+000D]");
    }

    #[test]
    fn a_phrase_sets_names_apart_and_escapes_both() {
        let phrase = Phrase::new("A <key> of ").name("\u{202e}<b>").words(" serves");
        assert_eq!(
            phrase.to_string(),
            "A &lt;key&gt; of <bdi>[U+202E]&lt;b&gt;</bdi> serves"
        );
    }

    #[test]
    fn texts_in_a_program_are_apart_from_it() {
        let mut out = String::new();
        write_line(&mut out, "  \"event\": \"שלום\", 'x'");
        assert_eq!(
            out,
            "<bdi>  &quot;event&quot;: &quot;<bdi>שלום</bdi>&quot;, &#39;x&#39;</bdi>"
        );
        let mut out = String::new();
        write_line(&mut out, "curl <a>");
        assert_eq!(out, "<bdi>curl &lt;a&gt;</bdi>");
    }
}
