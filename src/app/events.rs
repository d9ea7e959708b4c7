//! Events and what became of them.

mod list;

use conduit_actors::event::{JournaledEvent, Notice, Status};
use conduit_actors::ids::{ControllerDid, EventId, IntegrationId, ProcessorId, ReplayId, SubjectId, Timestamp};
use conduit_actors::mapping::Received;
use conduit_actors::ports::{Directory as _, StoreError};
use conduit_actors::stages::shown_if_harmless;
use schemars::JsonSchema;
use serde::Serialize;

use super::list::json_cell;
use super::{Error, Noun, Principal, Record, Services};
use crate::store::{EventRow, PastOutcome};
pub(crate) use list::{Events, find_subject, of_identifier, with_outcome};

/// Returns subjects as their DIDs.
pub(crate) fn dids(subjects: &[SubjectId]) -> Vec<String> {
    subjects.iter().map(|subject| subject.did().to_string()).collect()
}

/// An event and what became of it. Its payload is not kept.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Event")]
pub(crate) struct Event {
    /// Its id.
    pub(crate) event_id: EventId,
    /// The controller that it belongs to.
    pub(crate) did: ControllerDid,
    /// The integration that it came by.
    pub(crate) integration_id: IntegrationId,
    /// The processor that it came from; null if its integration is gone.
    pub(crate) data_processor_id: Option<ProcessorId>,
    /// Its type; one that the mapping does not know is shown only if it looks like a type's name.
    pub(crate) event: String,
    /// When it happened, as its sender says.
    pub(crate) triggered_at: Timestamp,
    /// When it was accepted.
    pub(crate) received_at: Timestamp,
    /// How far it has come.
    pub(crate) status: Status,
    /// Why it was rejected, or failed.
    pub(crate) reasons: Vec<Notice>,
    /// Warnings, such as dropped values.
    pub(crate) warnings: Vec<Notice>,
    /// The event that it repeats.
    pub(crate) duplicate_of: Option<EventId>,
    /// The data subject that it concerns.
    pub(crate) subject: Option<String>,
    /// The other data subjects that it names.
    pub(crate) other_subjects: Vec<String>,
    /// The categories of personal data in it, sorted, each once.
    pub(crate) categories: Vec<String>,
    /// When it passed each stage.
    pub(crate) stages: Stages,
    /// All outcomes of a single event, oldest first. `None` in lists, and while the event is in flight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) history: Option<Vec<EventOutcome>>,
    /// The field names in the payload of a single rejected or failed event. The payload is opened for this answer, as
    /// long as it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) received: Option<Received>,
}

/// One of an event's outcomes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Outcome")]
pub(crate) struct EventOutcome {
    /// When it was written.
    pub(crate) at: Timestamp,
    /// The outcome of the event.
    pub(crate) status: Status,
    /// Why, if it was rejected or failed.
    pub(crate) reasons: Vec<Notice>,
    /// The version of the mapping that a replay ran it under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mapping_version: Option<u64>,
    /// The replay that it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replay_id: Option<ReplayId>,
}

impl From<PastOutcome> for EventOutcome {
    fn from(outcome: PastOutcome) -> Self {
        Self {
            at: outcome.at,
            status: outcome.status,
            reasons: outcome.reasons,
            mapping_version: outcome.mapping_version,
            replay_id: outcome.replay,
        }
    }
}

/// When an event passed each stage; null: not yet, or not at all.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stages {
    /// On stable storage.
    pub(crate) journaled_at: Timestamp,
    /// Personal data extracted.
    pub(crate) extracted_at: Option<Timestamp>,
    /// Data subject resolved.
    pub(crate) resolved_at: Option<Timestamp>,
    /// Outcome written.
    pub(crate) logged_at: Option<Timestamp>,
}

pub(super) fn stored(services: &Services, row: EventRow) -> Option<Event> {
    Some(Event {
        event_id: row.id,
        did: services.directory.did(row.controller)?,
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
        other_subjects: dids(&row.other_subjects),
        categories: row.categories,
        stages: Stages {
            journaled_at: row.journaled_at,
            extracted_at: row.extracted_at,
            resolved_at: row.resolved_at,
            logged_at: Some(row.logged_at),
        },
        history: None,
        received: None,
    })
}

pub(super) fn in_flight(services: &Services, journaled: JournaledEvent) -> Option<Event> {
    let event = journaled.event;
    let integration = services.directory.by_id(event.integration);
    let known = integration
        .as_ref()
        .is_some_and(|found| found.mapping.event(&event.event_type).is_some());
    let shown_type = if known {
        event.event_type
    } else {
        shown_if_harmless(&event.event_type)
    };
    Some(Event {
        event_id: event.id,
        did: services.directory.did(event.controller)?,
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
        other_subjects: Vec::new(),
        categories: Vec::new(),
        stages: Stages {
            journaled_at: journaled.journaled_at,
            extracted_at: None,
            resolved_at: None,
            logged_at: None,
        },
        history: None,
        received: None,
    })
}

