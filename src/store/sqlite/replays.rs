//! Replays: the events to replay, and the data to read. `replay_steps.rs` has the commits.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use conduit_actors::event::Status;
use conduit_actors::ids::{ControllerId, EventId, ReplayId, Timestamp};
use conduit_actors::ports::{Claim, ReplayJob, StoreError};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::super::replays::{
    self, Candidate, MAX_RUNNING, NewReplay, NextBatch, PastOutcome, ReplayEstimate, ReplayFilter, ReplayRow,
    ReplayStatus, Replays, Standing,
};
use super::super::{ChangeError, Page};
use super::SqliteStore;
use super::faults::OrStoreError as _;

const SELECT: &str =
    "SELECT r.*, c.id AS controller FROM replays r JOIN controllers c ON c.pk = r.controller_pk WHERE 1";

/// Adds the conditions of a filter on the events `e` of one status. The condition that they are not processed is for
/// the index.
fn push_matching(query: &mut QueryBuilder<Sqlite>, controller: ControllerId, status: Status, filter: &ReplayFilter) {
    query
        .push("e.controller_pk = (SELECT pk FROM controllers WHERE id = ")
        .push_bind(controller.as_bytes().to_vec())
        .push(format_args!(
            ") AND e.status <> 'processed' AND e.status = '{}'",
            status.as_str()
        ));
    if let Some(integration) = filter.integration {
        query
            .push(" AND e.integration = ")
            .push_bind(integration.as_bytes().to_vec());
    }
    if let Some(event_type) = &filter.event {
        query.push(" AND e.event_type = ").push_bind(event_type.clone());
    }
    if let Some(from) = filter.from {
        query
            .push(" AND e.id >= ")
            .push_bind(EventId::first_at(from).as_bytes().to_vec());
    }
    if let Some(to) = filter.to {
        query
            .push(" AND e.id < ")
            .push_bind(EventId::first_at(to).as_bytes().to_vec());
    }
    if let Some(ids) = &filter.event_ids {
        query.push(" AND e.id IN (");
        push_ids(query, ids.iter().copied());
        query.push(")");
    }
}

pub(super) fn push_ids(query: &mut QueryBuilder<Sqlite>, ids: impl Iterator<Item = EventId>) {
    let mut separated = query.separated(", ");
    for id in ids {
        separated.push_bind(id.as_bytes().to_vec());
    }
}

#[async_trait]
impl Replays for SqliteStore {
    async fn estimate_replay(
        &self,
        controller: ControllerId,
        filter: &ReplayFilter,
    ) -> Result<ReplayEstimate, StoreError> {
        let mut query = QueryBuilder::new(
            "SELECT count(*) AS matching, count(payload) AS replayable, min(id) AS oldest, max(id) AS newest FROM (",
        );
        for (index, status) in filter.statuses().enumerate() {
            query.push(if index == 0 { "" } else { " UNION ALL " });
            query.push("SELECT e.id, p.pk AS payload FROM events e LEFT JOIN payloads p ON p.event_id = e.id WHERE ");
            push_matching(&mut query, controller, status, filter);
        }
        query.push(")");
        let found = query.build().fetch_one(&self.readers).await.or_store_error()?;
        replays::estimate(&found)
    }

    async fn create_replay(&self, replay: &NewReplay) -> Result<ReplayRow, ChangeError> {
        let is_done = replay.estimate.matching == 0;
        let (status, ended_at) = match is_done {
            true => (ReplayStatus::Done, Some(replay.started_at.as_millis())),
            false => (ReplayStatus::Running, None),
        };
        let inserted = sqlx::query(
            "INSERT INTO replays (id, controller_pk, filter, status, last, matching, started_at, ended_at) \
             SELECT ?1, c.pk, ?3, ?4, ?5, ?6, ?7, ?8 FROM controllers c WHERE c.id = ?2 AND ?9 > \
             (SELECT count(*) FROM replays r WHERE r.controller_pk = c.pk AND r.status = 'running')",
        )
        .bind(&replay.id.as_bytes()[..])
        .bind(&replay.controller.as_bytes()[..])
        .bind(replay.filter.json()?)
        .bind(status.as_str())
        .bind(replay.estimate.newest.map(|event| event.as_bytes().to_vec()))
        .bind(replay.estimate.matching.cast_signed())
        .bind(replay.started_at.as_millis())
        .bind(ended_at)
        .bind(MAX_RUNNING)
        .execute(&self.writer)
        .await
        .or_store_error()?;
        match self.replay(replay.id).await? {
            Some(row) => Ok(row),
            None if inserted.rows_affected() == 0 && self.has_controller(replay.controller).await? => {
                Err(ChangeError::TooManyReplays)
            }
            None => Err(ChangeError::NotFound),
        }
    }

    async fn replays(
        &self,
        controller: Option<ControllerId>,
        page: Page<ReplayId>,
    ) -> Result<Vec<ReplayRow>, StoreError> {
        let mut query = QueryBuilder::new(SELECT);
        if let Some(controller) = controller {
            query.push(" AND c.id = ").push_bind(controller.as_bytes().to_vec());
        }
        if let Some(after) = page.after {
            query.push(" AND r.id < ").push_bind(after.as_bytes().to_vec());
        }
        query
            .push(" ORDER BY r.id DESC LIMIT ")
            .push_bind(i64::try_from(page.limit).unwrap_or(i64::MAX));
        let found = query.build().fetch_all(&self.readers).await.or_store_error()?;
        found.iter().map(replays::replay_row).collect()
    }

