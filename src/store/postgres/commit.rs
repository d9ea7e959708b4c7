//! One batch, one transaction.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use conduit_actors::event::{Activity, LinkHash, MappedDigest};
use conduit_actors::ids::{ControllerId, EventId, Sequence, SubjectId};
use conduit_actors::ports::{BatchEffects, Checkpoint, KnownLink, Merge, PipelineStore, RetiredLink, StoreError};
use futures_util::future::join;
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::chain_ends::{ChainEnd, Ends};
use super::super::chains;
use super::super::history::of_batch;
use super::super::values::Counts;
use super::super::{rows, values};
use super::batch::{Locked, ROWS};
use super::faults::OrStoreError as _;
use super::{PostgresStore, history};

/// Bytes of payloads in one statement, about.
const PAYLOAD_BYTES: usize = 8 << 20;

#[async_trait]
impl PipelineStore for PostgresStore {
    async fn links(
        &self,
        controller: ControllerId,
        hashes: &[LinkHash],
        fan_out: usize,
    ) -> Result<Vec<KnownLink>, StoreError> {
        self.driver
            .run_in_time(self.known_links(controller, hashes, fan_out))
            .await
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
        self.driver.run_in_time(self.commit_effects(effects)).await
    }

    async fn checkpoint(&self, controller: ControllerId) -> Result<Sequence, StoreError> {
        self.driver.run_in_time(self.read_checkpoint(controller)).await
    }
}

impl PostgresStore {
    async fn commit_effects(&self, effects: &mut BatchEffects) -> Result<(), StoreError> {
        if let Some(step) = effects.replay {
            return self.commit_replay(step, effects).await;
        }
        let mut transaction = self.pool.begin().await.or_store_error()?;
        let connection = &mut *transaction;
        let asked = effects.checkpoints.iter().map(|c| c.controller.as_uuid()).collect();
        let locked = lock_controllers(connection, asked).await?;
        self.move_checkpoints(connection, &locked, &effects.checkpoints).await?;
        super::effects::insert_subjects(connection, &locked, &effects.subjects).await?;
        super::effects::insert_links(connection, &locked, &effects.links).await?;
        insert_merges(connection, &locked, &effects.merges).await?;
        super::links::hold_ceilings(connection, &effects.ceilings).await?;
        let events =
            super::effects::insert_events(connection, &locked, &effects.outcomes, super::effects::INSERT_EVENTS);
        let (inserted, ends) = join(events, self.chain_behind(&locked, &mut effects.activities)).await;
        inserted?;
        super::effects::insert_activities(connection, &locked, &effects.activities).await?;
        move_heads_and_counts(connection, &ends, values::counts(&effects.outcomes)).await?;
        history::add(connection, &locked, &of_batch(&effects.outcomes)).await?;
        self.insert_payloads(connection, &locked, effects).await?;
        if effects.is_rehearsal {
            // A commit would check these now.
            let check = sqlx::query("SET CONSTRAINTS ALL IMMEDIATE").execute(connection);
            check.await.or_store_error()?;
            return transaction.rollback().await.or_store_error();
        }
        transaction.commit().await.or_store_error()?;
        self.heads.note(&locked, &ends);
        Ok(())
    }

    /// Chains a batch's activities behind these ends.
    pub(super) async fn chain_behind(&self, before: &Ends, activities: &mut [Activity]) -> Ends {
        chains::append(&self.keyring, &self.heads, before, activities).await
    }

    async fn move_checkpoints(
        &self,
        connection: &mut PgConnection,
        locked: &Locked,
        checkpoints: &[Checkpoint],
    ) -> Result<(), StoreError> {
        let found: Vec<_> = checkpoints
            .iter()
            .filter(|checkpoint| locked.contains_key(&checkpoint.controller))
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
        .bind(&self.node)
        .bind(controllers)
        .bind(from)
        .bind(through)
        .execute(connection)
        .await
        .or_store_error()?;
        if moved.rows_affected() == found.len() as u64 {
            Ok(())
        } else {
            Err(StoreError::Conflict)
        }
    }

