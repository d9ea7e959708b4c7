//! Texts and JSON as literals of a language.

use std::fmt::Write as _;

use serde_json::Value;

/// How texts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// As JSON itself (RFC 8259).
    Json,
    Shell,
    Python,
    JavaScript,
    Rust,
}

/// Returns whether a character may stand unescaped. All other characters, except letters and digits, are written by
/// their number. These include invisible characters, characters that turn the direction of reading, and `<`, which may
/// begin the end of a script in a page.
fn is_plain(c: char) -> bool {
    if c.is_ascii() {
        !c.is_ascii_control() && c != '<'
    } else {
        c.is_alphanumeric()
    }
}

/// Returns a text in quotes.
pub(super) fn quoted(text: &str, language: Language) -> String {
    if language == Language::Shell {
        // Nothing means anything between single quotes, but the next one.
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if is_plain(c) => out.push(c),
            c => escape(&mut out, c, language),
        }
    }
    out.push('"');
    out
}

fn escape(out: &mut String, c: char, language: Language) {
    let code = u32::from(c);
    // Writing to a text does not fail.
    let _ = match language {
        Language::Python if code > 0xffff => write!(out, "\\U{code:08x}"),
        Language::Rust => write!(out, "\\u{{{code:x}}}"),
        _ => c
            .encode_utf16(&mut [0; 2])
            .iter()
            .try_for_each(|unit| write!(out, "\\u{unit:04x}")),
    };
}

/// Returns JSON over several lines, the envelope first.
pub(super) fn json(value: &Value, language: Language) -> String {
    let mut out = String::new();
    write_value(&mut out, value, language, 0);
    out
}

fn write_value(out: &mut String, value: &Value, language: Language, depth: usize) {
    match value {
        Value::Null if language == Language::Python => out.push_str("None"),
        Value::Bool(true) if language == Language::Python => out.push_str("True"),
        Value::Bool(false) if language == Language::Python => out.push_str("False"),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
        Value::String(text) => out.push_str(&quoted(text, language)),
        Value::Array(elements) => {
            let parts = elements.iter().map(|element| (None, element));
            write_parts(out, ('[', ']'), parts.collect(), language, depth);
        }
        Value::Object(members) => {
            let mut parts: Vec<_> = members
                .iter()
                .map(|(name, value)| (Some(name.as_str()), value))
                .collect();
            let rank = |name: Option<&str>| match name {
                Some("event") if depth == 0 => 0,
                Some("triggeredAt") if depth == 0 => 1,
                _ => 2,
            };
            parts.sort_by_key(|(name, _)| rank(*name));
            write_parts(out, ('{', '}'), parts, language, depth);
        }
    }
}

fn write_parts(
    out: &mut String,
    (open, close): (char, char),
    parts: Vec<(Option<&str>, &Value)>,
    language: Language,
    depth: usize,
) {
    out.push(open);
    let last = parts.len().saturating_sub(1);
    for (index, (name, value)) in parts.iter().enumerate() {
        out.push('\n');
        out.push_str(&"  ".repeat(depth + 1));
        if let Some(name) = name {
            let quoted = quoted(name, language);
            // Written plainly, this name would set the prototype instead of a member.
            let computed = language == Language::JavaScript && *name == "__proto__";
            out.push_str(&if computed { format!("[{quoted}]") } else { quoted });
            out.push_str(": ");
        }
        write_value(out, value, language, depth + 1);
        if index < last {
            out.push(',');
        }
    }
    if !parts.is_empty() {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    }
    out.push(close);
}

/// Returns a raw text of Rust, with more `#` at its ends than there are behind any quote in it.
pub(super) fn raw_rust(text: &str) -> String {
    let behind = |rest: &str| rest.bytes().take_while(|byte| *byte == b'#').count();
    let most = text.split('"').skip(1).map(behind).max().unwrap_or(0);
    let hashes = "#".repeat(most + 1);
    format!("r{hashes}\"{text}\"{hashes}")
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::*;

    #[test]
    fn json_reads_back_as_it_was_and_has_nothing_that_hides_or_ends_a_script() {
        let hostile = "\"'`$(x)${y}\\ </script> é 漢 😀 \u{202e} \u{2028} \u{feff} #{z}\n\0\u{7f}";
        let event = value!({"a": hostile, "event": "e", hostile: [null, true, 1.5, [], {}], "triggeredAt": "t"});
        let text = json(&event, Language::Json);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), event);
        assert!(
            text.starts_with("{\n  \"event\": \"e\",\n  \"triggeredAt\": \"t\",\n"),
            "{text}"
        );
        assert!(text.contains("é 漢"));
        for hidden in ['<', '\u{202e}', '\u{2028}', '\u{feff}', '\0', '\u{7f}', '😀'] {
            assert!(!text.contains(hidden), "{hidden:?}");
        }
    }

    #[test]
    fn texts_are_quoted_as_each_language_asks() {
        assert_eq!(quoted("it's", Language::Shell), r"'it'\''s'");
        assert_eq!(quoted("a\"\\😀\u{1}", Language::Python), r#""a\"\\\U0001f600\u0001""#);
        assert_eq!(quoted("😀$", Language::JavaScript), r#""\ud83d\ude00$""#);
        assert_eq!(quoted("😀\u{2028}", Language::Rust), r#""\u{1f600}\u{2028}""#);
        assert_eq!(raw_rust("{\"a\": \"\"}"), "r#\"{\"a\": \"\"}\"#");
        assert_eq!(raw_rust("\"###"), "r####\"\"###\"####");
        let event = value!({"__proto__": {"a": null}, "b": [true]});
        let script = json(&event, Language::JavaScript);
        assert!(script.contains("[\"__proto__\"]: {"), "{script}");
        let python = json(&event, Language::Python);
        assert!(python.contains("None") && python.contains("True"), "{python}");
    }
}
