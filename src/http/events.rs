//! Events and what became of them.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::event::{JournaledEvent, Notice, Status};
use conduit_actors::ids::{ControllerDid, ControllerId, EventId, IntegrationId, ProcessorId, SubjectId, Timestamp};
use conduit_actors::ports::{Directory as _, Journal as _};
use conduit_actors::stages::shown_if_harmless;
use serde::Serialize;

use super::guard::Principal;
use super::paging::{Items, Query};
use super::problem::Problem;
use super::state::App;
use crate::store::{EventFilter, EventRow, Page};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    pub(crate) event_id: EventId,
    pub(crate) did: ControllerDid,
    pub(crate) integration_id: IntegrationId,
    pub(crate) data_processor_id: Option<ProcessorId>,
    pub(crate) event: String,
    pub(crate) triggered_at: Timestamp,
    pub(crate) received_at: Timestamp,
    pub(crate) status: Status,
    pub(crate) reasons: Vec<Notice>,
    pub(crate) warnings: Vec<Notice>,
    pub(crate) duplicate_of: Option<EventId>,
    pub(crate) subject: Option<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) stages: Stages,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stages {
    pub(crate) journaled_at: Timestamp,
    pub(crate) extracted_at: Option<Timestamp>,
    pub(crate) resolved_at: Option<Timestamp>,
    pub(crate) logged_at: Option<Timestamp>,
}

fn stored(app: &App, row: EventRow) -> Option<Shown> {
    Some(Shown {
        event_id: row.id,
        did: app.directory.did(row.controller)?,
        integration_id: row.integration,
        data_processor_id: row.processor,
        event: row.event_type,
        triggered_at: row.triggered_at,
        received_at: row.id.received_at(),
        status: row.status,
        reasons: row.reasons,
        warnings: row.warnings,
        duplicate_of: row.duplicate_of,
        subject: row.subject.as_ref().map(|subject| SubjectId::did(subject).to_string()),
        categories: row.categories,
        stages: Stages {
            journaled_at: row.journaled_at,
            extracted_at: row.extracted_at,
            resolved_at: row.resolved_at,
            logged_at: Some(row.logged_at),
        },
    })
}

fn in_flight(app: &App, journaled: JournaledEvent) -> Option<Shown> {
    let event = journaled.event;
    let integration = app.directory.by_id(event.integration);
    let known = integration
        .as_ref()
        .is_some_and(|found| found.mapping.event(&event.event_type).is_some());
    let shown_type = if known {
        event.event_type
    } else {
        shown_if_harmless(&event.event_type)
    };
    Some(Shown {
        event_id: event.id,
        did: app.directory.did(event.controller)?,
        integration_id: event.integration,
        data_processor_id: integration.map(|found| found.processor.clone()),
        event: shown_type.to_string(),
        triggered_at: event.triggered_at,
        received_at: event.id.received_at(),
        status: Status::Received,
        reasons: Vec::new(),
        warnings: Vec::new(),
        duplicate_of: None,
        subject: None,
        categories: Vec::new(),
        stages: Stages {
            journaled_at: journaled.journaled_at,
            extracted_at: None,
            resolved_at: None,
            logged_at: None,
        },
    })
}

pub(crate) fn read_status(text: &str) -> Result<Status, Problem> {
    let all = [
        Status::Received,
        Status::Processed,
        Status::Duplicate,
        Status::Rejected,
        Status::Failed,
    ];
    all.into_iter().find(|status| status.as_str() == text).ok_or_else(|| {
        let detail = "status must be received, processed, duplicate, rejected or failed";
        Problem::bad_request("parameter_invalid", detail)
    })
}

/// `GET /api/v1/events`
pub(super) async fn list(principal: Principal, app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let known = ["did", "status", "integration", "event", "from", "to", "limit", "cursor"];
    let query = Query::read(&request, &known)?;
    let filter = EventFilter {
        controller: principal.some(&app, query.get("did"))?.map(|(_, id)| id),
        status: query.get("status").map(read_status).transpose()?,
        integration: query.parsed("integration", "an integration's id")?,
        event_type: query.get("event").map(str::to_owned),
        from: query.time("from")?,
        to: query.time("to")?,
    };
    let (limit, after) = (query.limit()?, query.cursor::<EventId>()?);
    let found = newest(&app, &filter, after, limit + 1).await?;
    Ok(HttpResponse::Ok().json(Items::page(found, limit, |event| event.event_id.to_string())))
}

/// Newest first. Those in flight come from the journal, the others from the store; an event that is committed in between
/// is shown once.
pub(crate) async fn newest(
    app: &App,
    filter: &EventFilter,
    after: Option<EventId>,
    limit: usize,
) -> Result<Vec<Shown>, Problem> {
    let mut found = Vec::new();
    if filter.status.is_none_or(|status| status == Status::Received) {
        found = pending(app, filter, after, limit)?;
    }
    if filter.status != Some(Status::Received) {
        let rows = app.store.events(filter, Page { after, limit }).await?;
        found.extend(rows.into_iter().filter_map(|row| stored(app, row)));
    }
    // A stable sort by id: of an event that is in both, the stored one, which is later, is kept.
    found.sort_by(|a, b| {
        b.event_id
            .cmp(&a.event_id)
            .then((a.status == Status::Received).cmp(&(b.status == Status::Received)))
    });
    found.dedup_by_key(|event| event.event_id);
    found.truncate(limit);
    Ok(found)
}

fn pending(app: &App, filter: &EventFilter, after: Option<EventId>, limit: usize) -> Result<Vec<Shown>, Problem> {
    let controllers: Vec<ControllerId> = match filter.controller {
        Some(controller) => vec![controller],
        None => app
            .journal
            .backlog()
            .into_iter()
            .map(|(controller, _)| controller)
            .collect(),
    };
    let mut found = Vec::new();
    for controller in controllers {
        let newest = app.journal.newest(controller, after, limit)?;
        let matching = newest.into_iter().filter(|journaled| {
            let event = &journaled.event;
            let received = event.id.received_at();
            filter.integration.is_none_or(|id| event.integration == id)
                && filter
                    .event_type
                    .as_ref()
                    .is_none_or(|name| event.event_type.as_str() == name)
                && filter.from.is_none_or(|from| received >= from)
                && filter.to.is_none_or(|to| received < to)
        });
        found.extend(matching.filter_map(|event| in_flight(app, event)));
    }
    found.sort_by_key(|event| std::cmp::Reverse(event.event_id));
    found.truncate(limit);
    Ok(found)
}

/// `GET /api/v1/events/{eventId}`
pub(super) async fn get(principal: Principal, app: Data<App>, id: Path<String>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(find(&principal, &app, &id).await?))
}

/// One event, wherever it is.
pub(crate) async fn find(principal: &Principal, app: &App, id: &str) -> Result<Shown, Problem> {
    let missing = || Problem::not_found("event");
    let id: EventId = id.parse().map_err(|_| missing())?;
    // The journal first, then the store, then the journal no more: an event goes one way only.
    let pending = find_pending(principal, app, id)?;
    if let Some(row) = app.store.event(id).await? {
        if !principal.sees(app, row.controller) {
            return Err(missing());
        }
        return stored(app, row).ok_or_else(missing);
    }
    pending.ok_or_else(missing)
}

fn find_pending(principal: &Principal, app: &App, id: EventId) -> Result<Option<Shown>, Problem> {
    for (controller, _) in app.journal.backlog() {
        if principal.sees(app, controller)
            && let Some(found) = app.journal.find(controller, id)?
        {
            return Ok(in_flight(app, found));
        }
    }
    Ok(None)
}
