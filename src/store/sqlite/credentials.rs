//! The versions of credentials.

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, IntegrationId, Timestamp};
use conduit_actors::personal::CredentialHash;
use conduit_actors::ports::{Credential, StoreError};
use conduit_actors::usage::{CredentialOwner, CredentialUse};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::super::credentials::{Kind, USES, alone, id, in_order};
use super::super::{ChangeError, CredentialLedger, CredentialVersions, GraceEnded, RetiredBecause};
use super::super::{rows, values};
use super::SqliteStore;
use super::faults::{OrStoreError as _, change_error};

/// Brings the versions in line with the owner's row, in the transaction that changed it. Ended credentials are retired,
/// new ones are issued, and versions older than the previous one are forgotten.
pub(super) async fn record(
    connection: &mut SqliteConnection,
    owner: CredentialOwner,
    now: Timestamp,
    because: RetiredBecause,
) -> Result<(), StoreError> {
    // The names are constants.
    let Kind { table, prefix } = Kind::of(owner);
    let (pk, owner) = match owner {
        CredentialOwner::Controller(_) => ("pk", id(owner)),
        CredentialOwner::Integration(_) => ("controller_pk", id(owner)),
    };
    let retire = format!(
        "UPDATE credential_versions SET hash = NULL, retired_at = ?2, retired_because = ?3 \
         WHERE owner = ?1 AND hash IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {table} o WHERE o.id = ?1 \
         AND (o.{prefix}_hash = credential_versions.hash OR o.{prefix}_previous = credential_versions.hash))"
    );
    let issue = format!(
        "INSERT INTO credential_versions (owner, version, controller_pk, hash, issued_at) \
         SELECT o.id, 1 + COALESCE((SELECT MAX(version) FROM credential_versions WHERE owner = ?1), 0), o.{pk}, \
         o.{prefix}_hash, ?2 FROM {table} o WHERE o.id = ?1 AND NOT EXISTS \
         (SELECT 1 FROM credential_versions v WHERE v.owner = ?1 AND v.hash = o.{prefix}_hash)"
    );
    let forget = "DELETE FROM credential_versions WHERE owner = ?1 \
         AND version < (SELECT MAX(version) - 1 FROM credential_versions WHERE owner = ?1)";
    sqlx::query(AssertSqlSafe(retire))
        .bind(&owner.as_bytes()[..])
        .bind(now.as_millis())
        .bind(because.as_str())
        .execute(&mut *connection)
        .await
        .or_store_error()?;
    sqlx::query(AssertSqlSafe(issue))
        .bind(&owner.as_bytes()[..])
        .bind(now.as_millis())
        .execute(&mut *connection)
        .await
        .or_store_error()?;
    let forgotten = sqlx::query(forget).bind(&owner.as_bytes()[..]);
    forgotten.execute(connection).await.or_store_error().map(drop)
}

impl SqliteStore {
    /// Replaces the credential `before`, or any present one. Credentials that no longer serve ended for this reason.
    async fn replace_credential(
        &self,
        owner: CredentialOwner,
        before: Option<CredentialHash>,
        credential: &Credential,
        because: RetiredBecause,
    ) -> Result<(), ChangeError> {
        let Kind { table, prefix } = Kind::of(owner);
        let (current, previous, until) = values::credential(credential);
        let update = format!(
            "UPDATE {table} SET {prefix}_hash = ?1, {prefix}_previous = ?2, {prefix}_previous_until = ?3 \
             WHERE id = ?4 AND (?5 IS NULL OR {prefix}_hash = ?5)"
        );
        let is_there = format!("SELECT 1 FROM {table} WHERE id = ?1");
        let mut transaction = self.begin().await?;
        let changed = sqlx::query(AssertSqlSafe(update))
            .bind(current)
            .bind(previous)
            .bind(until)
            .bind(&id(owner).as_bytes()[..])
            .bind(before.map(|hash| hash.as_bytes().to_vec()))
            .execute(&mut *transaction)
            .await
            .map_err(change_error)?;
        if changed.rows_affected() != 1 {
            let found = sqlx::query(AssertSqlSafe(is_there))
                .bind(&id(owner).as_bytes()[..])
                .fetch_optional(&mut *transaction)
                .await
                .or_store_error()?;
            return Err(found.map_or(ChangeError::NotFound, |_| ChangeError::Rotated));
        }
        record(&mut transaction, owner, Timestamp::now(), because).await?;
        Ok(transaction.commit().await.or_store_error()?)
    }

    async fn add_uses(&self, uses: &[&CredentialUse]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for seen in uses {
            let found = sqlx::query("SELECT * FROM credential_versions WHERE owner = ?1 AND hash = ?2")
                .bind(&id(seen.owner).as_bytes()[..])
                .bind(&seen.hash.as_bytes()[..])
                .fetch_optional(&mut *transaction)
                .await
                .or_store_error()?;
            let Some(row) = found else { continue };
            let mut addresses = rows::addresses(&row)?;
            addresses.merge(&seen.addresses);
            let last = rows::optional_time(&row, "last_used_at")?.max(Some(seen.last_used_at));
            sqlx::query(
                "UPDATE credential_versions SET last_used_at = ?1, addresses = ?2 WHERE owner = ?3 AND hash = ?4",
            )
            .bind(last.map(Timestamp::as_millis))
            .bind(addresses.to_bytes())
            .bind(&id(seen.owner).as_bytes()[..])
            .bind(&seen.hash.as_bytes()[..])
            .execute(&mut *transaction)
            .await
            .or_store_error()?;
        }
        transaction.commit().await.or_store_error()
    }
}

