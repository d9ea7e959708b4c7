//! The outcomes of events, and their totals.

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, EventId, Sequence};
use conduit_actors::personal::Personal;
use conduit_actors::ports::StoreError;
use sqlx::postgres::PgRow;
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::super::rows;
use super::super::survivors::Survivors;
use super::super::{EventFilter, EventRow, Events, OutcomeCounts, Page, StoredClaim, Streams};
use super::faults::OrStoreError as _;
use super::kinds::sources;
use super::search::found_events;
use super::{PostgresStore, searchable};

/// Returns the statement that reads a page of a list.
fn list(filter: &EventFilter, page: Page<EventId>) -> QueryBuilder<Postgres> {
    let limit = i64::try_from(page.limit).unwrap_or(i64::MAX);
    if filter.is_of_few_kinds() {
        return newest_of_each_kind(filter, page.after, limit);
    }
    let mut query = match &filter.subjects {
        Some(persons) => found_events(persons),
        None => QueryBuilder::new("SELECT * FROM events e WHERE true"),
    };
    push_filter(&mut query, filter, page.after);
    // A person's ids come in this order already: no more events are read than the page has.
    let ordered_by = if filter.subjects.is_some() { "f.id" } else { "e.id" };
    query
        .push(format_args!(" ORDER BY {ordered_by} DESC LIMIT "))
        .push_bind(limit);
    query
}

/// Returns the query for the newest of each kind. A sender may use any number of types, so the query does not enumerate
/// them.
fn newest_of_each_kind(filter: &EventFilter, after: Option<EventId>, limit: i64) -> QueryBuilder<Postgres> {
    let mut query = sources("events", filter.controller, filter.integration);
    query
        .push(", kind (controller, integration, status) AS MATERIALIZED (SELECT s.*, v.* FROM source s, (VALUES ")
        .push(filter.statuses_in_sql())
        .push(
            ") v) SELECT e.* FROM kind k CROSS JOIN LATERAL (SELECT * FROM events e \
             WHERE e.controller = k.controller AND e.integration = k.integration",
        );
    if let Some(event_type) = &filter.event_type {
        query.push(" AND e.event_type = ").push_bind(searchable(event_type));
    }
    let lowest = filter
        .from
        .map_or(Uuid::nil(), |from| EventId::first_at(from).as_uuid());
    let ends = [filter.to.map(EventId::first_at), after].into_iter().flatten();
    let end = ends.map(|end| end.as_uuid()).min().unwrap_or(Uuid::max());
    query.push(" AND (e.status, e.id) >= (k.status, ").push_bind(lowest);
    query.push(") AND (e.status, e.id) < (k.status, ").push_bind(end);
    query
        .push(") ORDER BY e.status DESC, e.id DESC LIMIT ")
        .push_bind(limit);
    query.push(") AS e ORDER BY e.id DESC LIMIT ").push_bind(limit);
    query
}

fn push_filter(query: &mut QueryBuilder<Postgres>, filter: &EventFilter, after: Option<EventId>) {
    if let Some(controller) = filter.controller {
        query.push(" AND e.controller = ").push_bind(controller.as_uuid());
    }
    if let Some(status) = filter.status {
        query.push(" AND e.status = ").push_bind(status.as_str());
    }
    if let Some(integration) = filter.integration {
        query.push(" AND e.integration = ").push_bind(integration.as_uuid());
    }
    if let Some(event_type) = &filter.event_type {
        query.push(" AND e.event_type = ").push_bind(searchable(event_type));
    }
    let from = filter.from.map(EventId::first_at);
    if let Some(from) = from {
        query.push(" AND e.id >= ").push_bind(from.as_uuid());
    }
    for bound in [filter.to.map(EventId::first_at), after].into_iter().flatten() {
        query.push(" AND e.id < ").push_bind(bound.as_uuid());
    }
}

#[async_trait]
impl Events for PostgresStore {
    async fn events(&self, filter: &EventFilter, page: Page<EventId>) -> Result<Vec<EventRow>, StoreError> {
        self.driver.run_in_time(self.select_events(filter, page)).await
    }

    async fn event(&self, id: EventId) -> Result<Option<EventRow>, StoreError> {
        self.driver.run_in_time(self.select_event(id)).await
    }

    async fn payload(&self, id: EventId) -> Result<Option<Personal<Vec<u8>>>, StoreError> {
        self.driver.run_in_time(self.open_payload(id)).await
    }

    async fn outcome_counts(&self, controller: Option<ControllerId>) -> Result<OutcomeCounts, StoreError> {
        self.driver.run_in_time(self.count_outcomes(controller)).await
    }

    async fn totals(&self, streams: Streams<'_>) -> Result<OutcomeCounts, StoreError> {
        self.driver.run_in_time(self.read_totals(streams)).await
    }

    async fn checkpoints(&self) -> Result<Vec<(ControllerId, Sequence)>, StoreError> {
        self.driver.run_in_time(self.read_checkpoints()).await
    }

