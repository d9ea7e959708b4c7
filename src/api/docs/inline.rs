//! Texts of the page, within a line: words, code and links.

use std::borrow::Cow;

use askama::Template;
use askama::filters::HtmlSafe;
use serde_json::Value;

/// A part of a line.
pub(super) enum Span<'d> {
    Text(Cow<'d, str>),
    Code(Cow<'d, str>),
    Link { to: String, text: &'d str },
}

/// A line. The template escapes all that is in it.
#[derive(Default, Template)]
#[template(
    ext = "html",
    source = "{% for span in spans %}{% match span %}{% when Span::Text(text) %}{{ text }}\
              {% when Span::Code(text) %}<code>{{ text }}</code>\
              {% when Span::Link { to, text } %}<a href=\"{{ to }}\">{{ text }}</a>{% endmatch %}{% endfor %}"
)]
pub(super) struct Inline<'d> {
    spans: Vec<Span<'d>>,
}

impl HtmlSafe for Inline<'_> {}

impl<'d> Inline<'d> {
    /// Takes a text in which code is between backquotes.
    pub(super) fn of(value: &'d Value) -> Self {
        Self::marked(text(value))
    }

    fn marked(text: &'d str) -> Self {
        let parts = text.split('`').enumerate();
        let span = |(index, part): (usize, &'d str)| match index % 2 {
            1 => Span::Code(part.into()),
            _ => Span::Text(part.into()),
        };
        Self {
            spans: parts.map(span).collect(),
        }
    }

    pub(super) fn text(&mut self, text: impl Into<Cow<'d, str>>) {
        self.spans.push(Span::Text(text.into()));
    }

    pub(super) fn code(&mut self, text: impl Into<Cow<'d, str>>) {
        self.spans.push(Span::Code(text.into()));
    }

    pub(super) fn link(&mut self, to: String, text: &'d str) {
        self.spans.push(Span::Link { to, text });
    }
}

/// Returns the paragraphs of a text.
pub(super) fn prose(value: &Value) -> Vec<Inline<'_>> {
    let paragraphs = text(value).split("\n\n").filter(|paragraph| !paragraph.is_empty());
    paragraphs.map(Inline::marked).collect()
}

/// Returns a text, or an empty one if the value is no text.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Returns a value as JSON, and a text without its quotation marks.
pub(super) fn written(value: &Value) -> Cow<'_, str> {
    value.as_str().map_or_else(|| value.to_string().into(), Cow::Borrowed)
}

/// Returns the members of an object in its order. There are none if the value is no object.
pub(super) fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let members = value.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_of_the_document_is_escaped() {
        let value = json!("a `<b>` & \"c\"");
        let mut line = Inline::of(&value);
        line.link("#'".to_owned(), "<");
        let shown = line.render().unwrap();
        for (raw, escaped) in [
            ("<b>", "<code>&#60;b&#62;</code>"),
            ("& ", "&#38; "),
            ("'", "<a href=\"#&#39;\">&#60;</a>"),
        ] {
            assert!(shown.contains(escaped) && !shown.contains(raw), "{shown}");
        }
    }
}
