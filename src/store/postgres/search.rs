//! Whom an identifier leads to, and what concerns them.

use async_trait::async_trait;
use conduit_actors::event::LinkHash;
use conduit_actors::ids::{ControllerId, SubjectId};
use conduit_actors::ports::StoreError;
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::super::search::{PersonSearch, subjects};
use super::PostgresStore;

#[async_trait]
impl PersonSearch for PostgresStore {
    async fn subjects_of(
        &self,
        controller: ControllerId,
        hashes: &[LinkHash],
        limit: usize,
    ) -> Result<Vec<SubjectId>, StoreError> {
        let links = self.known_links(controller, hashes, limit);
        self.driver.run_in_time(links).await.map(subjects)
    }
}

/// Begins a query over these persons' events, `e`: events with their activity, events that name them, and repeats of
/// these. Each step is a look-up by an index for each row of the step before, for any estimate of the planner. OFFSET 0
/// keeps it from walking all events in search of the few. A repeat is younger than its first event, which spares the
/// older partitions.
pub(super) fn found_events(persons: &[SubjectId]) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new("WITH RECURSIVE person (id) AS (SELECT * FROM UNNEST(");
    query.push_bind(persons.iter().map(SubjectId::as_uuid).collect::<Vec<Uuid>>());
    query.push(
        "::uuid[]) UNION SELECT s.id FROM person p JOIN subjects s ON s.merged_into = p.id), \
         first (id) AS MATERIALIZED (SELECT a.event_id FROM person p CROSS JOIN LATERAL \
         (SELECT event_id FROM activities WHERE subject = p.id OFFSET 0) AS a \
         UNION SELECT o.event_id FROM person p CROSS JOIN LATERAL \
         (SELECT event_id FROM activity_others WHERE subject = p.id OFFSET 0) AS o), \
         found (id) AS MATERIALIZED (SELECT id FROM first UNION SELECT d.id FROM first f CROSS JOIN LATERAL \
         (SELECT id FROM events WHERE duplicate_of = f.id AND id > f.id OFFSET 0) AS d) \
         SELECT e.* FROM (SELECT id FROM found ORDER BY id DESC) AS f CROSS JOIN LATERAL \
         (SELECT * FROM events WHERE id = f.id OFFSET 0) AS e WHERE true",
    );
    query
}
