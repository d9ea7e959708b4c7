//! Custom integrations: one processor's events and field mappings at one controller.

use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::event::Notice;
use conduit_actors::ids::{ControllerDid, ControllerId, IntegrationId, ProcessorId, Timestamp};
use conduit_actors::mapping::{IntegrationSpec, Mapping, doubts};
use conduit_actors::personal::Secret;
use conduit_actors::ports::Credential;
use conduit_actors::whole;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::form_urlencoded::byte_serialize;
use uuid::Uuid;

use super::body::{Body, LongBody};
use super::conditional::{etag_until, expected_version};
use super::controllers::{Rotation, previous_until};
use super::cursor::Cursors;
use super::guard::Principal;
use super::paging::{self, Items, Query};
use super::problem::Problem;
use super::quota;
use super::state::App;
use crate::secrets::{Purpose, generate};
use crate::store::{IntegrationRow, IntegrationSize};

/// An integration as it is sent: its spec, and the version that a replacement is meant for.
#[derive(Deserialize)]
struct Sent {
    #[serde(default, deserialize_with = "whole::optional")]
    version: Option<u64>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

/// A custom integration: one processor's events and field mappings at one controller.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Integration {
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
    /// What is right in the mapping, and may still not be meant; pointers lead into it.
    warnings: Vec<Notice>,
}

/// A custom integration with its API key, which is shown this once.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedIntegration {
    #[serde(flatten)]
    integration: Integration,
    /// What senders put into `Authorization`, `Bearer` included.
    webhook_auth: String,
}

/// A new API key, shown this once.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewKey {
    /// What senders put into `Authorization` from now on, `Bearer` included.
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

/// What `GET` adds to a spec, and what may therefore come back with one; it is not read.
pub(crate) const SHOWN_ONLY: [&str; 7] = [
    "id",
    "did",
    "webhookUrl",
    "createdAt",
    "updatedAt",
    "apiKeyPreviousUntil",
    "warnings",
];

/// The spec in an integration as `GET` shows it.
///
/// # Errors
/// What is not known of it.
pub(crate) fn spec_of(shown: &mut Value) -> Result<IntegrationSpec, serde_json::Error> {
    if let Some(members) = shown.as_object_mut() {
        members.retain(|name, _| name != "version" && !SHOWN_ONLY.contains(&name.as_str()));
    }
    serde_json::from_value(shown.take())
}

pub(crate) fn read(body: &[u8]) -> Result<(IntegrationSpec, Option<u64>), Problem> {
    let mut sent: Sent = paging::json(body)?;
    SHOWN_ONLY.iter().for_each(|name| drop(sent.rest.remove(*name)));
    // Read again as a whole, so that unknown fields are refused at every depth.
    let spec = serde_json::to_vec(&sent.rest).unwrap_or_default();
    Ok((paging::json(&spec)?, sent.version))
}

fn check(app: &App, spec: &IntegrationSpec) -> Result<(), Problem> {
    Mapping::compile_new(spec, app.directory.taxonomy(), app.directory.dedup_defaults())?;
    Ok(())
}

/// Where its events are sent to.
pub(crate) fn webhook_url(app: &App, did: &ControllerDid, row: &IntegrationRow) -> String {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    format!(
        "{}/api/v1/integrations/custom/event?did={}&dpid={}",
        app.public_url,
        // Colons need no escape in a query, and DIDs read better with them.
        encode(did.as_str()).replace("%3A", ":"),
        encode(row.processor.as_str()).replace("%3A", ":")
    )
}

fn shown(app: &App, did: &ControllerDid, row: &IntegrationRow) -> Integration {
    let mut spec = row.spec.clone();
    spec.data_processor_id = Some(row.processor.to_string());
    Integration {
        id: row.id,
        did: did.clone(),
        spec,
        webhook_url: webhook_url(app, did, row),
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
        api_key_previous_until: previous_until(&row.api_key),
        warnings: doubts(&row.spec, app.directory.taxonomy()),
    }
}

