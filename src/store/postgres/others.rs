//! People whom activities name beside the one whom they concern, and what repeats are compared with.

use conduit_actors::event::{Activity, MappedDigest};
use conduit_actors::ids::{ControllerId, EventId, SubjectId};
use conduit_actors::ports::{ChainHead, StoreError};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::{rows, values};
use super::PostgresStore;
use super::batch::ROWS;
use super::faults::OrStoreError as _;

/// Lets activities be found by the other people that they name.
pub(super) async fn insert(connection: &mut PgConnection, activities: &[&Activity]) -> Result<(), StoreError> {
    let named: Vec<(&Activity, SubjectId)> = activities
        .iter()
        .flat_map(|activity| activity.other_subjects.iter().map(|other| (*activity, *other)))
        .collect();
    for chunk in named.chunks(ROWS) {
        let written = sqlx::query(
            "INSERT INTO activity_others (subject, triggered_at, event_id, controller, sequence) \
             SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::bigint[])",
        )
        .bind(chunk.iter().map(|(_, other)| other.as_uuid()).collect::<Vec<_>>())
        .bind(
            chunk
                .iter()
                .map(|(a, _)| a.triggered_at.as_millis())
                .collect::<Vec<_>>(),
        )
        .bind(chunk.iter().map(|(a, _)| a.event.as_uuid()).collect::<Vec<_>>())
        .bind(chunk.iter().map(|(a, _)| a.controller.as_uuid()).collect::<Vec<_>>())
        .bind(
            chunk
                .iter()
                .map(|(a, _)| a.sequence.0.cast_signed())
                .collect::<Vec<_>>(),
        )
        .execute(&mut *connection)
        .await
        .or_store_error()?;
        values::all_written("activity_others", written.rows_affected(), chunk.len())?;
    }
    Ok(())
}

/// Forgets whom activities name that are deleted: those up to these.
pub(super) async fn forget(
    connection: &mut PgConnection,
    anchors: &[(ControllerId, ChainHead)],
) -> Result<(), StoreError> {
    let controllers: Vec<Uuid> = anchors.iter().map(|(controller, _)| controller.as_uuid()).collect();
    let sequences: Vec<i64> = anchors.iter().map(|(_, head)| head.sequence.0.cast_signed()).collect();
    sqlx::query(
        "DELETE FROM activity_others o USING UNNEST($1::uuid[], $2::bigint[]) AS gone (controller, sequence) \
         WHERE o.controller = gone.controller AND o.sequence <= gone.sequence",
    )
    .bind(controllers)
    .bind(sequences)
    .execute(connection)
    .await
    .or_store_error()
    .map(drop)
}

impl PostgresStore {
    /// Returns whether any activity names this person beside another. Few people are named so, and their queries take
    /// longer.
    pub(super) async fn is_named(&self, subject: SubjectId) -> Result<bool, StoreError> {
        sqlx::query_scalar(
            "WITH RECURSIVE person (id) AS (SELECT $1::uuid UNION ALL \
             SELECT s.id FROM person p JOIN subjects s ON s.merged_into = p.id) \
             SELECT EXISTS (SELECT 1 FROM person p JOIN activity_others o ON o.subject = p.id)",
        )
        .bind(subject.as_uuid())
        .fetch_one(&self.pool)
        .await
        .or_store_error()
    }

    pub(super) async fn select_digests(
        &self,
        controller: ControllerId,
        events: &[EventId],
    ) -> Result<Vec<(EventId, MappedDigest)>, StoreError> {
        let asked: Vec<Uuid> = events.iter().map(|event| event.as_uuid()).collect();
        let found = sqlx::query(
            "SELECT id, mapped_digest FROM events WHERE id = ANY($2) AND controller = $1 AND mapped_digest IS NOT NULL",
        )
        .bind(controller.as_uuid())
        .bind(asked)
        .fetch_all(&self.pool)
        .await
        .or_store_error()?;
        let digest = |row| {
            let id = EventId::from_uuid(rows::uuid(row, "id")?);
            Ok((id, MappedDigest(rows::bytes(row, "mapped_digest")?)))
        };
        found.iter().map(digest).collect()
    }
}
