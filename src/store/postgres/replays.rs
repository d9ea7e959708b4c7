//! Replays: the events to replay, the node that runs each, and the data to read. `replay_steps.rs` has the commits.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use conduit_actors::event::Status;
use conduit_actors::ids::{ControllerId, EventId, ReplayId, Timestamp};
use conduit_actors::ports::{Claim, ReplayJob, StoreError};
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::super::replays::{
    self, Candidate, MAX_RUNNING, NewReplay, NextBatch, PastOutcome, ReplayEstimate, ReplayFilter, ReplayRow,
    ReplayStatus, Replays, Standing,
};
use super::super::{ChangeError, Page};
use super::faults::OrStoreError as _;
use super::{PostgresStore, searchable};

/// Adds what a filter asks of the events `e` of one status, which is in the text so that the index of those that are not
/// processed can serve.
fn push_matching(query: &mut QueryBuilder<Postgres>, controller: ControllerId, status: Status, filter: &ReplayFilter) {
    query
        .push("e.controller = ")
        .push_bind(controller.as_uuid())
        .push(format_args!(
            " AND e.status <> 'processed' AND e.status = '{}'",
            status.as_str()
        ));
    if let Some(integration) = filter.integration {
        query.push(" AND e.integration = ").push_bind(integration.as_uuid());
    }
    if let Some(event_type) = &filter.event {
        query.push(" AND e.event_type = ").push_bind(searchable(event_type));
    }
    if let Some(from) = filter.from {
        query.push(" AND e.id >= ").push_bind(EventId::first_at(from).as_uuid());
    }
    if let Some(to) = filter.to {
        query.push(" AND e.id < ").push_bind(EventId::first_at(to).as_uuid());
    }
    if let Some(ids) = &filter.event_ids {
        query.push(" AND e.id = ANY(").push_bind(uuids(ids)).push(")");
    }
}

fn uuids(ids: &[EventId]) -> Vec<Uuid> {
    ids.iter().map(EventId::as_uuid).collect()
}

#[async_trait]
impl Replays for PostgresStore {
    async fn estimate_replay(
        &self,
        controller: ControllerId,
        filter: &ReplayFilter,
    ) -> Result<ReplayEstimate, StoreError> {
        self.driver.run_in_time(self.estimate(controller, filter)).await
    }

    async fn create_replay(&self, replay: &NewReplay) -> Result<ReplayRow, ChangeError> {
        self.driver.run_in_time(self.insert_replay(replay)).await
    }

    async fn replays(
        &self,
        controller: Option<ControllerId>,
        page: Page<ReplayId>,
    ) -> Result<Vec<ReplayRow>, StoreError> {
        self.driver.run_in_time(self.select_replays(controller, page)).await
    }

    async fn replay(&self, id: ReplayId) -> Result<Option<ReplayRow>, StoreError> {
        self.driver.run_in_time(self.select_replay(id)).await
    }

    async fn end_replay(&self, id: ReplayId, ending: ReplayStatus, now: Timestamp) -> Result<bool, StoreError> {
        self.driver.run_in_time(self.update_ending(id, ending, now)).await
    }

    async fn lease_replays(&self, lease: Duration) -> Result<Vec<ReplayJob>, StoreError> {
        self.driver.run_in_time(self.take_leases(lease)).await
    }

    async fn release_replays(&self) -> Result<(), StoreError> {
        self.driver.run_in_time(self.end_leases()).await
    }

    async fn replay_batch(&self, id: ReplayId, max_events: usize, max_bytes: usize) -> Result<NextBatch, StoreError> {
        self.driver
            .run_in_time(self.next_batch(id, max_events, max_bytes))
            .await
    }

    async fn repeats(
        &self,
        controller: ControllerId,
        claims: &[Claim],
    ) -> Result<HashMap<EventId, EventId>, StoreError> {
        self.driver.run_in_time(self.select_repeats(controller, claims)).await
    }

    async fn past_outcomes(&self, event: EventId) -> Result<Vec<PastOutcome>, StoreError> {
        self.driver.run_in_time(self.select_past_outcomes(event)).await
    }
}

