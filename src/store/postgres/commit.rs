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
use conduit_actors::random_keys::RandomKeySet;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::super::chain_ends::{ChainEnd, Ends};
use super::super::commit::{self, CommitSteps};
use super::super::history::Key;
use super::super::values::Counts;
use super::super::{rows, values};
use super::batch::{Locked, ROWS};
use super::faults::OrStoreError as _;
use super::{PostgresStore, effects, history, links, people, replay_steps};

/// Bytes of payloads in one statement, about.
const PAYLOAD_BYTES: usize = 8 << 20;

#[async_trait]
impl PipelineStore for PostgresStore {
    async fn links_among(
        &self,
        asked: &[(ControllerId, Vec<LinkHash>)],
        fan_out: usize,
    ) -> Result<Vec<(ControllerId, KnownLink)>, StoreError> {
        self.driver.run_in_time(self.known_links_among(asked, fan_out)).await
    }

    async fn strong_link_counts(
        &self,
        controller: ControllerId,
        subjects: &[SubjectId],
    ) -> Result<Vec<(SubjectId, Arc<str>, u32)>, StoreError> {
        self.driver
            .run_in_time(self.count_strong_links(controller, subjects))
            .await
    }

    async fn retire_links(&self, controller: ControllerId, links: &[RetiredLink]) -> Result<(), StoreError> {
        self.driver.run_in_time(self.insert_retired(controller, links)).await
    }

    async fn mapped_digests(
        &self,
        controller: ControllerId,
        events: &[EventId],
    ) -> Result<Vec<(EventId, MappedDigest)>, StoreError> {
        self.driver.run_in_time(self.select_digests(controller, events)).await
    }

    async fn commit(&self, effects: &mut BatchEffects) -> Result<(), StoreError> {
        let commit = async {
            let steps = PostgresCommit {
                store: self,
                transaction: self.pool.begin().await.or_store_error()?,
                locked: Locked::new(),
                new: RandomKeySet::default(),
            };
            commit::commit(steps, effects, &self.keyring, &self.heads).await
        };
        self.driver.run_in_time(commit).await
    }

    async fn checkpoint(&self, controller: ControllerId) -> Result<Sequence, StoreError> {
        self.driver.run_in_time(self.read_checkpoint(controller)).await
    }
}

/// A transaction that writes a batch.
struct PostgresCommit<'a> {
    store: &'a PostgresStore,
    transaction: Transaction<'static, Postgres>,
    /// Set by the lock.
    locked: Locked,
    /// The subjects that the batch adds.
    new: RandomKeySet<SubjectId>,
}

