//! Retention. One process has the file, so no other node deletes at the same time.

use async_trait::async_trait;
use conduit_actors::event::Activity;
use conduit_actors::ids::{ControllerId, EventId, Sequence, Timestamp};
use conduit_actors::ports::{ChainHead, StoreError};
use sqlx::{Encode, QueryBuilder, Sqlite, SqliteConnection, Type};

use super::super::activities::Activities as _;
use super::super::controllers::Controllers as _;
use super::super::retention::{
    ChainAnchor, ChainSteps, Chains, Expired, Expiring, Expiry, Prefix, Retained, anchor_row, shorten_chain,
};
use super::SqliteStore;
use super::faults::OrStoreError as _;
use super::runs::runs;

struct SqliteExpiry<'a> {
    store: &'a SqliteStore,
    chains: Chains,
}

#[async_trait]
impl Retained for SqliteStore {
    async fn begin_expiry(&self) -> Result<Option<Box<dyn Expiry + '_>>, StoreError> {
        Ok(Some(Box::new(SqliteExpiry {
            store: self,
            chains: Chains::default(),
        })))
    }

    async fn chain_anchor(&self, controller: ControllerId) -> Result<ChainAnchor, StoreError> {
        let found =
            sqlx::query("SELECT a.* FROM chain_anchors a JOIN controllers c ON c.pk = a.controller_pk WHERE c.id = ?1")
                .bind(&controller.as_bytes()[..])
                .fetch_optional(&self.readers)
                .await
                .or_store_error()?;
        found.map_or(Ok(ChainAnchor::NONE), |row| anchor_row(&self.keyring, controller, &row))
    }
}

#[async_trait]
impl Expiry for SqliteExpiry<'_> {
    async fn step(&mut self, what: Expiring, before: Timestamp, limit: usize) -> Result<Expired, StoreError> {
        match what {
            Expiring::Payloads => {
                let delete = "DELETE FROM payloads WHERE pk IN \
                     (SELECT pk FROM payloads WHERE event_id < ?1 ORDER BY event_id LIMIT ?2)";
                self.delete(delete, &EventId::first_at(before).as_bytes()[..], limit)
                    .await
            }
            Expiring::Events => self.store.remove_events(before, limit).await,
            Expiring::Replays => {
                let delete = "DELETE FROM replays WHERE pk IN (SELECT pk FROM replays \
                     WHERE status <> 'running' AND ended_at < ?1 ORDER BY ended_at LIMIT ?2)";
                self.delete(delete, before.as_millis(), limit).await
            }
            Expiring::Activities => shorten_chain(self.store, &mut self.chains, before, limit).await,
        }
    }

    async fn end(self: Box<Self>) {}
}

impl SqliteExpiry<'_> {
    async fn delete<'q>(
        &self,
        delete: &'static str,
        before: impl Encode<'q, Sqlite> + Type<Sqlite> + 'q,
        limit: usize,
    ) -> Result<Expired, StoreError> {
        let deleted = sqlx::query(delete)
            .bind(before)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .execute(&self.store.writer)
            .await
            .or_store_error()?;
        Ok(Expired::up_to(limit, deleted.rows_affected()))
    }
}

impl ChainSteps for SqliteStore {
    async fn chained(&self) -> Result<Vec<ControllerId>, StoreError> {
        Ok(self.controllers().await?.into_iter().map(|row| row.id).collect())
    }

    async fn anchor(&self, controller: ControllerId) -> Result<ChainAnchor, StoreError> {
        self.chain_anchor(controller).await
    }

