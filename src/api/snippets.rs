//! Programs that send an event to an integration, filled in.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::ids::{EventType, Timestamp};
use conduit_actors::ports::Directory as _;

use super::paging::Items;
use crate::app::integrations::{load_named, webhook_url};
use crate::app::{Error, Noun, Principal, Services};
use crate::code::Code;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::snippets::{Language, snippet};

/// Answers `GET /api/v1/integrations/custom/{id}/snippets`: in one language or all, for one event type or the first.
pub(super) async fn list(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did", "language", "event"])?;
    let (did, row) = load_named(&principal, &services, &id, query.get("did")).await?;
    let languages = match query.get("language") {
        None => Language::ALL.to_vec(),
        Some(name) => vec![language(name)?],
    };
    let integration = services
        .directory
        .by_id(row.id)
        .ok_or(Error::NotFound(Noun::Integration))?;
    let first = || row.spec.events.first().map(|event| event.name.as_str());
    let named = query.get("event").or_else(first).unwrap_or_default();
    let unknown = || {
        Problem::bad_request(
            Code::EventUnknown,
            "event must be the name of one of the integration's events",
        )
    };
    let event: EventType = named.parse().map_err(|_| unknown())?;
    let mapping = integration.mapping.event(&event).ok_or_else(unknown)?;
    let sample = mapping.sample(&event, Timestamp::now());
    let url = webhook_url(&services, &did, &row);
    let items = languages
        .into_iter()
        .map(|language| snippet(language, &url, &sample))
        .collect();
    Ok(HttpResponse::Ok().json(Items::all(items)))
}

fn language(name: &str) -> Result<Language, Problem> {
    let found = Language::ALL.into_iter().find(|language| language.as_str() == name);
    found.ok_or_else(|| Problem::bad_request(Code::ParameterInvalid, "language must be curl, python, node or rust"))
}
