//! The versions of credentials.
//!
//! Noting their use locks their own rows only: no batch waits for that, and no node has to be told.

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, IntegrationId, Timestamp};
use conduit_actors::personal::CredentialHash;
use conduit_actors::ports::{Credential, StoreError};
use conduit_actors::usage::{CredentialOwner, CredentialUse};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::super::credentials::{Kind, USES, alone, id, in_order};
use super::super::{ChangeError, CredentialLedger, CredentialVersions, GraceEnded, RetiredBecause};
use super::super::{rows, values};
use super::faults::{OrStoreError as _, change_error};
use super::{PostgresStore, changes};

/// Brings the versions in line with the owner's row, in the transaction that changed it. Ended credentials are retired,
/// new ones are issued, and versions older than the previous one are forgotten.
pub(super) async fn record(
    connection: &mut PgConnection,
    owner: CredentialOwner,
    now: Timestamp,
    because: RetiredBecause,
) -> Result<(), StoreError> {
    // The names are constants.
    let Kind { table, prefix } = Kind::of(owner);
    let controller = match owner {
        CredentialOwner::Controller(_) => "id",
        CredentialOwner::Integration(_) => "controller",
    };
    let owner = id(owner);
    let retire = format!(
        "UPDATE credential_versions v SET hash = NULL, retired_at = $2, retired_because = $3 \
         WHERE v.owner = $1 AND v.hash IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {table} o WHERE o.id = $1 \
         AND (o.{prefix}_hash = v.hash OR o.{prefix}_previous = v.hash))"
    );
    let issue = format!(
        "INSERT INTO credential_versions (owner, version, controller, hash, issued_at) \
         SELECT o.id, 1 + COALESCE((SELECT MAX(version) FROM credential_versions WHERE owner = $1), 0), o.{controller}, \
         o.{prefix}_hash, $2 FROM {table} o WHERE o.id = $1 AND NOT EXISTS \
         (SELECT 1 FROM credential_versions v WHERE v.owner = $1 AND v.hash = o.{prefix}_hash)"
    );
    let forget = "DELETE FROM credential_versions WHERE owner = $1 \
         AND version < (SELECT MAX(version) - 1 FROM credential_versions WHERE owner = $1)";
    sqlx::query(AssertSqlSafe(retire))
        .bind(owner)
        .bind(now.as_millis())
        .bind(because.as_str())
        .execute(&mut *connection)
        .await
        .or_store_error()?;
    sqlx::query(AssertSqlSafe(issue))
        .bind(owner)
        .bind(now.as_millis())
        .execute(&mut *connection)
        .await
        .or_store_error()?;
    let forgotten = sqlx::query(forget).bind(owner);
    forgotten.execute(connection).await.or_store_error().map(drop)
}

/// How a statement that changes rows of one kind comes by their controllers' DIDs.
struct ToDid {
    from: &'static str,
    on: &'static str,
    did: &'static str,
}

impl ToDid {
    const fn of(owner: CredentialOwner) -> Self {
        match owner {
            CredentialOwner::Controller(_) => Self {
                from: "",
                on: "",
                did: "o.did",
            },
            CredentialOwner::Integration(_) => Self {
                from: " FROM controllers c",
                on: " AND c.id = o.controller",
                did: "c.did",
            },
        }
    }
}

impl PostgresStore {
    /// Replaces the credential `before`, or any present one. Credentials that no longer serve ended for this reason. If
    /// two calls run at once, the second waits for the first, and finds the first one's credential.
    async fn replace_credential(
        &self,
        owner: CredentialOwner,
        before: Option<CredentialHash>,
        credential: &Credential,
        because: RetiredBecause,
    ) -> Result<(), ChangeError> {
        let (Kind { table, prefix }, ToDid { from, did, on }) = (Kind::of(owner), ToDid::of(owner));
        let (current, previous, until) = values::credential(credential);
        let update = format!(
            "UPDATE {table} o SET {prefix}_hash = $1, {prefix}_previous = $2, {prefix}_previous_until = $3{from} \
             WHERE o.id = $4 AND ($5::bytea IS NULL OR o.{prefix}_hash = $5){on} RETURNING {did}"
        );
        let is_there = format!("SELECT 1 FROM {table} WHERE id = $1");
        let mut transaction = self.pool.begin().await.or_store_error()?;
        let changed = sqlx::query(AssertSqlSafe(update))
            .bind(current)
            .bind(previous)
            .bind(until)
            .bind(id(owner))
            .bind(before.map(|hash| hash.as_bytes().to_vec()))
            .fetch_optional(&mut *transaction)
            .await
            .map_err(change_error)?;
        let Some(changed) = changed else {
            let found = sqlx::query(AssertSqlSafe(is_there))
                .bind(id(owner))
                .fetch_optional(&mut *transaction)
                .await
                .or_store_error()?;
            return Err(found.map_or(ChangeError::NotFound, |_| ChangeError::Rotated));
        };
        record(&mut transaction, owner, Timestamp::now(), because).await?;
        changes::record(&mut transaction, rows::str(&changed, "did")?).await?;
        Ok(transaction.commit().await.or_store_error()?)
    }

