//! The versions of both credentials.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::controllers::NewSecret;
use super::integrations::NewKey;
use super::json;
use crate::app::credentials::{self, CredentialReport, Revocation, Scope};
use crate::app::{Principal, Services, controllers, integrations};
use crate::http::body::Body;
use crate::http::conditional::refuse_if_match;
use crate::http::problem::Problem;
use crate::http::query::Query;

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

impl From<Which> for Scope {
    fn from(which: Which) -> Self {
        match which {
            Which::Current => Self::Current,
            Which::Previous => Self::Previous,
        }
    }
}

/// Which version of a credential is to end at once.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Revocation")]
pub(super) struct RevocationBody {
    /// `current`: with all before it; a new one takes its place.
    which: Which,
}

/// The answer of a revocation: the credential in place of the current one, or the state of both versions.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Revoked{New}")]
pub(super) enum Revoked<New> {
    /// `current`: the new one, shown this once.
    Current(New),
    /// `previous`.
    Previous(CredentialReport),
}

/// Answers `GET /api/v1/controllers/{did}/webhook-secret`.
pub(super) async fn secret(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
    did: Path<String>,
) -> Result<HttpResponse, Problem> {
    Query::read(&request, &[])?;
    let row = controllers::load(&principal, &services, &did).await?;
    Ok(HttpResponse::Ok().json(credentials::secret(&principal, &services, &row).await?))
}

/// Answers `POST /api/v1/controllers/{did}/webhook-secret/revoke`.
pub(super) async fn revoke_secret(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
    did: Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    refuse_if_match(&request)?;
    let row = controllers::load(&principal, &services, &did).await?;
    let RevocationBody { which } = json::read(&body)?;
    let answer = match credentials::revoke_secret(&principal, &services, &row, which.into()).await? {
        Revocation::Replaced(secret, until) => Revoked::Current(NewSecret::new(&secret, until)),
        Revocation::Ended(report) => Revoked::Previous(report),
    };
    Ok(HttpResponse::Ok().json(answer))
}

/// Answers `GET /api/v1/integrations/custom/{id}/api-key`.
pub(super) async fn key(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did"])?;
    let (_, row) = integrations::load_named(&principal, &services, &id, query.get("did")).await?;
    Ok(HttpResponse::Ok().json(credentials::key(&principal, &services, &row).await?))
}

/// Answers `POST /api/v1/integrations/custom/{id}/api-key/revoke`.
pub(super) async fn revoke_key(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
    id: Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    refuse_if_match(&request)?;
    let (did, row) = integrations::load(&principal, &services, &id).await?;
    let RevocationBody { which } = json::read(&body)?;
    let answer = match credentials::revoke_key(&principal, &services, (&did, &row), which.into()).await? {
        Revocation::Replaced(key, until) => Revoked::Current(NewKey::new(&key, until)),
        Revocation::Ended(report) => Revoked::Previous(report),
    };
    Ok(HttpResponse::Ok().json(answer))
}

/// Answers `POST /api/v1/controllers/{did}/management-token/rotate`.
pub(super) async fn rotate_token(
    principal: Principal,
    services: Data<Services>,
    did: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    refuse_if_match(&request)?;
    principal.operator()?;
    Query::read(&request, &[])?;
    let row = controllers::load(&principal, &services, &did).await?;
    let token = controllers::rotate_token(&principal, &services, &row).await?;
    Ok(HttpResponse::Ok().json(NewToken {
        management_token: token.expose().to_owned(),
    }))
}
