//! What became of events, and the sums of it.

use conduit_actors::ids::{ControllerId, EventId, Sequence, SubjectId};
use conduit_actors::personal::Personal;
use conduit_actors::ports::StoreError;
use sqlx::QueryBuilder;
use sqlx::postgres::PgRow;

use super::super::{EventFilter, EventRow, OutcomeCounts, Page, StoredClaim};
use super::search::found_events;
use super::{OrStoreError as _, PostgresStore, rows, searchable};

impl PostgresStore {
    pub(super) async fn select_events(
        &self,
        filter: &EventFilter,
        page: Page<EventId>,
    ) -> Result<Vec<EventRow>, StoreError> {
        let mut query = match &filter.subjects {
            None => QueryBuilder::new("SELECT * FROM events e WHERE true"),
            Some(persons) if persons.is_empty() => return Ok(Vec::new()),
            Some(persons) => found_events(persons),
        };
        if let Some(controller) = filter.controller {
            query.push(" AND e.controller = ").push_bind(controller.as_uuid());
        }
        if let Some(status) = filter.status {
            // In the text, not bound, so that the index of those that are not processed can serve.
            query.push(format_args!(" AND e.status = '{}'", status.as_str()));
        }
        if let Some(integration) = filter.integration {
            query.push(" AND e.integration = ").push_bind(integration.as_uuid());
        }
        if let Some(event_type) = &filter.event_type {
            query.push(" AND e.event_type = ").push_bind(searchable(event_type));
        }
        if let Some(from) = filter.from {
            query.push(" AND e.id >= ").push_bind(EventId::first_at(from).as_uuid());
        }
        if let Some(to) = filter.to {
            query.push(" AND e.id < ").push_bind(EventId::first_at(to).as_uuid());
        }
        if let Some(after) = page.after {
            query.push(" AND e.id < ").push_bind(after.as_uuid());
        }
        query
            .push(" ORDER BY e.id DESC LIMIT ")
            .push_bind(i64::try_from(page.limit).unwrap_or(i64::MAX));
        let found = query.build().fetch_all(&self.pool).await.or_store_error()?;
        self.with_merges_followed(&found).await
    }

    pub(super) async fn select_event(&self, id: EventId) -> Result<Option<EventRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM events WHERE id = $1")
            .bind(id.as_uuid())
            .fetch_all(&self.pool)
            .await
            .or_store_error()?;
        Ok(self.with_merges_followed(&found).await?.pop())
    }

    async fn with_merges_followed(&self, found: &[PgRow]) -> Result<Vec<EventRow>, StoreError> {
        let mut events: Vec<EventRow> = found.iter().map(rows::event_row).collect::<Result<_, _>>()?;
        let subjects: Vec<SubjectId> = events.iter().filter_map(|event| event.subject).collect();
        self.survivors(&subjects).await?.rename(&mut events);
        Ok(events)
    }

    pub(super) async fn open_payload(&self, id: EventId) -> Result<Option<Personal<Vec<u8>>>, StoreError> {
        let found = sqlx::query("SELECT * FROM payloads WHERE event_id = $1")
            .bind(id.as_uuid())
            .fetch_optional(&self.pool)
            .await
            .or_store_error()?;
        found.map(|row| self.payloads.open(id, &row)).transpose()
    }

    /// One statement, so that sums and checkpoints are of one moment. The checkpoints are this node's own.
    pub(super) async fn count_outcomes(&self, controller: Option<ControllerId>) -> Result<OutcomeCounts, StoreError> {
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

    pub(super) async fn read_checkpoints(&self) -> Result<Vec<(ControllerId, Sequence)>, StoreError> {
        Ok(self.count_outcomes(None).await?.checkpoints)
    }

    pub(super) async fn read_checkpoint(&self, controller: ControllerId) -> Result<Sequence, StoreError> {
        let counts = self.count_outcomes(Some(controller)).await?;
        Ok(counts
            .checkpoints
            .first()
            .map_or(Sequence(0), |(_, sequence)| *sequence))
    }

    pub(super) async fn select_claims(&self, since: EventId, limit: usize) -> Result<Vec<StoredClaim>, StoreError> {
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