    async fn end_previous(&self, owner: CredentialOwner, now: Timestamp) -> Result<bool, ChangeError> {
        let (Kind { table, prefix }, ToDid { from, did, on }) = (Kind::of(owner), ToDid::of(owner));
        let update = format!(
            "UPDATE {table} o SET {prefix}_previous = NULL, {prefix}_previous_until = NULL{from} \
             WHERE o.id = $1 AND o.{prefix}_previous_until > $2{on} RETURNING {did}"
        );
        let mut transaction = self.pool.begin().await.or_store_error()?;
        let changed = sqlx::query(AssertSqlSafe(update))
            .bind(id(owner))
            .bind(now.as_millis())
            .fetch_optional(&mut *transaction)
            .await
            .or_store_error()?;
        let Some(changed) = changed else {
            return Ok(false);
        };
        record(&mut transaction, owner, now, RetiredBecause::Revoked).await?;
        changes::record(&mut transaction, rows::str(&changed, "did")?).await?;
        transaction.commit().await.or_store_error()?;
        Ok(true)
    }

    async fn select_versions(&self, owner: CredentialOwner) -> Result<CredentialVersions, StoreError> {
        let Kind { table, prefix } = Kind::of(owner);
        let select = format!(
            "SELECT v.*, o.{prefix}_hash AS serving FROM credential_versions v JOIN {table} o ON o.id = v.owner \
             WHERE v.owner = $1 ORDER BY v.version DESC"
        );
        let found = sqlx::query(AssertSqlSafe(select))
            .bind(id(owner))
            .fetch_all(&self.pool)
            .await
            .or_store_error()?;
        rows::credential_versions(&found)
    }

    /// Stores uses. Locks the rows in the order of their keys, so that nodes do not wait for each other in a circle.
    async fn add_uses(&self, uses: &[&CredentialUse]) -> Result<(), StoreError> {
        let owners: Vec<Uuid> = uses.iter().map(|seen| id(seen.owner)).collect();
        let hashes: Vec<&[u8]> = uses.iter().map(|seen| &seen.hash.as_bytes()[..]).collect();
        let mut transaction = self.pool.begin().await.or_store_error()?;
        let found = sqlx::query(
            "SELECT v.owner, v.version, v.hash, v.last_used_at, v.addresses FROM credential_versions v \
             JOIN unnest($1::uuid[], $2::bytea[]) AS u (owner, hash) ON u.owner = v.owner AND u.hash = v.hash \
             ORDER BY v.owner, v.version FOR UPDATE OF v",
        )
        .bind(&owners)
        .bind(&hashes)
        .fetch_all(&mut *transaction)
        .await
        .or_store_error()?;
        let (mut owners, mut versions, mut times, mut sketches) = (vec![], vec![], vec![], vec![]);
        for row in &found {
            let (owner, hash) = (rows::uuid(row, "owner")?, rows::blob(row, "hash")?);
            let own = |seen: &&&CredentialUse| id(seen.owner) == owner && seen.hash.as_bytes() == hash;
            let Some(seen) = uses.iter().find(own) else { continue };
            let mut addresses = rows::addresses(row)?;
            addresses.merge(&seen.addresses);
            let last = rows::optional_time(row, "last_used_at")?.max(Some(seen.last_used_at));
            owners.push(owner);
            versions.push(rows::count::<i64>(row, "version")?);
            times.push(last.map(Timestamp::as_millis));
            sketches.push(addresses.to_bytes());
        }
        sqlx::query(
            "UPDATE credential_versions v SET last_used_at = u.at, addresses = u.addresses \
             FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[]) AS u (owner, version, at, addresses) \
             WHERE v.owner = u.owner AND v.version = u.version",
        )
        .bind(owners)
        .bind(versions)
        .bind(times)
        .bind(sketches)
        .execute(&mut *transaction)
        .await
        .or_store_error()?;
        transaction.commit().await.or_store_error()
    }

