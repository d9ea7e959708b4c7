//! A batch's rows, as arrays: one for each column, many rows to a statement.

use super::super::chain_ends::Ends;

/// Rows in one statement, at most.
pub(super) const ROWS: usize = 4_096;

/// The controllers of a batch, locked, with the ends of their chains. Deleted controllers are missing, and their events
/// leave nothing.
pub(super) type Locked = Ends;

/// Returns one column of some rows.
pub(super) fn column<'r, R, T>(rows: &[&'r R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(|row| value(row)).collect()
}
