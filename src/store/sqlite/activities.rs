//! The audit log, by time and by chain.

use conduit_actors::event::Activity;
use conduit_actors::ids::{ControllerId, Sequence};
use conduit_actors::ports::{ChainHead, StoreError};
use sqlx::{QueryBuilder, Sqlite};

use super::super::{ActivityCursor, ActivityFilter, ActivityOrder, Page};
use super::{OrStoreError as _, SqliteStore, rows};

const SELECT: &str =
    "SELECT a.*, c.id AS controller FROM activities a JOIN controllers c ON c.pk = a.controller_pk WHERE 1";

impl SqliteStore {
    pub(super) async fn select_activities(
        &self,
        filter: &ActivityFilter,
        page: Page<ActivityCursor>,
    ) -> Result<Vec<Activity>, StoreError> {
        let mut query = QueryBuilder::new(SELECT);
        push_filter(&mut query, filter);
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
        query.push(match filter.order {
            ActivityOrder::TriggeredAt => " ORDER BY a.triggered_at DESC, a.event_id DESC LIMIT ",
            ActivityOrder::Sequence => " ORDER BY a.sequence DESC LIMIT ",
        });
        query.push_bind(i64::try_from(page.limit).unwrap_or(i64::MAX));
        let found = query.build().fetch_all(&self.readers).await.or_store_error()?;
        found.iter().map(rows::activity_row).collect()
    }

    pub(super) async fn select_chain(
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

    pub(super) async fn read_chain_head(&self, controller: ControllerId) -> Result<ChainHead, StoreError> {
        let found = sqlx::query("SELECT chain_sequence, chain_hash FROM controllers WHERE id = ?1")
            .bind(&controller.as_bytes()[..])
            .fetch_optional(&self.readers)
            .await
            .or_store_error()?;
        found.map_or(Ok(ChainHead::EMPTY), |row| rows::chain_head(&row))
    }
}

fn push_controller(query: &mut QueryBuilder<Sqlite>, controller: ControllerId) {
    query.push(" AND a.controller_pk = (SELECT pk FROM controllers WHERE id = ");
    query.push_bind(controller.as_bytes().to_vec()).push(")");
}

fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &ActivityFilter) {
    if let Some(controller) = filter.controller {
        push_controller(query, controller);
    }
    if let Some(subject) = filter.subject {
        query.push(" AND a.subject IN (WITH RECURSIVE person (id) AS (SELECT ");
        query.push_bind(subject.as_bytes().to_vec());
        query.push(
            " UNION ALL SELECT s.id FROM person p JOIN subjects s ON s.merged_into = p.id) SELECT id FROM person)",
        );
    }
    if let Some(integration) = filter.integration {
        query
            .push(" AND a.integration = ")
            .push_bind(integration.as_bytes().to_vec());
    }
    if let Some(event_type) = &filter.event_type {
        query.push(" AND a.event_type = ").push_bind(event_type.clone());
    }
    if let Some(from) = filter.from {
        query.push(" AND a.triggered_at >= ").push_bind(from.as_millis());
    }
    if let Some(to) = filter.to {
        query.push(" AND a.triggered_at < ").push_bind(to.as_millis());
    }
}
