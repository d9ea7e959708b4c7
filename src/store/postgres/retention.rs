//! Retention. One node at a time runs it: it holds an advisory lock on its own connection, and losing the connection
//! loses the lock.
//!
//! A month of events that are all old enough is dropped with its partition. So is a month of activities, once each of
//! them was verified, if they are the beginnings of all their chains. The rest is deleted row by row. The lock for
//! dropping a partition delays the pipeline, so the time to get it is short. Otherwise the rows are deleted one by one.

use std::time::Duration;

use async_trait::async_trait;
use conduit_actors::event::Activity;
use conduit_actors::ids::{ControllerId, EventId, Sequence, Timestamp};
use conduit_actors::ports::{ChainHead, StoreError};
use sqlx::{AssertSqlSafe, Connection as _, Encode, PgConnection, Postgres, Type};
use uuid::Uuid;

use super::super::retention::{
    ChainAnchor, ChainSteps, Chains, Expired, Expiring, Expiry, Prefix, Retained, anchor_row, shorten_chain,
};
use super::faults::OrStoreError as _;
use super::walk::{Walk, WalkStep};
use super::{PostgresStore, histories, others, partitions};

/// The advisory lock under which rows are deleted: "conduitr" in ASCII.
const LOCK: i64 = 0x636f_6e64_7569_7472;

/// How long a partition's lock is waited for: so long may the pipeline be held up.
const DROP_LOCK: Duration = Duration::from_millis(500);

const DELETE_PAYLOADS: &str = "DELETE FROM payloads WHERE event_id = ANY \
     (ARRAY(SELECT event_id FROM payloads WHERE event_id < $1 ORDER BY event_id LIMIT $2))";
const DELETE_REPLAYS: &str = "DELETE FROM replays WHERE id = ANY (ARRAY(SELECT id FROM replays \
     WHERE status <> 'running' AND ended_at < $1 ORDER BY ended_at LIMIT $2))";

struct PostgresExpiry<'a> {
    store: &'a PostgresStore,
    leader: PgConnection,
    chains: Chains,
    /// A month of activities on the way to being dropped.
    walk: Option<Walk>,
    /// Whether partitions are still tried in this run.
    drops_events: bool,
    drops_activities: bool,
}

#[async_trait]
impl Retained for PostgresStore {
    async fn begin_expiry(&self) -> Result<Option<Box<dyn Expiry + '_>>, StoreError> {
        let Some(leader) = self.driver.run_in_time(self.lead()).await? else {
            return Ok(None);
        };
        Ok(Some(Box::new(PostgresExpiry {
            store: self,
            leader,
            chains: Chains::default(),
            walk: None,
            drops_events: true,
            drops_activities: true,
        })))
    }

    async fn chain_anchor(&self, controller: ControllerId) -> Result<ChainAnchor, StoreError> {
        self.driver.run_in_time(self.read_anchor(controller)).await
    }
}

#[async_trait]
impl Expiry for PostgresExpiry<'_> {
    async fn step(&mut self, what: Expiring, before: Timestamp, limit: usize) -> Result<Expired, StoreError> {
        let store = self.store;
        let step = async {
            // Without this connection, another node may be at it by now.
            self.leader.ping().await.or_store_error()?;
            match what {
                Expiring::Payloads => {
                    let before = EventId::first_at(before).as_uuid();
                    store.delete_old(DELETE_PAYLOADS, before, limit).await
                }
                Expiring::Events => self.expire_events(before, limit).await,
                Expiring::Replays => store.delete_old(DELETE_REPLAYS, before.as_millis(), limit).await,
                Expiring::Activities => self.expire_activities(before, limit).await,
            }
        };
        // Longer than other operations: a month is counted before it is dropped.
        let timed = async { tokio::time::timeout(super::walk::PATIENCE, step).await };
        store.driver.run(timed).await.unwrap_or_else(|_| {
            let text = "the database did not answer in time".to_owned();
            Err(StoreError::Unavailable(text))
        })
    }

    async fn end(self: Box<Self>) {
        let Self { store, mut leader, .. } = *self;
        let free = async {
            sqlx::query("SELECT pg_advisory_unlock($1)")
                .bind(LOCK)
                .execute(&mut leader)
                .await
                .or_store_error()
        };
        // If it cannot be freed, the server does it when it sees that the connection is closed.
        let _ = store.driver.run_in_time(free).await;
    }
}

