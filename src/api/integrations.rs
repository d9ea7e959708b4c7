//! Custom integrations: one processor's events and field mappings at one controller.

use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::event::Notice;
use conduit_actors::ids::{ControllerDid, IntegrationId, Timestamp};
use conduit_actors::mapping::{IntegrationSpec, doubts};
use conduit_actors::personal::Secret;
use conduit_actors::whole;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::controllers::Rotation;
use super::cursor::Cursors;
use super::json;
use super::paging::Items;
use crate::app::controllers::previous_until;
use crate::app::integrations::{self, webhook_url};
use crate::app::{Principal, Services};
use crate::http::body::{Body, LongBody};
use crate::http::conditional::{etag_until, expected_version, refuse_if_match};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::store::IntegrationRow;

/// An integration in a request: its spec, and the version that a replacement is meant for.
#[derive(Deserialize)]
struct IntegrationBody {
    #[serde(default, deserialize_with = "whole::optional")]
    version: Option<u64>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

/// A custom integration: one processor's events and field mappings at one controller.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Integration {
    /// Its id.
    id: IntegrationId,
    /// The controller that it belongs to.
    did: ControllerDid,
    #[serde(flatten)]
    spec: IntegrationSpec,
    /// Where its events are sent.
    webhook_url: String,
    /// Counts changes, from 1.
    version: u64,
    /// When it was made.
    created_at: Timestamp,
    /// When it was replaced last.
    updated_at: Timestamp,
    /// Until when the API key before the present one is taken; null: it is not.
    api_key_previous_until: Option<Timestamp>,
    /// Doubtful parts of a valid mapping; pointers lead into it.
    warnings: Vec<Notice>,
}

/// A custom integration with its API key, which is shown this once.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreatedIntegration {
    #[serde(flatten)]
    integration: Integration,
    /// The value of `Authorization` that senders send, `Bearer` included.
    webhook_auth: String,
}

/// A new API key, shown this once.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewKey {
    /// The value of `Authorization` that senders send from now on, `Bearer` included.
    webhook_auth: String,
    /// Until when the one before is taken as well.
    previous_valid_until: Timestamp,
}

impl NewKey {
    pub(super) fn new(key: &Secret, previous_valid_until: Timestamp) -> Self {
        Self {
            webhook_auth: format!("Bearer {}", key.expose()),
            previous_valid_until,
        }
    }
}

/// The fields that `GET` adds to a spec. They may come back with one, and are ignored.
pub(super) const READ_ONLY: [&str; 7] = [
    "id",
    "did",
    "webhookUrl",
    "createdAt",
    "updatedAt",
    "apiKeyPreviousUntil",
    "warnings",
];

/// Reads the spec in an integration as `GET` returns it.
///
/// # Errors
/// The unknown field.
pub(crate) fn spec_of(shown: &mut Value) -> Result<IntegrationSpec, serde_json::Error> {
    if let Some(members) = shown.as_object_mut() {
        members.retain(|name, _| name != "version" && !READ_ONLY.contains(&name.as_str()));
    }
    serde_json::from_value(shown.take())
}

/// Reads an integration in a request: its spec, and the version that a replacement is meant for.
pub(super) fn read(body: &[u8]) -> Result<(IntegrationSpec, Option<u64>), Problem> {
    let mut sent: IntegrationBody = json::read(body)?;
    READ_ONLY.iter().for_each(|name| drop(sent.rest.remove(*name)));
    // Read again as a whole, so that unknown fields are refused at every depth.
    let spec = serde_json::to_vec(&sent.rest).unwrap_or_default();
    Ok((json::read(&spec)?, sent.version))
}

impl Integration {
    fn new(services: &Services, did: &ControllerDid, row: &IntegrationRow) -> Self {
        let mut spec = row.spec.clone();
        spec.data_processor_id = Some(row.processor.to_string());
        Self {
            id: row.id,
            did: did.clone(),
            spec,
            webhook_url: webhook_url(services, did, row),
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            api_key_previous_until: previous_until(&row.api_key),
            warnings: doubts(&row.spec, services.directory.taxonomy()),
        }
    }
}

/// Answers `POST /api/v1/integrations/custom`.
pub(super) async fn create(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
    body: LongBody,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did"])?;
    let (did, controller) = principal.one(&services, query.get("did"))?;
    let (spec, _) = read(&body)?;
    let (row, key) = integrations::create(&principal, &services, (&did, controller), spec).await?;
    let location = format!("/api/v1/integrations/custom/{}", row.id);
    let mut response = HttpResponse::Created();
    response.insert_header((LOCATION, location)).insert_header(tag(&row));
    Ok(response.json(CreatedIntegration {
        integration: Integration::new(&services, &did, &row),
        webhook_auth: format!("Bearer {}", key.expose()),
    }))
}

/// Answers `GET /api/v1/integrations/custom`.
pub(super) async fn list(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did", "limit", "cursor"])?;
    let controller = principal.some(&services, query.get("did"))?.map(|(_, id)| id);
    let cursors = Cursors::of_query("integrations", &query);
    let (limit, after) = (query.limit()?, cursors.read_from::<IntegrationId>(&query)?);
    let page = integrations::list(&principal, &services, controller, after, limit).await?;
    let view = |row: &IntegrationRow| {
        let did = services.directory.did(row.controller)?;
        Some(Integration::new(&services, &did, row))
    };
    Ok(HttpResponse::Ok().json(Items {
        items: page.rows.iter().filter_map(view).collect(),
        next_cursor: page.more_after.map(|last| cursors.write(&last)),
    }))
}

/// Returns the ETag of an integration.
pub(super) fn tag(row: &IntegrationRow) -> (&'static str, String) {
    etag_until(row.version, previous_until(&row.api_key))
}

fn answer(services: &Services, did: &ControllerDid, row: &IntegrationRow) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(tag(row))
        .json(Integration::new(services, did, row))
}

/// Answers `GET /api/v1/integrations/custom/{id}`.
pub(super) async fn get(
    principal: Principal,
    services: Data<Services>,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let (did, row) = integrations::load(&principal, &services, &id).await?;
    Ok(answer(&services, &did, &row))
}

/// Answers `PUT /api/v1/integrations/custom/{id}`.
pub(super) async fn replace(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
    id: Path<String>,
    body: LongBody,
) -> Result<HttpResponse, Problem> {
    let (did, row) = integrations::load(&principal, &services, &id).await?;
    let (spec, version) = read(&body)?;
    let expected = expected_version(&request, (row.version, &tag(&row).1), version)?;
    let row = integrations::replace(&principal, &services, (&did, &row), spec, expected).await?;
    Ok(answer(&services, &did, &row))
}

/// Answers `DELETE /api/v1/integrations/custom/{id}`: its URL answers 401 at once.
pub(super) async fn delete(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let (did, row) = integrations::load(&principal, &services, &id).await?;
    let expected = expected_version(&request, (row.version, &tag(&row).1), None)?;
    integrations::delete(&principal, &services, (&did, &row), expected).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Answers `POST /api/v1/integrations/custom/{id}/api-key/rotate`.
pub(super) async fn rotate_key(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
    id: Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    refuse_if_match(&request)?;
    let (did, row) = integrations::load(&principal, &services, &id).await?;
    let grace = Rotation::read(&body)?;
    let (key, until) = integrations::rotate_key(&principal, &services, (&did, &row), grace).await?;
    Ok(HttpResponse::Ok().json(NewKey::new(&key, until)))
}