    async fn replay(&self, id: ReplayId) -> Result<Option<ReplayRow>, StoreError> {
        let mut query = QueryBuilder::new(SELECT);
        query.push(" AND r.id = ").push_bind(id.as_bytes().to_vec());
        let found = query.build().fetch_optional(&self.readers).await.or_store_error()?;
        found.as_ref().map(replays::replay_row).transpose()
    }

    async fn end_replay(&self, id: ReplayId, ending: ReplayStatus, now: Timestamp) -> Result<bool, StoreError> {
        let ended = sqlx::query(
            "UPDATE replays SET status = ?2, ended_at = ?3, skipped = CASE WHEN ?2 = 'done' THEN \
             max(skipped, matching - processed - duplicate - rejected - failed) ELSE skipped END \
             WHERE id = ?1 AND status = 'running'",
        )
        .bind(&id.as_bytes()[..])
        .bind(ending.as_str())
        .bind(now.as_millis())
        .execute(&self.writer)
        .await
        .or_store_error()?;
        Ok(ended.rows_affected() == 1)
    }

    /// Returns all running replays: no other node uses this database.
    async fn lease_replays(&self, _: Duration) -> Result<Vec<ReplayJob>, StoreError> {
        let mut query = QueryBuilder::new(SELECT);
        query.push(" AND r.status = 'running' ORDER BY r.pk");
        let found = query.build().fetch_all(&self.readers).await.or_store_error()?;
        found.iter().map(replays::job).collect()
    }

    async fn release_replays(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn replay_batch(&self, id: ReplayId, max_events: usize, max_bytes: usize) -> Result<NextBatch, StoreError> {
        let mut transaction = self.readers.begin().await.or_store_error()?;
        let connection = &mut *transaction;
        let mut query = QueryBuilder::new(SELECT);
        query
            .push(" AND r.status = 'running' AND r.id = ")
            .push_bind(id.as_bytes().to_vec());
        let found = query.build().fetch_optional(&mut *connection).await.or_store_error()?;
        let Some(standing) = found.as_ref().map(Standing::read).transpose()? else {
            return Ok(NextBatch::NotOurs);
        };
        let mut candidates = candidates(connection, &standing, max_events).await?;
        let wanted = Standing::cut(&mut candidates, max_bytes);
        let payloads = self.open_payloads(connection, &wanted).await?;
        Ok(standing.batch(candidates, payloads))
    }

    async fn repeats(
        &self,
        controller: ControllerId,
        claims: &[Claim],
    ) -> Result<HashMap<EventId, EventId>, StoreError> {
        let mut processed = Vec::new();
        for stretch in replays::stretches(claims) {
            let mut query = QueryBuilder::new(
                "SELECT e.id, e.dedup_key, e.dedup_window FROM events e \
                 WHERE e.controller_pk = (SELECT pk FROM controllers WHERE id = ",
            );
            query
                .push_bind(controller.as_bytes().to_vec())
                .push(") AND e.id >= ")
                .push_bind(stretch.from.as_bytes().to_vec())
                .push(" AND e.id < ")
                .push_bind(stretch.to.as_bytes().to_vec())
                .push(" AND e.dedup_key IN (");
            let mut keys = query.separated(", ");
            for key in &stretch.keys {
                keys.push_bind(key.0.to_vec());
            }
            query.push(")");
            for row in query.build().fetch_all(&self.readers).await.or_store_error()? {
                processed.push(replays::processed_claim(&row)?);
            }
        }
        Ok(replays::repeated(claims, &processed))
    }

    async fn past_outcomes(&self, event: EventId) -> Result<Vec<PastOutcome>, StoreError> {
        let found = sqlx::query("SELECT * FROM event_outcomes WHERE event_id = ?1 ORDER BY pk")
            .bind(&event.as_bytes()[..])
            .fetch_all(&self.readers)
            .await
            .or_store_error()?;
        found.iter().map(replays::past_outcome).collect()
    }
}

impl SqliteStore {
    async fn has_controller(&self, controller: ControllerId) -> Result<bool, StoreError> {
        let found = sqlx::query("SELECT 1 FROM controllers WHERE id = ?1")
            .bind(&controller.as_bytes()[..])
            .fetch_optional(&self.readers)
            .await
            .or_store_error()?;
        Ok(found.is_some())
    }

    async fn open_payloads(
        &self,
        connection: &mut SqliteConnection,
        wanted: &[EventId],
    ) -> Result<HashMap<EventId, Bytes>, StoreError> {
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let mut query = QueryBuilder::new(
            "SELECT p.*, c.id AS controller FROM payloads p JOIN controllers c ON c.pk = p.controller_pk \
             WHERE p.event_id IN (",
        );
        push_ids(&mut query, wanted.iter().copied());
        query.push(")");
        let found = query.build().fetch_all(connection).await.or_store_error()?;
        self.payloads.open_all(&found)
    }
}

/// Returns candidates in the order of their ids, from one walk along the index for each status.
async fn candidates(
    connection: &mut SqliteConnection,
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
            "SELECT * FROM (SELECT e.id, e.integration, e.event_type, e.triggered_at, e.journaled_at, e.status, \
             length(p.sealed) AS size FROM events e LEFT JOIN payloads p ON p.event_id = e.id WHERE ",
        );
        push_matching(&mut query, standing.job.controller, status, &standing.filter);
        query.push(" AND e.id <= ").push_bind(last.as_bytes().to_vec());
        if let Some(from) = standing.from {
            query.push(" AND e.id > ").push_bind(from.as_bytes().to_vec());
        }
        query.push(" ORDER BY e.id LIMIT ").push_bind(limit).push(")");
    }
    query.push(") ORDER BY id LIMIT ").push_bind(limit);
    let found = query.build().fetch_all(connection).await.or_store_error()?;
    found.iter().map(Candidate::read).collect()
}