impl CommitSteps for PostgresCommit<'_> {
    async fn lock(&mut self, asked: &[ControllerId]) -> Result<Ends, StoreError> {
        self.locked = lock_controllers(&mut self.transaction, asked).await?;
        Ok(self.locked.clone())
    }

    async fn move_checkpoints(&mut self, checkpoints: &[Checkpoint]) -> Result<(), StoreError> {
        let found: Vec<_> = checkpoints
            .iter()
            .filter(|checkpoint| self.locked.contains_key(&checkpoint.controller))
            .collect();
        let controllers: Vec<Uuid> = found.iter().map(|c| c.controller.as_uuid()).collect();
        let from: Vec<i64> = found.iter().map(|c| c.from.0.cast_signed()).collect();
        let through: Vec<i64> = found.iter().map(|c| c.through.0.cast_signed()).collect();
        let moved = sqlx::query(
            "INSERT INTO journal_checkpoints AS k (controller, node, sequence) \
             SELECT m.controller, $1, m.through \
             FROM UNNEST($2::uuid[], $3::bigint[], $4::bigint[]) AS m (controller, start, through) \
             LEFT JOIN journal_checkpoints now ON now.controller = m.controller AND now.node = $1 \
             WHERE coalesce(now.sequence, 0) = m.start \
             ON CONFLICT (controller, node) DO UPDATE SET sequence = excluded.sequence",
        )
        .bind(&self.store.node)
        .bind(controllers)
        .bind(from)
        .bind(through)
        .execute(&mut *self.transaction)
        .await
        .or_store_error()?;
        if moved.rows_affected() == found.len() as u64 {
            Ok(())
        } else {
            Err(StoreError::Conflict)
        }
    }

    async fn move_cursor(&mut self, step: ReplayStep, counts: PerOutcome<i64>) -> Result<(), StoreError> {
        replay_steps::move_cursor(&mut self.transaction, &self.store.node, step, counts).await
    }

    async fn statuses(&mut self, outcomes: &[OutcomeRecord]) -> Result<Vec<(EventId, Status)>, StoreError> {
        replay_steps::statuses(&mut self.transaction, outcomes).await
    }

    async fn insert_subjects(&mut self, subjects: &[NewSubject]) -> Result<(), StoreError> {
        self.new = people::insert_subjects(&mut self.transaction, &self.locked, subjects).await?;
        Ok(())
    }

    async fn insert_links(&mut self, links: &[NewLink]) -> Result<(), StoreError> {
        let links = self
            .store
            .insert_links(&mut self.transaction, &self.locked, links, &self.new);
        links.await
    }

    async fn insert_merges(&mut self, merges: &[Merge]) -> Result<(), StoreError> {
        effects::insert_merges(&mut self.transaction, &self.locked, merges).await
    }

    async fn hold_ceilings(&mut self, ceilings: &[Ceiling]) -> Result<(), StoreError> {
        links::hold_ceilings(&mut self.transaction, ceilings).await
    }

    async fn keep_first_outcomes(&mut self, outcomes: &[OutcomeRecord]) -> Result<(), StoreError> {
        replay_steps::keep_first_outcomes(&mut self.transaction, outcomes).await
    }

    async fn insert_events(&mut self, outcomes: &[OutcomeRecord]) -> Result<(), StoreError> {
        effects::insert_events(&mut self.transaction, &self.locked, outcomes, effects::INSERT_EVENTS).await
    }

    async fn replace_events(&mut self, outcomes: &[OutcomeRecord]) -> Result<(), StoreError> {
        effects::insert_events(&mut self.transaction, &self.locked, outcomes, effects::REPLACE_EVENTS).await
    }

    async fn insert_outcomes(&mut self, replay: ReplayId, outcomes: &[OutcomeRecord]) -> Result<(), StoreError> {
        replay_steps::insert_outcomes(&mut self.transaction, replay, outcomes).await
    }

    async fn insert_activities(&mut self, activities: &[Activity]) -> Result<(), StoreError> {
        effects::insert_activities(&mut self.transaction, &self.locked, activities).await
    }

    async fn insert_payloads(&mut self, outcomes: &[OutcomeRecord]) -> Result<(), StoreError> {
        let payloads = &self.store.payloads;
        let sealed = payloads.seal(outcomes, |controller| self.locked.contains_key(&controller))?;
        let mut left = &sealed[..];
        while !left.is_empty() {
            let mut bytes = 0;
            let fits = left.iter().take(ROWS).take_while(|payload| {
                let fits = bytes < PAYLOAD_BYTES;
                bytes += payload.bytes.len();
                fits
            });
            let (chunk, rest) = left.split_at(fits.count());
            left = rest;
            let written = sqlx::query(
                "INSERT INTO payloads (event_id, controller, epoch, counter, sealed) \
                 SELECT p.event_id, p.controller, $1, p.counter, p.sealed \
                 FROM UNNEST($2::uuid[], $3::uuid[], $4::bigint[], $5::bytea[]) \
                 AS p (event_id, controller, counter, sealed) \
                 ON CONFLICT (event_id) DO UPDATE SET event_id = excluded.event_id",
            )
            .bind(&payloads.epoch()[..])
            .bind(chunk.iter().map(|p| p.event.as_uuid()).collect::<Vec<_>>())
            .bind(chunk.iter().map(|p| p.controller.as_uuid()).collect::<Vec<_>>())
            .bind(chunk.iter().map(|p| p.counter.cast_signed()).collect::<Vec<_>>())
            .bind(chunk.iter().map(|p| &p.bytes[..]).collect::<Vec<_>>())
            .execute(&mut *self.transaction)
            .await
            .or_store_error()?;
            // What is there stays, and counts as written.
            values::all_written("payloads", written.rows_affected(), chunk.len())?;
        }
        Ok(())
    }

    async fn delete_payloads(&mut self, outcomes: &[OutcomeRecord]) -> Result<(), StoreError> {
        replay_steps::delete_payloads(&mut self.transaction, outcomes).await
    }

    async fn move_heads(&mut self, ends: &Ends, counts: Counts) -> Result<(), StoreError> {
        move_heads_and_counts(&mut self.transaction, ends, counts).await
    }

    async fn add_history(&mut self, added: &BTreeMap<Key, PerOutcome<i64>>) -> Result<(), StoreError> {
        history::add(&mut self.transaction, &self.locked, added).await
    }

    async fn roll_back(mut self) -> Result<(), StoreError> {
        // A commit would check these now.
        let check = sqlx::query("SET CONSTRAINTS ALL IMMEDIATE").execute(&mut *self.transaction);
        check.await.or_store_error()?;
        self.transaction.rollback().await.or_store_error()
    }

    async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await.or_store_error()
    }
}

