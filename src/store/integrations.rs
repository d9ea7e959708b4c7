//! Custom integrations.

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, IntegrationId, ProcessorId, Timestamp};
use conduit_actors::mapping::IntegrationSpec;
use conduit_actors::ports::{Credential, StoreError};

use super::error::ChangeError;
use super::page::Page;

/// An integration's row.
#[derive(Debug, Clone)]
pub struct IntegrationRow {
    pub id: IntegrationId,
    pub controller: ControllerId,
    pub processor: ProcessorId,
    /// As its owner wrote it, with `data_processor_id` filled in.
    pub spec: IntegrationSpec,
    /// Counts from 1; each replacement adds one.
    pub version: u64,
    pub api_key: Credential,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// How large an integration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntegrationSize {
    /// Which.
    pub id: IntegrationId,
    /// Bytes of its mapping, as JSON.
    pub bytes: u64,
}

/// Keeps integrations.
#[async_trait]
pub trait Integrations: Send + Sync {
    async fn create_integration(&self, row: &IntegrationRow) -> Result<(), ChangeError>;
    /// Returns all integrations of one controller, or of every controller, newest first.
    async fn integrations(&self, controller: Option<ControllerId>) -> Result<Vec<IntegrationRow>, StoreError>;
    async fn integration(&self, id: IntegrationId) -> Result<Option<IntegrationRow>, StoreError>;
    /// Returns the existing integrations among these ids, newest first.
    async fn integrations_among(&self, ids: &[IntegrationId]) -> Result<Vec<IntegrationRow>, StoreError>;
    /// Returns the sizes of integrations without reading them, of one controller or of every controller, newest first.
    async fn integration_sizes(
        &self,
        controller: Option<ControllerId>,
        page: Page<IntegrationId>,
    ) -> Result<Vec<IntegrationSize>, StoreError>;
    /// Replaces the spec if the version is still `expected` (any, if none); answers the new row.
    async fn replace_integration(
        &self,
        id: IntegrationId,
        expected: Option<u64>,
        spec: &IntegrationSpec,
        now: Timestamp,
    ) -> Result<IntegrationRow, ChangeError>;
    /// Deletes it if the version is still `expected` (any, if none).
    async fn delete_integration(&self, id: IntegrationId, expected: Option<u64>) -> Result<(), ChangeError>;
}
