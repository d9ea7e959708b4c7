//! One batch, one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use conduit_actors::event::{Activity, LinkHash, MappedDigest, OutcomeRecord, Status};
use conduit_actors::ids::{ControllerId, EventId, ReplayId, Sequence, SubjectId};
use conduit_actors::per_outcome::PerOutcome;
use conduit_actors::ports::{
    BatchEffects, Ceiling, Checkpoint, KnownLink, Merge, NewLink, NewSubject, PipelineStore, ReplayStep, RetiredLink,
    StoreError,
};
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection, Transaction};

use super::super::chain_ends::{ChainEnd, Ends};
use super::super::commit::{self, CommitSteps};
use super::super::history::Key;
use super::super::rows;
use super::super::values::Counts;
use super::additions::Additions;
use super::faults::OrStoreError as _;
use super::runs::{Insert, Pks, insert_runs, runs};
use super::{SqliteStore, effects, history, links, replay_steps};

/// A payload that is there stays, and counts as written.
static PAYLOADS: Insert = Insert::new(
    "payloads",
    "event_id, controller_pk, epoch, counter, sealed",
    " ON CONFLICT DO UPDATE SET event_id = event_id",
);

#[async_trait]
impl PipelineStore for SqliteStore {
    async fn links_among(
        &self,
        asked: &[(ControllerId, Vec<LinkHash>)],
        fan_out: usize,
    ) -> Result<Vec<(ControllerId, KnownLink)>, StoreError> {
        self.known_links_among(&self.writer, asked, fan_out).await
    }

    async fn strong_link_counts(
        &self,
        controller: ControllerId,
        subjects: &[SubjectId],
    ) -> Result<Vec<(SubjectId, Arc<str>, u32)>, StoreError> {
        let mut connection = self.writer.acquire().await.or_store_error()?;
        links::count_strong_links(&mut connection, controller, subjects).await
    }

    async fn mapped_digests(
        &self,
        controller: ControllerId,
        events: &[EventId],
    ) -> Result<Vec<(EventId, MappedDigest)>, StoreError> {
        self.select_digests(controller, events).await
    }

    async fn retire_links(&self, controller: ControllerId, links: &[RetiredLink]) -> Result<(), StoreError> {
        self.insert_retired(controller, links).await
    }

    async fn commit(&self, effects: &mut BatchEffects) -> Result<(), StoreError> {
        let steps = SqliteCommit {
            store: self,
            transaction: self.begin().await?,
            pks: Pks::default(),
            added: Additions::default(),
        };
        commit::commit(steps, effects, &self.keyring, &self.heads).await
    }

    async fn checkpoint(&self, controller: ControllerId) -> Result<Sequence, StoreError> {
        self.read_checkpoint(controller).await
    }
}

/// A transaction that writes a batch.
struct SqliteCommit<'a> {
    store: &'a SqliteStore,
    transaction: Transaction<'static, Sqlite>,
    /// Set by the lock.
    pks: Pks,
    added: Additions,
}

