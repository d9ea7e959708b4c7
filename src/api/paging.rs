//! Pages of lists.

use schemars::JsonSchema;
use serde::Serialize;

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "{T}Page")]
pub(crate) struct Items<T> {
    /// In the list's order.
    pub(crate) items: Vec<T>,
    /// Give it back as `cursor` for the next page; none: this is the last one.
    pub(crate) next_cursor: Option<String>,
}

impl<T> Items<T> {
    /// Returns a page from `limit + 1` requested items.
    pub(crate) fn page(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = if more { items.last().map(cursor) } else { None };
        Self { items, next_cursor }
    }

    /// Returns all items as one page.
    pub(crate) fn all(items: Vec<T>) -> Self {
        Self {
            items,
            next_cursor: None,
        }
    }
}
