//! One event. Lists of events: [`super::event_list`].

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

use crate::app::{Principal, Services, events};
use crate::http::problem::Problem;

/// Answers `GET /api/v1/events/{eventId}`.
pub(super) async fn get(
    principal: Principal,
    services: Data<Services>,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(events::find(&principal, &services, &id).await?))
}
