//! Partitions of events and activities: one a month, by the time in the ids.
//!
//! They are made ahead: at each start, and every few hours while the program runs. Rows of a month without one go to the
//! default partition, so nothing is lost if they are late.

use std::time::Duration;

use conduit_actors::ids::{EventId, Timestamp};
use conduit_actors::ports::StoreError;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};

use super::faults::{OrStoreError as _, store_error};

const TABLES: [&str; 2] = ["events", "activities"];

/// How often to look whether the next month's are there.
const INTERVAL: Duration = Duration::from_secs(6 * 3600);

/// The advisory lock under which partitions are made: "conduit" in ASCII.
const LOCK: i64 = 0x0063_6f6e_6475_6974;

/// A month in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Month {
    year: u32,
    /// 1 to 12.
    month: u32,
}

impl Month {
    fn of(time: Timestamp) -> Option<Self> {
        // As RFC 3339, which begins with both.
        let text = time.to_string();
        let mut parts = text.splitn(3, '-').map(str::parse);
        match (parts.next()?, parts.next()?) {
            (Ok(year), Ok(month)) => Some(Self { year, month }),
            _ => None,
        }
    }

    /// Returns the month of a partition by its name. Returns `None` for other partitions.
    fn of_partition(table: &str, name: &str) -> Option<Self> {
        let (year, month) = name.strip_prefix(table)?.strip_prefix('_')?.split_once('_')?;
        let is_number = |text: &str, digits| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(year, 4) || !is_number(month, 2) {
            return None;
        }
        let (year, month) = (year.parse().ok()?, month.parse().ok()?);
        (1..=12).contains(&month).then_some(Self { year, month })
    }

    const fn next(self) -> Self {
        if self.month == 12 {
            Self {
                year: self.year + 1,
                month: 1,
            }
        } else {
            Self {
                year: self.year,
                month: self.month + 1,
            }
        }
    }

    /// Returns the least id of the month. Returns `None` if there is none.
    fn first_id(self) -> Option<EventId> {
        let text = format!("{:04}-{:02}-01T00:00:00Z", self.year, self.month);
        Timestamp::parse_rfc3339(&text).map(EventId::first_at)
    }
}

/// Returns the ids of a partition of this table: from the first to before the second. Returns `None` if it is not a
/// month of the table.
pub(super) fn span(table: &str, partition: &str) -> Option<(EventId, EventId)> {
    let month = Month::of_partition(table, partition)?;
    Some((month.first_id()?, month.next().first_id()?))
}

/// Returns the partitions of a table whose months ended before this time, oldest first.
pub(super) async fn before(
    connection: &mut PgConnection,
    table: &str,
    before: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
         WHERE i.inhparent = to_regclass($1) ORDER BY c.relname",
    )
    .bind(table)
    .fetch_all(connection)
    .await
    .or_store_error()?;
    let is_over = |name: &String| span(table, name).is_some_and(|(_, end)| end <= EventId::first_at(before));
    Ok(names.into_iter().filter(is_over).collect())
}

/// Makes the partitions of this month and the next, where they are not there yet.
pub(super) async fn make(connection: &mut PgConnection) -> Result<(), StoreError> {
    let Some(this) = Month::of(Timestamp::now()) else {
        return Ok(());
    };
    for month in [this, this.next()] {
        for table in TABLES {
            make_one(connection, table, month).await?;
        }
    }
    Ok(())
}

/// Creates one partition in its own transaction. It locks the table for a moment, and two tables at a time could cause
/// a deadlock.
async fn make_one(connection: &mut PgConnection, table: &str, month: Month) -> Result<(), StoreError> {
    let (Some(from), Some(to)) = (month.first_id(), month.next().first_id()) else {
        return Ok(());
    };
    let name = format!("{table}_{:04}_{:02}", month.year, month.month);
    let mut transaction = connection.begin().await.or_store_error()?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *transaction)
        .await
        .or_store_error()?;
    // Looked up first: the statement would lock the table even if there is nothing to make.
    let there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(&name)
        .fetch_one(&mut *transaction)
        .await
        .or_store_error()?;
    if there {
        return transaction.rollback().await.or_store_error();
    }
    // Names and bounds are made of numbers and of the constants above.
    let sql = format!("CREATE TABLE IF NOT EXISTS {name} PARTITION OF {table} FOR VALUES FROM ('{from}') TO ('{to}')");
    match sqlx::query(AssertSqlSafe(sql)).execute(&mut *transaction).await {
        Ok(_) => transaction.commit().await.or_store_error(),
        // The default partition has rows of that month already, and keeps them.
        Err(sqlx::Error::Database(error)) if error.is_check_violation() => {
            tracing::warn!(
                partition = name,
                "not made: rows of that month are in the default partition"
            );
            transaction.rollback().await.or_store_error()
        }
        Err(error) => Err(store_error(&error)),
    }
}

/// Makes them again and again, as long as the program runs.
pub(super) async fn keep_ahead(pool: PgPool) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let made = match pool.acquire().await.or_store_error() {
            Ok(mut connection) => make(&mut connection).await,
            Err(error) => Err(error),
        };
        if let Err(error) = made {
            tracing::warn!(%error, "cannot make the next month's partitions yet");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_the_calendar_s() {
        for (text, year, month) in [
            ("1970-01-01T00:00:00Z", 1970, 1),
            ("2000-02-29T23:59:59.999Z", 2000, 2),
            ("2026-03-01T00:00:00Z", 2026, 3),
            ("2026-12-31T23:59:59.999Z", 2026, 12),
            ("2100-02-28T12:00:00Z", 2100, 2),
        ] {
            let time = Timestamp::parse_rfc3339(text).unwrap();
            assert_eq!(Month::of(time), Some(Month { year, month }), "{text}");
        }
        let named = |name| Month::of_partition("events", name);
        assert_eq!(named("events_2026_03"), Some(Month { year: 2026, month: 3 }));
        for other in [
            "events_default",
            "events_2026_13",
            "events_2026_3",
            "activities_2026_03",
            "events_2026_03_x",
        ] {
            assert_eq!(named(other), None, "{other}");
        }
        let (first, end) = span("events", "events_2026_12").unwrap();
        let starts = [first, end].map(|id| id.received_at().to_string());
        assert_eq!(starts, ["2026-12-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"]);
        assert_eq!(span("events", "activities_2026_12"), None);
        assert_eq!(Month { year: 2026, month: 12 }.next(), Month { year: 2027, month: 1 });
    }
}