/// Returns one event, in the journal or the store, with all its outcomes.
pub(crate) async fn find(principal: &Principal, services: &Services, id: &str) -> Result<Event, Error> {
    let missing = || Error::NotFound(Noun::Event);
    let id: EventId = id.parse().map_err(|_| missing())?;
    // The journal first, then the store, then the journal no more: an event goes one way only.
    let pending = find_pending(principal, services, id)?;
    if let Some(row) = services.store.event(id).await? {
        if !principal.sees(services, row.controller) {
            return Err(missing());
        }
        let (row, history) = with_history(services, row).await?;
        let received = received(services, &row).await?;
        let mut event = stored(services, row).ok_or_else(missing)?;
        event.history = Some(history);
        event.received = received;
        return Ok(event);
    }
    pending.map(without_outcome).ok_or_else(missing)
}

/// Returns one event that is in flight here. Asks the journal only, for the time without the database. All other events
/// are in the store.
pub(crate) fn find_in_journal(principal: &Principal, services: &Services, id: &str) -> Result<Option<Event>, Error> {
    let id: EventId = id.parse().map_err(|_| Error::NotFound(Noun::Event))?;
    Ok(find_pending(principal, services, id)?.map(without_outcome))
}

fn without_outcome(event: Event) -> Event {
    let history = Some(Vec::new());
    Event { history, ..event }
}

/// Returns the field names of a rejected or failed event. Opens its payload for this caller, and stores nothing.
async fn received(services: &Services, row: &EventRow) -> Result<Option<Received>, Error> {
    if !matches!(row.status, Status::Rejected | Status::Failed) {
        return Ok(None);
    }
    let Some(integration) = services.directory.by_id(row.integration) else {
        return Ok(None);
    };
    match services.store.payload(row.id).await {
        Ok(payload) => Ok(payload.and_then(|payload| integration.mapping.received(payload.expose()))),
        // The event itself can be shown all the same.
        Err(StoreError::Failed(error)) => {
            tracing::debug!(event_id = %row.id, %error, "a payload does not open: its names are not shown");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns an event with all its outcomes. The last one equals its row.
async fn with_history(services: &Services, mut row: EventRow) -> Result<(EventRow, Vec<EventOutcome>), Error> {
    let past = services.store.past_outcomes(row.id).await?;
    let Some(last) = past.last() else {
        let only = PastOutcome {
            at: row.logged_at,
            status: row.status,
            reasons: row.reasons.clone(),
            mapping_version: None,
            replay: None,
        };
        return Ok((row, vec![only.into()]));
    };
    if (last.at, last.status) != (row.logged_at, row.status) {
        // It was replayed between the two readings.
        row = services.store.event(row.id).await?.unwrap_or(row);
    }
    Ok((row, past.into_iter().map(EventOutcome::from).collect()))
}

/// Returns whether an event that the principal may see is in flight here.
pub(super) fn is_pending(principal: &Principal, services: &Services, id: EventId) -> Result<bool, Error> {
    Ok(find_pending(principal, services, id)?.is_some())
}

fn find_pending(principal: &Principal, services: &Services, id: EventId) -> Result<Option<Event>, Error> {
    for (controller, _) in services.journal.backlog() {
        if principal.sees(services, controller)
            && let Some(found) = services.journal.find(controller, id)?
        {
            return Ok(in_flight(services, found));
        }
    }
    Ok(None)
}

impl Record for Event {
    const LIST: &'static str = "events";
    const COLUMNS: &'static [&'static str] = &[
        "eventId",
        "did",
        "integrationId",
        "dataProcessorId",
        "event",
        "triggeredAt",
        "receivedAt",
        "status",
        "reasons",
        "warnings",
        "duplicateOf",
        "subject",
        "categories",
        "journaledAt",
        "extractedAt",
        "resolvedAt",
        "loggedAt",
        "otherSubjects",
    ];

    fn cells(&self) -> Vec<String> {
        fn text(value: Option<&impl ToString>) -> String {
            value.map(ToString::to_string).unwrap_or_default()
        }
        let stages = &self.stages;
        vec![
            self.event_id.to_string(),
            self.did.to_string(),
            self.integration_id.to_string(),
            text(self.data_processor_id.as_ref()),
            self.event.clone(),
            self.triggered_at.to_string(),
            self.received_at.to_string(),
            self.status.as_str().to_owned(),
            json_cell(&self.reasons),
            json_cell(&self.warnings),
            text(self.duplicate_of.as_ref()),
            text(self.subject.as_ref()),
            self.categories.join(" "),
            stages.journaled_at.to_string(),
            text(stages.extracted_at.as_ref()),
            text(stages.resolved_at.as_ref()),
            text(stages.logged_at.as_ref()),
            self.other_subjects.join(" "),
        ]
    }
}
