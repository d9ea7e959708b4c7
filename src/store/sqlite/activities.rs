//! The audit log, by time and by chain.

use async_trait::async_trait;
use conduit_actors::event::Activity;
use conduit_actors::ids::{ControllerId, Sequence, SubjectId};
use conduit_actors::ports::{ChainHead, StoreError};
use sqlx::{QueryBuilder, Sqlite};

use super::super::rows;
use super::super::{Activities, ActivityCursor, ActivityFilter, ActivityOrder, Page};
use super::SqliteStore;
use super::concerning::Concerning;
use super::faults::OrStoreError as _;
use super::kinds::sources;

/// The plus keeps SQLite from reading a range of sequences, which it would then have to sort by time.
const SELECT: &str = "SELECT a.*, c.id AS controller FROM activities a JOIN controllers c ON c.pk = a.controller_pk WHERE +a.sequence > 0";

/// The same of each kind's newest, which the rest of the statement says.
const SELECT_EACH: &str = " SELECT a.*, c.id AS controller FROM kind k CROSS JOIN controllers c ON c.pk = k.controller_pk \
     CROSS JOIN activities a ON a.pk IN (SELECT a.pk FROM activities a WHERE a.controller_pk = k.controller_pk \
     AND a.integration = k.integration AND a.event_type = k.event_type";

/// How the filter's person is found.
pub(super) struct Person {
    subject: SubjectId,
    concerning: Concerning,
    /// Activities name them beside another.
    is_named: bool,
}

/// Returns the statement that reads a page of a list.
pub(super) fn list(
    filter: &ActivityFilter,
    person: Option<&Person>,
    page: Page<ActivityCursor>,
) -> QueryBuilder<Sqlite> {
    let limit = i64::try_from(page.limit).unwrap_or(i64::MAX);
    let is_each = filter.is_of_few_kinds();
    let mut query = if is_each {
        newest_of_each_kind(filter)
    } else {
        let mut query = QueryBuilder::new(SELECT);
        push_filter(&mut query, filter, person);
        query
    };
    push_times(&mut query, filter);
    match (filter.order, page.after) {
        (ActivityOrder::TriggeredAt, Some(after)) => {
            query
                .push(" AND (a.triggered_at, a.event_id) < (")
                .push_bind(after.triggered_at.as_millis());
            query.push(", ").push_bind(after.event.as_bytes().to_vec()).push(")");
        }
        (ActivityOrder::Sequence, Some(after)) => {
            query
                .push(" AND a.sequence < ")
                .push_bind(after.sequence.0.cast_signed());
        }
        (_, None) => {}
    }
    let ordered = match filter.order {
        ActivityOrder::TriggeredAt => " ORDER BY a.triggered_at DESC, a.event_id DESC LIMIT ",
        ActivityOrder::Sequence => " ORDER BY a.sequence DESC LIMIT ",
    };
    query.push(ordered).push_bind(limit);
    if is_each {
        query.push(")").push(ordered).push_bind(limit);
    }
    query
}

/// Returns the beginning of such a list. An integration has few types of activities: those that it has mapped at some
/// time.
fn newest_of_each_kind(filter: &ActivityFilter) -> QueryBuilder<Sqlite> {
    let mut query = sources("activities", filter.controller, filter.integration);
    query.push(", kind (controller_pk, integration, event_type) AS (SELECT s.controller_pk, s.integration, ");
    match &filter.event_type {
        Some(event_type) => query.push_bind(event_type.clone()).push(" FROM source s"),
        None => query.push(
            "(SELECT min(a.event_type) FROM activities a WHERE a.controller_pk = s.controller_pk \
             AND a.integration = s.integration) FROM source s \
             UNION ALL SELECT k.controller_pk, k.integration, (SELECT min(a.event_type) FROM activities a \
             WHERE a.controller_pk = k.controller_pk AND a.integration = k.integration AND a.event_type > k.event_type) \
             FROM kind k WHERE k.event_type IS NOT NULL",
        ),
    };
    query.push(")").push(SELECT_EACH);
    query
}

#[async_trait]
impl Activities for SqliteStore {
    async fn activities(
        &self,
        filter: &ActivityFilter,
        page: Page<ActivityCursor>,
    ) -> Result<Vec<Activity>, StoreError> {
        let person = match filter.subject {
            Some(subject) => Some(Person {
                subject,
                concerning: self.concerning(&[subject]).await?,
                is_named: self.is_named(subject).await?,
            }),
            None => None,
        };
        let mut query = list(filter, person.as_ref(), page);
        let found = query.build().fetch_all(&self.readers).await.or_store_error()?;
        found.iter().map(rows::activity_row).collect()
    }

    async fn chain_head(&self, controller: ControllerId) -> Result<ChainHead, StoreError> {
        let found = sqlx::query("SELECT chain_sequence, chain_hash FROM controllers WHERE id = ?1")
            .bind(&controller.as_bytes()[..])
            .fetch_optional(&self.readers)
            .await
            .or_store_error()?;
        found.map_or(Ok(ChainHead::EMPTY), |row| rows::chain_head(&row))
    }

    async fn chain(
        &self,
        controller: ControllerId,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Activity>, StoreError> {
        let mut query = QueryBuilder::new(SELECT);
        push_controller(&mut query, controller);
        query.push(" AND a.sequence > ").push_bind(after.0.cast_signed());
        query
            .push(" ORDER BY a.sequence LIMIT ")
            .push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let found = query.build().fetch_all(&self.readers).await.or_store_error()?;
        found.iter().map(rows::activity_row).collect()
    }
}

fn push_controller(query: &mut QueryBuilder<Sqlite>, controller: ControllerId) {
    query.push(" AND a.controller_pk = (SELECT pk FROM controllers WHERE id = ");
    query.push_bind(controller.as_bytes().to_vec()).push(")");
}

fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &ActivityFilter, person: Option<&Person>) {
    if let Some(controller) = filter.controller {
        push_controller(query, controller);
    }
    if let Some(person) = person {
        query.push(" AND a.pk IN (WITH RECURSIVE person (id) AS (SELECT ");
        query.push_bind(person.subject.as_bytes().to_vec());
        query.push(" UNION ALL SELECT s.id FROM person p JOIN subjects s ON s.merged_into = p.id), ");
        person.concerning.push(query);
        query.push(" SELECT pk FROM concerning");
        if person.is_named {
            query.push(
                " UNION ALL SELECT i.pk FROM person p CROSS JOIN activity_others o ON o.subject = p.id \
                 CROSS JOIN activities i ON i.controller_pk = o.controller_pk AND i.sequence = o.sequence",
            );
        }
        query.push(")");
    }
    if let Some(integration) = filter.integration {
        query
            .push(" AND a.integration = ")
            .push_bind(integration.as_bytes().to_vec());
    }
    if let Some(event_type) = &filter.event_type {
        query.push(" AND a.event_type = ").push_bind(event_type.clone());
    }
}

fn push_times(query: &mut QueryBuilder<Sqlite>, filter: &ActivityFilter) {
    if let Some(from) = filter.from {
        query.push(" AND a.triggered_at >= ").push_bind(from.as_millis());
    }
    if let Some(to) = filter.to {
        query.push(" AND a.triggered_at < ").push_bind(to.as_millis());
    }
}
