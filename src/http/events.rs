//! Events and what became of them. Lists of them: [`super::event_list`].

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use conduit_actors::event::{JournaledEvent, Notice, Status};
use conduit_actors::ids::{ControllerDid, EventId, IntegrationId, ProcessorId, SubjectId, Timestamp};
use conduit_actors::ports::{Directory as _, Journal as _};
use conduit_actors::stages::shown_if_harmless;
use serde::Serialize;

use super::guard::Principal;
use super::problem::Problem;
use super::state::App;
use crate::store::EventRow;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    pub(super) event_id: EventId,
    pub(super) did: ControllerDid,
    pub(super) integration_id: IntegrationId,
    pub(super) data_processor_id: Option<ProcessorId>,
    pub(super) event: String,
    pub(super) triggered_at: Timestamp,
    pub(super) received_at: Timestamp,
    pub(super) status: Status,
    pub(super) reasons: Vec<Notice>,
    pub(super) warnings: Vec<Notice>,
    pub(super) duplicate_of: Option<EventId>,
    pub(super) subject: Option<String>,
    pub(super) categories: Vec<String>,
    pub(super) stages: Stages,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stages {
    pub(super) journaled_at: Timestamp,
    pub(super) extracted_at: Option<Timestamp>,
    pub(super) resolved_at: Option<Timestamp>,
    pub(super) logged_at: Option<Timestamp>,
}

pub(super) fn stored(app: &App, row: EventRow) -> Option<Shown> {
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

pub(super) fn in_flight(app: &App, journaled: JournaledEvent) -> Option<Shown> {
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

/// `GET /api/v1/events/{eventId}`
pub(super) async fn get(principal: Principal, app: Data<App>, id: Path<String>) -> Result<HttpResponse, Problem> {
    let missing = || Problem::not_found("event");
    let id: EventId = id.parse().map_err(|_| missing())?;
    // The journal first, then the store, then the journal no more: an event goes one way only.
    let pending = find_pending(&principal, &app, id)?;
    if let Some(row) = app.store.event(id).await? {
        if !principal.sees(&app, row.controller) {
            return Err(missing());
        }
        return Ok(HttpResponse::Ok().json(stored(&app, row).ok_or_else(missing)?));
    }
    Ok(HttpResponse::Ok().json(pending.ok_or_else(missing)?))
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