    /// Reads beside the pipeline: no other code changes or removes these rows.
    async fn oldest(
        &self,
        controller: ControllerId,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Activity>, StoreError> {
        self.chain(controller, after, limit).await
    }

    async fn remove(&self, controller: ControllerId, anchor: ChainHead, prefix: &Prefix) -> Result<(), StoreError> {
        self.remove_prefix(controller, anchor, prefix).await
    }
}

impl SqliteStore {
    /// Deletes the oldest events, each with its history.
    async fn remove_events(&self, before: Timestamp, limit: usize) -> Result<Expired, StoreError> {
        let before = EventId::first_at(before);
        let history = "DELETE FROM event_outcomes WHERE event_id IN \
             (SELECT id FROM events WHERE id < ?1 ORDER BY id LIMIT ?2)";
        let events = "DELETE FROM events WHERE pk IN (SELECT pk FROM events WHERE id < ?1 ORDER BY id LIMIT ?2)";
        let mut transaction = self.begin().await?;
        let mut rows = 0;
        for delete in [history, events] {
            let deleted = sqlx::query(delete)
                .bind(&before.as_bytes()[..])
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .execute(&mut *transaction)
                .await
                .or_store_error()?;
            rows = deleted.rows_affected();
        }
        let expired = Expired::up_to(limit, rows);
        if expired.is_done {
            // Of events that are gone since before histories went with them.
            sqlx::query("DELETE FROM event_outcomes WHERE event_id < ?1")
                .bind(&before.as_bytes()[..])
                .execute(&mut *transaction)
                .await
                .or_store_error()?;
        }
        transaction.commit().await.or_store_error()?;
        Ok(expired)
    }

    async fn remove_prefix(
        &self,
        controller: ControllerId,
        anchor: ChainHead,
        prefix: &Prefix,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let connection = &mut *transaction;
        remember_first_seen(connection, prefix).await?;
        let concerning = sqlx::query(
            "SELECT pk, subject, triggered_at, event_id FROM activities \
             WHERE controller_pk = (SELECT pk FROM controllers WHERE id = ?1) \
             AND sequence > ?2 AND sequence <= ?3 AND subject IS NOT NULL",
        )
        .bind(&controller.as_bytes()[..])
        .bind(anchor.sequence.0.cast_signed())
        .bind(prefix.anchor.sequence.0.cast_signed())
        .fetch_all(&mut *connection)
        .await
        .or_store_error()?;
        let removed = sqlx::query(
            "DELETE FROM activities WHERE controller_pk = (SELECT pk FROM controllers WHERE id = ?1) \
             AND sequence > ?2 AND sequence <= ?3",
        )
        .bind(&controller.as_bytes()[..])
        .bind(anchor.sequence.0.cast_signed())
        .bind(prefix.anchor.sequence.0.cast_signed())
        .execute(&mut *connection)
        .await
        .or_store_error()?;
        if removed.rows_affected() != prefix.activities.len() as u64 {
            // The controller was deleted meanwhile.
            return Err(StoreError::Conflict);
        }
        let gone = self
            .activities_by_subject
            .delete_entries(connection, &concerning)
            .await?;
        sqlx::query(
            "DELETE FROM activity_others WHERE controller_pk = (SELECT pk FROM controllers WHERE id = ?1) \
             AND sequence <= ?2",
        )
        .bind(&controller.as_bytes()[..])
        .bind(prefix.anchor.sequence.0.cast_signed())
        .execute(&mut *connection)
        .await
        .or_store_error()?;
        sqlx::query(
            "INSERT INTO chain_anchors (controller_pk, sequence, hash, seal) \
             SELECT pk, ?2, ?3, ?4 FROM controllers WHERE id = ?1 \
             ON CONFLICT DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash, seal = excluded.seal",
        )
        .bind(&controller.as_bytes()[..])
        .bind(prefix.anchor.sequence.0.cast_signed())
        .bind(&prefix.anchor.hash.0[..])
        .bind(&self.keyring.vouch(controller, prefix.anchor)[..])
        .execute(&mut *connection)
        .await
        .or_store_error()?;
        transaction.commit().await.or_store_error()?;
        self.activities_by_subject.forget(&gone);
        Ok(())
    }
}

async fn remember_first_seen(connection: &mut SqliteConnection, prefix: &Prefix) -> Result<(), StoreError> {
    for run in runs(&prefix.first_seen) {
        let mut query = QueryBuilder::new("UPDATE subjects SET first_seen_at = seen.column2 FROM (");
        query.push_values(run, |mut row, (subject, at)| {
            row.push_bind(subject.as_bytes().to_vec()).push_bind(at.as_millis());
        });
        query.push(") AS seen WHERE subjects.id = seen.column1 AND subjects.first_seen_at > seen.column2");
        query.build().execute(&mut *connection).await.or_store_error()?;
    }
    Ok(())
}
