//! From columns to types. What does not fit was not written by this program.

use conduit_actors::event::{AuditHash, LegalBasis, Notice, Status};
use conduit_actors::ids::Timestamp;
use conduit_actors::personal::CredentialHash;
use conduit_actors::ports::{Credential, StoreError};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::OrStoreError as _;

fn unreadable(column: &str) -> StoreError {
    StoreError::Failed(format!("column {column} does not hold what it should"))
}

pub(super) fn uuid(row: &SqliteRow, column: &str) -> Result<Uuid, StoreError> {
    let bytes: &[u8] = row.try_get(column).or_store_error()?;
    Uuid::from_slice(bytes).map_err(|_| unreadable(column))
}

pub(super) fn optional_uuid(row: &SqliteRow, column: &str) -> Result<Option<Uuid>, StoreError> {
    let bytes: Option<&[u8]> = row.try_get(column).or_store_error()?;
    bytes
        .map(|bytes| Uuid::from_slice(bytes).map_err(|_| unreadable(column)))
        .transpose()
}

pub(super) fn bytes<const N: usize>(row: &SqliteRow, column: &str) -> Result<[u8; N], StoreError> {
    let bytes: &[u8] = row.try_get(column).or_store_error()?;
    bytes.try_into().map_err(|_| unreadable(column))
}

pub(super) fn hash(row: &SqliteRow, column: &str) -> Result<AuditHash, StoreError> {
    bytes(row, column).map(AuditHash)
}

pub(super) fn time(row: &SqliteRow, column: &str) -> Result<Timestamp, StoreError> {
    row.try_get(column).map(Timestamp::from_millis).or_store_error()
}

pub(super) fn optional_time(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>, StoreError> {
    let millis: Option<i64> = row.try_get(column).or_store_error()?;
    Ok(millis.map(Timestamp::from_millis))
}

pub(super) fn count(row: &SqliteRow, column: &str) -> Result<u64, StoreError> {
    let number: i64 = row.try_get(column).or_store_error()?;
    u64::try_from(number).map_err(|_| unreadable(column))
}

pub(super) fn text(row: &SqliteRow, column: &str) -> Result<String, StoreError> {
    row.try_get(column).or_store_error()
}

pub(super) fn optional_text(row: &SqliteRow, column: &str) -> Result<Option<String>, StoreError> {
    row.try_get(column).or_store_error()
}

/// A column whose text is an identifier.
pub(super) fn parsed<T: std::str::FromStr>(row: &SqliteRow, column: &str) -> Result<T, StoreError> {
    text(row, column)?.parse().map_err(|_| unreadable(column))
}

pub(super) fn optional_parsed<T: std::str::FromStr>(row: &SqliteRow, column: &str) -> Result<Option<T>, StoreError> {
    optional_text(row, column)?
        .map(|text| text.parse().map_err(|_| unreadable(column)))
        .transpose()
}

pub(super) fn notices(row: &SqliteRow, column: &str) -> Result<Vec<Notice>, StoreError> {
    match optional_text(row, column)? {
        Some(json) => serde_json::from_str(&json).map_err(|_| unreadable(column)),
        None => Ok(Vec::new()),
    }
}

/// Categories are stored with line feeds between them: no category has one.
pub(super) fn categories(row: &SqliteRow) -> Result<Vec<String>, StoreError> {
    let joined: &str = row.try_get("categories").or_store_error()?;
    Ok(joined
        .split('\n')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect())
}

pub(super) fn status(row: &SqliteRow) -> Result<Status, StoreError> {
    let status: &str = row.try_get("status").or_store_error()?;
    Ok(match status {
        "processed" => Status::Processed,
        "duplicate" => Status::Duplicate,
        "rejected" => Status::Rejected,
        "failed" => Status::Failed,
        _ => return Err(unreadable("status")),
    })
}

pub(super) fn legal_basis(row: &SqliteRow) -> Result<Option<LegalBasis>, StoreError> {
    let Some(text) = optional_text(row, "legal_basis")? else {
        return Ok(None);
    };
    let found = LegalBasis::ALL.into_iter().find(|basis| basis.as_str() == text);
    found.map(Some).ok_or_else(|| unreadable("legal_basis"))
}

pub(super) fn credential(row: &SqliteRow, prefix: &str) -> Result<Credential, StoreError> {
    let current = CredentialHash::from_bytes(bytes(row, &format!("{prefix}_hash"))?);
    let until = optional_time(row, &format!("{prefix}_previous_until"))?;
    let previous = match until {
        Some(until) => Some((
            CredentialHash::from_bytes(bytes(row, &format!("{prefix}_previous"))?),
            until,
        )),
        None => None,
    };
    Ok(Credential { current, previous })
}
