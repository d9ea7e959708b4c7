//! The outcomes of events, and their totals.

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, EventId, Sequence};
use conduit_actors::personal::Personal;
use conduit_actors::ports::StoreError;
use sqlx::{QueryBuilder, Sqlite};

use super::super::rows;
use super::super::survivors::Survivors;
use super::super::{EventFilter, EventRow, Events, OutcomeCounts, Page, StoredClaim, Streams};
use super::concerning::Concerning;
use super::faults::OrStoreError as _;
use super::kinds::sources;
use super::runs::runs;
use super::search::found_events;
use super::{SqliteStore, links};

const SELECT: &str =
    "SELECT e.*, c.id AS controller FROM events e JOIN controllers c ON c.pk = e.controller_pk WHERE 1";

/// The same of those that were found before.
const SELECT_FOUND: &str = "SELECT e.*, c.id AS controller FROM found f CROSS JOIN events e ON e.id = f.id \
     CROSS JOIN controllers c ON c.pk = e.controller_pk WHERE 1";

/// The same of each kind's newest, which the rest of the statement says.
const SELECT_EACH: &str = " SELECT e.*, c.id AS controller FROM kind k CROSS JOIN controllers c ON c.pk = k.controller_pk \
     CROSS JOIN events e ON e.pk IN (SELECT e.pk FROM events e WHERE e.controller_pk = k.controller_pk \
     AND e.integration = k.integration AND e.status = k.status";

/// Returns the statement that reads a page of a list.
/// `concerning`: of the persons that the filter names.
pub(super) fn list(filter: &EventFilter, concerning: Option<&Concerning>, page: Page<EventId>) -> QueryBuilder<Sqlite> {
    let limit = i64::try_from(page.limit).unwrap_or(i64::MAX);
    let is_each = filter.is_of_few_kinds();
    let mut query = match (&filter.subjects, concerning) {
        (Some(persons), Some(concerning)) => {
            let mut query = found_events(persons, concerning);
            query.push(SELECT_FOUND);
            query
        }
        _ if is_each => newest_of_each_kind(filter),
        _ => QueryBuilder::new(SELECT),
    };
    if !is_each {
        push_filter(&mut query, filter);
    }
    push_bounds(&mut query, filter, page.after);
    query.push(" ORDER BY e.id DESC LIMIT ").push_bind(limit);
    if is_each {
        query.push(") ORDER BY e.id DESC LIMIT ").push_bind(limit);
    }
    query
}

/// Returns the beginning of such a list. A sender may use any number of types, so the query does not enumerate them.
fn newest_of_each_kind(filter: &EventFilter) -> QueryBuilder<Sqlite> {
    let mut query = sources("events", filter.controller, filter.integration);
    query.push(", kind (controller_pk, integration, status) AS (SELECT s.*, v.* FROM source s CROSS JOIN (VALUES ");
    query.push(filter.statuses_in_sql()).push(") v)").push(SELECT_EACH);
    if let Some(event_type) = &filter.event_type {
        query.push(" AND e.event_type = ").push_bind(event_type.clone());
    }
    query
}

fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &EventFilter) {
    if let Some(controller) = filter.controller {
        query.push(" AND e.controller_pk = (SELECT pk FROM controllers WHERE id = ");
        query.push_bind(controller.as_bytes().to_vec()).push(")");
    }
    if let Some(status) = filter.status {
        query.push(" AND e.status = ").push_bind(status.as_str());
    }
    if let Some(integration) = filter.integration {
        query
            .push(" AND e.integration = ")
            .push_bind(integration.as_bytes().to_vec());
    }
    if let Some(event_type) = &filter.event_type {
        query.push(" AND e.event_type = ").push_bind(event_type.clone());
    }
}

fn push_bounds(query: &mut QueryBuilder<Sqlite>, filter: &EventFilter, after: Option<EventId>) {
    let from = filter.from.map(EventId::first_at);
    if let Some(from) = from {
        query.push(" AND e.id >= ").push_bind(from.as_bytes().to_vec());
    }
    for bound in [filter.to.map(EventId::first_at), after].into_iter().flatten() {
        query.push(" AND e.id < ").push_bind(bound.as_bytes().to_vec());
    }
}

#[async_trait]
impl Events for SqliteStore {
    async fn events(&self, filter: &EventFilter, page: Page<EventId>) -> Result<Vec<EventRow>, StoreError> {
        let concerning = match &filter.subjects {
            Some(persons) if persons.is_empty() => return Ok(Vec::new()),
            Some(persons) => Some(self.concerning(persons).await?),
            None => None,
        };
        let mut query = list(filter, concerning.as_ref(), page);
        let found = query.build().fetch_all(&self.readers).await.or_store_error()?;
        let mut events: Vec<EventRow> = found.iter().map(rows::event_row).collect::<Result<_, _>>()?;
        self.follow_merges(&mut events).await?;
        Ok(events)
    }

    async fn event(&self, id: EventId) -> Result<Option<EventRow>, StoreError> {
        let mut query = QueryBuilder::new(SELECT);
        query.push(" AND e.id = ").push_bind(id.as_bytes().to_vec());
        let found = query.build().fetch_optional(&self.readers).await.or_store_error()?;
        let mut events: Vec<EventRow> = found.iter().map(rows::event_row).collect::<Result<_, _>>()?;
        self.follow_merges(&mut events).await?;
        Ok(events.pop())
    }

