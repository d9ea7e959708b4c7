//! The second actor: checks the envelope, gives the event its id, and hands it to the journal.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::envelope::Envelope;
use crate::event::AcceptedEvent;
use crate::ids::{EventId, Timestamp};
use crate::ingest::{Receipt, Refusal, Submission};
use crate::ports::{AppendReply, Integration, Journal};
use crate::supervisor::{Stage, Supervised};

/// Checks the body's envelope: JSON, `event`, `triggeredAt`. What the fields mean is the pipeline's matter.
pub type ValidatorActor = Supervised<Validator>;

/// A submission that is authenticated.
#[derive(Debug)]
pub struct ValidateJob {
    /// The submission.
    pub submission: Submission,
    /// Whose credentials it has.
    pub integration: Arc<Integration>,
}

/// Makes event ids that grow from one to the next, even when the clock steps back: a stream's ids grow with
/// its sequence, which is what finding an event in the journal relies on.
#[derive(Debug, Default)]
pub struct EventIds {
    last: u128,
}

impl EventIds {
    /// Continues behind an id that exists already.
    #[must_use]
    pub fn after(last: Option<EventId>) -> Self {
        Self {
            last: last.map_or(0, |id| id.as_uuid().as_u128()),
        }
    }

    /// The next id: a new UUIDv7 or, if that is not greater than the last one, the one after the last.
    pub fn mint(&mut self) -> EventId {
        let fresh = Uuid::now_v7().as_u128();
        self.last = if fresh > self.last { fresh } else { successor(self.last) };
        EventId::from_uuid(Uuid::from_u128(self.last))
    }
}

/// The next greater UUIDv7: counts in the 62 random bits behind the variant, which never run out in practice;
/// a carry goes on into the 12 bits behind the version, and from there into the time.
fn successor(id: u128) -> u128 {
    const TAIL: u128 = (1 << 62) - 1;
    const MIDDLE: u128 = 0xfff << 64;
    const FIXED: u128 = (0x7 << 76) | (0b10 << 62);
    if id & TAIL != TAIL {
        return id + 1;
    }
    if id & MIDDLE != MIDDLE {
        return (id & !TAIL) + (1 << 64);
    }
    ((id >> 80) + 1) << 80 | FIXED
}

/// The actor's state.
pub struct Validator {
    journal: Arc<dyn Journal>,
    ids: Arc<Mutex<EventIds>>,
}

impl Validator {
    /// Hands what is valid to `journal`. The ids outlive the actor's generations.
    #[must_use]
    pub fn new(journal: Arc<dyn Journal>, ids: Arc<Mutex<EventIds>>) -> Self {
        Self { journal, ids }
    }

    /// The event, if its envelope is right.
    ///
    /// # Errors
    /// Everything that the sender can mend, at once.
    pub fn validate(&mut self, job: &ValidateJob) -> Result<AcceptedEvent, Refusal> {
        let body = job.submission.body.as_ref().map_err(|fault| Refusal::Body(*fault))?;
        let envelope = Envelope::parse(body.expose(), Timestamp::now()).map_err(Refusal::Envelope)?;
        Ok(AcceptedEvent {
            id: self.ids.lock().unwrap_or_else(PoisonError::into_inner).mint(),
            controller: job.integration.controller.id,
            integration: job.integration.id,
            event_type: envelope.event_type,
            triggered_at: envelope.triggered_at,
            body: body.clone(),
        })
    }
}

impl Stage for Validator {
    type Job = ValidateJob;
    type Done = ();
    const ACTOR: &'static str = "ValidatorActor";

    async fn handle(&mut self, job: ValidateJob) {
        fail::fail_point!("ValidatorActor");
        match self.validate(&job) {
            Ok(event) => {
                let reply = answer(event.id, job.submission.reply);
                self.journal.append(event, reply);
            }
            Err(refusal) => job.submission.refuse(refusal),
        }
    }
}

/// Turns the journal's answer into the sender's.
fn answer(event: EventId, reply: oneshot::Sender<Result<Receipt, Refusal>>) -> AppendReply {
    AppendReply::new(move |result| {
        let answer = result.map(|_durable| Receipt { event }).map_err(Refusal::Journal);
        // The sender may have hung up: the event is accepted all the same.
        let _ = reply.send(answer);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_even_when_the_clock_stands_still_or_steps_back() {
        let mut ids = EventIds::default();
        let made: Vec<_> = (0..1000).map(|_| ids.mint()).collect();
        assert!(made.is_sorted_by(|a, b| a < b));

        let future = EventId::first_at(Timestamp::from_millis(Timestamp::now().as_millis() + 3_600_000));
        let mut ids = EventIds::after(Some(future));
        let next = ids.mint();
        assert!(next > future && next < ids.mint());
        assert_eq!(next.received_at(), future.received_at());
    }

    #[test]
    fn the_successor_of_the_last_id_of_a_millisecond_is_in_the_next() {
        let last = Uuid::parse_str("0199aaaa-bbbb-7fff-bfff-ffffffffffff")
            .unwrap()
            .as_u128();
        let next = Uuid::from_u128(successor(last));
        assert_eq!(next.to_string(), "0199aaaa-bbbc-7000-8000-000000000000");
        let middle = Uuid::parse_str("0199aaaa-bbbb-7000-bfff-ffffffffffff")
            .unwrap()
            .as_u128();
        assert_eq!(
            Uuid::from_u128(successor(middle)).to_string(),
            "0199aaaa-bbbb-7001-8000-000000000000"
        );
    }
}
