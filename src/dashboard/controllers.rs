//! The controllers: the tenants. Each sees its own page; the operator sees all.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use conduit_actors::ids::ControllerDid;
use uuid::Uuid;

use super::confirmation::Confirmation;
use super::credentials;
use super::fields::Fields;
use super::filters;
use super::forms::OperatorForm;
use super::guard::Session;
use super::page::{self, Section, Shell, segment};
use super::words::{Icon, Number, Time};
use crate::app::Principal;
use crate::app::controllers::{self, previous_until};
use crate::app::statistics::{self, Sums};
use crate::app::{Error, Services};
use crate::code::Code;
use crate::http::problem::Problem;
use crate::store::{ChangeError, ControllerRow, Page};

const PAGE: usize = 50;

struct ControllerItem {
    row: ControllerRow,
    segment: String,
    created: Time,
}

#[derive(Template)]
#[template(path = "controllers.html")]
struct Controllers {
    shell: Shell,
    lines: Vec<ControllerItem>,
    more: Option<String>,
    name: String,
    did: String,
    spare_did: String,
    fault: Option<String>,
    was_deleted: bool,
}

/// Answers `GET /controllers`.
pub(super) async fn list(
    session: Session,
    services: Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    if let Principal::Controller(did) = &session.principal {
        return Ok(page::redirect(&format!("/controllers/{}", segment(did.as_str()))));
    }
    let spare = format!("did:conduit:controller:{}", Uuid::now_v7());
    page_of(&session, &services, &request, ["", "", &spare], None).await
}

async fn page_of(
    session: &Session,
    services: &Services,
    request: &HttpRequest,
    [name, did, spare_did]: [&str; 3],
    fault: Option<String>,
) -> Result<HttpResponse, Problem> {
    let fields = Fields::read(request.query_string().as_bytes());
    let page = Page {
        after: fields.text("cursor").and_then(|cursor| cursor.parse().ok()),
        limit: PAGE + 1,
    };
    let mut shown = controllers::list(&session.principal, services, page).await?;
    let has_more = shown.len() > PAGE;
    shown.truncate(PAGE);
    let more = shown.last().filter(|_| has_more);
    page::render(&Controllers {
        shell: Shell::new(request, session, Section::Controllers, "Controllers"),
        more: more.map(|last| format!("/controllers?cursor={}", last.id)),
        lines: shown
            .into_iter()
            .map(|row| ControllerItem {
                segment: segment(row.did.as_str()),
                created: Time(row.created_at),
                row,
            })
            .collect(),
        name: name.to_owned(),
        did: did.to_owned(),
        spare_did: spare_did.to_owned(),
        fault,
        was_deleted: fields.get("said") == Some("deleted"),
    })
}

/// Answers `POST /controllers`.
pub(super) async fn create(
    OperatorForm(posted): OperatorForm,
    services: Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let session = &posted.session;
    let field = |name| posted.fields.text(name).unwrap_or_default();
    let (name, did, spare) = (field("name"), field("did"), field("spare_did"));
    let wanted = if did.is_empty() { spare } else { did };
    let created = match (name.parse(), wanted.parse::<ControllerDid>()) {
        (Ok(name), Ok(wanted)) => controllers::create(&session.principal, &services, &name, Some(wanted)).await,
        (_, Err(error)) => Err(Error::invalid(Code::DidInvalid, error.to_string())),
        (Err(error), _) => Err(error),
    };
    match created {
        Ok(new) => credentials::controller_created(&request, session, &new),
        Err(error) => {
            let said = match error {
                Error::Change(ChangeError::Exists) => {
                    "A controller with this DID exists already. Use another DID.".to_owned()
                }
                other => Problem::from(other).detail().to_owned(),
            };
            page_of(session, &services, &request, [name, did, spare], Some(said)).await
        }
    }
}

#[derive(Template)]
#[template(path = "controller.html")]
struct Controller {
    shell: Shell,
    is_operator: bool,
    row: ControllerRow,
    segment: String,
    created: Time,
    sums: Sums,
    accepted: Number,
    integrations: usize,
    previous_until: Option<Time>,
    state: String,
    token_state: String,
    confirmation: Confirmation,
}

async fn one(
    session: &Session,
    services: &Services,
    did: &str,
    request: &HttpRequest,
    refused: Option<Confirmation>,
) -> Result<HttpResponse, Problem> {
    let row = controllers::load(&session.principal, services, did).await?;
    let sums = statistics::sums(&session.principal, services, Some(row.id)).await?;
    page::render(&Controller {
        shell: Shell::new(request, session, Section::Controllers, row.name.clone()),
        is_operator: session.is_operator(),
        segment: segment(row.did.as_str()),
        created: Time(row.created_at),
        accepted: Number(sums.accepted),
        sums,
        integrations: services.directory.summaries(row.id).len(),
        previous_until: previous_until(&row.webhook_secret).map(Time),
        state: credentials::state(&row.webhook_secret.current),
        token_state: credentials::state(&row.management_token),
        confirmation: refused.unwrap_or_else(|| Confirmation::of(&row.name)),
        row,
    })
}

/// Answers `GET /controllers/{did}`.
pub(super) async fn get(
    session: Session,
    services: Data<Services>,
    did: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    one(&session, &services, &did, &request, None).await
}

/// Answers `POST /controllers/{did}/delete`: requires the name, because all data of the controller is deleted.
pub(super) async fn delete(
    OperatorForm(posted): OperatorForm,
    services: Data<Services>,
    did: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let row = controllers::load(&posted.session.principal, &services, &did).await?;
    if let Err(refused) = Confirmation::read(&row.name, &posted.fields) {
        return one(&posted.session, &services, &did, &request, Some(refused)).await;
    }
    controllers::delete(&posted.session.principal, &services, &row).await?;
    Ok(page::redirect("/controllers?said=deleted"))
}
