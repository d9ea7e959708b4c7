//! Rows in runs: many to a statement.

use std::sync::OnceLock;

use conduit_actors::ids::ControllerId;
use conduit_actors::ports::StoreError;
use conduit_actors::random_keys::RandomKeyMap;
use futures_util::future::join;
use sqlx::encode::Encode;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, Sqlite, SqliteConnection, Type};

use super::super::values;
use super::faults::OrStoreError as _;

/// The rows of the controllers of a batch. Deleted controllers are missing, and their events leave nothing.
pub(super) type Pks = RandomKeyMap<ControllerId, i64>;

/// Rows bound to one statement, at most: more gain nothing, and SQLite takes 32,766 values and 500 selects in a union.
const ROWS: usize = 1 << LONGEST;
const LONGEST: usize = 8;

/// Cuts rows into runs for one statement each. Their lengths are powers of two, so that few statements are ever compiled.
pub(super) fn runs<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = ROWS.min(1 << rows.len().checked_ilog2()?);
        let (run, rest) = rows.split_at(length);
        rows = rest;
        Some(run)
    })
}

/// A statement that inserts a run. The text for each length of a run is made once: it has up to 15 KB.
pub(super) struct Insert {
    table: &'static str,
    columns: &'static str,
    tail: &'static str,
    texts: [OnceLock<String>; LONGEST + 1],
}

impl Insert {
    /// Names the columns, divided by commas, and what follows the rows.
    pub(super) const fn new(table: &'static str, columns: &'static str, tail: &'static str) -> Self {
        Self {
            table,
            columns,
            tail,
            texts: [const { OnceLock::new() }; LONGEST + 1],
        }
    }

    fn width(&self) -> usize {
        self.columns.split(',').count()
    }

    /// Returns the text for `rows`, which is a length of [`runs`].
    fn text(&'static self, rows: usize) -> &'static str {
        debug_assert!(rows.is_power_of_two(), "{rows} rows are no run");
        self.texts[rows.ilog2() as usize].get_or_init(|| {
            let row = format!("({})", vec!["?"; self.width()].join(", "));
            let rows = vec![row.as_str(); rows].join(", ");
            format!(
                "INSERT INTO {} ({}) VALUES {rows}{}",
                self.table, self.columns, self.tail
            )
        })
    }

    /// Returns the statement for a run. `bind` adds the values of a row.
    fn query<T>(
        &'static self,
        run: &[T],
        mut bind: impl FnMut(&mut Values, &T),
    ) -> Result<Query<'static, Sqlite, SqliteArguments>, StoreError> {
        let mut values = Values::default();
        let count = run.len() * self.width();
        values.arguments.reserve(count, 0);
        run.iter().for_each(|row| bind(&mut values, row));
        // SQLite would read missing values as NULL.
        debug_assert_eq!(values.arguments.len(), count, "{} has other columns", self.table);
        match values.fault {
            None => Ok(sqlx::query_with(self.text(run.len()), values.arguments)),
            Some(fault) => Err(sqlx::Error::Encode(fault)).or_store_error(),
        }
    }
}

/// The values of a run's rows, in the order of the columns.
#[derive(Default)]
pub(super) struct Values {
    arguments: SqliteArguments,
    fault: Option<sqlx::error::BoxDynError>,
}

impl Values {
    pub(super) fn bind<'t>(&mut self, value: impl Encode<'t, Sqlite> + Type<Sqlite>) -> &mut Self {
        if let Err(fault) = self.arguments.add(value) {
            self.fault.get_or_insert(fault);
        }
        self
    }
}

/// Runs one statement for each run of rows. The values of the next run are bound while the database's thread is at work on
/// the run before.
///
/// # Errors
/// [`StoreError`], also if not every row was written.
pub(super) async fn insert_runs<T>(
    connection: &mut SqliteConnection,
    insert: &'static Insert,
    rows: &[T],
    mut bind: impl FnMut(&mut Values, &T),
) -> Result<(), StoreError> {
    let (mut runs, mut written) = (runs(rows), 0);
    let mut prepare = || runs.next().map(|run| insert.query(run, &mut bind));
    let mut next = prepare();
    while let Some(current) = next {
        let executed = current?.execute(&mut *connection);
        let (executed, following) = join(executed, async { prepare() }).await;
        written += executed.or_store_error()?.rows_affected();
        next = following;
    }
    values::all_written(insert.table, written, rows.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_a_place_for_each_value_and_is_made_once() {
        static INSERT: Insert = Insert::new("links", "pk, hash", " ON CONFLICT DO NOTHING");
        for (rows, places) in [(1, "(?, ?)"), (2, "(?, ?), (?, ?)")] {
            let text = format!("INSERT INTO links (pk, hash) VALUES {places} ON CONFLICT DO NOTHING");
            assert_eq!(INSERT.text(rows), text);
        }
        assert_eq!(INSERT.text(ROWS).matches('?').count(), 2 * ROWS);
        assert!(std::ptr::eq(INSERT.text(2), INSERT.text(2)));
    }
}
