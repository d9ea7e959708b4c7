//! The versions of both credentials: when each was issued and used, and their end.

use conduit_actors::ids::{ControllerDid, Timestamp};
use conduit_actors::personal::Secret;
use conduit_actors::ports::Credential;
use conduit_actors::usage::CredentialOwner;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Error, Principal, Services, controllers, integrations};
use crate::jobs::credentials::store_uses;
use crate::secrets::{Purpose, generate};
use crate::store::{ControllerRow, CredentialVersion, CredentialVersions, IntegrationRow, RetiredBecause};

/// One version of a credential: when it was issued and used. The credential itself is never shown again.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CredentialVersion")]
pub(crate) struct Version {
    /// When it was issued; null: before this was noted.
    issued_at: Option<Timestamp>,
    /// When it was used last; null: it was not.
    last_used_at: Option<Timestamp>,
    /// From how many addresses it was used: exactly up to 32, about beyond.
    addresses: u64,
}

impl From<&CredentialVersion> for Version {
    fn from(version: &CredentialVersion) -> Self {
        Self {
            issued_at: version.issued_at,
            last_used_at: version.last_used_at,
            addresses: version.addresses.count(),
        }
    }
}

/// The version before the current one.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PreviousCredentialVersion")]
pub(crate) struct Previous {
    #[serde(flatten)]
    version: Version,
    /// Until when it serves; null: it serves no more.
    serves_until: Option<Timestamp>,
    /// When it ended; null: it still serves.
    retired_at: Option<Timestamp>,
    /// Why it ended.
    retired_because: Option<RetiredBecause>,
}

/// The subject of a [`Warning`].
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CredentialWarningCode")]
pub(crate) enum WarningCode {
    /// The current version was not used yet, and the previous one still serves.
    CurrentUnused,
    /// The previous version was used after the current one was issued.
    PreviousInUse,
    /// The grace of the previous version ended, and the current one was never used.
    CurrentUnusedAfterGrace,
}

/// A warning before or after the end of the previous version.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CredentialWarning")]
pub(crate) struct Warning {
    /// Stable, for programs.
    code: WarningCode,
    /// The situation and how to resolve it, for people.
    message: String,
}

/// The versions of a credential.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Credential")]
pub(crate) struct CredentialReport {
    /// The one that was issued last.
    current: Version,
    /// The one before; null: there was none.
    previous: Option<Previous>,
    /// Warnings.
    warnings: Vec<Warning>,
}

/// Returns when the version before ended, and why. Returns `None` while it serves.
fn retired(
    credential: &Credential,
    previous: &CredentialVersion,
    now: Timestamp,
) -> Option<(Timestamp, RetiredBecause)> {
    let ended = |until| (until <= now).then_some((until, RetiredBecause::GraceEnded));
    match &credential.previous {
        // It is removed a little later.
        Some((_, until)) => ended(*until),
        None => previous.retired.or_else(|| ended(now)),
    }
}

/// Returns the warnings before or after the end of the old version.
fn warnings(credential: &Credential, versions: &CredentialVersions, now: Timestamp) -> Vec<Warning> {
    let Some(previous) = &versions.previous else {
        return Vec::new();
    };
    let warning = |code, message| Warning { code, message };
    let unused = versions.current.last_used_at.is_none();
    let serves_until = credential
        .previous
        .as_ref()
        .map(|(_, until)| *until)
        .filter(|until| *until > now);
    let mut found = Vec::new();
    match (serves_until, retired(credential, previous, now)) {
        (Some(until), _) => {
            if unused {
                let message = format!("the new one was not used yet: put it into all senders before {until}");
                found.push(warning(WarningCode::CurrentUnused, message));
            }
            if let Some(last) = previous
                .last_used_at
                .filter(|last| Some(*last) > versions.current.issued_at)
            {
                let message = format!(
                    "the previous one was still used, at {last}: it ends at {until}, or as soon as it is revoked"
                );
                found.push(warning(WarningCode::PreviousInUse, message));
            }
        }
        (None, Some((at, RetiredBecause::GraceEnded))) if unused => {
            let message = format!(
                "the grace of the previous one ended at {at}, and the new one was never used: who still sends with the \
                 old one gets 401"
            );
            found.push(warning(WarningCode::CurrentUnusedAfterGrace, message));
        }
        _ => {}
    }
    found
}

