//! Texts that neighbouring rows have in common.
//!
//! A text that is bound to a statement is allocated, and freed by the database's thread. Most rows of a run have the
//! processor, the event type, the status and the categories of the row before: these share one text.

use std::sync::Arc;

/// The last text of a column.
#[derive(Default)]
pub(super) struct LastText(Option<Arc<str>>);

impl LastText {
    pub(super) fn of(&mut self, text: &str) -> Arc<str> {
        match &self.0 {
            Some(last) if **last == *text => Arc::clone(last),
            _ => Arc::clone(self.0.insert(text.into())),
        }
    }
}

/// The last list of a column, and its text: the words, one to a line.
#[derive(Default)]
pub(super) struct LastLines<'a>(Option<(&'a [Arc<str>], Arc<str>)>);

impl<'a> LastLines<'a> {
    pub(super) fn of(&mut self, words: &'a [Arc<str>]) -> Arc<str> {
        match &self.0 {
            Some((last, text)) if *last == words => Arc::clone(text),
            _ => Arc::clone(&self.0.insert((words, words.join("\n").into())).1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_a_text_and_others_have_their_own() {
        let mut column = LastText::default();
        let texts = ["shop", "shop", "", "shop"].map(|text| column.of(text));
        assert_eq!(texts.each_ref().map(|text| &**text), ["shop", "shop", "", "shop"]);
        assert!(Arc::ptr_eq(&texts[0], &texts[1]));
    }

    #[test]
    fn lists_are_joined_by_line_breaks() {
        let words: [Arc<str>; 2] = ["user.name".into(), "user.contact.email".into()];
        let mut column = LastLines::default();
        let texts = [&words[..], &words[..], &words[..1], &[]].map(|words| column.of(words));
        let joined = "user.name\nuser.contact.email";
        assert_eq!(texts.each_ref().map(|text| &**text), [joined, joined, "user.name", ""]);
        assert!(Arc::ptr_eq(&texts[0], &texts[1]));
    }
}
