//! Lists that faces read a page at a time.

use serde::Serialize;

use super::Error;

/// A list under a filter, newest first.
pub(crate) trait List: 'static {
    /// An item of the list.
    type Item: 'static;
    /// A place in the list.
    type Place: Copy + 'static;

    /// Returns the items behind a place: fewer than `limit` only if these are the last.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the controller was deleted meanwhile; [`Error::Store`], [`Error::Journal`].
    async fn page(&self, after: Option<Self::Place>, limit: usize) -> Result<Vec<Self::Item>, Error>;

    /// Returns the place of an item.
    fn place(&self, item: &Self::Item) -> Self::Place;
}

/// Items read at a time, at most.
const PAGE: usize = 500;

/// An item of a list, which is also a line of a table.
pub(crate) trait Record: Serialize + 'static {
    /// The list's name: the name of the file.
    const LIST: &'static str;
    /// The names of the cells, in their order.
    const COLUMNS: &'static [&'static str];
    /// Items of an export that are read at a time.
    const PAGE: usize = PAGE;

    /// Returns as many cells as there are columns; a value that is not there is an empty cell.
    fn cells(&self) -> Vec<String>;
}

/// Returns a list as one cell: JSON, or empty if there is nothing in it.
pub(crate) fn json_cell<T: Serialize>(list: &[T]) -> String {
    if list.is_empty() {
        return String::new();
    }
    serde_json::to_string(list).unwrap_or_default()
}