    /// Seals the payloads of events that may be replayed.
    async fn insert_payloads(
        &self,
        connection: &mut PgConnection,
        locked: &Locked,
        effects: &BatchEffects,
    ) -> Result<(), StoreError> {
        let known = |controller| locked.contains_key(&controller);
        let sealed = self.payloads.seal(&effects.outcomes, known)?;
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
            .bind(&self.payloads.epoch()[..])
            .bind(chunk.iter().map(|p| p.event.as_uuid()).collect::<Vec<_>>())
            .bind(chunk.iter().map(|p| p.controller.as_uuid()).collect::<Vec<_>>())
            .bind(chunk.iter().map(|p| p.counter.cast_signed()).collect::<Vec<_>>())
            .bind(chunk.iter().map(|p| &p.bytes[..]).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await
            .or_store_error()?;
            // Existing rows stay, and count as written.
            values::all_written("payloads", written.rows_affected(), chunk.len())?;
        }
        Ok(())
    }
}

/// Locks the batch's controllers until its end, in the order of their ids, so that two batches never wait for each
/// other. Each later statement sees the commits from before the lock. The lock leaves `FOR KEY SHARE` free, which new
/// integrations take.
pub(super) async fn lock_controllers(connection: &mut PgConnection, asked: Vec<Uuid>) -> Result<Locked, StoreError> {
    let found = sqlx::query(
        "SELECT id, chain_sequence, chain_hash, chain_seal FROM controllers WHERE id = ANY($1) ORDER BY id \
         FOR NO KEY UPDATE",
    )
    .bind(asked)
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
pub(super) async fn move_heads_and_counts(
    connection: &mut PgConnection,
    ends: &Ends,
    mut counts: Counts,
) -> Result<(), StoreError> {
    let changed: Vec<(ControllerId, (ChainEnd, [i64; 4]))> = ends
        .iter()
        .map(|(id, end)| (*id, (*end, counts.remove(id).unwrap_or_default())))
        .collect();
    let sums = |column: usize| -> Vec<i64> { changed.iter().map(|(_, (_, counts))| counts[column]).collect() };
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
    .bind(sums(0))
    .bind(sums(1))
    .bind(sums(2))
    .bind(sums(3))
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

/// Merges in turn: each needs both of its subjects to be read as themselves, after those before it.
pub(super) async fn insert_merges(
    connection: &mut PgConnection,
    locked: &Locked,
    merges: &[Merge],
) -> Result<(), StoreError> {
    let found: Vec<_> = merges.iter().filter(|m| locked.contains_key(&m.controller)).collect();
    if found.is_empty() {
        return Ok(());
    }
    let involved: Vec<Uuid> = found
        .iter()
        .flat_map(|m| [m.from.as_uuid(), m.into.as_uuid()])
        .collect();
    let standing = sqlx::query_scalar::<_, Uuid>("SELECT id FROM subjects WHERE id = ANY($1) AND merged_into IS NULL")
        .bind(involved)
        .fetch_all(&mut *connection)
        .await
        .or_store_error()?;
    let mut standing: HashSet<Uuid> = standing.into_iter().collect();
    for merge in &found {
        if !standing.contains(&merge.into.as_uuid()) || !standing.remove(&merge.from.as_uuid()) {
            return Err(StoreError::Conflict);
        }
    }
    let from: Vec<Uuid> = found.iter().map(|m| m.from.as_uuid()).collect();
    let into: Vec<Uuid> = found.iter().map(|m| m.into.as_uuid()).collect();
    let merged = sqlx::query(
        "UPDATE subjects s SET merged_into = m.survivor \
         FROM UNNEST($1::uuid[], $2::uuid[]) AS m (merged, survivor) WHERE s.id = m.merged",
    )
    .bind(&from)
    .bind(&into)
    .execute(&mut *connection)
    .await
    .or_store_error()?;
    values::all_written("subjects", merged.rows_affected(), found.len())?;
    let evidence = found
        .iter()
        .map(|m| values::evidence(m))
        .collect::<Result<Vec<_>, _>>()?;
    let noted = sqlx::query(
        "INSERT INTO merges (controller, from_subject, into_subject, at, event_id, evidence) \
         SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::uuid[], $6::text[])",
    )
    .bind(found.iter().map(|m| m.controller.as_uuid()).collect::<Vec<_>>())
    .bind(&from)
    .bind(&into)
    .bind(found.iter().map(|m| m.at.as_millis()).collect::<Vec<_>>())
    .bind(found.iter().map(|m| m.event.as_uuid()).collect::<Vec<_>>())
    .bind(evidence)
    .execute(connection)
    .await
    .or_store_error()?;
    values::all_written("merges", noted.rows_affected(), found.len())
}
