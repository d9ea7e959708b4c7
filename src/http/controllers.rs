//! Controllers: the tenants.

use actix_web::http::header::{ETAG, LOCATION};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::ids::{ControllerDid, ControllerId, Timestamp};
use conduit_actors::personal::{CredentialHash, Secret};
use conduit_actors::ports::{Credential, Directory as _};
use conduit_actors::whole;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::form_urlencoded::byte_serialize;

use super::body::Body;
use super::conditional::{expect_tag, tag_of_content};
use super::cursor::Cursors;
use super::guard::{Operator, Principal};
use super::paging::{self, Items, Query};
use super::problem::Problem;
use super::state::App;
use crate::secrets::{Purpose, generate};
use crate::store::ControllerRow;

const MAX_NAME_CHARS: usize = 200;
/// No control character.
pub(super) const NAME_PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";
const DEFAULT_GRACE_SECONDS: u32 = 86_400;
const MAX_GRACE_SECONDS: u32 = 30 * 86_400;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewController {
    /// For people: 1 to 200 characters, none of them a control character.
    #[schemars(length(min = 1, max = 200), regex(pattern = NAME_PATTERN))]
    name: String,
    /// Its DID; one is made if it is left out.
    did: Option<ControllerDid>,
}

/// A data controller: a tenant.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Controller {
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
pub(crate) struct CreatedController {
    #[serde(flatten)]
    controller: Controller,
    /// What senders put into `x-webhook-secret`.
    webhook_secret: String,
    /// The controller's own token for the management API.
    management_token: String,
}

/// A new webhook secret, shown this once.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewSecret {
    /// What senders put into `x-webhook-secret` from now on.
    webhook_secret: String,
    /// Until when the one before is taken as well.
    previous_valid_until: Timestamp,
}

impl NewSecret {
    pub(super) fn new(secret: &Secret, previous_valid_until: Timestamp) -> Self {
        Self {
            webhook_secret: shown_once(secret),
            previous_valid_until,
        }
    }
}

/// What can be changed of a controller.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ControllerChange")]
pub(crate) struct Rename {
    /// For people: 1 to 200 characters, none of them a control character.
    #[schemars(length(min = 1, max = 200), regex(pattern = NAME_PATTERN))]
    name: String,
}

/// How a credential is rotated.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Rotation {
    /// For how long the credential before is taken as well, in seconds: 0 to 2,592,000 (30 days); a day if it is left
    /// out.
    #[serde(default, deserialize_with = "whole::optional")]
    #[schemars(range(max = MAX_GRACE_SECONDS))]
    grace_period_seconds: Option<u32>,
}

impl Rotation {
    pub(crate) const fn with_grace(seconds: u32) -> Self {
        Self {
            grace_period_seconds: Some(seconds),
        }
    }

    pub(crate) fn read(body: &[u8]) -> Result<Self, Problem> {
        if body.iter().all(u8::is_ascii_whitespace) {
            Ok(Self::default())
        } else {
            paging::json(body)
        }
    }

    /// The credential after the rotation: the new one, and the old one until its grace ends.
    pub(crate) fn apply(&self, before: &Credential, new: CredentialHash) -> Result<(Credential, Timestamp), Problem> {
        let seconds = self.grace_period_seconds.unwrap_or(DEFAULT_GRACE_SECONDS);
        if seconds > MAX_GRACE_SECONDS {
            let problem = Problem::bad_request("grace_period_invalid", "gracePeriodSeconds must be 0 to 2,592,000");
            return Err(problem.with_error("/gracePeriodSeconds", "must be 0 to 2,592,000"));
        }
        let until = Timestamp::from_millis(Timestamp::now().as_millis() + i64::from(seconds) * 1000);
        let previous = (seconds > 0).then_some((before.current, until));
        Ok((Credential { current: new, previous }, until))
    }
}

/// When a credential's predecessor ends, if it still serves.
pub(crate) fn previous_until(credential: &Credential) -> Option<Timestamp> {
    credential
        .previous
        .as_ref()
        .map(|(_, until)| *until)
        .filter(|until| *until > Timestamp::now())
}

