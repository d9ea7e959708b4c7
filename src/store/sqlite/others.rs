//! People whom activities name beside the one whom they concern, and what repeats are compared with.

use conduit_actors::event::{Activity, MappedDigest};
use conduit_actors::ids::{ControllerId, EventId, SubjectId};
use conduit_actors::ports::StoreError;
use sqlx::{QueryBuilder, SqliteConnection};

use super::super::rows;
use super::SqliteStore;
use super::faults::OrStoreError as _;
use super::runs::{Insert, Pks, insert_runs, runs};

static OTHERS: Insert = Insert::new(
    "activity_others",
    "subject, triggered_at, event_id, controller_pk, sequence",
    "",
);

/// Lets activities be found by the other people that they name.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    pks: &Pks,
    activities: &[Activity],
) -> Result<(), StoreError> {
    let named: Vec<(i64, &Activity, SubjectId)> = activities
        .iter()
        .filter_map(|activity| Some((*pks.get(&activity.controller)?, activity)))
        .flat_map(|(pk, activity)| activity.other_subjects.iter().map(move |other| (pk, activity, *other)))
        .collect();
    insert_runs(connection, &OTHERS, &named, |row, (pk, activity, subject)| {
        row.bind(subject.as_bytes().to_vec())
            .bind(activity.triggered_at.as_millis())
            .bind(activity.event.as_bytes().to_vec())
            .bind(*pk)
            .bind(activity.sequence.0.cast_signed());
    })
    .await
}

impl SqliteStore {
    /// Returns whether any activity names this person beside another. Few people are named so, and their queries take
    /// longer.
    pub(super) async fn is_named(&self, subject: SubjectId) -> Result<bool, StoreError> {
        sqlx::query_scalar(
            "WITH RECURSIVE person (id) AS (SELECT ?1 UNION ALL \
             SELECT s.id FROM person p JOIN subjects s ON s.merged_into = p.id) \
             SELECT EXISTS (SELECT 1 FROM person p CROSS JOIN activity_others o ON o.subject = p.id)",
        )
        .bind(&subject.as_bytes()[..])
        .fetch_one(&self.readers)
        .await
        .or_store_error()
    }

    pub(super) async fn select_digests(
        &self,
        controller: ControllerId,
        events: &[EventId],
    ) -> Result<Vec<(EventId, MappedDigest)>, StoreError> {
        let mut digests = Vec::new();
        for chunk in runs(events) {
            let mut query = QueryBuilder::new(
                "SELECT id, mapped_digest FROM events WHERE mapped_digest IS NOT NULL AND controller_pk = \
                 (SELECT pk FROM controllers WHERE id = ",
            );
            query.push_bind(controller.as_bytes().to_vec()).push(") AND id IN (");
            let mut ids = query.separated(", ");
            for event in chunk {
                ids.push_bind(event.as_bytes().to_vec());
            }
            query.push(")");
            for row in &query.build().fetch_all(&self.writer).await.or_store_error()? {
                let digest = MappedDigest(rows::bytes(row, "mapped_digest")?);
                digests.push((EventId::from_uuid(rows::uuid(row, "id")?), digest));
            }
        }
        Ok(digests)
    }
}
