//! From columns to types, for every database. A value that does not fit was written by another program.

use conduit_actors::event::{Activity, AuditHash, DedupKey, LegalBasis, Notice, Status};
use conduit_actors::ids::{ActivityId, ControllerId, EventId, IntegrationId, Sequence, SubjectId, Timestamp};
use conduit_actors::limits::LimitOverrides;
use conduit_actors::per_outcome::PerOutcome;
use conduit_actors::personal::CredentialHash;
use conduit_actors::ports::{ChainHead, Credential, StoreError};
use conduit_actors::usage::AddressSketch;
use uuid::Uuid;

use super::{
    ControllerRow, CredentialVersion, CredentialVersions, EventRow, HistoryRow, IntegrationRow, IntegrationSize,
    LimitsRow, OutcomeCounts, RetiredBecause, StoredClaim, SubjectLink, SubjectMerge,
};

/// A row of one database: the few kinds of columns that the tables have.
pub(super) trait Columns {
    /// Returns the bytes of an id. Returns `None` for NULL.
    fn optional_uuid(&self, column: &str) -> Result<Option<Uuid>, StoreError>;
    /// Hashes, keys, ciphertexts.
    fn optional_blob(&self, column: &str) -> Result<Option<&[u8]>, StoreError>;
    /// Times, counts, versions.
    fn optional_integer(&self, column: &str) -> Result<Option<i64>, StoreError>;
    /// Names, JSON, lists.
    fn optional_str(&self, column: &str) -> Result<Option<&str>, StoreError>;
}

pub(super) fn unreadable(column: &str) -> StoreError {
    StoreError::Failed(format!("column {column} does not hold what it should"))
}

pub(super) fn uuid(row: &impl Columns, column: &str) -> Result<Uuid, StoreError> {
    row.optional_uuid(column)?.ok_or_else(|| unreadable(column))
}

pub(super) fn optional_uuid(row: &impl Columns, column: &str) -> Result<Option<Uuid>, StoreError> {
    row.optional_uuid(column)
}

pub(super) fn blob<'r>(row: &'r impl Columns, column: &str) -> Result<&'r [u8], StoreError> {
    row.optional_blob(column)?.ok_or_else(|| unreadable(column))
}

pub(super) fn bytes<const N: usize>(row: &impl Columns, column: &str) -> Result<[u8; N], StoreError> {
    blob(row, column)?.try_into().map_err(|_| unreadable(column))
}

/// Reads ids of subjects, one after the other.
pub(super) fn subjects(row: &impl Columns, column: &str) -> Result<Vec<SubjectId>, StoreError> {
    let bytes = row.optional_blob(column)?.unwrap_or_default();
    let (ids, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(unreadable(column));
    }
    Ok(ids
        .iter()
        .map(|id| SubjectId::from_uuid(Uuid::from_bytes(*id)))
        .collect())
}

pub(super) fn hash(row: &impl Columns, column: &str) -> Result<AuditHash, StoreError> {
    bytes(row, column).map(AuditHash)
}

/// Reads the end of a controller's chain from its row.
pub(super) fn chain_head(row: &impl Columns) -> Result<ChainHead, StoreError> {
    Ok(ChainHead {
        sequence: Sequence(count(row, "chain_sequence")?),
        hash: hash(row, "chain_hash")?,
    })
}

fn integer(row: &impl Columns, column: &str) -> Result<i64, StoreError> {
    row.optional_integer(column)?.ok_or_else(|| unreadable(column))
}

pub(super) fn time(row: &impl Columns, column: &str) -> Result<Timestamp, StoreError> {
    integer(row, column).map(Timestamp::from_millis)
}

pub(super) fn optional_time(row: &impl Columns, column: &str) -> Result<Option<Timestamp>, StoreError> {
    Ok(row.optional_integer(column)?.map(Timestamp::from_millis))
}

/// Reads a number that is never negative.
pub(super) fn count<T: TryFrom<i64>>(row: &impl Columns, column: &str) -> Result<T, StoreError> {
    T::try_from(integer(row, column)?).map_err(|_| unreadable(column))
}

/// Reads a number that is never negative. Returns `None` for NULL.
pub(super) fn optional_count<T: TryFrom<i64>>(row: &impl Columns, column: &str) -> Result<Option<T>, StoreError> {
    row.optional_integer(column)?
        .map(|value| T::try_from(value).map_err(|_| unreadable(column)))
        .transpose()
}

pub(super) fn str<'r>(row: &'r impl Columns, column: &str) -> Result<&'r str, StoreError> {
    row.optional_str(column)?.ok_or_else(|| unreadable(column))
}

pub(super) fn text(row: &impl Columns, column: &str) -> Result<String, StoreError> {
    str(row, column).map(ToOwned::to_owned)
}

pub(super) fn optional_text(row: &impl Columns, column: &str) -> Result<Option<String>, StoreError> {
    Ok(row.optional_str(column)?.map(ToOwned::to_owned))
}

/// Reads a column whose text is an identifier.
pub(super) fn parsed<T: std::str::FromStr>(row: &impl Columns, column: &str) -> Result<T, StoreError> {
    str(row, column)?.parse().map_err(|_| unreadable(column))
}

