//! Controllers: the tenants.

use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::ids::{ControllerDid, ControllerId, Timestamp};
use conduit_actors::personal::{CredentialHash, Secret};
use conduit_actors::ports::{Credential, Directory as _};
use serde::Deserialize;
use serde_json::{Value, json};

use super::guard::Principal;
use super::paging::{self, Items, Query};
use super::problem::Problem;
use super::state::App;
use crate::secrets::{Purpose, generate};
use crate::store::ControllerRow;

const MAX_NAME_CHARS: usize = 200;
const DEFAULT_GRACE_SECONDS: u32 = 86_400;
const MAX_GRACE_SECONDS: u32 = 30 * 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewController {
    name: String,
    did: Option<ControllerDid>,
}

/// The body of a rotation.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Rotation {
    grace_period_seconds: Option<u32>,
}

impl Rotation {
    pub(crate) const fn with_grace(seconds: u32) -> Self {
        Self {
            grace_period_seconds: Some(seconds),
        }
    }

    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        if body.iter().all(u8::is_ascii_whitespace) {
            Ok(Self::default())
        } else {
            paging::json(body)
        }
    }

    /// The credential after the rotation: the new one, and the old one until its grace ends.
    pub(super) fn apply(&self, before: &Credential, new: CredentialHash) -> Result<(Credential, Timestamp), Problem> {
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

fn shown(row: &ControllerRow) -> Value {
    json!({
        "did": row.did,
        "name": row.name,
        "createdAt": row.created_at,
        "webhookSecretPreviousUntil": previous_until(&row.webhook_secret),
    })
}

/// `POST /api/v1/controllers`
pub(super) async fn create(principal: Principal, app: Data<App>, body: Bytes) -> Result<HttpResponse, Problem> {
    principal.operator()?;
    let new: NewController = paging::json(&body)?;
    let made = make(&app, &new.name, new.did).await?;
    let mut answer = shown(&made.row);
    answer["webhookSecret"] = shown_once(&made.webhook_secret);
    answer["managementToken"] = shown_once(&made.management_token);
    Ok(HttpResponse::Created().json(answer))
}

/// A new controller, with its credentials, which are known here alone.
pub(crate) struct Made {
    pub(crate) row: ControllerRow,
    pub(crate) webhook_secret: Secret,
    pub(crate) management_token: Secret,
}

/// Makes a controller.
pub(crate) async fn make(app: &App, name: &str, did: Option<ControllerDid>) -> Result<Made, Problem> {
    let name = name.trim();
    if !(1..=MAX_NAME_CHARS).contains(&name.chars().count()) {
        let problem = Problem::bad_request("name_invalid", "name must have 1 to 200 characters");
        return Err(problem.with_error("/name", "must have 1 to 200 characters"));
    }
    if name.contains('\0') {
        let problem = Problem::bad_request("name_invalid", "name must not have the character U+0000");
        return Err(problem.with_error("/name", "must not have the character U+0000"));
    }
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
pub(super) fn shown_once(secret: &Secret) -> Value {
    Value::from(secret.expose())
}

/// `GET /api/v1/controllers`
pub(super) async fn list(principal: Principal, app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["limit", "cursor"])?;
    let (limit, after) = (query.limit()?, query.cursor::<ControllerDid>()?);
    let rows = app.store.controllers().await?;
    let seen = rows.into_iter().filter(|row| match &principal {
        Principal::Operator => true,
        Principal::Controller(did) => row.did == *did,
    });
    let skipped: Vec<ControllerRow> = match after {
        Some(after) => seen
            .skip_while(|row| row.did != after)
            .skip(1)
            .take(limit + 1)
            .collect(),
        None => seen.take(limit + 1).collect(),
    };
    let page = Items::page(skipped, limit, |row| row.did.to_string());
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
pub(super) async fn get(principal: Principal, app: Data<App>, did: Path<String>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(shown(&load(&principal, &app, &did).await?)))
}

/// `DELETE /api/v1/controllers/{did}`: with all that it owns.
pub(super) async fn delete(principal: Principal, app: Data<App>, did: Path<String>) -> Result<HttpResponse, Problem> {
    principal.operator()?;
    remove(&app, &load(&principal, &app, &did).await?).await?;
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
pub(super) async fn rotate_secret(
    principal: Principal,
    app: Data<App>,
    did: Path<String>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let row = load(&principal, &app, &did).await?;
    let (secret, until) = new_secret(&app, &row, Rotation::read(&body)?).await?;
    Ok(HttpResponse::Ok().json(json!({"webhookSecret": secret.expose(), "previousValidUntil": until})))
}

/// Gives a controller a new webhook secret; until when the old one serves beside it.
pub(crate) async fn new_secret(
    app: &App,
    row: &ControllerRow,
    rotation: Rotation,
) -> Result<(Secret, Timestamp), Problem> {
    let secret = generate(Purpose::WebhookSecret);
    let (credential, until) = rotation.apply(&row.webhook_secret, secret.hash())?;
    app.store.set_webhook_secret(row.id, &credential).await?;
    app.directory.refresh(&*app.store, &row.did).await?;
    tracing::info!(did = row.did.as_str(), previous_until = %until, "webhook secret rotated");
    Ok((secret, until))
}
