//! Lists of events, and the search for the events of a person.

use actix_web::http::header::{ACCEPT, VARY};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::event::{LinkHash, Status};
use conduit_actors::ids::{ControllerId, EventId, EventType, IntegrationId, SubjectDid, SubjectId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cursor::Cursors;
use super::json;
use super::listing::{self, ListRequest};
use super::paging::Items;
use crate::app::events::{self, Event, Events};
use crate::app::identifier::Identifier;
use crate::app::{Principal, Record as _, Services};
use crate::code::Code;
use crate::http::accept::Format;
use crate::http::body::Body;
use crate::http::export::export;
use crate::http::problem::Problem;
use crate::http::query::{self, Query};
use crate::store::EventFilter;

/// Answers `GET /api/v1/events`.
pub(crate) async fn list(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let known = [
        "did",
        "status",
        "integration",
        "event",
        "subject",
        "from",
        "to",
        "limit",
        "cursor",
        "excel",
    ];
    let query = Query::read(&request, &known)?;
    let mut controller = principal.some(&services, query.get("did"))?.map(|(_, id)| id);
    let subjects = match query.parsed::<SubjectDid>("subject", "a subject's DID")? {
        None => None,
        Some(did) => {
            let (subject, owner) = events::find_subject(&principal, &services, &did).await?;
            controller = controller.or(Some(owner));
            Some(vec![subject])
        }
    };
    let filter = EventFilter {
        controller,
        status: query.get("status").map(query::read_status).transpose()?,
        integration: query.parsed("integration", "an integration's id")?,
        event_type: query.event_type()?,
        subjects,
        from: query.time("from")?,
        to: query.time("to")?,
    };
    let asked = ListRequest::read(Format::of(&request), Event::LIST, &query)?;
    let events = Events::new(&principal, services.into_inner(), filter)?;
    listing::respond(events, asked).await
}

/// The conditions of a search.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EventSearch {
    /// Whose events.
    identifier: Identifier,
    /// Of this status.
    #[schemars(with = "Option<Status>")]
    status: Option<String>,
    /// The integration of the events.
    #[schemars(with = "Option<IntegrationId>")]
    integration: Option<String>,
    /// Of this type.
    #[schemars(with = "Option<EventType>")]
    event: Option<String>,
    /// Received at this time or later.
    #[schemars(with = "Option<Timestamp>")]
    from: Option<String>,
    /// Received before this time.
    #[schemars(with = "Option<Timestamp>")]
    to: Option<String>,
    /// How many at most: 50 in a page if it is left out, all in an export.
    #[schemars(range(min = 1, max = query::MAX_LIMIT))]
    limit: Option<usize>,
    /// Where to go on: the `nextCursor` of the page before.
    cursor: Option<String>,
}

/// A page of found events, and the subjects of the identifier.
#[derive(Serialize, JsonSchema)]
pub(super) struct FoundEvents {
    #[serde(flatten)]
    page: Items<Event>,
    /// The data subjects that have the identifier.
    subjects: Vec<SubjectDid>,
}

/// Answers `POST /api/v1/events/search`: the events of a person by an identifier. The identifier is in the body, so it
/// is in no address and no log, and the search uses its hash.
pub(crate) async fn search(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did", "excel"])?;
    let (_, controller) = principal.one(&services, query.get("did"))?;
    let search: EventSearch = json::read(&body)?;
    let hashes = search.identifier.hashes(&services, controller, "/identifier").await?;
    let mut asked = search.request(Format::of(&request), controller, &hashes)?;
    asked.for_excel = query.flag("excel")?;
    let mut filter = search.filter(controller)?;
    let subjects = events::of_identifier(&principal, &services, controller, &hashes).await?;
    let dids = subjects.iter().map(SubjectId::did).collect();
    filter.subjects = Some(subjects);
    let events = Events::new(&principal, services.into_inner(), filter)?;
    if asked.format != Format::Json {
        return export(events, asked.into()).await;
    }
    let page = listing::page(&events, &asked).await?;
    let found = FoundEvents { page, subjects: dids };
    Ok(HttpResponse::Ok().insert_header((VARY, ACCEPT.as_str())).json(found))
}

impl EventSearch {
    fn filter(&self, controller: ControllerId) -> Result<EventFilter, Problem> {
        let status = self.status.as_deref().map(query::read_status).transpose();
        let event = parsed::<EventType>(self.event.as_deref(), "/event", query::AN_EVENT_TYPE)?;
        Ok(EventFilter {
            controller: Some(controller),
            status: status.map_err(|problem| problem.at("/status"))?,
            integration: parsed(self.integration.as_deref(), "/integration", "an integration's id")?,
            event_type: event.map(|name| name.to_string()),
            subjects: None,
            from: time(self.from.as_deref(), "/from")?,
            to: time(self.to.as_deref(), "/to")?,
        })
    }

    /// Returns the request for a page. The cursor belongs to the identifier's hashes, not to its value, so it reveals
    /// nothing about it.
    fn request(
        &self,
        format: Format,
        controller: ControllerId,
        hashes: &[LinkHash],
    ) -> Result<ListRequest<EventId>, Problem> {
        let texts = [&self.status, &self.integration, &self.event, &self.from, &self.to];
        let texts = texts.map(|text| text.as_deref().map(str::as_bytes));
        // A missing value differs from an empty one.
        let texts = texts.iter().flat_map(|text| match text {
            Some(text) => [&b"+"[..], text],
            None => [&b"-"[..], &b""[..]],
        });
        let hashes = hashes.iter().map(|hash| &hash.0[..]);
        let filter = [&controller.as_bytes()[..]].into_iter().chain(texts).chain(hashes);
        let cursors = Cursors::of("events/search", filter);
        let after = self.cursor.as_deref().map(|cursor| cursors.read(cursor)).transpose();
        let limit = self.limit.map(query::checked_limit).transpose();
        Ok(ListRequest {
            format,
            for_excel: false,
            after: after.map_err(|problem| problem.at("/cursor"))?,
            limit: limit.map_err(|problem| problem.at("/limit"))?,
            cursors,
        })
    }
}

fn parsed<T: std::str::FromStr>(text: Option<&str>, at: &str, expected: &str) -> Result<Option<T>, Problem> {
    let invalid = || Problem::bad_request(Code::ParameterInvalid, format!("{} must be {expected}", &at[1..])).at(at);
    text.map(|text| text.parse().map_err(|_| invalid())).transpose()
}

fn time(text: Option<&str>, at: &str) -> Result<Option<Timestamp>, Problem> {
    let invalid = || {
        let detail = format!("{} must be an RFC 3339 date and time", &at[1..]);
        Problem::bad_request(Code::ParameterInvalid, detail).at(at)
    };
    text.map(|text| Timestamp::parse_rfc3339(text).ok_or_else(invalid))
        .transpose()
}
