//! The program's requirements for its journal, beyond those of the pipeline.

use std::io;
use std::time::Instant;

use conduit_actors::admission::InFlight;
use conduit_actors::event::JournaledEvent;
use conduit_actors::ids::{ControllerId, EventId, IntegrationId, Timestamp};
use conduit_actors::ports::{Journal, JournalError};

use super::report::{JournalMeters, JournalReport};
use super::tuning::JournalTuning;

/// A node's journal: the pipeline's port, its figures, the past payloads and its end.
///
/// The suite in `tests/journal/conformance.rs` holds every implementation to this contract.
pub trait NodeJournal: Journal {
    /// Returns what is in flight. It is asked for many times a second, so it must not go through the streams.
    fn in_flight(&self) -> InFlight;

    /// Returns a mark for [`Self::moved_since`].
    fn mark(&self) -> u64;

    /// Returns the streams that had events in flight at this mark or later. Returns `None` if too many had.
    fn moved_since(&self, mark: u64) -> Option<Vec<ControllerId>>;

    /// Returns the journal's figures.
    fn report(&self) -> JournalReport;

    /// Returns the meters of its writes. Clones of them count together.
    fn meters(&self) -> &JournalMeters;

    /// Changes the settings. They hold from the next batch on. A shorter retention deletes past events soon.
    fn set_tuning(&self, tuning: JournalTuning);

    /// Returns when the oldest event in flight was received.
    fn oldest_in_flight(&self) -> Option<Timestamp> {
        let heads = self.backlog();
        heads
            .into_iter()
            .filter_map(|(controller, position)| self.read(controller, position.released, 1, 0).ok()?.pop())
            .map(|head| head.event.id.received_at())
            .min()
    }

    /// Begins to read the newest `wanted` events that the filter takes, of those received within the retention.
    fn past(&self, filter: PastFilter, wanted: usize) -> Box<dyn Past>;

    /// Finds one event with any outcome. Returns `None` if it is not kept.
    ///
    /// # Errors
    /// As [`Past::next`].
    fn find_past(&self, controller: ControllerId, event: EventId) -> Result<Option<JournaledEvent>, JournalError> {
        let filter = PastFilter {
            controller,
            integration: None,
            event: Some(event),
        };
        match self.past(filter, 1).next(1, usize::MAX, None)? {
            Step::Events(mut events) => Ok(events.pop()),
            Step::Late | Step::End => Ok(None),
        }
    }

    /// Notes how far events were acknowledged, if that has moved. A later start tells a journal that was cut by this note.
    ///
    /// # Errors
    /// The disk's.
    fn note_end(&self) -> io::Result<()>;

    /// Writes the events that wait, answers them, and takes no more appends. A second call does nothing.
    fn close(&self);
}

/// Which events of a controller are asked for.
#[derive(Debug, Clone, Copy)]
pub struct PastFilter {
    /// Whose events.
    pub controller: ControllerId,
    /// Only events that came through this integration.
    pub integration: Option<IntegrationId>,
    /// Only this event.
    pub event: Option<EventId>,
}

impl PastFilter {
    /// Tells whether the filter takes an event of this controller, integration and id.
    pub(super) fn takes(&self, controller: ControllerId, integration: IntegrationId, event: EventId) -> bool {
        controller == self.controller
            && self.integration.is_none_or(|id| integration == id)
            && self.event.is_none_or(|id| event == id)
    }
}

/// The result of [`Past::next`].
#[derive(Debug)]
pub enum Step {
    /// Events, newest first; never empty.
    Events(Vec<JournaledEvent>),
    /// The time was up before there was one.
    Late,
    /// There are no more that are still kept.
    End,
}

/// A reading of one controller's past. It shows the events of its beginning, without those that are deleted meanwhile.
pub trait Past: Send {
    /// Returns the next events, newest first: at most `max_events`, and no more once their bodies have `max_bytes`.
    /// Stops at `until`, if given, with the events so far.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] or [`JournalError::Disk`]: the next events cannot be read. Older events are not returned.
    fn next(&mut self, max_events: usize, max_bytes: usize, until: Option<Instant>) -> Result<Step, JournalError>;
}