impl PostgresExpiry<'_> {
    async fn expire_events(&mut self, before: Timestamp, limit: usize) -> Result<Expired, StoreError> {
        if self.drops_events {
            let old = partitions::before(&mut self.leader, "events", before).await?;
            if let Some(oldest) = old.first() {
                // Events with a history first. Dropping the partition delays the pipeline, so there must be little else
                // to delete then.
                let replayed = self.store.remove_replayed(oldest, limit).await?;
                if replayed > 0 {
                    return Ok(Expired {
                        rows: replayed,
                        ..Expired::default()
                    });
                }
                self.drops_events = drop_partition(&mut self.leader, oldest, &[], self.store).await?;
                let partitions = u64::from(self.drops_events);
                return Ok(Expired {
                    partitions,
                    ..Expired::default()
                });
            }
        }
        self.store.remove_oldest(before, limit).await
    }

    async fn expire_activities(&mut self, before: Timestamp, limit: usize) -> Result<Expired, StoreError> {
        if self.drops_activities
            && let Some(expired) = self.expire_month(before, limit).await?
        {
            return Ok(expired);
        }
        shorten_chain(self.store, &mut self.chains, before, limit).await
    }

    /// Makes one step towards dropping the oldest month of activities. Returns `None` if there is nothing to drop.
    async fn expire_month(&mut self, before: Timestamp, limit: usize) -> Result<Option<Expired>, StoreError> {
        let mut walk = match self.walk.take() {
            Some(walk) => walk,
            None => {
                let old = partitions::before(&mut self.leader, "activities", before).await?;
                let started = match old.into_iter().next() {
                    Some(oldest) => Walk::start(&mut self.leader, self.store, oldest, before).await?,
                    None => None,
                };
                let Some(walk) = started else {
                    self.drops_activities = false;
                    return Ok(None);
                };
                walk
            }
        };
        let mut expired = Expired::default();
        match walk.step(self.store, limit).await? {
            WalkStep::On => self.walk = Some(walk),
            WalkStep::Broken => self.drops_activities = false,
            WalkStep::Through => {
                self.drops_activities =
                    drop_partition(&mut self.leader, &walk.partition, walk.anchors(), self.store).await?;
                expired.partitions = u64::from(self.drops_activities);
            }
        }
        Ok(Some(expired))
    }
}

impl ChainSteps for PostgresStore {
    async fn chained(&self) -> Result<Vec<ControllerId>, StoreError> {
        let controllers = self.select_controllers(None).await?;
        Ok(controllers.into_iter().map(|row| row.id).collect())
    }

    async fn anchor(&self, controller: ControllerId) -> Result<ChainAnchor, StoreError> {
        self.read_anchor(controller).await
    }

    async fn oldest(
        &self,
        controller: ControllerId,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Activity>, StoreError> {
        self.select_chain(controller, after, limit).await
    }

    async fn remove(&self, controller: ControllerId, _: ChainHead, prefix: &Prefix) -> Result<(), StoreError> {
        self.remove_prefix(controller, prefix).await
    }
}

impl PostgresStore {
    /// Returns a connection that holds the lock. Returns `None` if another node holds it. The connection no longer
    /// belongs to the pool: dropping it closes it and frees the lock.
    async fn lead(&self) -> Result<Option<PgConnection>, StoreError> {
        let mut leader = self.pool.acquire().await.or_store_error()?.detach();
        let leads: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut leader)
            .await
            .or_store_error()?;
        Ok(leads.then_some(leader))
    }

    pub(super) async fn read_anchor(&self, controller: ControllerId) -> Result<ChainAnchor, StoreError> {
        let found = sqlx::query("SELECT * FROM chain_anchors WHERE controller = $1")
            .bind(controller.as_uuid())
            .fetch_optional(&self.pool)
            .await
            .or_store_error()?;
        found.map_or(Ok(ChainAnchor::NONE), |row| anchor_row(&self.keyring, controller, &row))
    }

