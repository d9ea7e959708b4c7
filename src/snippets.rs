//! Sample programs that send one event: in sh with curl, Python, JavaScript for Node, and Rust.
//!
//! Names of events and fields are a tenant's own, and may be anything. They reach a program only as the JSON of the
//! event and as the address. Each is written as a literal of its language, in which nothing can end the literal early
//! or begin other code. Programs read credentials from the environment: the server does not know them.
//!
//! All programs behave alike. A try takes at most 30 seconds, and there are six tries. After 429, 500, 502, 503, 504 or
//! no answer, the program tries again after `Retry-After`, or after twice the last pause. After any other refusal it
//! stops, because another try would not help.

mod literal;

use literal::{Language as Literal, json, quoted};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// The language of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// A POSIX shell with curl 7.76 or newer.
    Curl,
    /// Python 3.8 or newer, with its own library alone.
    Python,
    /// Node 18 or newer, with nothing beside it.
    Node,
    /// Rust, with the crate ureq.
    Rust,
}

impl Language {
    /// In the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Curl, Self::Python, Self::Node, Self::Rust];

    /// Returns the name of the language in requests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Python => "python",
            Self::Node => "node",
            Self::Rust => "rust",
        }
    }
}

/// A program.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Snippet {
    /// The language of the program.
    pub language: Language,
    /// For people.
    pub title: &'static str,
    /// The packages that have to be installed first, beside the language itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<&'static str>,
    /// The program.
    pub code: String,
}

/// Returns the program that sends this event to this address.
#[must_use]
pub fn snippet(language: Language, webhook_url: &str, event: &Value) -> Snippet {
    let fill = |template: &str, url: String, event: String| {
        // The address first: it has no place for an event in it, since it has no such letters unescaped.
        let (before, behind) = template.split_once("{EVENT}").unwrap_or((template, ""));
        [&before.replace("{URL}", &url), &event, behind].concat()
    };
    let (title, install, code) = match language {
        Language::Curl => {
            let code = fill(CURL, quoted(webhook_url, Literal::Shell), json(event, Literal::Json));
            ("sh and curl", None, code)
        }
        Language::Python => {
            let code = fill(
                PYTHON,
                quoted(webhook_url, Literal::Python),
                json(event, Literal::Python),
            );
            ("Python 3", None, code)
        }
        Language::Node => {
            let code = fill(
                NODE,
                quoted(webhook_url, Literal::JavaScript),
                json(event, Literal::JavaScript),
            );
            ("Node.js", None, code)
        }
        Language::Rust => {
            let event = literal::raw_rust(&json(event, Literal::Json));
            let code = fill(RUST, quoted(webhook_url, Literal::Rust), event);
            ("Rust", Some("cargo add ureq@3"), code)
        }
    };
    Snippet {
        language,
        title,
        install,
        code,
    }
}

/// Returns an event as JSON over several lines, without characters that hide or turn the direction of reading.
pub(crate) fn event_text(event: &Value) -> String {
    json(event, Literal::Json)
}

const CURL: &str = include_str!("snippets/sender.sh");
const PYTHON: &str = include_str!("snippets/sender.py");
const NODE: &str = include_str!("snippets/sender.mjs");
const RUST: &str = include_str!("snippets/sender.rs.txt");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_have_a_place_for_each_and_no_other() {
        for template in [CURL, PYTHON, NODE, RUST] {
            assert_eq!(template.matches("{URL}").count(), 1);
            assert_eq!(template.matches("{EVENT}").count(), 1);
            assert!(template.find("{URL}") < template.find("{EVENT}"));
        }
    }

    #[test]
    fn what_is_filled_in_is_not_filled_in_again() {
        let event = serde_json::json!({"event": "{URL} {EVENT}", "triggeredAt": "x"});
        for language in Language::ALL {
            let code = snippet(language, "http://127.0.0.1/{EVENT}", &event).code;
            assert_eq!(code.matches("{URL}").count(), 1, "{code}");
            assert_eq!(code.matches("{EVENT}").count(), 2, "{code}");
        }
    }
}
