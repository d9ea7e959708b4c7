//! The public keys that receipts were signed with.

use async_trait::async_trait;
use conduit_actors::ports::StoreError;

use super::super::receipt_keys::{ReceiptKeyRow, ReceiptKeys, receipt_key_row};
use super::SqliteStore;
use super::faults::OrStoreError as _;

#[async_trait]
impl ReceiptKeys for SqliteStore {
    async fn add_receipt_key(&self, key: &ReceiptKeyRow) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO receipt_keys (public_key, first_seen_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
            .bind(&key.public_key[..])
            .bind(key.first_seen_at.as_millis())
            .execute(&self.writer)
            .await
            .or_store_error()
            .map(drop)
    }

    async fn receipt_keys(&self) -> Result<Vec<ReceiptKeyRow>, StoreError> {
        let rows =
            sqlx::query("SELECT public_key, first_seen_at FROM receipt_keys ORDER BY first_seen_at DESC, public_key")
                .fetch_all(&self.readers)
                .await
                .or_store_error()?;
        rows.iter().map(receipt_key_row).collect()
    }
}
