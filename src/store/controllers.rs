//! Data controllers.

use async_trait::async_trait;
use conduit_actors::ids::{ControllerDid, ControllerId, Timestamp};
use conduit_actors::personal::CredentialHash;
use conduit_actors::ports::{Credential, StoreError};

use super::error::ChangeError;
use super::page::Page;

/// A controller's row.
#[derive(Debug, Clone)]
pub struct ControllerRow {
    pub id: ControllerId,
    pub did: ControllerDid,
    pub name: String,
    pub created_at: Timestamp,
    pub webhook_secret: Credential,
    pub management_token: CredentialHash,
    /// The controller's random data key, wrapped under the master key; deleting the row makes all that
    /// it encrypted unreadable.
    pub wrapped_data_key: Vec<u8>,
    /// The current version of its link key.
    pub link_key_version: u32,
}

/// Keeps controllers.
#[async_trait]
pub trait Controllers: Send + Sync {
    async fn create_controller(&self, row: &ControllerRow) -> Result<(), ChangeError>;
    async fn controllers(&self) -> Result<Vec<ControllerRow>, StoreError>;
    /// Returns a page of them, newest first.
    async fn controllers_page(&self, page: Page<ControllerId>) -> Result<Vec<ControllerRow>, StoreError>;
    async fn controller(&self, did: &ControllerDid) -> Result<Option<ControllerRow>, StoreError>;
    /// Deletes it with all that it owns.
    async fn delete_controller(&self, controller: ControllerId) -> Result<(), ChangeError>;
}