fn shown(row: &ControllerRow) -> Controller {
    Controller {
        did: row.did.clone(),
        name: row.name.clone(),
        created_at: row.created_at,
        webhook_secret_previous_until: previous_until(&row.webhook_secret),
    }
}

fn checked_name(name: &str) -> Result<&str, Problem> {
    if name.chars().any(char::is_control) {
        let problem = Problem::bad_request("name_invalid", "name must not have control characters");
        return Err(problem.with_error("/name", "must not have control characters"));
    }
    let name = name.trim();
    if !(1..=MAX_NAME_CHARS).contains(&name.chars().count()) {
        let problem = Problem::bad_request("name_invalid", "name must have 1 to 200 characters");
        return Err(problem.with_error("/name", "must have 1 to 200 characters"));
    }
    Ok(name)
}

/// `POST /api/v1/controllers`
pub(crate) async fn create(_: Operator, app: Data<App>, body: Body) -> Result<HttpResponse, Problem> {
    let new: NewController = paging::json(&body)?;
    let made = make(&app, &new.name, new.did).await?;
    let location = format!("/api/v1/controllers/{}", in_path(&made.row.did));
    let mut response = HttpResponse::Created();
    response.insert_header((LOCATION, location));
    response.insert_header((ETAG, tag(&shown(&made.row))));
    Ok(response.json(CreatedController {
        controller: shown(&made.row),
        webhook_secret: shown_once(&made.webhook_secret),
        management_token: shown_once(&made.management_token),
    }))
}

/// A new controller, with its credentials, which are known here alone.
pub(crate) struct Made {
    pub(crate) row: ControllerRow,
    pub(crate) webhook_secret: Secret,
    pub(crate) management_token: Secret,
}

/// Makes a controller.
pub(crate) async fn make(app: &App, name: &str, did: Option<ControllerDid>) -> Result<Made, Problem> {
    let name = checked_name(name)?;
    let id = ControllerId::generate();
    let did = match did {
        Some(did) => did,
        None => format!("did:conduit:controller:{id}")
            .parse()
            .map_err(|_| Problem::try_again("internal_error", "a DID could not be made"))?,
    };
    let (secret, token) = (generate(Purpose::WebhookSecret), generate(Purpose::ManagementToken));
    let wrapped_data_key = app
        .keyring
        .create(id)
        .map_err(|_| Problem::try_again("internal_error", "a data key could not be made"))?;
    let row = ControllerRow {
        id,
        did,
        name: name.to_owned(),
        created_at: Timestamp::now(),
        webhook_secret: Credential {
            current: secret.hash(),
            previous: None,
        },
        management_token: token.hash(),
        wrapped_data_key,
        link_key_version: 1,
    };
    if let Err(error) = app.store.create_controller(&row).await {
        // Unless it was made after all, and only the answer was lost.
        if app.directory.controller(id).is_none() {
            app.keyring.forget(id);
        }
        return Err(error.into());
    }
    app.directory.refresh(&*app.store, &row.did).await?;
    app.forget_gone();
    tracing::info!(did = row.did.as_str(), "controller created");
    Ok(Made {
        row,
        webhook_secret: secret,
        management_token: token,
    })
}

/// A credential in the one answer that shows it.
fn shown_once(secret: &Secret) -> String {
    secret.expose().to_owned()
}

/// `GET /api/v1/controllers`
pub(crate) async fn list(principal: Principal, app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["limit", "cursor"])?;
    let cursors = Cursors::of_query("controllers", &query);
    let (limit, after) = (query.limit()?, cursors.read_from::<ControllerId>(&query)?);
    let mut rows = app.store.controllers().await?;
    rows.retain(|row| match &principal {
        Principal::Operator => true,
        Principal::Controller(did) => row.did == *did,
    });
    rows.retain(|row| after.is_none_or(|after| row.id < after));
    rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
    rows.truncate(limit + 1);
    let page = Items::page(rows, limit, |row| cursors.write(&row.id));
    let items = Items {
        items: page.items.iter().map(shown).collect(),
        next_cursor: page.next_cursor,
    };
    Ok(HttpResponse::Ok().json(items))
}

