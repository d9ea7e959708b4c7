//! Whom an identifier leads to, and what concerns them.

use async_trait::async_trait;
use conduit_actors::event::LinkHash;
use conduit_actors::ids::{ControllerId, SubjectId};
use conduit_actors::ports::StoreError;
use sqlx::{QueryBuilder, Sqlite};

use super::super::search::{PersonSearch, subjects};
use super::SqliteStore;
use super::concerning::Concerning;

#[async_trait]
impl PersonSearch for SqliteStore {
    async fn subjects_of(
        &self,
        controller: ControllerId,
        hashes: &[LinkHash],
        limit: usize,
    ) -> Result<Vec<SubjectId>, StoreError> {
        self.known_links(&self.readers, controller, hashes, limit)
            .await
            .map(subjects)
    }
}

/// Begins a query with the table `found` of the ids of these persons' events: those that have an activity, or are named
/// in one, and the repeats of these. The CROSS JOINs keep SQLite from walking all events in search of the few.
pub(super) fn found_events(persons: &[SubjectId], concerning: &Concerning) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("WITH RECURSIVE person (id) AS (");
    query.push_values(persons, |mut row, person| {
        row.push_bind(person.as_bytes().to_vec());
    });
    query.push(" UNION SELECT s.id FROM person p CROSS JOIN subjects s ON s.merged_into = p.id), ");
    concerning.push(&mut query);
    query.push(
        ", first (id) AS MATERIALIZED (SELECT event_id FROM concerning \
         UNION SELECT o.event_id FROM person p CROSS JOIN activity_others o ON o.subject = p.id), \
         found (id) AS (SELECT id FROM first \
         UNION SELECT d.id FROM first f CROSS JOIN events d ON d.duplicate_of = f.id) ",
    );
    query
}
