//! The audit log.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::ids::SubjectDid;

use super::listing::{self, ListRequest};
use crate::app::activities::{Activities, ActivityRecord};
use crate::app::{Principal, Record as _, Services, events};
use crate::code::Code;
use crate::http::accept::Format;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::store::{ActivityFilter, ActivityOrder};

/// Answers `GET /api/v1/activities`.
pub(crate) async fn list(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let known = [
        "did",
        "subject",
        "integration",
        "event",
        "from",
        "to",
        "order",
        "limit",
        "cursor",
        "excel",
    ];
    let query = Query::read(&request, &known)?;
    let filter = read_filter(&principal, &services, &query).await?;
    let asked = ListRequest::read(Format::of(&request), ActivityRecord::LIST, &query)?;
    let activities = Activities::new(&principal, services.into_inner(), filter).await?;
    listing::respond(activities, asked).await
}

async fn read_filter(principal: &Principal, services: &Services, query: &Query) -> Result<ActivityFilter, Problem> {
    let order = match query.get("order") {
        None | Some("triggeredAt") => ActivityOrder::TriggeredAt,
        Some("sequence") => ActivityOrder::Sequence,
        Some(_) => {
            return Err(Problem::bad_request(
                Code::ParameterInvalid,
                "order must be triggeredAt or sequence",
            ));
        }
    };
    let mut controller = principal.some(services, query.get("did"))?.map(|(_, id)| id);
    let subject = match query.parsed::<SubjectDid>("subject", "a subject's DID")? {
        None => None,
        Some(did) => {
            let (subject, owner) = events::find_subject(principal, services, &did).await?;
            controller = controller.or(Some(owner));
            Some(subject)
        }
    };
    if order == ActivityOrder::Sequence && controller.is_none() {
        return Err(Problem::bad_request(
            Code::DidMissing,
            "sequences count within a controller: say which, ?did=…",
        ));
    }
    Ok(ActivityFilter {
        controller,
        subject,
        integration: query.parsed("integration", "an integration's id")?,
        event_type: query.event_type()?,
        from: query.time("from")?,
        to: query.time("to")?,
        order,
    })
}