pub(crate) async fn load(principal: &Principal, app: &App, did: &str) -> Result<ControllerRow, Problem> {
    let (did, _) = principal.one(app, Some(did))?;
    app.store
        .controller(&did)
        .await?
        .ok_or_else(|| Problem::not_found("controller"))
}

/// `GET /api/v1/controllers/{did}`
pub(crate) async fn get(principal: Principal, app: Data<App>, did: Path<String>) -> Result<HttpResponse, Problem> {
    Ok(answer(&load(&principal, &app, &did).await?))
}

fn answer(row: &ControllerRow) -> HttpResponse {
    let shown = shown(row);
    HttpResponse::Ok().insert_header((ETAG, tag(&shown))).json(shown)
}

/// Returns the ETag of a controller, which has no version: a hash of what is shown of it.
fn tag(shown: &Controller) -> String {
    tag_of_content(&serde_json::to_vec(shown).unwrap_or_default())
}

/// Returns a DID as a segment of a path. Colons need no escape there.
fn in_path(did: &ControllerDid) -> String {
    let encoded: String = byte_serialize(did.as_str().as_bytes()).collect();
    encoded.replace("%3A", ":")
}

/// `PUT /api/v1/controllers/{did}`: gives it another name, which is all that can be changed.
pub(crate) async fn rename(
    _: Operator,
    app: Data<App>,
    request: HttpRequest,
    did: Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let mut row = load(&Principal::Operator, &app, &did).await?;
    let sent: Rename = paging::json(&body)?;
    let name = checked_name(&sent.name)?.to_owned();
    let is_expected = expect_tag(&request, &tag(&shown(&row)))?;
    let before = is_expected.then_some(row.name.as_str());
    app.store.rename_controller(row.id, before, &name).await?;
    row.name = name;
    tracing::info!(did = row.did.as_str(), "controller renamed");
    Ok(answer(&row))
}

/// `DELETE /api/v1/controllers/{did}`: with all that it owns.
pub(crate) async fn delete(
    principal: Principal,
    app: Data<App>,
    request: HttpRequest,
    did: Path<String>,
) -> Result<HttpResponse, Problem> {
    principal.operator()?;
    let row = load(&principal, &app, &did).await?;
    expect_tag(&request, &tag(&shown(&row)))?;
    remove(&app, &row).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Deletes a controller with all that it owns.
pub(crate) async fn remove(app: &App, row: &ControllerRow) -> Result<(), Problem> {
    app.store.delete_controller(row.id).await?;
    app.directory.refresh(&*app.store, &row.did).await?;
    app.forget_gone();
    tracing::info!(did = row.did.as_str(), "controller deleted with all that it owned");
    Ok(())
}

/// `POST /api/v1/controllers/{did}/webhook-secret/rotate`
pub(crate) async fn rotate_secret(
    principal: Principal,
    app: Data<App>,
    did: Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let row = load(&principal, &app, &did).await?;
    let (secret, until) = new_secret(&app, &row, Rotation::read(&body)?).await?;
    Ok(HttpResponse::Ok().json(NewSecret::new(&secret, until)))
}

/// Gives a controller a new webhook secret; until when the old one serves beside it.
pub(crate) async fn new_secret(
    app: &App,
    row: &ControllerRow,
    rotation: Rotation,
) -> Result<(Secret, Timestamp), Problem> {
    let secret = generate(Purpose::WebhookSecret);
    let (credential, until) = rotation.apply(&row.webhook_secret, secret.hash())?;
    app.store
        .set_webhook_secret(row.id, row.webhook_secret.current, &credential)
        .await?;
    app.directory.refresh(&*app.store, &row.did).await?;
    tracing::info!(did = row.did.as_str(), previous_until = %until, "webhook secret rotated");
    Ok((secret, until))
}