/// `POST /api/v1/integrations/custom`
pub(crate) async fn create(
    principal: Principal,
    app: Data<App>,
    request: HttpRequest,
    body: LongBody,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did"])?;
    let (did, controller) = principal.one(&app, query.get("did"))?;
    let (spec, _) = read(&body)?;
    let (row, key) = make(&app, &did, controller, spec).await?;
    let location = format!("/api/v1/integrations/custom/{}", row.id);
    let mut response = HttpResponse::Created();
    response.insert_header((LOCATION, location)).insert_header(tag(&row));
    Ok(response.json(CreatedIntegration {
        integration: shown(&app, &did, &row),
        webhook_auth: format!("Bearer {}", key.expose()),
    }))
}

/// Makes an integration; its row, and its API key, which is known here alone.
pub(crate) async fn make(
    app: &App,
    did: &ControllerDid,
    controller: ControllerId,
    mut spec: IntegrationSpec,
) -> Result<(IntegrationRow, Secret), Problem> {
    check(app, &spec)?;
    let processor = spec
        .data_processor_id
        .get_or_insert_with(|| Uuid::now_v7().to_string())
        .clone();
    let processor: ProcessorId = processor
        .parse()
        .map_err(|_| Problem::bad_request("data_processor_id_invalid", "dataProcessorId is not valid"))?;
    let key = generate(Purpose::ApiKey);
    let now = Timestamp::now();
    let row = IntegrationRow {
        id: IntegrationId::generate(),
        controller,
        processor,
        spec,
        version: 1,
        api_key: Credential {
            current: key.hash(),
            previous: None,
        },
        created_at: now,
        updated_at: now,
    };
    let turn = quota::admit(app, controller, None, &row.spec).await?;
    app.store.create_integration(&row).await?;
    drop(turn);
    app.directory.refresh(&*app.store, did).await?;
    tracing::info!(did = did.as_str(), integration = %row.id, "integration created");
    Ok((row, key))
}

/// `GET /api/v1/integrations/custom`
pub(crate) async fn list(principal: Principal, app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did", "limit", "cursor"])?;
    let controller = principal.some(&app, query.get("did"))?.map(|(_, id)| id);
    let cursors = Cursors::of_query("integrations", &query);
    let (limit, after) = (query.limit()?, cursors.read_from::<IntegrationId>(&query)?);
    let mut sizes = app.store.integration_sizes(controller).await?;
    sizes.retain(|size| after.is_none_or(|after| size.id < after));
    sizes.sort_unstable_by_key(|size| std::cmp::Reverse(size.id));
    let count = page_length(&sizes, limit);
    let next_cursor = (count < sizes.len()).then(|| cursors.write(&sizes[count - 1].id));
    let ids: Vec<IntegrationId> = sizes[..count].iter().map(|size| size.id).collect();
    let mut rows = app.store.integrations_among(&ids).await?;
    rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
    let show = |row: &IntegrationRow| Some(shown(&app, &app.directory.did(row.controller)?, row));
    let items = rows.iter().filter_map(show).collect();
    Ok(HttpResponse::Ok().json(Items { items, next_cursor }))
}

/// Bytes of mappings in a page of the list, at most, unless one alone has more.
const PAGE_BYTES: u64 = 4 << 20;

/// How many of these make a page.
fn page_length(sizes: &[IntegrationSize], limit: usize) -> usize {
    let mut bytes = 0_u64;
    let fitting = sizes.iter().take(limit).take_while(|size| {
        let is_first = bytes == 0;
        bytes = bytes.saturating_add(size.bytes);
        is_first || bytes <= PAGE_BYTES
    });
    fitting.count()
}

pub(crate) async fn load(
    principal: &Principal,
    app: &App,
    id: &str,
) -> Result<(ControllerDid, IntegrationRow), Problem> {
    let missing = || Problem::not_found("integration");
    let id: IntegrationId = id.parse().map_err(|_| missing())?;
    let row = app
        .store
        .integration(id)
        .await?
        .filter(|row| principal.sees(app, row.controller))
        .ok_or_else(missing)?;
    Ok((app.directory.did(row.controller).ok_or_else(missing)?, row))
}

