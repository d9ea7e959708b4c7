//! Removes what deleted controllers owned, a step at a time.
//!
//! The controller's row is gone by then, and nothing is added any more. Each step is a transaction of its own, so a large
//! tenant's deletion neither holds locks for long nor exceeds the time that a statement may take. What is left to remove is
//! noted in `deletions`, and taken up again after an interruption, by whichever node comes first.

use std::time::Duration;

use conduit_actors::ports::StoreError;
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use super::OrStoreError as _;

/// Rows to a step.
const STEP: i64 = 5_000;

/// How often to look for deletions that were interrupted.
const INTERVAL: Duration = Duration::from_secs(600);

/// Everything that belongs to a controller, and what a row is found by. A place in the table is
/// the quickest, but says nothing in one that has partitions.
const OWNED: [(&str, &str, &str); 8] = [
    ("integrations", "ctid", "tid"),
    ("journal_checkpoints", "ctid", "tid"),
    ("payloads", "ctid", "tid"),
    ("links", "ctid", "tid"),
    ("merges", "ctid", "tid"),
    ("subjects", "ctid", "tid"),
    ("events", "id", "uuid"),
    ("activities", "id", "uuid"),
];

/// Removes all that is left of one.
pub(super) async fn finish(pool: &PgPool, controller: Uuid) -> Result<(), StoreError> {
    for (table, key, kind) in OWNED {
        // Made of the constants above.
        let step = format!(
            "DELETE FROM {table} WHERE {key} = ANY \
             (ARRAY(SELECT {key} FROM {table} WHERE controller = $1 LIMIT $2)::{kind}[])"
        );
        loop {
            let removed = sqlx::query(AssertSqlSafe(step.clone()))
                .bind(controller)
                .bind(STEP)
                .execute(pool)
                .await
                .or_store_error()?;
            if removed.rows_affected() == 0 {
                break;
            }
        }
    }
    sqlx::query("DELETE FROM deletions WHERE controller = $1")
        .bind(controller)
        .execute(pool)
        .await
        .or_store_error()
        .map(drop)
}

/// Takes up deletions that were interrupted, now and again and again.
pub(super) async fn keep_finishing(pool: PgPool) {
    while !pool.is_closed() {
        if let Err(error) = finish_all(&pool).await {
            tracing::warn!(%error, "what deleted controllers owned cannot be removed yet");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn finish_all(pool: &PgPool) -> Result<(), StoreError> {
    let left: Vec<Uuid> = sqlx::query_scalar("SELECT controller FROM deletions")
        .fetch_all(pool)
        .await
        .or_store_error()?;
    for controller in left {
        finish(pool, controller).await?;
    }
    Ok(())
}