    async fn payload(&self, id: EventId) -> Result<Option<Personal<Vec<u8>>>, StoreError> {
        let found = sqlx::query(
            "SELECT p.*, c.id AS controller FROM payloads p JOIN controllers c ON c.pk = p.controller_pk \
             WHERE p.event_id = ?1",
        )
        .bind(&id.as_bytes()[..])
        .fetch_optional(&self.readers)
        .await
        .or_store_error()?;
        found.map(|row| self.payloads.open(id, &row)).transpose()
    }

    async fn outcome_counts(&self, controller: Option<ControllerId>) -> Result<OutcomeCounts, StoreError> {
        let mut transaction = self.readers.begin().await.or_store_error()?;
        let mut query = outcome_sums(controller);
        let sums = query.build().fetch_one(&mut *transaction).await.or_store_error()?;
        let mut query = checkpoints(&self.node, controller);
        let checkpoints = query.build().fetch_all(&mut *transaction).await.or_store_error()?;
        Ok(OutcomeCounts {
            checkpoints: checkpoints.iter().map(rows::checkpoint_row).collect::<Result<_, _>>()?,
            ..rows::outcome_sums(&sums)?
        })
    }

    async fn totals(&self, streams: Streams<'_>) -> Result<OutcomeCounts, StoreError> {
        let mut transaction = self.readers.begin().await.or_store_error()?;
        let mut query = outcome_sums(None);
        let sums = query.build().fetch_one(&mut *transaction).await.or_store_error()?;
        let mut counts = rows::outcome_sums(&sums)?;
        let streams = streams();
        let chunks = match &streams {
            Some(streams) => runs(streams).map(Some).collect(),
            None => vec![None],
        };
        for chunk in chunks {
            let mut query = positions(&self.node, chunk);
            let found = query.build().fetch_all(&mut *transaction).await.or_store_error()?;
            for row in &found {
                counts.checkpoints.push(rows::checkpoint_row(row)?);
            }
        }
        Ok(counts)
    }

    async fn checkpoints(&self) -> Result<Vec<(ControllerId, Sequence)>, StoreError> {
        Ok(self.outcome_counts(None).await?.checkpoints)
    }

    async fn claims_since(&self, since: EventId, limit: usize) -> Result<Vec<StoredClaim>, StoreError> {
        let found = sqlx::query(
            "SELECT e.id, e.dedup_key, e.dedup_window, c.id AS controller FROM events e \
             JOIN controllers c ON c.pk = e.controller_pk \
             WHERE e.id >= ?1 AND e.dedup_key IS NOT NULL ORDER BY e.id LIMIT ?2",
        )
        .bind(&since.as_bytes()[..])
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.readers)
        .await
        .or_store_error()?;
        found.iter().map(rows::claim_row).collect()
    }
}

impl SqliteStore {
    async fn follow_merges(&self, events: &mut [EventRow]) -> Result<(), StoreError> {
        let asked = Survivors::asked(events);
        links::survivors(&self.readers, &asked).await?.rename(events);
        Ok(())
    }

    pub(super) async fn read_checkpoint(&self, controller: ControllerId) -> Result<Sequence, StoreError> {
        // The journal is released behind it.
        self.origin.check()?;
        let counts = self.outcome_counts(Some(controller)).await?;
        Ok(counts
            .checkpoints
            .first()
            .map_or(Sequence(0), |(_, sequence)| *sequence))
    }
}

pub(super) fn outcome_sums(controller: Option<ControllerId>) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(
        "SELECT coalesce(sum(processed), 0) AS processed, coalesce(sum(duplicate), 0) AS duplicate, \
         coalesce(sum(rejected), 0) AS rejected, coalesce(sum(failed), 0) AS failed FROM controllers",
    );
    if let Some(controller) = controller {
        query.push(" WHERE id = ").push_bind(controller.as_bytes().to_vec());
    }
    query
}

/// Selects the positions of these streams, or of all.
pub(super) fn positions(node: &str, streams: Option<&[ControllerId]>) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(
        "SELECT c.id, coalesce(k.sequence, 0) AS sequence FROM controllers c \
         LEFT JOIN journal_checkpoints k ON k.controller_pk = c.pk AND k.node = ",
    );
    query.push_bind(node.to_owned());
    if let Some(streams) = streams {
        query.push(" WHERE c.id IN (");
        let mut ids = query.separated(", ");
        for stream in streams {
            ids.push_bind(stream.as_bytes().to_vec());
        }
        query.push(")");
    }
    query
}

pub(super) fn checkpoints(node: &str, controller: Option<ControllerId>) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(
        "SELECT c.id, k.sequence FROM controllers c JOIN journal_checkpoints k ON k.controller_pk = c.pk \
         WHERE k.node = ",
    );
    query.push_bind(node.to_owned());
    if let Some(controller) = controller {
        query.push(" AND c.id = ").push_bind(controller.as_bytes().to_vec());
    }
    query
}