pub(super) fn optional_parsed<T: std::str::FromStr>(row: &impl Columns, column: &str) -> Result<Option<T>, StoreError> {
    row.optional_str(column)?
        .map(|text| text.parse().map_err(|_| unreadable(column)))
        .transpose()
}

pub(super) fn notices(row: &impl Columns, column: &str) -> Result<Vec<Notice>, StoreError> {
    match row.optional_str(column)? {
        Some(json) => serde_json::from_str(json).map_err(|_| unreadable(column)),
        None => Ok(Vec::new()),
    }
}

/// Reads categories, which are stored with line feeds between them: no category contains one.
pub(super) fn categories(row: &impl Columns) -> Result<Vec<String>, StoreError> {
    Ok(str(row, "categories")?
        .split('\n')
        .filter(|part| !part.is_empty())
        .map(ToOwned::to_owned)
        .collect())
}

pub(super) fn status(row: &impl Columns) -> Result<Status, StoreError> {
    let text = str(row, "status")?;
    let found = Status::OUTCOMES.into_iter().find(|status| status.as_str() == text);
    found.ok_or_else(|| unreadable("status"))
}

pub(super) fn legal_basis(row: &impl Columns) -> Result<Option<LegalBasis>, StoreError> {
    let Some(text) = row.optional_str("legal_basis")? else {
        return Ok(None);
    };
    let found = LegalBasis::ALL.into_iter().find(|basis| basis.as_str() == text);
    found.map(Some).ok_or_else(|| unreadable("legal_basis"))
}

