//! Data subjects.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use super::json;
use super::listing::{self, ListRequest};
use super::paging::Items;
use crate::app::identifier::Identifier;
use crate::app::subjects::{self, Subject, Subjects};
use crate::app::{Principal, Record as _, Services};
use crate::http::accept::Format;
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::http::query::Query;

/// Answers `GET /api/v1/subjects`.
pub(crate) async fn list(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did", "limit", "cursor", "excel"])?;
    let controller = principal.some(&services, query.get("did"))?.map(|(_, id)| id);
    let asked = ListRequest::read(Format::of(&request), Subject::LIST, &query)?;
    let subjects = Subjects::new(&principal, services.into_inner(), controller)?;
    listing::respond(subjects, asked).await
}

/// Answers `GET /api/v1/subjects/{did}`. A merged subject answers as the subject that it was merged into.
pub(crate) async fn get(
    principal: Principal,
    services: Data<Services>,
    did: Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(Subject::from(subjects::find(&principal, &services, &did).await?)))
}

/// Answers `POST /api/v1/subjects/lookup`: hashes the value, and neither stores nor logs it.
pub(crate) async fn look_up(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did"])?;
    let (_, controller) = principal.one(&services, query.get("did"))?;
    let identifier: Identifier = json::read(&body)?;
    let rows = subjects::by_identifier(&principal, &services, controller, &identifier).await?;
    Ok(HttpResponse::Ok().json(Items::all(rows.into_iter().map(Subject::from).collect())))
}