/// Removes ended versions of one kind. Returns the rows about them.
async fn remove(
    connection: &mut SqliteConnection,
    Kind { table, prefix }: Kind,
    did: &str,
    before: Timestamp,
) -> Result<Vec<SqliteRow>, StoreError> {
    let find = format!(
        "SELECT o.id, {did} AS did, o.{prefix}_previous_until AS until, EXISTS (SELECT 1 FROM credential_versions v \
         WHERE v.owner = o.id AND v.hash = o.{prefix}_hash AND v.last_used_at IS NOT NULL) AS used \
         FROM {table} o WHERE o.{prefix}_previous_until <= ?1"
    );
    let ended = sqlx::query(AssertSqlSafe(find))
        .bind(before.as_millis())
        .fetch_all(&mut *connection)
        .await
        .or_store_error()?;
    let retire = format!(
        "UPDATE credential_versions SET hash = NULL, retired_at = o.{prefix}_previous_until, retired_because = ?2 \
         FROM {table} o WHERE o.{prefix}_previous_until <= ?1 AND credential_versions.owner = o.id \
         AND credential_versions.hash = o.{prefix}_previous"
    );
    let clear = format!(
        "UPDATE {table} SET {prefix}_previous = NULL, {prefix}_previous_until = NULL WHERE {prefix}_previous_until <= ?1"
    );
    sqlx::query(AssertSqlSafe(retire))
        .bind(before.as_millis())
        .bind(RetiredBecause::GraceEnded.as_str())
        .execute(&mut *connection)
        .await
        .or_store_error()?;
    let cleared = sqlx::query(AssertSqlSafe(clear)).bind(before.as_millis());
    cleared.execute(connection).await.or_store_error()?;
    Ok(ended)
}

#[async_trait]
impl CredentialLedger for SqliteStore {
    async fn set_webhook_secret(
        &self,
        controller: ControllerId,
        before: CredentialHash,
        secret: &Credential,
    ) -> Result<(), ChangeError> {
        let owner = CredentialOwner::Controller(controller);
        self.replace_credential(owner, Some(before), secret, RetiredBecause::Replaced)
            .await
    }

    async fn set_api_key(
        &self,
        id: IntegrationId,
        before: CredentialHash,
        key: &Credential,
    ) -> Result<(), ChangeError> {
        let owner = CredentialOwner::Integration(id);
        self.replace_credential(owner, Some(before), key, RetiredBecause::Replaced)
            .await
    }

    async fn credential_versions(&self, owner: CredentialOwner) -> Result<CredentialVersions, StoreError> {
        let Kind { table, prefix } = Kind::of(owner);
        let select = format!(
            "SELECT v.*, o.{prefix}_hash AS serving FROM credential_versions v JOIN {table} o ON o.id = v.owner \
             WHERE v.owner = ?1 ORDER BY v.version DESC"
        );
        let found = sqlx::query(AssertSqlSafe(select))
            .bind(&id(owner).as_bytes()[..])
            .fetch_all(&self.readers)
            .await
            .or_store_error()?;
        rows::credential_versions(&found)
    }

    async fn note_uses(&self, uses: &[CredentialUse]) -> Result<(), StoreError> {
        for chunk in in_order(uses).chunks(USES) {
            self.add_uses(chunk).await?;
        }
        Ok(())
    }

    async fn revoke_previous(&self, owner: CredentialOwner, now: Timestamp) -> Result<bool, ChangeError> {
        let Kind { table, prefix } = Kind::of(owner);
        let update = format!(
            "UPDATE {table} SET {prefix}_previous = NULL, {prefix}_previous_until = NULL \
             WHERE id = ?1 AND {prefix}_previous_until > ?2"
        );
        let mut transaction = self.begin().await?;
        let changed = sqlx::query(AssertSqlSafe(update))
            .bind(&id(owner).as_bytes()[..])
            .bind(now.as_millis())
            .execute(&mut *transaction)
            .await
            .or_store_error()?;
        if changed.rows_affected() != 1 {
            return Ok(false);
        }
        record(&mut transaction, owner, now, RetiredBecause::Revoked).await?;
        transaction.commit().await.or_store_error()?;
        Ok(true)
    }

    async fn revoke_all(&self, owner: CredentialOwner, successor: CredentialHash) -> Result<(), ChangeError> {
        self.replace_credential(owner, None, &alone(successor), RetiredBecause::Revoked)
            .await
    }

    async fn remove_ended(&self, before: Timestamp) -> Result<Vec<GraceEnded>, StoreError> {
        let mut transaction = self.begin().await?;
        let secrets = remove(&mut transaction, Kind::SECRET, "o.did", before).await?;
        let owner = "(SELECT did FROM controllers c WHERE c.pk = o.controller_pk)";
        let keys = remove(&mut transaction, Kind::KEY, owner, before).await?;
        transaction.commit().await.or_store_error()?;
        let told = |row: &SqliteRow, integration| {
            Ok(GraceEnded {
                did: rows::parsed(row, "did")?,
                integration,
                at: rows::time(row, "until")?,
                successor_used: rows::count::<u8>(row, "used")? == 1,
            })
        };
        let key = |row: &SqliteRow| told(row, Some(IntegrationId::from_uuid(rows::uuid(row, "id")?)));
        secrets
            .iter()
            .map(|row| told(row, None))
            .chain(keys.iter().map(key))
            .collect()
    }
}