impl CommitSteps for SqliteCommit<'_> {
    async fn lock(&mut self, asked: &[ControllerId]) -> Result<Ends, StoreError> {
        let (pks, ends) = controllers(&mut self.transaction, asked).await?;
        self.pks = pks;
        Ok(ends)
    }

    async fn move_checkpoints(&mut self, checkpoints: &[Checkpoint]) -> Result<(), StoreError> {
        effects::move_checkpoints(&mut self.transaction, &self.pks, &self.store.node, checkpoints).await
    }

    async fn move_cursor(&mut self, step: ReplayStep, counts: PerOutcome<i64>) -> Result<(), StoreError> {
        replay_steps::move_cursor(&mut self.transaction, step, counts).await
    }

    async fn statuses(&mut self, outcomes: &[OutcomeRecord]) -> Result<Vec<(EventId, Status)>, StoreError> {
        replay_steps::statuses(&mut self.transaction, outcomes).await
    }

    async fn insert_subjects(&mut self, subjects: &[NewSubject]) -> Result<(), StoreError> {
        let (connection, added) = (&mut self.transaction, &mut self.added);
        self.store.insert_subjects(connection, &self.pks, subjects, added).await
    }

    async fn insert_links(&mut self, links: &[NewLink]) -> Result<(), StoreError> {
        let (connection, added) = (&mut self.transaction, &mut self.added);
        self.store.insert_links(connection, &self.pks, links, added).await
    }

    async fn insert_merges(&mut self, merges: &[Merge]) -> Result<(), StoreError> {
        for merge in merges {
            effects::insert_merge(&mut self.transaction, &self.pks, merge).await?;
        }
        Ok(())
    }

    async fn hold_ceilings(&mut self, ceilings: &[Ceiling]) -> Result<(), StoreError> {
        links::hold_ceilings(&mut self.transaction, ceilings).await
    }

    async fn keep_first_outcomes(&mut self, outcomes: &[OutcomeRecord]) -> Result<(), StoreError> {
        replay_steps::keep_first_outcomes(&mut self.transaction, outcomes).await
    }

    async fn insert_events(&mut self, outcomes: &[OutcomeRecord]) -> Result<(), StoreError> {
        effects::insert_events(&mut self.transaction, &self.pks, outcomes, &effects::EVENTS).await
    }

    async fn replace_events(&mut self, outcomes: &[OutcomeRecord]) -> Result<(), StoreError> {
        effects::insert_events(&mut self.transaction, &self.pks, outcomes, &effects::REPLACED_EVENTS).await
    }

    async fn insert_outcomes(&mut self, replay: ReplayId, outcomes: &[OutcomeRecord]) -> Result<(), StoreError> {
        replay_steps::insert_outcomes(&mut self.transaction, &self.pks, replay, outcomes).await
    }

    async fn insert_activities(&mut self, activities: &[Activity]) -> Result<(), StoreError> {
        let (connection, added) = (&mut self.transaction, &mut self.added);
        self.store
            .insert_activities(connection, &self.pks, activities, added)
            .await
    }

    async fn insert_payloads(&mut self, outcomes: &[OutcomeRecord]) -> Result<(), StoreError> {
        let (payloads, pks) = (&self.store.payloads, &self.pks);
        let sealed = payloads.seal(outcomes, |controller| pks.contains_key(&controller))?;
        let sealed: Vec<_> = sealed
            .iter()
            .filter_map(|payload| Some((pks.get(&payload.controller)?, payload)))
            .collect();
        insert_runs(&mut self.transaction, &PAYLOADS, &sealed, |row, (pk, payload)| {
            row.bind(payload.event.as_bytes().to_vec())
                .bind(**pk)
                .bind(payloads.epoch().to_vec())
                .bind(payload.counter.cast_signed())
                .bind(payload.bytes.clone());
        })
        .await
    }

    async fn delete_payloads(&mut self, outcomes: &[OutcomeRecord]) -> Result<(), StoreError> {
        replay_steps::delete_payloads(&mut self.transaction, outcomes).await
    }

    async fn move_heads(&mut self, ends: &Ends, counts: Counts) -> Result<(), StoreError> {
        effects::move_heads_and_counts(&mut self.transaction, &self.pks, ends, counts).await
    }

    async fn add_history(&mut self, added: &BTreeMap<Key, PerOutcome<i64>>) -> Result<(), StoreError> {
        history::add(&mut self.transaction, &self.pks, added).await
    }

    async fn roll_back(self) -> Result<(), StoreError> {
        self.transaction.rollback().await.or_store_error()
    }

    async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await.or_store_error()?;
        self.store.committed(self.added);
        self.store.origin.check()
    }
}

/// Returns the batch's existing controllers, and the ends of their chains, which stay until this transaction ends.
async fn controllers(connection: &mut SqliteConnection, asked: &[ControllerId]) -> Result<(Pks, Ends), StoreError> {
    let (mut pks, mut heads) = (Pks::default(), Ends::new());
    for chunk in runs(asked) {
        let mut query =
            QueryBuilder::new("SELECT pk, id, chain_sequence, chain_hash, chain_seal FROM controllers WHERE id IN (");
        let mut ids = query.separated(", ");
        for controller in chunk {
            ids.push_bind(controller.as_bytes().to_vec());
        }
        query.push(")");
        for row in query.build().fetch_all(&mut *connection).await.or_store_error()? {
            let controller = ControllerId::from_uuid(rows::uuid(&row, "id")?);
            pks.insert(controller, row.try_get("pk").or_store_error()?);
            heads.insert(controller, ChainEnd::of(&row)?);
        }
    }
    Ok((pks, heads))
}