fn report(credential: &Credential, versions: &CredentialVersions, now: Timestamp) -> CredentialReport {
    let unknown = credential.previous.as_ref().map(|_| CredentialVersion::default());
    let previous = versions.previous.clone().or(unknown).map(|previous| {
        let retired = retired(credential, &previous, now);
        let until = credential.previous.as_ref().map(|(_, until)| *until);
        Previous {
            version: (&previous).into(),
            serves_until: until.filter(|_| retired.is_none()),
            retired_at: retired.map(|(at, _)| at),
            retired_because: retired.map(|(_, because)| because),
        }
    });
    CredentialReport {
        current: (&versions.current).into(),
        previous,
        warnings: warnings(credential, versions, now),
    }
}

/// Returns the present state of a credential, including the latest observations of this node.
async fn report_of(
    services: &Services,
    owner: CredentialOwner,
    credential: &Credential,
) -> Result<CredentialReport, Error> {
    store_uses(&*services.store, services.shards.usage()).await?;
    let versions = services.store.credential_versions(owner).await?;
    Ok(report(credential, &versions, Timestamp::now()))
}

/// Returns the state of a controller's webhook secret.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Store`].
pub(crate) async fn secret(
    principal: &Principal,
    services: &Services,
    row: &ControllerRow,
) -> Result<CredentialReport, Error> {
    controllers::owned(principal, services, row)?;
    report_of(services, CredentialOwner::Controller(row.id), &row.webhook_secret).await
}

/// Returns the state of an integration's API key.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Store`].
pub(crate) async fn key(
    principal: &Principal,
    services: &Services,
    row: &IntegrationRow,
) -> Result<CredentialReport, Error> {
    integrations::owned(principal, services, row)?;
    report_of(services, CredentialOwner::Integration(row.id), &row.api_key).await
}

/// The credentials that a revocation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The current version with all before it; a new one takes its place.
    Current,
    /// The version before the current one.
    Previous,
}

/// The credentials after a revocation.
pub(crate) enum Revocation {
    /// A new credential in place of the current one, with the moment at which the old one ended.
    Replaced(Secret, Timestamp),
    /// The versions as they stand now.
    Ended(CredentialReport),
}

/// Ends a version of a controller's webhook secret at once.
///
/// # Errors
/// [`Error::NothingToRevoke`], [`Error::NotFound`], [`Error::Store`].
pub(crate) async fn revoke_secret(
    principal: &Principal,
    services: &Services,
    row: &ControllerRow,
    scope: Scope,
) -> Result<Revocation, Error> {
    controllers::owned(principal, services, row)?;
    let target = Target {
        owner: CredentialOwner::Controller(row.id),
        purpose: Purpose::WebhookSecret,
        credential: &row.webhook_secret,
        did: &row.did,
    };
    let revocation = target.revoke(services, scope).await?;
    tracing::info!(
        did = row.did.as_str(),
        current = scope == Scope::Current,
        "webhook secret revoked"
    );
    Ok(revocation)
}

/// Ends a version of an integration's API key at once.
///
/// # Errors
/// [`Error::NothingToRevoke`], [`Error::NotFound`], [`Error::Store`].
pub(crate) async fn revoke_key(
    principal: &Principal,
    services: &Services,
    (did, row): (&ControllerDid, &IntegrationRow),
    scope: Scope,
) -> Result<Revocation, Error> {
    integrations::owned(principal, services, row)?;
    let target = Target {
        owner: CredentialOwner::Integration(row.id),
        purpose: Purpose::ApiKey,
        credential: &row.api_key,
        did,
    };
    let revocation = target.revoke(services, scope).await?;
    tracing::info!(did = did.as_str(), integration = %row.id, current = scope == Scope::Current, "API key revoked");
    Ok(revocation)
}

/// A credential whose versions are to end.
struct Target<'a> {
    owner: CredentialOwner,
    purpose: Purpose,
    credential: &'a Credential,
    did: &'a ControllerDid,
}

impl Target<'_> {
    async fn revoke(&self, services: &Services, scope: Scope) -> Result<Revocation, Error> {
        let now = Timestamp::now();
        let revocation = match scope {
            Scope::Current => {
                let secret = generate(self.purpose);
                services.store.revoke_all(self.owner, secret.hash()).await?;
                Revocation::Replaced(secret, now)
            }
            Scope::Previous => {
                if !services.store.revoke_previous(self.owner, now).await? {
                    return Err(Error::NothingToRevoke);
                }
                let credential = Credential {
                    previous: None,
                    ..self.credential.clone()
                };
                Revocation::Ended(report_of(services, self.owner, &credential).await?)
            }
        };
        services.directory.refresh(&*services.store, self.did).await?;
        Ok(revocation)
    }
}
