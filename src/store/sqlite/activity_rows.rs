//! A batch's activities.

use conduit_actors::event::Activity;
use conduit_actors::ports::StoreError;
use sqlx::{QueryBuilder, SqliteConnection};

use super::super::values;
use super::SqliteStore;
use super::additions::Additions;
use super::effects::subject_bytes;
use super::late_index::Added;
use super::late_kinds::ActivitiesBySubject;
use super::others;
use super::runs::{Pks, insert_runs};

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
        insert_runs(connection, "activities", &found, |chunk| {
            let mut query = QueryBuilder::new(
                "INSERT INTO activities (pk, controller_pk, sequence, id, event_id, subject, other_subjects, integration, \
                 processor, event_type, purpose, legal_basis, categories, triggered_at, logged_at, previous_hash, hash) ",
            );
            query.push_values(chunk, |mut row, (pk, controller, activity)| {
                row.push_bind(*pk)
                    .push_bind(*controller)
                    .push_bind(activity.sequence.0.cast_signed())
                    .push_bind(activity.id.as_bytes().to_vec())
                    .push_bind(activity.event.as_bytes().to_vec())
                    .push_bind(activity.subject.as_ref().map(subject_bytes))
                    .push_bind(values::subjects(&activity.other_subjects))
                    .push_bind(activity.integration.as_bytes().to_vec())
                    .push_bind(activity.processor.as_str().to_owned())
                    .push_bind(activity.event_type.as_str().to_owned())
                    .push_bind(activity.purpose.as_deref().map(str::to_owned))
                    .push_bind(activity.legal_basis.map(|basis| basis.as_str()))
                    .push_bind(activity.categories.join("\n"))
                    .push_bind(activity.triggered_at.as_millis())
                    .push_bind(activity.logged_at.as_millis())
                    .push_bind(activity.previous_hash.0.to_vec())
                    .push_bind(activity.hash.0.to_vec());
            });
            query
        })
        .await?;
        added.activities = Some(self.activities_by_subject.sweep(connection, rows).await?);
        others::insert(connection, pks, activities).await
    }
}
