//! The activities that concern somebody, by the late index and by the entries that wait for it.

use conduit_actors::ids::SubjectId;
use conduit_actors::ports::StoreError;
use sqlx::{QueryBuilder, Sqlite};

use super::SqliteStore;
use super::faults::OrStoreError as _;
use super::late_index::Way;
use super::late_kinds::ActivitiesBySubject;
use super::runs::runs;
use super::subjects::subject_id;

/// The waiting rows that a query takes, at most. Longer lists are put into the index first.
const WAITING: usize = 4096;

/// How a query finds the activities that concern the subjects in its table `person`.
pub(super) struct Concerning {
    way: Way,
    waiting: Vec<i64>,
}

impl Concerning {
    /// Adds the table `concerning`, with `pk`, `triggered_at` and `event_id`, to the tables of a query, behind `person`.
    pub(super) fn push(&self, query: &mut QueryBuilder<Sqlite>) {
        query.push("concerning (pk, triggered_at, event_id) AS (SELECT ");
        query.push(match self.way {
            Way::Former => "i.pk, i.triggered_at, i.event_id FROM person p CROSS JOIN activities i ON i.subject = p.id",
            Way::Late => {
                "i.row, i.triggered_at, i.event_id FROM person p CROSS JOIN activities_late i ON i.subject = p.id"
            }
        });
        if !self.waiting.is_empty() {
            // An entry may wait and be in the index.
            query.push(" UNION SELECT pk, triggered_at, event_id FROM activities WHERE pk IN (");
            let mut pks = query.separated(", ");
            for row in &self.waiting {
                pks.push_bind(*row);
            }
            query.push(")");
        }
        query.push(")");
    }
}

impl SqliteStore {
    /// Looks for the activities that concern these persons: the subjects, and all that are merged into them. To be asked
    /// before the query that it is for.
    pub(super) async fn concerning(&self, persons: &[SubjectId]) -> Result<Concerning, StoreError> {
        let mut connection = self.readers.acquire().await.or_store_error()?;
        let way = self.activities_by_subject.way();
        self.activities_by_subject.catch_up(&mut connection).await?;
        let mut subjects = Vec::with_capacity(persons.len());
        for chunk in runs(persons) {
            let mut query = QueryBuilder::new("WITH RECURSIVE person (id) AS (");
            query.push_values(chunk, |mut row, person| {
                row.push_bind(person.as_bytes().to_vec());
            });
            query.push(
                " UNION SELECT s.id FROM person p CROSS JOIN subjects s ON s.merged_into = p.id) SELECT id FROM person",
            );
            for row in &query.build().fetch_all(&mut *connection).await.or_store_error()? {
                subjects.push(subject_id(row)?);
            }
        }
        drop(connection);
        let ranges = || subjects.iter().map(|subject| ActivitiesBySubject::range(*subject));
        let mut waiting = self
            .activities_by_subject
            .waiting(ranges().map(|range| (range, usize::MAX)));
        if waiting.len() > WAITING {
            let mut transaction = self.begin().await?;
            let swept = self.activities_by_subject.hasten(&mut transaction, ranges()).await?;
            transaction.commit().await.or_store_error()?;
            self.activities_by_subject.hastened(&swept);
            waiting.clear();
        }
        Ok(Concerning { way, waiting })
    }
}
