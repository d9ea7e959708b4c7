//! Controllers: the tenants.

use actix_web::http::header::{ETAG, LOCATION};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::ids::{ControllerDid, ControllerId, Timestamp};
use conduit_actors::personal::Secret;
use conduit_actors::whole;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::form_urlencoded::byte_serialize;

use super::cursor::Cursors;
use super::json;
use super::paging::Items;
use crate::app::controllers::{self, ControllerName, GracePeriod, previous_until};
use crate::app::{Principal, Services};
use crate::http::body::Body;
use crate::http::conditional::{expect_tag, refuse_if_match, tag_of_content};
use crate::http::guard::Operator;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::store::{ControllerRow, Page};

/// No control character.
pub(super) const NAME_PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewController")]
pub(super) struct ControllerBody {
    /// For people: 1 to 200 characters, none of them a control character.
    #[schemars(length(min = 1, max = 200), regex(pattern = NAME_PATTERN))]
    name: String,
    /// Its DID; one is made if it is left out.
    did: Option<ControllerDid>,
}

/// A data controller: a tenant.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Controller {
    /// Its DID.
    did: ControllerDid,
    /// For people.
    name: String,
    /// When it was made.
    created_at: Timestamp,
    /// Until when the webhook secret before the present one is taken; null: it is not.
    webhook_secret_previous_until: Option<Timestamp>,
}

/// A data controller with its credentials, which are shown this once.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreatedController {
    #[serde(flatten)]
    controller: Controller,
    /// The value of `x-webhook-secret` that senders send.
    webhook_secret: String,
    /// The controller's own token for the management API.
    management_token: String,
}

/// A new webhook secret, shown this once.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewSecret {
    /// The value of `x-webhook-secret` that senders send from now on.
    webhook_secret: String,
    /// Until when the one before is taken as well.
    previous_valid_until: Timestamp,
}

impl NewSecret {
    pub(super) fn new(secret: &Secret, previous_valid_until: Timestamp) -> Self {
        Self {
            webhook_secret: secret.expose().to_owned(),
            previous_valid_until,
        }
    }
}

/// The properties of a controller that can be changed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ControllerChange")]
pub(super) struct RenameBody {
    /// For people: 1 to 200 characters, none of them a control character.
    #[schemars(length(min = 1, max = 200), regex(pattern = NAME_PATTERN))]
    name: String,
}

/// How a credential is rotated.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Rotation {
    /// For how long the credential before is taken as well, in seconds: 0 to 2,592,000 (30 days); a day if it is left
    /// out.
    #[serde(default, deserialize_with = "whole::optional")]
    #[schemars(range(max = GracePeriod::MAX_SECONDS))]
    grace_period_seconds: Option<u32>,
}

impl Rotation {
    /// Reads how a credential is rotated; an empty body says nothing.
    pub(super) fn read(body: &[u8]) -> Result<GracePeriod, Problem> {
        let rotation = if body.iter().all(u8::is_ascii_whitespace) {
            Self::default()
        } else {
            json::read(body)?
        };
        Ok(GracePeriod::of(rotation.grace_period_seconds)?)
    }
}

impl From<&ControllerRow> for Controller {
    fn from(row: &ControllerRow) -> Self {
        Self {
            did: row.did.clone(),
            name: row.name.clone(),
            created_at: row.created_at,
            webhook_secret_previous_until: previous_until(&row.webhook_secret),
        }
    }
}

/// Answers `POST /api/v1/controllers`.
pub(super) async fn create(
    Operator(principal): Operator,
    services: Data<Services>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let sent: ControllerBody = json::read(&body)?;
    let name: ControllerName = sent.name.parse()?;
    let new = controllers::create(&principal, &services, &name, sent.did).await?;
    let location = format!("/api/v1/controllers/{}", in_path(&new.row.did));
    let controller = Controller::from(&new.row);
    let mut response = HttpResponse::Created();
    response.insert_header((LOCATION, location));
    response.insert_header((ETAG, tag(&controller)));
    Ok(response.json(CreatedController {
        controller,
        webhook_secret: new.webhook_secret.expose().to_owned(),
        management_token: new.management_token.expose().to_owned(),
    }))
}

/// Answers `GET /api/v1/controllers`.
pub(super) async fn list(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["limit", "cursor"])?;
    let cursors = Cursors::of_query("controllers", &query);
    let (limit, after) = (query.limit()?, cursors.read_from::<ControllerId>(&query)?);
    let page = Page {
        after,
        limit: limit + 1,
    };
    let rows = controllers::list(&principal, &services, page).await?;
    let page = Items::page(rows, limit, |row| cursors.write(&row.id));
    let items = Items {
        items: page.items.iter().map(Controller::from).collect(),
        next_cursor: page.next_cursor,
    };
    Ok(HttpResponse::Ok().json(items))
}

/// Answers `GET /api/v1/controllers/{did}`.
pub(super) async fn get(
    principal: Principal,
    services: Data<Services>,
    did: Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(answer(&controllers::load(&principal, &services, &did).await?))
}

fn answer(row: &ControllerRow) -> HttpResponse {
    let controller = Controller::from(row);
    HttpResponse::Ok()
        .insert_header((ETAG, tag(&controller)))
        .json(controller)
}

/// Returns the ETag of a controller, which has no version: a hash of its JSON.
fn tag(controller: &Controller) -> String {
    tag_of_content(&serde_json::to_vec(controller).unwrap_or_default())
}

/// Returns a DID as a segment of a path. Colons need no escape there.
fn in_path(did: &ControllerDid) -> String {
    let encoded: String = byte_serialize(did.as_str().as_bytes()).collect();
    encoded.replace("%3A", ":")
}

/// Answers `PUT /api/v1/controllers/{did}`: gives the controller another name, its only property that can be changed.
pub(super) async fn rename(
    Operator(principal): Operator,
    services: Data<Services>,
    request: HttpRequest,
    did: Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let mut row = controllers::load(&principal, &services, &did).await?;
    let sent: RenameBody = json::read(&body)?;
    let name: ControllerName = sent.name.parse()?;
    let is_expected = expect_tag(&request, &tag(&Controller::from(&row)))?;
    let before = is_expected.then(|| row.name.clone());
    controllers::rename(&principal, &services, &mut row, before.as_deref(), name).await?;
    Ok(answer(&row))
}

/// Answers `DELETE /api/v1/controllers/{did}`: deletes the controller with all its data.
pub(super) async fn delete(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
    did: Path<String>,
) -> Result<HttpResponse, Problem> {
    principal.operator()?;
    let row = controllers::load(&principal, &services, &did).await?;
    expect_tag(&request, &tag(&Controller::from(&row)))?;
    controllers::delete(&principal, &services, &row).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Answers `POST /api/v1/controllers/{did}/webhook-secret/rotate`.
pub(super) async fn rotate_secret(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
    did: Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    refuse_if_match(&request)?;
    let row = controllers::load(&principal, &services, &did).await?;
    let grace = Rotation::read(&body)?;
    let (secret, until) = controllers::rotate_secret(&principal, &services, &row, grace).await?;
    Ok(HttpResponse::Ok().json(NewSecret::new(&secret, until)))
}