impl PostgresStore {
    async fn estimate(&self, controller: ControllerId, filter: &ReplayFilter) -> Result<ReplayEstimate, StoreError> {
        // PostgreSQL has no min and max of UUIDs before version 18; their texts have the same order.
        let mut query = QueryBuilder::new(
            "SELECT count(*) AS matching, count(payload) AS replayable, \
             min(id::text COLLATE \"C\")::uuid AS oldest, max(id::text COLLATE \"C\")::uuid AS newest FROM (",
        );
        for (index, status) in filter.statuses().enumerate() {
            query.push(if index == 0 { "" } else { " UNION ALL " });
            query.push(
                "SELECT e.id, p.event_id AS payload FROM events e LEFT JOIN payloads p ON p.event_id = e.id WHERE ",
            );
            push_matching(&mut query, controller, status, filter);
        }
        query.push(") AS found");
        let found = query.build().fetch_one(&self.pool).await.or_store_error()?;
        replays::estimate(&found)
    }

    async fn insert_replay(&self, replay: &NewReplay) -> Result<ReplayRow, ChangeError> {
        let (status, ended_at) = match replay.estimate.matching {
            0 => (ReplayStatus::Done, Some(replay.started_at.as_millis())),
            _ => (ReplayStatus::Running, None),
        };
        let mut transaction = self.pool.begin().await.or_store_error()?;
        // The lock keeps the controller from being deleted meanwhile; it does not wait for batches, nor they for it.
        let owner = sqlx::query("SELECT id FROM controllers WHERE id = $1 FOR KEY SHARE")
            .bind(replay.controller.as_uuid())
            .fetch_optional(&mut *transaction)
            .await
            .or_store_error()?;
        owner.ok_or(ChangeError::NotFound)?;
        let inserted = sqlx::query(
            "INSERT INTO replays (id, controller, filter, status, last, matching, started_at, ended_at, node, \
             lease_until) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, \
             (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $10 WHERE $11 > \
             (SELECT count(*) FROM replays r WHERE r.controller = $2 AND r.status = 'running') RETURNING *",
        )
        .bind(replay.id.as_uuid())
        .bind(replay.controller.as_uuid())
        .bind(replay.filter.json()?)
        .bind(status.as_str())
        .bind(replay.estimate.newest.map(|event| event.as_uuid()))
        .bind(replay.estimate.matching.cast_signed())
        .bind(replay.started_at.as_millis())
        .bind(ended_at)
        .bind(&self.node)
        .bind(millis(replay.lease))
        .bind(i64::from(MAX_RUNNING))
        .fetch_optional(&mut *transaction)
        .await
        .or_store_error()?;
        let inserted = inserted.ok_or(ChangeError::TooManyReplays)?;
        transaction.commit().await.or_store_error()?;
        Ok(replays::replay_row(&inserted)?)
    }

    async fn select_replays(
        &self,
        controller: Option<ControllerId>,
        page: Page<ReplayId>,
    ) -> Result<Vec<ReplayRow>, StoreError> {
        let mut query = QueryBuilder::new("SELECT * FROM replays WHERE true");
        if let Some(controller) = controller {
            query.push(" AND controller = ").push_bind(controller.as_uuid());
        }
        if let Some(after) = page.after {
            query.push(" AND id < ").push_bind(after.as_uuid());
        }
        query
            .push(" ORDER BY id DESC LIMIT ")
            .push_bind(i64::try_from(page.limit).unwrap_or(i64::MAX));
        let found = query.build().fetch_all(&self.pool).await.or_store_error()?;
        found.iter().map(replays::replay_row).collect()
    }