    /// Removes ended versions. Locks the owners' rows in the order of their ids, as batches do.
    async fn remove(
        &self,
        Kind { table, prefix }: Kind,
        (owner, did): (&str, &str),
        before: Timestamp,
    ) -> Result<Vec<PgRow>, StoreError> {
        let find = format!(
            "SELECT o.id, {did}, o.{prefix}_previous AS hash, o.{prefix}_previous_until AS until, EXISTS (SELECT 1 \
             FROM credential_versions v WHERE v.owner = o.id AND v.hash = o.{prefix}_hash AND v.last_used_at IS NOT NULL) \
             AS used FROM {table} o{owner} WHERE o.{prefix}_previous_until <= $1 \
             ORDER BY o.id FOR NO KEY UPDATE OF o"
        );
        let retire = "UPDATE credential_versions v SET hash = NULL, retired_at = u.until, retired_because = $4 \
             FROM unnest($1::uuid[], $2::bytea[], $3::bigint[]) AS u (owner, hash, until) \
             WHERE v.owner = u.owner AND v.hash = u.hash";
        let clear =
            format!("UPDATE {table} SET {prefix}_previous = NULL, {prefix}_previous_until = NULL WHERE id = ANY($1)");
        let mut transaction = self.pool.begin().await.or_store_error()?;
        let ended = sqlx::query(AssertSqlSafe(find))
            .bind(before.as_millis())
            .fetch_all(&mut *transaction)
            .await
            .or_store_error()?;
        if ended.is_empty() {
            return Ok(ended);
        }
        let (mut owners, mut hashes, mut times) = (vec![], vec![], vec![]);
        for row in &ended {
            owners.push(rows::uuid(row, "id")?);
            hashes.push(rows::blob(row, "hash")?);
            times.push(rows::time(row, "until")?.as_millis());
        }
        sqlx::query(retire)
            .bind(&owners)
            .bind(&hashes)
            .bind(&times)
            .bind(RetiredBecause::GraceEnded.as_str())
            .execute(&mut *transaction)
            .await
            .or_store_error()?;
        let cleared = sqlx::query(AssertSqlSafe(clear)).bind(&owners);
        cleared.execute(&mut *transaction).await.or_store_error()?;
        transaction.commit().await.or_store_error()?;
        Ok(ended)
    }

    /// Removes all ended versions. No node is notified: an ended version serves nowhere, known or not.
    async fn remove_all_ended(&self, before: Timestamp) -> Result<Vec<GraceEnded>, StoreError> {
        let told = |row: &PgRow, integration| {
            Ok::<_, StoreError>(GraceEnded {
                did: rows::parsed(row, "did")?,
                integration,
                at: rows::time(row, "until")?,
                successor_used: sqlx::Row::try_get(row, "used").or_store_error()?,
            })
        };
        let mut all = Vec::new();
        for row in &self.remove(Kind::SECRET, ("", "o.did"), before).await? {
            all.push(told(row, None)?);
        }
        let owner = (" JOIN controllers c ON c.id = o.controller", "c.did");
        for row in &self.remove(Kind::KEY, owner, before).await? {
            let integration = IntegrationId::from_uuid(rows::uuid(row, "id")?);
            all.push(told(row, Some(integration))?);
        }
        Ok(all)
    }
}

#[async_trait]
impl CredentialLedger for PostgresStore {
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

    async fn credential_versions(&self, owner: CredentialOwner) -> Result<CredentialVersions, StoreError> {
        self.driver.run_in_time(self.select_versions(owner)).await
    }

    async fn note_uses(&self, uses: &[CredentialUse]) -> Result<(), StoreError> {
        for chunk in in_order(uses).chunks(USES) {
            self.driver.run_in_time(self.add_uses(chunk)).await?;
        }
        Ok(())
    }

    async fn revoke_previous(&self, owner: CredentialOwner, now: Timestamp) -> Result<bool, ChangeError> {
        self.driver.run_in_time(self.end_previous(owner, now)).await
    }

    async fn revoke_all(&self, owner: CredentialOwner, successor: CredentialHash) -> Result<(), ChangeError> {
        let successor = alone(successor);
        let replace = self.replace_credential(owner, None, &successor, RetiredBecause::Revoked);
        self.driver.run_in_time(replace).await
    }

    async fn remove_ended(&self, before: Timestamp) -> Result<Vec<GraceEnded>, StoreError> {
        self.driver.run_in_time(self.remove_all_ended(before)).await
    }
}