pub(super) fn credential(row: &impl Columns, prefix: &str) -> Result<Credential, StoreError> {
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

pub(super) fn activity_row(row: &impl Columns) -> Result<Activity, StoreError> {
    Ok(Activity {
        id: ActivityId::from_uuid(uuid(row, "id")?),
        controller: ControllerId::from_uuid(uuid(row, "controller")?),
        sequence: Sequence(count(row, "sequence")?),
        event: EventId::from_uuid(uuid(row, "event_id")?),
        subject: optional_uuid(row, "subject")?.map(SubjectId::from_uuid),
        other_subjects: subjects(row, "other_subjects")?,
        integration: IntegrationId::from_uuid(uuid(row, "integration")?),
        processor: parsed(row, "processor")?,
        event_type: parsed(row, "event_type")?,
        purpose: optional_text(row, "purpose")?.map(Into::into),
        legal_basis: legal_basis(row)?,
        categories: categories(row)?.into_iter().map(Into::into).collect(),
        triggered_at: time(row, "triggered_at")?,
        logged_at: time(row, "logged_at")?,
        previous_hash: hash(row, "previous_hash")?,
        hash: hash(row, "hash")?,
    })
}

pub(super) fn event_row(row: &impl Columns) -> Result<EventRow, StoreError> {
    Ok(EventRow {
        id: EventId::from_uuid(uuid(row, "id")?),
        controller: ControllerId::from_uuid(uuid(row, "controller")?),
        integration: IntegrationId::from_uuid(uuid(row, "integration")?),
        processor: optional_parsed(row, "processor")?,
        event_type: text(row, "event_type")?,
        triggered_at: time(row, "triggered_at")?,
        status: status(row)?,
        reasons: notices(row, "reasons")?,
        warnings: notices(row, "warnings")?,
        categories: categories(row)?,
        duplicate_of: optional_uuid(row, "duplicate_of")?.map(EventId::from_uuid),
        subject: optional_uuid(row, "subject")?.map(SubjectId::from_uuid),
        other_subjects: subjects(row, "other_subjects")?,
        journaled_at: time(row, "journaled_at")?,
        extracted_at: optional_time(row, "extracted_at")?,
        resolved_at: optional_time(row, "resolved_at")?,
        logged_at: time(row, "logged_at")?,
    })
}

pub(super) fn controller_row(row: &impl Columns) -> Result<ControllerRow, StoreError> {
    Ok(ControllerRow {
        id: ControllerId::from_uuid(uuid(row, "id")?),
        did: parsed(row, "did")?,
        name: text(row, "name")?,
        created_at: time(row, "created_at")?,
        webhook_secret: credential(row, "secret")?,
        management_token: CredentialHash::from_bytes(bytes(row, "token_hash")?),
        wrapped_data_key: blob(row, "wrapped_data_key")?.to_vec(),
        link_key_version: count(row, "link_key_version")?,
    })
}

pub(super) fn integration_row(row: &impl Columns) -> Result<IntegrationRow, StoreError> {
    Ok(IntegrationRow {
        id: IntegrationId::from_uuid(uuid(row, "id")?),
        controller: ControllerId::from_uuid(uuid(row, "controller")?),
        processor: parsed(row, "processor")?,
        spec: serde_json::from_str(str(row, "spec")?)
            .map_err(|error| StoreError::Failed(format!("an integration's mapping does not read back: {error}")))?,
        version: count(row, "version")?,
        api_key: credential(row, "key")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

pub(super) fn integration_size(row: &impl Columns) -> Result<IntegrationSize, StoreError> {
    Ok(IntegrationSize {
        id: IntegrationId::from_uuid(uuid(row, "id")?),
        bytes: count(row, "bytes")?,
    })
}

pub(super) fn subject_link(row: &impl Columns) -> Result<SubjectLink, StoreError> {
    Ok(SubjectLink {
        category: text(row, "category")?,
        key_version: count(row, "key_version")?,
        first_seen_at: time(row, "first_seen_at")?,
    })
}

pub(super) fn subject_merge(row: &impl Columns) -> Result<SubjectMerge, StoreError> {
    let evidence: Vec<(String, String)> = serde_json::from_str(str(row, "evidence")?)
        .map_err(|_| StoreError::Failed("a merge's evidence does not read back".to_owned()))?;
    Ok(SubjectMerge {
        from: SubjectId::from_uuid(uuid(row, "from_subject")?),
        at: time(row, "at")?,
        event: EventId::from_uuid(uuid(row, "event_id")?),
        evidence: evidence.into_iter().map(|(_, category)| category).collect(),
    })
}

pub(super) fn claim_row(row: &impl Columns) -> Result<StoredClaim, StoreError> {
    Ok(StoredClaim {
        controller: ControllerId::from_uuid(uuid(row, "controller")?),
        key: DedupKey(bytes(row, "dedup_key")?),
        event: EventId::from_uuid(uuid(row, "id")?),
        window_seconds: count(row, "dedup_window")?,
    })
}

pub(super) fn history_row(row: &impl Columns) -> Result<HistoryRow, StoreError> {
    Ok(HistoryRow {
        starts_at: time(row, "starts_at")?,
        // A replay may subtract counts from before there was a history.
        counts: PerOutcome {
            processed: integer(row, "processed")?.max(0).cast_unsigned(),
            duplicate: integer(row, "duplicate")?.max(0).cast_unsigned(),
            rejected: integer(row, "rejected")?.max(0).cast_unsigned(),
            failed: integer(row, "failed")?.max(0).cast_unsigned(),
        },
    })
}

/// Reads sums of outcomes, without checkpoints.
pub(super) fn outcome_sums(row: &impl Columns) -> Result<OutcomeCounts, StoreError> {
    Ok(OutcomeCounts {
        processed: count(row, "processed")?,
        duplicate: count(row, "duplicate")?,
        rejected: count(row, "rejected")?,
        failed: count(row, "failed")?,
        checkpoints: Vec::new(),
    })
}

pub(super) fn checkpoint_row(row: &impl Columns) -> Result<(ControllerId, Sequence), StoreError> {
    Ok((
        ControllerId::from_uuid(uuid(row, "id")?),
        Sequence(count(row, "sequence")?),
    ))
}

pub(super) fn is_set(row: &impl Columns, column: &str) -> Result<bool, StoreError> {
    Ok(row.optional_integer(column)?.is_some())
}

/// Reads the addresses from which a version was used.
pub(super) fn addresses(row: &impl Columns) -> Result<AddressSketch, StoreError> {
    match row.optional_blob("addresses")? {
        Some(bytes) => AddressSketch::from_bytes(bytes).ok_or_else(|| unreadable("addresses")),
        None => Ok(AddressSketch::default()),
    }
}

fn credential_version(row: &impl Columns) -> Result<CredentialVersion, StoreError> {
    let because = || {
        let text = str(row, "retired_because")?;
        let found = RetiredBecause::ALL.into_iter().find(|because| because.as_str() == text);
        found.ok_or_else(|| unreadable("retired_because"))
    };
    let retired = optional_time(row, "retired_at")?;
    Ok(CredentialVersion {
        issued_at: optional_time(row, "issued_at")?,
        last_used_at: optional_time(row, "last_used_at")?,
        addresses: addresses(row)?,
        retired: retired.map(|at| Ok::<_, StoreError>((at, because()?))).transpose()?,
    })
}

/// Reads both versions of a credential, the newest first. `serving` is the hash of the current one: a program without
/// knowledge of versions may have replaced it.
pub(super) fn credential_versions<R: Columns>(found: &[R]) -> Result<CredentialVersions, StoreError> {
    let is_current = |row: &R| -> Result<bool, StoreError> {
        let own = row.optional_blob("hash")?;
        Ok(own.is_some() && own == row.optional_blob("serving")?)
    };
    let mut versions = CredentialVersions::default();
    for row in found {
        if is_current(row)? {
            versions.current = credential_version(row)?;
        } else if versions.previous.is_none() {
            versions.previous = Some(credential_version(row)?);
        }
    }
    Ok(versions)
}

pub(super) fn limits_row(row: &impl Columns) -> Result<LimitsRow, StoreError> {
    Ok(LimitsRow {
        controller: ControllerId::from_uuid(uuid(row, "controller")?),
        overrides: LimitOverrides {
            events_per_second: optional_count(row, "events_per_second")?,
            burst: optional_count(row, "burst")?,
            backlog_events: optional_count(row, "backlog_events")?,
        },
        version: count(row, "version")?,
    })
}