    async fn select_replay(&self, id: ReplayId) -> Result<Option<ReplayRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM replays WHERE id = $1")
            .bind(id.as_uuid())
            .fetch_optional(&self.pool)
            .await
            .or_store_error()?;
        found.as_ref().map(replays::replay_row).transpose()
    }

    async fn update_ending(&self, id: ReplayId, ending: ReplayStatus, now: Timestamp) -> Result<bool, StoreError> {
        let ended = sqlx::query(
            "UPDATE replays SET status = $2, ended_at = $3, skipped = CASE WHEN $2 = 'done' THEN \
             greatest(skipped, matching - processed - duplicate - rejected - failed) ELSE skipped END \
             WHERE id = $1 AND status = 'running'",
        )
        .bind(id.as_uuid())
        .bind(ending.as_str())
        .bind(now.as_millis())
        .execute(&self.pool)
        .await
        .or_store_error()?;
        Ok(ended.rows_affected() == 1)
    }

    /// Takes leases. If two nodes ask at once, the second waits for the first, and finds that the lease has not ended.
    async fn take_leases(&self, lease: Duration) -> Result<Vec<ReplayJob>, StoreError> {
        let found = sqlx::query(
            "UPDATE replays r SET node = $1, lease_until = n.now + $2 \
             FROM controllers c, (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now) n \
             WHERE r.status = 'running' AND c.id = r.controller AND (r.node = $1 OR r.lease_until < n.now) \
             RETURNING r.id, r.controller",
        )
        .bind(&self.node)
        .bind(millis(lease))
        .fetch_all(&self.pool)
        .await
        .or_store_error()?;
        found.iter().map(replays::job).collect()
    }

    async fn end_leases(&self) -> Result<(), StoreError> {
        sqlx::query("UPDATE replays SET lease_until = 0 WHERE node = $1 AND status = 'running'")
            .bind(&self.node)
            .execute(&self.pool)
            .await
            .or_store_error()
            .map(drop)
    }

    async fn next_batch(&self, id: ReplayId, max_events: usize, max_bytes: usize) -> Result<NextBatch, StoreError> {
        let mut connection = self.pool.acquire().await.or_store_error()?;
        let found = sqlx::query(
            "SELECT r.* FROM replays r JOIN controllers c ON c.id = r.controller \
             WHERE r.id = $1 AND r.status = 'running' AND r.node = $2",
        )
        .bind(id.as_uuid())
        .bind(&self.node)
        .fetch_optional(&mut *connection)
        .await
        .or_store_error()?;
        let Some(standing) = found.as_ref().map(Standing::read).transpose()? else {
            return Ok(NextBatch::NotOurs);
        };
        let mut candidates = candidates(&mut connection, &standing, max_events).await?;
        let wanted = Standing::cut(&mut candidates, max_bytes);
        let found = sqlx::query("SELECT * FROM payloads WHERE event_id = ANY($1)")
            .bind(uuids(&wanted))
            .fetch_all(&mut *connection)
            .await
            .or_store_error()?;
        let payloads: HashMap<EventId, Bytes> = self.payloads.open_all(&found)?;
        Ok(standing.batch(candidates, payloads))
    }

    async fn select_repeats(
        &self,
        controller: ControllerId,
        claims: &[Claim],
    ) -> Result<HashMap<EventId, EventId>, StoreError> {
        let mut processed = Vec::new();
        for stretch in replays::stretches(claims) {
            let found = sqlx::query(
                "SELECT id, dedup_key, dedup_window FROM events \
                 WHERE controller = $1 AND id >= $2 AND id < $3 AND dedup_key = ANY($4)",
            )
            .bind(controller.as_uuid())
            .bind(stretch.from.as_uuid())
            .bind(stretch.to.as_uuid())
            .bind(stretch.keys.iter().map(|key| key.0.to_vec()).collect::<Vec<_>>())
            .fetch_all(&self.pool)
            .await
            .or_store_error()?;
            for row in &found {
                processed.push(replays::processed_claim(row)?);
            }
        }
        Ok(replays::repeated(claims, &processed))
    }

    async fn select_past_outcomes(&self, event: EventId) -> Result<Vec<PastOutcome>, StoreError> {
        let found = sqlx::query("SELECT * FROM event_outcomes WHERE event_id = $1 ORDER BY pk")
            .bind(event.as_uuid())
            .fetch_all(&self.pool)
            .await
            .or_store_error()?;
        found.iter().map(replays::past_outcome).collect()
    }
}

fn millis(lease: Duration) -> i64 {
    i64::try_from(lease.as_millis()).unwrap_or(i64::MAX / 2)
}

/// Returns candidates in the order of their ids, from one walk along the index for each status.
async fn candidates(
    connection: &mut PgConnection,
    standing: &Standing,
    limit: usize,
) -> Result<Vec<Candidate>, StoreError> {
    let Some(last) = standing.last else {
        return Ok(Vec::new());
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut query = QueryBuilder::new("SELECT * FROM (");
    for (index, status) in standing.filter.statuses().enumerate() {
        query.push(if index == 0 { "" } else { " UNION ALL " });
        query.push(
            "(SELECT e.id, e.integration, e.event_type, e.triggered_at, e.journaled_at, e.status, \
             octet_length(p.sealed)::bigint AS size FROM events e LEFT JOIN payloads p ON p.event_id = e.id WHERE ",
        );
        push_matching(&mut query, standing.job.controller, status, &standing.filter);
        query.push(" AND e.id <= ").push_bind(last.as_uuid());
        if let Some(from) = standing.from {
            query.push(" AND e.id > ").push_bind(from.as_uuid());
        }
        query.push(" ORDER BY e.id LIMIT ").push_bind(limit).push(")");
    }
    query.push(") AS found ORDER BY id LIMIT ").push_bind(limit);
    let found = query.build().fetch_all(connection).await.or_store_error()?;
    found.iter().map(Candidate::read).collect()
}