    async fn delete_old<'q>(
        &self,
        delete: &'static str,
        before: impl Encode<'q, Postgres> + Type<Postgres> + 'q,
        limit: usize,
    ) -> Result<Expired, StoreError> {
        let deleted = sqlx::query(delete)
            .bind(before)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .execute(&self.pool)
            .await
            .or_store_error()?;
        Ok(Expired::up_to(limit, deleted.rows_affected()))
    }

    async fn remove_prefix(&self, controller: ControllerId, prefix: &Prefix) -> Result<(), StoreError> {
        self.remember_first_seen(prefix).await?;
        let mut transaction = self.pool.begin().await.or_store_error()?;
        let connection = &mut *transaction;
        if !set_anchors(connection, &[(controller, prefix.anchor)], self).await? {
            // The controller was deleted meanwhile.
            return Err(StoreError::Conflict);
        }
        others::forget(connection, &[(controller, prefix.anchor)]).await?;
        let ids: Vec<Uuid> = prefix.activities.iter().map(|id| id.as_uuid()).collect();
        let removed = sqlx::query("DELETE FROM activities WHERE id = ANY($1)")
            .bind(ids)
            .execute(&mut *connection)
            .await
            .or_store_error()?;
        if removed.rows_affected() != prefix.activities.len() as u64 {
            return Err(StoreError::Conflict);
        }
        transaction.commit().await.or_store_error()
    }

    /// Stores when subjects were first seen. This is true before their activities are deleted as well as after. It is a
    /// statement of its own that holds no other locks.
    pub(super) async fn remember_first_seen(&self, prefix: &Prefix) -> Result<(), StoreError> {
        let subjects: Vec<Uuid> = prefix.first_seen.iter().map(|(subject, _)| subject.as_uuid()).collect();
        let times: Vec<i64> = prefix.first_seen.iter().map(|(_, at)| at.as_millis()).collect();
        sqlx::query(
            "UPDATE subjects s SET first_seen_at = seen.at FROM UNNEST($1::uuid[], $2::bigint[]) AS seen (id, at) \
             WHERE s.id = seen.id AND s.first_seen_at > seen.at",
        )
        .bind(subjects)
        .bind(times)
        .execute(&self.pool)
        .await
        .or_store_error()
        .map(drop)
    }
}

/// Sets the anchors of those controllers that are still there, and keeps them from being deleted meanwhile; whether it is
/// all of them.
async fn set_anchors(
    connection: &mut PgConnection,
    anchors: &[(ControllerId, ChainHead)],
    store: &PostgresStore,
) -> Result<bool, StoreError> {
    let controllers: Vec<Uuid> = anchors.iter().map(|(controller, _)| controller.as_uuid()).collect();
    let sequences: Vec<i64> = anchors.iter().map(|(_, head)| head.sequence.0.cast_signed()).collect();
    let hashes: Vec<&[u8]> = anchors.iter().map(|(_, head)| &head.hash.0[..]).collect();
    let seals = anchors
        .iter()
        .map(|(controller, head)| store.keyring.vouch(*controller, *head));
    let seals: Vec<[u8; 32]> = seals.collect();
    let set = sqlx::query(
        "WITH there AS (SELECT id FROM controllers WHERE id = ANY($1) ORDER BY id FOR KEY SHARE) \
         INSERT INTO chain_anchors (controller, sequence, hash, seal) \
         SELECT a.controller, a.sequence, a.hash, a.seal \
         FROM UNNEST($1::uuid[], $2::bigint[], $3::bytea[], $4::bytea[]) AS a (controller, sequence, hash, seal) \
         JOIN there ON there.id = a.controller ON CONFLICT (controller) \
         DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash, seal = excluded.seal",
    )
    .bind(controllers)
    .bind(sequences)
    .bind(hashes)
    .bind(seals.iter().map(|seal| &seal[..]).collect::<Vec<_>>())
    .execute(connection)
    .await
    .or_store_error()?;
    Ok(set.rows_affected() == anchors.len() as u64)
}

/// Drops a partition with the histories of its events, if it has events. Sets the anchors of the chains whose
/// beginnings go with it. Returns `false` if the lock was not available.
async fn drop_partition(
    connection: &mut PgConnection,
    name: &str,
    anchors: &[(ControllerId, ChainHead)],
    store: &PostgresStore,
) -> Result<bool, StoreError> {
    let mut transaction = connection.begin().await.or_store_error()?;
    set_anchors(&mut transaction, anchors, store).await?;
    others::forget(&mut transaction, anchors).await?;
    sqlx::query("SELECT set_config('lock_timeout', $1, true)")
        .bind(DROP_LOCK.as_millis().to_string())
        .execute(&mut *transaction)
        .await
        .or_store_error()?;
    // The name is made of a table's and of digits, see `partitions::before`.
    let dropped = sqlx::query(AssertSqlSafe(format!("DROP TABLE {name}")))
        .execute(&mut *transaction)
        .await;
    match dropped {
        Ok(_) => {
            histories::remove_rest(&mut transaction, name).await?;
            transaction.commit().await.or_store_error()?;
            tracing::info!(partition = name, "a month that is old enough was dropped");
            Ok(true)
        }
        // Lock not available.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03") => {
            transaction.rollback().await.or_store_error()?;
            Ok(false)
        }
        Err(error) => Err(error).or_store_error(),
    }
}