/// Locks the batch's controllers until its end, in the order of their ids, so that two batches never wait for each
/// other. Each later statement sees the commits from before the lock. The lock leaves `FOR KEY SHARE` free, which new
/// integrations take.
async fn lock_controllers(connection: &mut PgConnection, asked: &[ControllerId]) -> Result<Locked, StoreError> {
    let found = sqlx::query(
        "SELECT id, chain_sequence, chain_hash, chain_seal FROM controllers WHERE id = ANY($1) ORDER BY id \
         FOR NO KEY UPDATE",
    )
    .bind(asked.iter().map(|id| id.as_uuid()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await
    .or_store_error()?;
    let mut locked = Locked::with_capacity(found.len());
    for row in &found {
        locked.insert(ControllerId::from_uuid(rows::uuid(row, "id")?), ChainEnd::of(row)?);
    }
    Ok(locked)
}

/// Writes one new version of each controller's row: the end of its chain, and its totals.
async fn move_heads_and_counts(
    connection: &mut PgConnection,
    ends: &Ends,
    mut counts: Counts,
) -> Result<(), StoreError> {
    let changed: Vec<(ControllerId, (ChainEnd, PerOutcome<i64>))> = ends
        .iter()
        .map(|(id, end)| (*id, (*end, counts.remove(id).unwrap_or_default())))
        .collect();
    let sums =
        |of: fn(&PerOutcome<i64>) -> i64| -> Vec<i64> { changed.iter().map(|(_, (_, counts))| of(counts)).collect() };
    let moved = sqlx::query(
        "UPDATE controllers c SET chain_sequence = m.sequence, chain_hash = m.hash, chain_seal = m.seal, \
         processed = c.processed + m.processed, duplicate = c.duplicate + m.duplicate, \
         rejected = c.rejected + m.rejected, failed = c.failed + m.failed \
         FROM UNNEST($1::uuid[], $2::bigint[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], \
         $8::bytea[]) AS m (id, sequence, hash, processed, duplicate, rejected, failed, seal) WHERE c.id = m.id",
    )
    .bind(changed.iter().map(|(id, _)| id.as_uuid()).collect::<Vec<_>>())
    .bind(
        changed
            .iter()
            .map(|(_, (end, _))| end.head.sequence.0.cast_signed())
            .collect::<Vec<_>>(),
    )
    .bind(
        changed
            .iter()
            .map(|(_, (end, _))| &end.head.hash.0[..])
            .collect::<Vec<_>>(),
    )
    .bind(sums(|counts| counts.processed))
    .bind(sums(|counts| counts.duplicate))
    .bind(sums(|counts| counts.rejected))
    .bind(sums(|counts| counts.failed))
    .bind(
        changed
            .iter()
            .map(|(_, (end, _))| end.seal.as_ref().map(|seal| &seal[..]))
            .collect::<Vec<_>>(),
    )
    .execute(connection)
    .await
    .or_store_error()?;
    values::all_written("controllers", moved.rows_affected(), changed.len())
}
