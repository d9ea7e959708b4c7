//! Events that ended badly, counted by their kind.

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, EventId, Timestamp};
use conduit_actors::ports::StoreError;
use sqlx::QueryBuilder;

use super::super::attention::{Attention, Unsettled};
use super::PostgresStore;
use super::faults::OrStoreError as _;

#[async_trait]
impl Attention for PostgresStore {
    async fn unsettled(
        &self,
        controller: Option<ControllerId>,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<Unsettled>, StoreError> {
        let mut query = QueryBuilder::new(
            "WITH kind AS (SELECT e.controller, e.integration, e.event_type, e.status, count(*) AS many FROM events e \
             WHERE e.status IN ('rejected', 'failed') AND e.id >= ",
        );
        query.push_bind(EventId::first_at(since).as_uuid());
        if let Some(controller) = controller {
            query.push(" AND e.controller = ").push_bind(controller.as_uuid());
        }
        query.push(
            " GROUP BY e.controller, e.status, e.integration, e.event_type), \
             ranked AS (SELECT k.*, (sum(many) OVER (PARTITION BY status))::bigint AS count_in_all, \
             count(*) OVER (PARTITION BY status) AS kinds_in_all, \
             row_number() OVER (PARTITION BY status ORDER BY many DESC, k.integration, event_type) AS place \
             FROM kind k WHERE EXISTS (SELECT 1 FROM integrations i WHERE i.id = k.integration)) \
             SELECT * FROM ranked WHERE place <= ",
        );
        query.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        query.push(" ORDER BY status, place");
        let read = async {
            let found = query.build().fetch_all(&self.pool).await.or_store_error()?;
            found.iter().map(Unsettled::read).collect()
        };
        self.driver.run_in_time(read).await
    }
}
