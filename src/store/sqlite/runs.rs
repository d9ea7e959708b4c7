//! Rows in runs: many to a statement.

use std::collections::HashMap;

use conduit_actors::ids::ControllerId;
use conduit_actors::ports::StoreError;
use futures_util::future::join;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::super::values;
use super::faults::OrStoreError as _;

/// The rows of the controllers of a batch. Deleted controllers are missing, and their events leave nothing.
pub(super) type Pks = HashMap<ControllerId, i64>;

/// Rows bound to one statement, at most: more gain nothing, and SQLite takes 32,766 values and 500 selects in a union.
const ROWS: usize = 256;

/// Cuts rows into runs for one statement each. Their lengths are powers of two, so that few statements are ever compiled.
pub(super) fn runs<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = ROWS.min(1 << rows.len().checked_ilog2()?);
        let (run, rest) = rows.split_at(length);
        rows = rest;
        Some(run)
    })
}

/// Runs one statement for each run of rows. The next is written while the database's thread is at work on the one before.
///
/// # Errors
/// [`StoreError`], also if not every row was written.
pub(super) async fn insert_runs<T>(
    connection: &mut SqliteConnection,
    table: &'static str,
    rows: &[T],
    statement: impl Fn(&[T]) -> QueryBuilder<Sqlite>,
) -> Result<(), StoreError> {
    let (mut runs, mut written) = (runs(rows), 0);
    let mut next = runs.next().map(&statement);
    while let Some(mut current) = next {
        let executed = current.build().execute(&mut *connection);
        let (executed, following) = join(executed, async { runs.next().map(&statement) }).await;
        written += executed.or_store_error()?.rows_affected();
        next = following;
    }
    values::all_written(table, written, rows.len())
}