    async fn claims_since(&self, since: EventId, limit: usize) -> Result<Vec<StoredClaim>, StoreError> {
        self.driver.run_in_time(self.select_claims(since, limit)).await
    }
}

impl PostgresStore {
    async fn select_events(&self, filter: &EventFilter, page: Page<EventId>) -> Result<Vec<EventRow>, StoreError> {
        if filter.subjects.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let mut query = list(filter, page);
        let found = query.build().fetch_all(&self.pool).await.or_store_error()?;
        self.with_merges_followed(&found).await
    }

    async fn select_event(&self, id: EventId) -> Result<Option<EventRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM events WHERE id = $1")
            .bind(id.as_uuid())
            .fetch_all(&self.pool)
            .await
            .or_store_error()?;
        Ok(self.with_merges_followed(&found).await?.pop())
    }

    async fn with_merges_followed(&self, found: &[PgRow]) -> Result<Vec<EventRow>, StoreError> {
        let mut events: Vec<EventRow> = found.iter().map(rows::event_row).collect::<Result<_, _>>()?;
        let asked = Survivors::asked(&events);
        self.survivors(&asked).await?.rename(&mut events);
        Ok(events)
    }

    async fn open_payload(&self, id: EventId) -> Result<Option<Personal<Vec<u8>>>, StoreError> {
        let found = sqlx::query("SELECT * FROM payloads WHERE event_id = $1")
            .bind(id.as_uuid())
            .fetch_optional(&self.pool)
            .await
            .or_store_error()?;
        found.map(|row| self.payloads.open(id, &row)).transpose()
    }

    /// Counts outcomes in one statement, so that totals and checkpoints are of one moment. The checkpoints are this
    /// node's own.
    async fn count_outcomes(&self, controller: Option<ControllerId>) -> Result<OutcomeCounts, StoreError> {
        let mut query = QueryBuilder::new(
            "SELECT c.id, c.processed, c.duplicate, c.rejected, c.failed, k.sequence FROM controllers c \
             LEFT JOIN journal_checkpoints k ON k.controller = c.id AND k.node = ",
        );
        query.push_bind(&self.node);
        if let Some(controller) = controller {
            query.push(" WHERE c.id = ").push_bind(controller.as_uuid());
        }
        let found = query.build().fetch_all(&self.pool).await.or_store_error()?;
        let mut counts = OutcomeCounts::default();
        for row in &found {
            counts.processed += rows::count::<u64>(row, "processed")?;
            counts.duplicate += rows::count::<u64>(row, "duplicate")?;
            counts.rejected += rows::count::<u64>(row, "rejected")?;
            counts.failed += rows::count::<u64>(row, "failed")?;
            if rows::is_set(row, "sequence")? {
                counts.checkpoints.push(rows::checkpoint_row(row)?);
            }
        }
        Ok(counts)
    }

    async fn read_totals(&self, streams: Streams<'_>) -> Result<OutcomeCounts, StoreError> {
        let mut transaction = self
            .pool
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await
            .or_store_error()?;
        let sums = sqlx::query(
            "SELECT coalesce(sum(processed), 0)::bigint AS processed, coalesce(sum(duplicate), 0)::bigint AS duplicate, \
             coalesce(sum(rejected), 0)::bigint AS rejected, coalesce(sum(failed), 0)::bigint AS failed FROM controllers",
        );
        let sums = sums.fetch_one(&mut *transaction).await.or_store_error()?;
        let streams = streams().map(|ids| ids.iter().map(ControllerId::as_uuid).collect::<Vec<_>>());
        let found = sqlx::query(
            "SELECT c.id, coalesce(k.sequence, 0) AS sequence FROM controllers c \
             LEFT JOIN journal_checkpoints k ON k.controller = c.id AND k.node = $1 WHERE $2::uuid[] IS NULL OR c.id = ANY($2)",
        )
        .bind(&self.node)
        .bind(streams)
        .fetch_all(&mut *transaction)
        .await
        .or_store_error()?;
        Ok(OutcomeCounts {
            checkpoints: found.iter().map(rows::checkpoint_row).collect::<Result<_, _>>()?,
            ..rows::outcome_sums(&sums)?
        })
    }

    async fn read_checkpoints(&self) -> Result<Vec<(ControllerId, Sequence)>, StoreError> {
        Ok(self.count_outcomes(None).await?.checkpoints)
    }

    pub(super) async fn read_checkpoint(&self, controller: ControllerId) -> Result<Sequence, StoreError> {
        let counts = self.count_outcomes(Some(controller)).await?;
        Ok(counts
            .checkpoints
            .first()
            .map_or(Sequence(0), |(_, sequence)| *sequence))
    }

    async fn select_claims(&self, since: EventId, limit: usize) -> Result<Vec<StoredClaim>, StoreError> {
        let found = sqlx::query(
            "SELECT id, controller, dedup_key, dedup_window FROM events \
             WHERE id >= $1 AND dedup_key IS NOT NULL ORDER BY id LIMIT $2",
        )
        .bind(since.as_uuid())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await
        .or_store_error()?;
        found.iter().map(rows::claim_row).collect()
    }
}
