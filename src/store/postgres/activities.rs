//! The audit log, by time and by chain.

use async_trait::async_trait;
use conduit_actors::event::Activity;
use conduit_actors::ids::{ControllerId, Sequence};
use conduit_actors::ports::{ChainHead, StoreError};
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::super::rows;
use super::super::{Activities, ActivityCursor, ActivityFilter, ActivityOrder, Page};
use super::faults::OrStoreError as _;
use super::kinds::sources;
use super::{PostgresStore, searchable};

/// Returns the statement that reads a page of a list. `is_named`: activities name the filter's subject beside another.
fn list(filter: &ActivityFilter, is_named: bool, page: Page<ActivityCursor>) -> QueryBuilder<Postgres> {
    let limit = i64::try_from(page.limit).unwrap_or(i64::MAX);
    if filter.is_of_few_kinds() {
        return newest_of_each_kind(filter, page.after, limit);
    }
    let mut query = QueryBuilder::new("SELECT * FROM activities WHERE sequence > 0");
    push_filter(&mut query, filter, is_named);
    match (filter.order, page.after) {
        (ActivityOrder::TriggeredAt, Some(after)) => {
            query
                .push(" AND (triggered_at, event_id) < (")
                .push_bind(after.triggered_at.as_millis());
            query.push(", ").push_bind(after.event.as_uuid()).push(")");
        }
        (ActivityOrder::Sequence, Some(after)) => {
            query.push(" AND sequence < ").push_bind(after.sequence.0.cast_signed());
        }
        (_, None) => {}
    }
    query.push(match filter.order {
        ActivityOrder::TriggeredAt => " ORDER BY triggered_at DESC, event_id DESC LIMIT ",
        ActivityOrder::Sequence => " ORDER BY sequence DESC LIMIT ",
    });
    query.push_bind(limit);
    query
}

/// Returns the query for the newest of each kind. An integration has few types of activities: those that it has mapped
/// at some time.
fn newest_of_each_kind(filter: &ActivityFilter, after: Option<ActivityCursor>, limit: i64) -> QueryBuilder<Postgres> {
    let mut query = sources("activities", filter.controller, filter.integration);
    query.push(", found (controller, integration, event_type) AS (SELECT s.controller, s.integration, ");
    match &filter.event_type {
        Some(event_type) => query.push_bind(searchable(event_type)).push(" FROM source s"),
        None => query.push(
            "(SELECT min(a.event_type) FROM activities a WHERE a.controller = s.controller \
             AND a.integration = s.integration) FROM source s \
             UNION ALL SELECT f.controller, f.integration, (SELECT min(a.event_type) FROM activities a \
             WHERE a.controller = f.controller AND a.integration = f.integration AND a.event_type > f.event_type) \
             FROM found f WHERE f.event_type IS NOT NULL",
        ),
    };
    query.push(
        "), kind AS MATERIALIZED (SELECT * FROM found) \
         SELECT a.* FROM kind k CROSS JOIN LATERAL (SELECT * FROM activities a \
         WHERE a.controller = k.controller AND a.integration = k.integration",
    );
    let lowest = filter.from.map_or(i64::MIN, |from| from.as_millis());
    let ends = [
        filter.to.map(|to| (to.as_millis(), Uuid::nil())),
        after.map(|after| (after.triggered_at.as_millis(), after.event.as_uuid())),
    ];
    let end = ends.into_iter().flatten().min().unwrap_or((i64::MAX, Uuid::max()));
    for (is, (time, event)) in [(">=", (lowest, Uuid::nil())), ("<", end)] {
        query.push(format_args!(
            " AND (a.event_type, a.triggered_at, a.event_id) {is} (k.event_type, "
        ));
        query.push_bind(time).push(", ").push_bind(event).push(")");
    }
    query.push(" ORDER BY a.event_type DESC, a.triggered_at DESC, a.event_id DESC LIMIT ");
    query.push_bind(limit);
    query.push(") AS a ORDER BY a.triggered_at DESC, a.event_id DESC LIMIT ");
    query.push_bind(limit);
    query
}

#[async_trait]
impl Activities for PostgresStore {
    async fn activities(
        &self,
        filter: &ActivityFilter,
        page: Page<ActivityCursor>,
    ) -> Result<Vec<Activity>, StoreError> {
        self.driver.run_in_time(self.select_activities(filter, page)).await
    }

    async fn chain_head(&self, controller: ControllerId) -> Result<ChainHead, StoreError> {
        self.driver.run_in_time(self.read_chain_head(controller)).await
    }

    async fn chain(
        &self,
        controller: ControllerId,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Activity>, StoreError> {
        self.driver
            .run_in_time(self.select_chain(controller, after, limit))
            .await
    }
}

impl PostgresStore {
    async fn select_activities(
        &self,
        filter: &ActivityFilter,
        page: Page<ActivityCursor>,
    ) -> Result<Vec<Activity>, StoreError> {
        let is_named = match filter.subject {
            Some(subject) => self.is_named(subject).await?,
            None => false,
        };
        let mut query = list(filter, is_named, page);
        let found = query.build().fetch_all(&self.pool).await.or_store_error()?;
        found.iter().map(rows::activity_row).collect()
    }

    pub(super) async fn select_chain(
        &self,
        controller: ControllerId,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Activity>, StoreError> {
        let found =
            sqlx::query("SELECT * FROM activities WHERE controller = $1 AND sequence > $2 ORDER BY sequence LIMIT $3")
                .bind(controller.as_uuid())
                .bind(after.0.cast_signed())
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(&self.pool)
                .await
                .or_store_error()?;
        found.iter().map(rows::activity_row).collect()
    }

    async fn read_chain_head(&self, controller: ControllerId) -> Result<ChainHead, StoreError> {
        let found = sqlx::query("SELECT chain_sequence, chain_hash FROM controllers WHERE id = $1")
            .bind(controller.as_uuid())
            .fetch_optional(&self.pool)
            .await
            .or_store_error()?;
        found.map_or(Ok(ChainHead::EMPTY), |row| rows::chain_head(&row))
    }
}

fn push_filter(query: &mut QueryBuilder<Postgres>, filter: &ActivityFilter, is_named: bool) {
    if let Some(controller) = filter.controller {
        query.push(" AND controller = ").push_bind(controller.as_uuid());
    }
    if let Some(subject) = filter.subject {
        query.push(if is_named {
            " AND id IN (WITH RECURSIVE person (id) AS (SELECT "
        } else {
            " AND subject IN (WITH RECURSIVE person (id) AS (SELECT "
        });
        query.push_bind(subject.as_uuid());
        query.push(" UNION ALL SELECT s.id FROM person p JOIN subjects s ON s.merged_into = p.id) ");
        query.push(if is_named {
            "SELECT i.id FROM person p JOIN activities i ON i.subject = p.id UNION ALL \
             SELECT i.id FROM person p JOIN activity_others o ON o.subject = p.id JOIN activities i \
             ON i.controller = o.controller AND i.sequence = o.sequence)"
        } else {
            "SELECT id FROM person)"
        });
    }
    if let Some(integration) = filter.integration {
        query.push(" AND integration = ").push_bind(integration.as_uuid());
    }
    if let Some(event_type) = &filter.event_type {
        query.push(" AND event_type = ").push_bind(searchable(event_type));
    }
    if let Some(from) = filter.from {
        query.push(" AND triggered_at >= ").push_bind(from.as_millis());
    }
    if let Some(to) = filter.to {
        query.push(" AND triggered_at < ").push_bind(to.as_millis());
    }
}
