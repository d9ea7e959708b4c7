//! Lists of events: those in flight, from the journal, and those with an outcome, from the store.

use std::sync::Arc;

use conduit_actors::event::{JournaledEvent, LinkHash, Status};
use conduit_actors::ids::{ControllerId, EventId, Sequence, SubjectDid, SubjectId};

use super::{Event, in_flight, stored};
use crate::app::{Error, List, Noun, Principal, Services};
use crate::code::Code;
use crate::store::{EventFilter, EventRow, Page};

/// Events in flight that are read at a time, with their bodies.
const IN_FLIGHT: usize = 200;

/// Subjects that an identifier may lead to before it says too little about anybody.
const MAX_SUBJECTS: usize = 50;

/// Events under a filter, newest first.
///
/// An event moves only from the journal to the store, so the journal is read first. An event that is committed in
/// between is in both, and shown once, with its outcome. New events have greater ids than all before them. So paging
/// meets each event of the first moment exactly once.
pub(crate) struct Events {
    services: Arc<Services>,
    filter: EventFilter,
}

impl List for Events {
    type Item = Event;
    type Place = EventId;

    async fn page(&self, after: Option<EventId>, limit: usize) -> Result<Vec<Event>, Error> {
        // Deleted in the middle of an export: the rest must not look complete.
        if let Some(controller) = self.filter.controller
            && self.services.directory.did(controller).is_none()
        {
            return Err(Error::NotFound(Noun::Controller));
        }
        let mut found = self.pending(after, limit).await?;
        found.extend(self.settled(after, limit).await?);
        // A stable sort by id. If an event is in both, the stored one, which is later, is kept.
        found.sort_by(|a, b| {
            let is_received = |event: &Event| event.status == Status::Received;
            b.event_id.cmp(&a.event_id).then(is_received(a).cmp(&is_received(b)))
        });
        found.dedup_by_key(|event| event.event_id);
        found.truncate(limit);
        Ok(found)
    }

    fn place(&self, item: &Event) -> EventId {
        item.event_id
    }
}

impl Events {
    /// Makes the list.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the filter reaches further than the principal may see.
    pub(crate) fn new(principal: &Principal, services: Arc<Services>, filter: EventFilter) -> Result<Self, Error> {
        principal.check_filter(&services, filter.controller)?;
        Ok(Self { services, filter })
    }

    /// Returns the newest events with an outcome.
    async fn settled(&self, after: Option<EventId>, limit: usize) -> Result<Vec<Event>, Error> {
        let mut found = Vec::new();
        if self.filter.status == Some(Status::Received) {
            return Ok(found);
        }
        let mut page = Page { after, limit };
        loop {
            let rows = self.services.store.events(&self.filter, page).await?;
            let is_last = rows.len() < limit;
            page.after = rows.last().map(|row| row.id);
            // Events of a controller that is being deleted are left out, even if they fill many pages.
            found.extend(rows.into_iter().filter_map(|row| stored(&self.services, row)));
            if is_last || found.len() >= limit {
                return Ok(found);
            }
        }
    }

    /// Returns the newest events in flight. Their data subjects are not known yet.
    async fn pending(&self, after: Option<EventId>, limit: usize) -> Result<Vec<Event>, Error> {
        let is_asked_for = self.filter.status.is_none_or(|status| status == Status::Received);
        if !is_asked_for || self.filter.subjects.is_some() {
            return Ok(Vec::new());
        }
        let controllers: Vec<ControllerId> = match self.filter.controller {
            Some(controller) => vec![controller],
            None => {
                let backlog = self.services.journal.backlog().into_iter();
                backlog.map(|(controller, _)| controller).collect()
            }
        };
        let mut found = Vec::new();
        for controller in controllers {
            found.extend(self.pending_of(controller, after, limit).await?);
        }
        found.sort_by_key(|event| std::cmp::Reverse(event.event_id));
        found.truncate(limit);
        Ok(found)
    }

    /// Reads the stream backwards until there are enough that match.
    async fn pending_of(
        &self,
        controller: ControllerId,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Event>, Error> {
        let journal = &self.services.journal;
        let mut found = Vec::new();
        let mut events = journal.newest(controller, after, limit.min(IN_FLIGHT))?;
        while let Some(oldest) = events.last() {
            let (sequence, received_at) = (oldest.sequence, oldest.event.id.received_at());
            let matching = events.into_iter().filter(|event| self.matches(event));
            found.extend(matching.filter_map(|event| in_flight(&self.services, event)));
            if found.len() >= limit || self.filter.from.is_some_and(|from| received_at < from) {
                break;
            }
            // This thread has others to serve.
            tokio::task::yield_now().await;
            let before = sequence.0.saturating_sub(IN_FLIGHT as u64 + 1);
            let count = usize::try_from(sequence.0 - 1 - before).unwrap_or(IN_FLIGHT);
            events = journal.read(controller, Sequence(before), count, usize::MAX)?;
            // If later ones come, the earlier ones were released meanwhile and are in the store.
            events.retain(|event| event.sequence < sequence);
            events.reverse();
        }
        Ok(found)
    }

    fn matches(&self, journaled: &JournaledEvent) -> bool {
        let (event, filter) = (&journaled.event, &self.filter);
        let received = event.id.received_at();
        filter.integration.is_none_or(|id| event.integration == id)
            && filter
                .event_type
                .as_ref()
                .is_none_or(|name| event.event_type.as_str() == name)
            && filter.from.is_none_or(|from| received >= from)
            && filter.to.is_none_or(|to| received < to)
    }
}

/// Returns a subject and its controller by the DID. A merged subject is read as the subject that it was merged into.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Store`].
pub(crate) async fn find_subject(
    principal: &Principal,
    services: &Services,
    did: &SubjectDid,
) -> Result<(SubjectId, ControllerId), Error> {
    let found = services.store.subject(did).await?;
    let found = found.filter(|found| principal.sees(services, found.controller));
    let found = found.ok_or(Error::NotFound(Noun::Subject))?;
    Ok((found.id, found.controller))
}

/// Returns a page of events that have an outcome, newest first.
///
/// # Errors
/// [`Error::NotFound`] if the filter reaches further than the principal may see; [`Error::Store`].
pub(crate) async fn with_outcome(
    principal: &Principal,
    services: &Services,
    filter: &EventFilter,
    page: Page<EventId>,
) -> Result<Vec<EventRow>, Error> {
    principal.check_filter(services, filter.controller)?;
    Ok(services.store.events(filter, page).await?)
}

/// Returns the subjects that have an identifier, by its hashes.
///
/// # Errors
/// More than 50 subjects have it; [`Error::NotFound`]; [`Error::Store`].
pub(crate) async fn of_identifier(
    principal: &Principal,
    services: &Services,
    controller: ControllerId,
    hashes: &[LinkHash],
) -> Result<Vec<SubjectId>, Error> {
    principal.check_filter(services, Some(controller))?;
    let subjects = services.store.subjects_of(controller, hashes, MAX_SUBJECTS + 1).await?;
    if subjects.len() > MAX_SUBJECTS {
        let detail = "more than 50 data subjects have it: search by an identifier that says more about a person";
        return Err(Error::invalid_at(
            Code::IdentifierTooCommon,
            "/identifier/value",
            detail,
            detail,
        ));
    }
    Ok(subjects)
}
