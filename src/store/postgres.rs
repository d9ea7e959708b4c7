//! The store on a PostgreSQL server, which any number of nodes may share.
//!
//! Every commit is synced (`synchronous_commit = on`): the journal is truncated behind the checkpoint that a commit
//! carries, so a commit that a power cut could take back would lose events. Rows go in as arrays, many to a statement.
//!
//! Nodes do not get in each other's way because a batch begins with locks on its controllers' rows, taken in the order
//! of their ids: all else that a batch reads and writes belongs to these controllers. Nothing waits for ever: locks,
//! statements, connections and whole operations have their time limits, and what exceeds one is
//! [`StoreError::Unavailable`].

mod activities;
mod address;
mod attention;
mod changes;
mod columns;
mod commit;
mod connect;
mod credentials;
mod deletions;
mod driver;
mod effects;
mod events;
mod faults;
mod histories;
mod history;
mod kinds;
mod links;
mod management;
mod membership;
mod others;
mod partitions;
mod receipt_keys;
mod replay_port;
mod replay_steps;
mod replays;
mod retention;
mod retired;
mod seals;
mod search;
mod session;
mod settings;
mod subjects;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conduit_actors::event::{Activity, LinkHash, MappedDigest};
use conduit_actors::ids::{
    ControllerDid, ControllerId, EventId, IntegrationId, Sequence, SubjectDid, SubjectId, Timestamp,
};
use conduit_actors::mapping::IntegrationSpec;
use conduit_actors::personal::{CredentialHash, Personal};
use conduit_actors::ports::{BatchEffects, ChainHead, Credential, KnownLink, PipelineStore, RetiredLink, StoreError};
use conduit_actors::usage::CredentialOwner;
use sqlx::PgPool;
use tokio::sync::Notify;

pub(crate) use address::check as check_address;
pub use connect::OpenError;

use super::heads::HeadBook;
use super::payloads::Payloads;
use super::{
    ActivityCursor, ActivityFilter, ChangeError, ChangeFeed, ControllerRow, EventFilter, EventRow, IntegrationRow,
    IntegrationSize, OutcomeCounts, Page, RetiredBecause, Store, StoredClaim, SubjectRow, rows, values,
};
use crate::keys::Keyring;
use driver::Driver;
use faults::{OrStoreError, change_error};

/// How to connect; the defaults are the configuration's.
#[derive(Debug, Clone, Copy)]
pub struct PostgresOptions {
    /// Connections of this node, at most; beside two by which it hears of other nodes' changes.
    pub max_connections: u32,
    /// How long to wait for a connection: one that is made, or one that becomes free.
    pub connect_timeout: Duration,
    /// How long a statement may wait for another transaction's lock.
    pub lock_timeout: Duration,
    /// How long a statement may take.
    pub statement_timeout: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            max_connections: 8,
            connect_timeout: Duration::from_secs(3),
            lock_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(15),
        }
    }
}

/// See the module's docs.
pub struct PostgresStore {
    pool: PgPool,
    /// A connection to look for changes by, however busy the others are.
    looks: PgPool,
    /// A connection to hear of changes by.
    listens: PgPool,
    heard: Arc<Notify>,
    node: String,
    payloads: Payloads,
    keyring: Arc<Keyring>,
    heads: HeadBook,
    driver: Driver,
}

/// What is searched for may be any text, but the server refuses to look at U+0000. No type of event has a control
/// character, so none is found by another one either.
fn searchable(event_type: &str) -> String {
    event_type.replace('\0', "\u{1}")
}

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

#[async_trait]
impl Store for PostgresStore {
    async fn create_controller(&self, row: &ControllerRow) -> Result<(), ChangeError> {
        self.driver.run_in_time(self.insert_controller(row)).await
    }

    async fn controllers(&self) -> Result<Vec<ControllerRow>, StoreError> {
        self.driver.run_in_time(self.select_controllers(None)).await
    }

    async fn controller(&self, did: &ControllerDid) -> Result<Option<ControllerRow>, StoreError> {
        Ok(self.driver.run_in_time(self.select_controllers(Some(did))).await?.pop())
    }

    async fn set_webhook_secret(
        &self,
        controller: ControllerId,
        before: CredentialHash,
        secret: &Credential,
    ) -> Result<(), ChangeError> {
        let owner = CredentialOwner::Controller(controller);
        let replace = self.replace_credential(owner, Some(before), secret, RetiredBecause::Replaced);
        self.driver.run_in_time(replace).await
    }

    /// Takes as long as there is to delete.
    async fn delete_controller(&self, controller: ControllerId) -> Result<(), ChangeError> {
        self.driver.run(self.remove_controller(controller)).await
    }

    async fn create_integration(&self, row: &IntegrationRow) -> Result<(), ChangeError> {
        self.driver.run_in_time(self.insert_integration(row)).await
    }

