//! PostgreSQL's columns.

use conduit_actors::ports::StoreError;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::rows::Columns;
use super::faults::OrStoreError as _;

impl Columns for PgRow {
    fn optional_uuid(&self, column: &str) -> Result<Option<Uuid>, StoreError> {
        self.try_get(column).or_store_error()
    }

    fn optional_blob(&self, column: &str) -> Result<Option<&[u8]>, StoreError> {
        self.try_get(column).or_store_error()
    }

    fn optional_integer(&self, column: &str) -> Result<Option<i64>, StoreError> {
        self.try_get(column).or_store_error()
    }

    fn optional_str(&self, column: &str) -> Result<Option<&str>, StoreError> {
        self.try_get(column).or_store_error()
    }
}
