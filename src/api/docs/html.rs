//! Writing HTML: all text that is no markup of ours is escaped.

use serde_json::Value;

/// A page under way.
#[derive(Default)]
pub(super) struct Html(String);

impl Html {
    /// Appends markup of ours.
    pub(super) fn raw(&mut self, markup: &'static str) {
        self.0.push_str(markup);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.0.push_str(&escaped(text));
    }

    pub(super) fn element(&mut self, name: &'static str, text: &str) {
        self.0.push_str(&format!("<{name}>{}</{name}>\n", escaped(text)));
    }

    pub(super) fn code(&mut self, text: &str) {
        self.0.push_str(&format!("<code>{}</code>", escaped(text)));
    }

    pub(super) fn link(&mut self, to: &str, text: &str) {
        self.0
            .push_str(&format!("<a href=\"{}\">{}</a>", escaped(to), escaped(text)));
    }

    /// Appends a heading with an anchor.
    pub(super) fn heading(&mut self, level: u8, id: &str, text: &str) {
        let (id, text) = (escaped(id), escaped(text));
        self.0.push_str(&format!("<h{level} id=\"{id}\">{text}</h{level}>\n"));
    }

    pub(super) fn json(&mut self, value: &Value) {
        let shown = serde_json::to_string_pretty(value).unwrap_or_default();
        self.0
            .push_str(&format!("<pre><code>{}</code></pre>\n", escaped(&shown)));
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// Returns text that is safe in elements and in quoted attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Appends paragraphs. Text between backquotes becomes code.
pub(super) fn prose(page: &mut Html, text: &str) {
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
        page.raw("<p>");
        inline(page, paragraph);
        page.raw("</p>\n");
    }
}

/// Appends one paragraph, without its mark.
pub(super) fn inline(page: &mut Html, text: &str) {
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 1 {
            page.code(part);
        } else {
            page.text(part);
        }
    }
}

/// Returns a text, or an empty one for another value.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Returns the members of an object, in its order, or none for another value.
pub(super) fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_is_escaped() {
        let mut page = Html::default();
        prose(&mut page, "a `<b>` & \"c\"");
        page.link("#'", "<");
        assert_eq!(
            page.finish(),
            "<p>a <code>&lt;b&gt;</code> &amp; &quot;c&quot;</p>\n<a href=\"#&#39;\">&lt;</a>"
        );
    }
}
