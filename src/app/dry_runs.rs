//! The dry run of an event under an integration's mapping, or under a draft of one.

use std::sync::Arc;

use bytes::Bytes;
use conduit_actors::dry_run::{DryRun, dry_run};
use conduit_actors::envelope::Envelope;
use conduit_actors::event::{AcceptedEvent, Notice, Status};
use conduit_actors::ids::{EventId, Timestamp};
use conduit_actors::ingest::BodyFault;
use conduit_actors::personal::Personal;
use conduit_actors::ports::Integration;
use conduit_actors::stages::Finding;

use super::{Error, Principal, Services};

/// Masks a value: enough is left to recognise a known value, and too little to learn an unknown one.
pub(crate) fn masked(value: &str) -> String {
    let shown = if value.chars().nth(3).is_some() { 1 } else { 0 };
    value.chars().take(shown).chain("…".chars()).collect()
}

/// Returns the outcome that an event would have under an integration. Stores nothing.
///
/// # Errors
/// The body is no event; [`Error::NotFound`]; [`Error::Store`].
pub(crate) async fn run(
    principal: &Principal,
    services: &Services,
    integration: &Arc<Integration>,
    body: Bytes,
) -> Result<DryRun, Error> {
    principal.check_filter(services, Some(integration.controller.id))?;
    if body.len() > services.config.get().server.max_body_bytes {
        return Err(Error::Body(BodyFault::TooLarge));
    }
    let envelope = Envelope::parse(&body, Timestamp::now()).map_err(Error::Envelope)?;
    let event = AcceptedEvent {
        id: EventId::generate(),
        controller: integration.controller.id,
        integration: integration.id,
        event_type: envelope.event_type,
        triggered_at: envelope.triggered_at,
        body: Personal::new(body),
    };
    let controller = event.controller;
    let first = |claim: &_| services.dedup.first(controller, claim);
    Ok(dry_run(integration, event, first, &*services.store).await?)
}

/// Returns the outcome that the event would have, and why.
pub(crate) fn verdict(run: &DryRun) -> (Status, &[Notice]) {
    match &run.extracted.finding {
        Finding::Rejected(reasons) => (Status::Rejected, reasons),
        Finding::Failed(reasons) => (Status::Failed, reasons),
        Finding::Fits(_) if run.duplicate_of.is_some() => (Status::Duplicate, &[]),
        Finding::Fits(_) => (Status::Processed, &[]),
    }
}
