//! A batch's activities.

use conduit_actors::event::Activity;
use conduit_actors::ports::StoreError;
use sqlx::SqliteConnection;

use super::super::values;
use super::SqliteStore;
use super::additions::Additions;
use super::effects::subject_bytes;
use super::late_index::Added;
use super::late_kinds::ActivitiesBySubject;
use super::others;
use super::runs::{Insert, Pks, insert_runs};
use super::shared_texts::{LastLines, LastText};

static ACTIVITIES: Insert = Insert::new(
    "activities",
    "pk, controller_pk, sequence, id, event_id, subject, other_subjects, integration, processor, event_type, purpose, \
     legal_basis, categories, triggered_at, logged_at, previous_hash, hash",
    "",
);

impl SqliteStore {
    pub(super) async fn insert_activities(
        &self,
        connection: &mut SqliteConnection,
        pks: &Pks,
        activities: &[Activity],
        added: &mut Additions,
    ) -> Result<(), StoreError> {
        if activities.is_empty() {
            return Ok(());
        }
        let mut rows = Added::behind(self.activities_by_subject.catch_up(connection).await?);
        let mut found = Vec::new();
        for activity in activities {
            let Some(controller) = pks.get(&activity.controller) else {
                continue;
            };
            let pk = rows.add(|pk| ActivitiesBySubject::new_entry(activity, pk));
            found.push((pk, *controller, activity));
        }
        let [mut processors, mut event_types, mut purposes, mut legal_bases] = <[LastText; 4]>::default();
        let mut categories = LastLines::default();
        insert_runs(connection, &ACTIVITIES, &found, |row, (pk, controller, activity)| {
            row.bind(*pk)
                .bind(*controller)
                .bind(activity.sequence.0.cast_signed())
                .bind(activity.id.as_bytes().to_vec())
                .bind(activity.event.as_bytes().to_vec())
                .bind(activity.subject.as_ref().map(subject_bytes))
                .bind(values::subjects(&activity.other_subjects))
                .bind(activity.integration.as_bytes().to_vec())
                .bind(processors.of(activity.processor.as_str()))
                .bind(event_types.of(activity.event_type.as_str()))
                .bind(activity.purpose.as_deref().map(|purpose| purposes.of(purpose)))
                .bind(activity.legal_basis.map(|basis| legal_bases.of(basis.as_str())))
                .bind(categories.of(&activity.categories))
                .bind(activity.triggered_at.as_millis())
                .bind(activity.logged_at.as_millis())
                .bind(activity.previous_hash.0.to_vec())
                .bind(activity.hash.0.to_vec());
        })
        .await?;
        added.activities = Some(self.activities_by_subject.sweep(connection, rows).await?);
        others::insert(connection, pks, activities).await
    }
}