/// The same; `did` may say whose it is, and must be right then.
pub(crate) async fn load_named(
    principal: &Principal,
    app: &App,
    id: &str,
    did: Option<&str>,
) -> Result<(ControllerDid, IntegrationRow), Problem> {
    let named = principal.some(app, did)?;
    let (did, row) = load(principal, app, id).await?;
    if named.is_some_and(|(_, controller)| controller != row.controller) {
        return Err(Problem::not_found("integration"));
    }
    Ok((did, row))
}

fn tag(row: &IntegrationRow) -> (&'static str, String) {
    etag_until(row.version, previous_until(&row.api_key))
}

/// `GET /api/v1/integrations/custom/{id}`
pub(crate) async fn get(principal: Principal, app: Data<App>, id: Path<String>) -> Result<HttpResponse, Problem> {
    let (did, row) = load(&principal, &app, &id).await?;
    Ok(HttpResponse::Ok()
        .insert_header(tag(&row))
        .json(shown(&app, &did, &row)))
}

/// `PUT /api/v1/integrations/custom/{id}`
pub(crate) async fn replace(
    principal: Principal,
    app: Data<App>,
    request: HttpRequest,
    id: Path<String>,
    body: LongBody,
) -> Result<HttpResponse, Problem> {
    let (did, row) = load(&principal, &app, &id).await?;
    let (spec, version) = read(&body)?;
    let expected = expected_version(&request, row.version, version)?;
    let row = change(&app, &did, &row, spec, expected).await?;
    Ok(HttpResponse::Ok()
        .insert_header(tag(&row))
        .json(shown(&app, &did, &row)))
}

/// Replaces an integration's spec, if it is still at the version that is expected; the new row.
pub(crate) async fn change(
    app: &App,
    did: &ControllerDid,
    row: &IntegrationRow,
    mut spec: IntegrationSpec,
    expected: Option<u64>,
) -> Result<IntegrationRow, Problem> {
    check(app, &spec)?;
    if spec.data_processor_id.get_or_insert_with(|| row.processor.to_string()) != row.processor.as_str() {
        return Err(Problem::processor_fixed());
    }
    let turn = quota::admit(app, row.controller, Some(row.id), &spec).await?;
    let row = app
        .store
        .replace_integration(row.id, expected, &spec, Timestamp::now())
        .await?;
    drop(turn);
    app.directory.refresh(&*app.store, did).await?;
    tracing::info!(did = did.as_str(), integration = %row.id, version = row.version, "integration replaced");
    Ok(row)
}

/// `DELETE /api/v1/integrations/custom/{id}`: its URL answers 401 at once.
pub(crate) async fn delete(
    principal: Principal,
    app: Data<App>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let (did, row) = load(&principal, &app, &id).await?;
    let expected = expected_version(&request, row.version, None)?;
    remove(&app, &did, &row, expected).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Deletes an integration, if it is still at the version that is expected.
pub(crate) async fn remove(
    app: &App,
    did: &ControllerDid,
    row: &IntegrationRow,
    expected: Option<u64>,
) -> Result<(), Problem> {
    app.store.delete_integration(row.id, expected).await?;
    app.directory.refresh(&*app.store, did).await?;
    tracing::info!(did = did.as_str(), integration = %row.id, "integration deleted");
    Ok(())
}

/// `POST /api/v1/integrations/custom/{id}/api-key/rotate`
pub(crate) async fn rotate_key(
    principal: Principal,
    app: Data<App>,
    id: Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let (did, row) = load(&principal, &app, &id).await?;
    let (key, until) = new_key(&app, &did, &row, Rotation::read(&body)?).await?;
    Ok(HttpResponse::Ok().json(NewKey::new(&key, until)))
}

/// Gives an integration a new API key; until when the old one serves beside it.
pub(crate) async fn new_key(
    app: &App,
    did: &ControllerDid,
    row: &IntegrationRow,
    rotation: Rotation,
) -> Result<(Secret, Timestamp), Problem> {
    let key = generate(Purpose::ApiKey);
    let (credential, until) = rotation.apply(&row.api_key, key.hash())?;
    app.store.set_api_key(row.id, row.api_key.current, &credential).await?;
    app.directory.refresh(&*app.store, did).await?;
    tracing::info!(did = did.as_str(), integration = %row.id, previous_until = %until, "API key rotated");
    Ok((key, until))
}
