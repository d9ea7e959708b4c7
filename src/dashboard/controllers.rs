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
use super::forms::PostedByOperator;
use super::guard::Session;
use super::page::{self, Section, Shell, segment};
use super::words::{Icon, Number, Time};
use crate::http::App;
use crate::http::controllers::{self, previous_until};
use crate::http::guard::Principal;
use crate::http::problem::Problem;
use crate::http::stats::{self, Sums};
use crate::store::ControllerRow;

const PAGE: usize = 50;

struct Line {
    row: ControllerRow,
    segment: String,
    created: Time,
}

#[derive(Template)]
#[template(path = "controllers.html")]
struct Controllers {
    shell: Shell,
    lines: Vec<Line>,
    more: Option<String>,
    name: String,
    did: String,
    spare_did: String,
    fault: Option<String>,
    was_deleted: bool,
}

/// `GET /controllers`
pub(super) async fn list(session: Session, app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    if let Principal::Controller(did) = &session.principal {
        return Ok(page::redirect(&format!("/controllers/{}", segment(did.as_str()))));
    }
    let spare = format!("did:conduit:controller:{}", Uuid::now_v7());
    page_of(&session, &app, &request, ["", "", &spare], None).await
}

async fn page_of(
    session: &Session,
    app: &App,
    request: &HttpRequest,
    [name, did, spare_did]: [&str; 3],
    fault: Option<String>,
) -> Result<HttpResponse, Problem> {
    let fields = Fields::read(request.query_string().as_bytes());
    let rows = app.store.controllers().await?;
    let skipped = fields.text("cursor").map_or(0, |cursor| {
        rows.iter()
            .position(|row| row.did.as_str() == cursor)
            .map_or(0, |index| index + 1)
    });
    let has_more = rows.len() > skipped + PAGE;
    let shown: Vec<ControllerRow> = rows.into_iter().skip(skipped).take(PAGE).collect();
    let more = shown.last().filter(|_| has_more);
    page::render(&Controllers {
        shell: Shell::new(request, session, Section::Controllers, "Controllers"),
        more: more.map(|last| format!("/controllers?cursor={}", segment(last.did.as_str()))),
        lines: shown
            .into_iter()
            .map(|row| Line {
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

/// `POST /controllers`
pub(super) async fn create(
    PostedByOperator(posted): PostedByOperator,
    app: Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let session = &posted.session;
    let field = |name| posted.fields.text(name).unwrap_or_default();
    let (name, did, spare) = (field("name"), field("did"), field("spare_did"));
    let wanted = if did.is_empty() { spare } else { did };
    let made = match wanted.parse::<ControllerDid>() {
        Ok(wanted) => controllers::make(&app, name, Some(wanted)).await,
        Err(error) => Err(Problem::bad_request("did_invalid", error.to_string())),
    };
    match made {
        Ok(made) => credentials::controller_made(&request, session, &made),
        Err(problem) => {
            let said = match problem.code() {
                "already_exists" => "A controller with this DID exists already. Use another DID.".to_owned(),
                _ => problem.detail().to_owned(),
            };
            page_of(session, &app, &request, [name, did, spare], Some(said)).await
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
    app: &App,
    did: &str,
    request: &HttpRequest,
    refused: Option<Confirmation>,
) -> Result<HttpResponse, Problem> {
    let row = controllers::load(&session.principal, app, did).await?;
    let sums = stats::sums(app, Some(row.id)).await?;
    page::render(&Controller {
        shell: Shell::new(request, session, Section::Controllers, row.name.clone()),
        is_operator: session.is_operator(),
        segment: segment(row.did.as_str()),
        created: Time(row.created_at),
        accepted: Number(sums.accepted),
        sums,
        integrations: app.directory.summaries(Some(row.id)).len(),
        previous_until: previous_until(&row.webhook_secret).map(Time),
        state: credentials::state(&row.webhook_secret.current),
        token_state: credentials::state(&row.management_token),
        confirmation: refused.unwrap_or_else(|| Confirmation::of(&row.name)),
        row,
    })
}

/// `GET /controllers/{did}`
pub(super) async fn get(
    session: Session,
    app: Data<App>,
    did: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    one(&session, &app, &did, &request, None).await
}

/// `POST /controllers/{did}/delete`: asks for the name, since all that it owns goes with it.
pub(super) async fn delete(
    PostedByOperator(posted): PostedByOperator,
    app: Data<App>,
    did: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let row = controllers::load(&posted.session.principal, &app, &did).await?;
    if let Err(refused) = Confirmation::read(&row.name, &posted.fields) {
        return one(&posted.session, &app, &did, &request, Some(refused)).await;
    }
    controllers::remove(&app, &row).await?;
    Ok(page::redirect("/controllers?said=deleted"))
}
