//! Removes the data of deleted controllers, a step at a time.
//!
//! The controller's row is deleted first, so no data is added any more. Each step is a transaction of its own. So the
//! deletion of a large tenant neither holds locks for long nor exceeds the time limit of statements. The remaining work
//! is noted in `deletions`, and any node continues it after an interruption.

use std::time::Duration;

use conduit_actors::ports::StoreError;
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use super::faults::OrStoreError as _;

/// Rows to a step.
const STEP: i64 = 5_000;

/// How often to look for deletions that were interrupted.
const INTERVAL: Duration = Duration::from_secs(600);

/// Deletes subjects with their links, which are found by their subjects.
const SUBJECTS: &str = "WITH part AS MATERIALIZED (SELECT id FROM subjects WHERE controller = $1 ORDER BY id LIMIT $2), \
     gone AS (DELETE FROM links l USING part WHERE l.subject = part.id) \
     DELETE FROM subjects s USING part WHERE s.id = part.id";

/// Everything else that belongs to a controller, and what a row is found by. A place in the table is
/// the quickest, but says nothing in one that has partitions.
const OWNED: [(&str, &str, &str); 17] = [
    ("credential_versions", "ctid", "tid"),
    ("controller_limits", "ctid", "tid"),
    ("integrations", "ctid", "tid"),
    ("journal_checkpoints", "ctid", "tid"),
    ("replays", "ctid", "tid"),
    ("event_outcomes", "ctid", "tid"),
    ("outcome_history", "ctid", "tid"),
    ("payloads", "ctid", "tid"),
    ("links_former", "ctid", "tid"),
    ("merges", "ctid", "tid"),
    ("events", "id", "uuid"),
    ("activities", "id", "uuid"),
    ("activity_others", "ctid", "tid"),
    ("chain_anchors", "ctid", "tid"),
    ("retired_links", "ctid", "tid"),
    ("link_sweeps", "ctid", "tid"),
    ("unsealed_chains", "ctid", "tid"),
];

/// Removes all that is left of one.
pub(super) async fn finish(pool: &PgPool, controller: Uuid) -> Result<(), StoreError> {
    for (table, key, kind) in OWNED {
        // Made of the constants above.
        let step = format!(
            "DELETE FROM {table} WHERE {key} = ANY \
             (ARRAY(SELECT {key} FROM {table} WHERE controller = $1 LIMIT $2)::{kind}[])"
        );
        while take_step(pool, &step, controller).await? > 0 {}
    }
    // Behind `links_former`: a link of it may have been moved meanwhile.
    while take_step(pool, SUBJECTS, controller).await? > 0 {}
    sqlx::query("DELETE FROM deletions WHERE controller = $1")
        .bind(controller)
        .execute(pool)
        .await
        .or_store_error()
        .map(drop)
}

/// Removes some rows; how many.
async fn take_step(pool: &PgPool, step: &str, controller: Uuid) -> Result<u64, StoreError> {
    let mut transaction = pool.begin().await.or_store_error()?;
    // An index leaves out what earlier steps removed. Going through the table would meet all of that again in each step.
    sqlx::query("SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)")
        .execute(&mut *transaction)
        .await
        .or_store_error()?;
    let removed = sqlx::query(AssertSqlSafe(step.to_owned()))
        .bind(controller)
        .bind(STEP)
        .execute(&mut *transaction)
        .await
        .or_store_error()?;
    transaction.commit().await.or_store_error()?;
    Ok(removed.rows_affected())
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