    async fn integrations(&self, controller: Option<ControllerId>) -> Result<Vec<IntegrationRow>, StoreError> {
        self.driver
            .run_in_time(self.select_integrations(controller, None, None))
            .await
    }

    async fn integration(&self, id: IntegrationId) -> Result<Option<IntegrationRow>, StoreError> {
        Ok(self
            .driver
            .run_in_time(self.select_integrations(None, Some(id), None))
            .await?
            .pop())
    }

    async fn integrations_among(&self, ids: &[IntegrationId]) -> Result<Vec<IntegrationRow>, StoreError> {
        let select = self.select_integrations(None, None, Some(ids));
        self.driver.run_in_time(select).await
    }

    async fn integration_sizes(&self, controller: Option<ControllerId>) -> Result<Vec<IntegrationSize>, StoreError> {
        self.driver.run_in_time(self.select_integration_sizes(controller)).await
    }

    async fn replace_integration(
        &self,
        id: IntegrationId,
        expected: Option<u64>,
        spec: &IntegrationSpec,
        now: Timestamp,
    ) -> Result<IntegrationRow, ChangeError> {
        self.driver
            .run_in_time(self.update_integration(id, expected, spec, now))
            .await
    }

    async fn set_api_key(
        &self,
        id: IntegrationId,
        before: CredentialHash,
        key: &Credential,
    ) -> Result<(), ChangeError> {
        let owner = CredentialOwner::Integration(id);
        let replace = self.replace_credential(owner, Some(before), key, RetiredBecause::Replaced);
        self.driver.run_in_time(replace).await
    }

    async fn delete_integration(&self, id: IntegrationId, expected: Option<u64>) -> Result<(), ChangeError> {
        self.driver.run_in_time(self.remove_integration(id, expected)).await
    }

    async fn events(&self, filter: &EventFilter, page: Page<EventId>) -> Result<Vec<EventRow>, StoreError> {
        self.driver.run_in_time(self.select_events(filter, page)).await
    }

    async fn event(&self, id: EventId) -> Result<Option<EventRow>, StoreError> {
        self.driver.run_in_time(self.select_event(id)).await
    }

    async fn payload(&self, id: EventId) -> Result<Option<Personal<Vec<u8>>>, StoreError> {
        self.driver.run_in_time(self.open_payload(id)).await
    }

    async fn activities(
        &self,
        filter: &ActivityFilter,
        page: Page<ActivityCursor>,
    ) -> Result<Vec<Activity>, StoreError> {
        self.driver.run_in_time(self.select_activities(filter, page)).await
    }

    async fn subjects(
        &self,
        controller: Option<ControllerId>,
        page: Page<SubjectId>,
    ) -> Result<Vec<SubjectRow>, StoreError> {
        self.driver.run_in_time(self.select_subjects(controller, page)).await
    }

    async fn subject(&self, did: &SubjectDid) -> Result<Option<SubjectRow>, StoreError> {
        self.driver.run_in_time(self.select_subject(did)).await
    }

    async fn subjects_by_link(
        &self,
        controller: ControllerId,
        hashes: &[LinkHash],
        limit: usize,
    ) -> Result<Vec<SubjectRow>, StoreError> {
        self.driver
            .run_in_time(self.find_subjects(controller, hashes, limit))
            .await
    }

    async fn outcome_counts(&self, controller: Option<ControllerId>) -> Result<OutcomeCounts, StoreError> {
        self.driver.run_in_time(self.count_outcomes(controller)).await
    }

    async fn checkpoints(&self) -> Result<Vec<(ControllerId, Sequence)>, StoreError> {
        self.driver.run_in_time(self.read_checkpoints()).await
    }

    async fn claims_since(&self, since: EventId, limit: usize) -> Result<Vec<StoredClaim>, StoreError> {
        self.driver.run_in_time(self.select_claims(since, limit)).await
    }

    async fn chain(
        &self,
        controller: ControllerId,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Activity>, StoreError> {
        self.driver
            .run_in_time(self.select_chain(controller, after, limit))
            .await
    }

    async fn chain_head(&self, controller: ControllerId) -> Result<ChainHead, StoreError> {
        self.driver.run_in_time(self.read_chain_head(controller)).await
    }

    fn change_feed(&self) -> Option<&dyn ChangeFeed> {
        Some(self)
    }

    async fn close(&self) {
        self.driver.run(self.listens.close()).await;
        self.driver.run(self.looks.close()).await;
        self.driver.run(self.pool.close()).await;
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let ping = async {
            let mut connection = self.pool.acquire().await.or_store_error()?;
            if connect::is_read_only(&mut connection).await.or_store_error()? {
                return Err(StoreError::Unavailable("it is read-only".to_owned()));
            }
            Ok(())
        };
        self.driver.run_in_time(ping).await
    }
}
