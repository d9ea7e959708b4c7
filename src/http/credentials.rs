//! The versions of both credentials: when each was issued and used, and their end.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::ids::Timestamp;
use conduit_actors::personal::Secret;
use conduit_actors::ports::Credential;
use conduit_actors::usage::CredentialOwner;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::body::Body;
use super::controllers::NewSecret;
use super::guard::Principal;
use super::integrations::NewKey;
use super::paging::{self, Query};
use super::problem::Problem;
use super::state::App;
use super::{controllers, integrations};
use crate::credentials::store_uses;
use crate::secrets::{Purpose, generate};
use crate::store::{ControllerRow, CredentialVersion, CredentialVersions, RetiredBecause};

/// A new management token, shown this once.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewToken {
    /// The controller's own token for the management API. The one before has ended.
    management_token: String,
}

/// A version of a credential.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Which {
    /// The one that was issued last.
    Current,
    /// The one before, until its grace ends.
    Previous,
}

/// Which version of a credential is to end at once.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    /// `current`: with all before it; a new one takes its place.
    which: Which,
}

/// One version of a credential: when it was issued and used. The credential itself is never shown again.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CredentialVersion")]
struct Version {
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
struct Previous {
    #[serde(flatten)]
    version: Version,
    /// Until when it serves; null: it serves no more.
    serves_until: Option<Timestamp>,
    /// When it ended; null: it still serves.
    retired_at: Option<Timestamp>,
    /// Why it ended.
    retired_because: Option<RetiredBecause>,
}

/// What a [`Warning`] is about.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CredentialWarningCode")]
enum WarningCode {
    /// The current version was not used yet, and the previous one still serves.
    CurrentUnused,
    /// The previous version was used after the current one was issued.
    PreviousInUse,
    /// The grace of the previous version ended, and the current one was never used.
    CurrentUnusedAfterGrace,
}

/// What is worth a look before the previous version ends, or because it has.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CredentialWarning")]
struct Warning {
    /// Stable, for programs.
    code: WarningCode,
    /// What is so and what to do, for people.
    message: String,
}

/// The versions of a credential.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Credential")]
pub(super) struct Shown {
    /// The one that was issued last.
    current: Version,
    /// The one before; null: there was none.
    previous: Option<Previous>,
    /// What is worth a look.
    warnings: Vec<Warning>,
}

/// What a revocation answers: the credential in place of the current one, or how the versions stand now.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Revoked{New}")]
pub(super) enum Revoked<New> {
    /// `current`: the new one, shown this once.
    Current(New),
    /// `previous`.
    Previous(Shown),
}

/// When the version before ended, and why; none: it still serves.
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

/// What is worth a look before the old one ends, or because it has.
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

fn shown(credential: &Credential, versions: &CredentialVersions, now: Timestamp) -> Shown {
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
    Shown {
        current: (&versions.current).into(),
        previous,
        warnings: warnings(credential, versions, now),
    }
}

/// What is known of a credential now, what this node saw last included.
async fn state(app: &App, owner: CredentialOwner, credential: &Credential) -> Result<Shown, Problem> {
    store_uses(&*app.store, app.shards.usage()).await?;
    let versions = app.store.credential_versions(owner).await?;
    Ok(shown(credential, &versions, Timestamp::now()))
}

fn nothing_to_revoke() -> Problem {
    let detail = "there is no previous one that still serves; \"which\": \"current\" ends the current one at once";
    Problem::conflict("nothing_to_revoke", detail)
}

/// `GET /api/v1/controllers/{did}/webhook-secret`
pub(super) async fn secret(
    principal: Principal,
    app: Data<App>,
    request: HttpRequest,
    did: Path<String>,
) -> Result<HttpResponse, Problem> {
    Query::read(&request, &[])?;
    let row = controllers::load(&principal, &app, &did).await?;
    let owner = CredentialOwner::Controller(row.id);
    Ok(HttpResponse::Ok().json(state(&app, owner, &row.webhook_secret).await?))
}

/// `POST /api/v1/controllers/{did}/webhook-secret/revoke`
pub(super) async fn revoke_secret(
    principal: Principal,
    app: Data<App>,
    did: Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let row = controllers::load(&principal, &app, &did).await?;
    let (owner, now) = (CredentialOwner::Controller(row.id), Timestamp::now());
    let Revocation { which } = paging::json(&body)?;
    let mut credential = row.webhook_secret;
    let answer = match which {
        Which::Current => {
            let secret = generate(Purpose::WebhookSecret);
            app.store.revoke_all(owner, secret.hash()).await?;
            Revoked::Current(NewSecret::new(&secret, now))
        }
        Which::Previous => {
            if !app.store.revoke_previous(owner, now).await? {
                return Err(nothing_to_revoke());
            }
            credential.previous = None;
            Revoked::Previous(state(&app, owner, &credential).await?)
        }
    };
    app.directory.refresh(&*app.store, &row.did).await?;
    tracing::info!(
        did = row.did.as_str(),
        current = which == Which::Current,
        "webhook secret revoked"
    );
    Ok(HttpResponse::Ok().json(answer))
}

/// `GET /api/v1/integrations/custom/{id}/api-key`
pub(super) async fn key(
    principal: Principal,
    app: Data<App>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did"])?;
    let (_, row) = integrations::load_named(&principal, &app, &id, query.get("did")).await?;
    let owner = CredentialOwner::Integration(row.id);
    Ok(HttpResponse::Ok().json(state(&app, owner, &row.api_key).await?))
}

/// `POST /api/v1/integrations/custom/{id}/api-key/revoke`
pub(super) async fn revoke_key(
    principal: Principal,
    app: Data<App>,
    id: Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let (did, row) = integrations::load(&principal, &app, &id).await?;
    let (owner, now) = (CredentialOwner::Integration(row.id), Timestamp::now());
    let Revocation { which } = paging::json(&body)?;
    let mut credential = row.api_key;
    let answer = match which {
        Which::Current => {
            let key = generate(Purpose::ApiKey);
            app.store.revoke_all(owner, key.hash()).await?;
            Revoked::Current(NewKey::new(&key, now))
        }
        Which::Previous => {
            if !app.store.revoke_previous(owner, now).await? {
                return Err(nothing_to_revoke());
            }
            credential.previous = None;
            Revoked::Previous(state(&app, owner, &credential).await?)
        }
    };
    app.directory.refresh(&*app.store, &did).await?;
    tracing::info!(did = did.as_str(), integration = %row.id, current = which == Which::Current, "API key revoked");
    Ok(HttpResponse::Ok().json(answer))
}

/// `POST /api/v1/controllers/{did}/management-token/rotate`: the operator's, or whoever found a token could lock its owner out.
pub(super) async fn rotate_token(
    principal: Principal,
    app: Data<App>,
    did: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    principal.operator()?;
    Query::read(&request, &[])?;
    let row = controllers::load(&principal, &app, &did).await?;
    let token = new_token(&app, &row).await?;
    Ok(HttpResponse::Ok().json(NewToken {
        management_token: token.expose().to_owned(),
    }))
}

/// Gives a controller a new management token. The one before ends at once, with all sessions that were begun by it: it is
/// replaced when it is lost, or somebody else's.
pub(crate) async fn new_token(app: &App, row: &ControllerRow) -> Result<Secret, Problem> {
    let token = generate(Purpose::ManagementToken);
    app.store
        .set_management_token(row.id, row.management_token, token.hash())
        .await?;
    app.directory.refresh(&*app.store, &row.did).await?;
    tracing::info!(did = row.did.as_str(), "management token rotated");
    Ok(token)
}
