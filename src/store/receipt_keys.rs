//! The public keys that receipts were signed with, whichever node signed.

use async_trait::async_trait;
use conduit_actors::ids::Timestamp;
use conduit_actors::ports::StoreError;

use super::rows::{self, Columns};

/// A public key's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptKeyRow {
    /// Ed25519.
    pub public_key: [u8; 32],
    /// When a node first signed with it.
    pub first_seen_at: Timestamp,
}

/// Keeps every public key there was: receipts are older than the keys of today.
#[async_trait]
pub trait ReceiptKeys: Send + Sync {
    /// Adds a key; one that is there stays as it is.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn add_receipt_key(&self, key: &ReceiptKeyRow) -> Result<(), StoreError>;

    /// Returns all keys, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn receipt_keys(&self) -> Result<Vec<ReceiptKeyRow>, StoreError>;
}

pub(super) fn receipt_key_row(row: &impl Columns) -> Result<ReceiptKeyRow, StoreError> {
    Ok(ReceiptKeyRow {
        public_key: rows::bytes(row, "public_key")?,
        first_seen_at: rows::time(row, "first_seen_at")?,
    })
}
