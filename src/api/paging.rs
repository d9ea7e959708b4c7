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
    /// A page out of `limit + 1` that were asked for.
    pub(crate) fn page(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = if more { items.last().map(cursor) } else { None };
        Self { items, next_cursor }
    }

    /// All there is.
    pub(crate) fn all(items: Vec<T>) -> Self {
        Self {
            items,
            next_cursor: None,
        }
    }
}
