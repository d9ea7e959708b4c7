//! The second actor: checks the envelope, and hands the event to the journal.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::envelope::Envelope;
use crate::event::ValidEvent;
use crate::ids::Timestamp;
use crate::ingest::{Admitted, OnDurable, Parcel, Receipt, Refusal};
use crate::limits::Permit;
use crate::ports::{AppendReply, Journal};
use crate::receipt::Draft;
use crate::supervisor::{Stage, Supervised};

/// Checks the body's envelope: JSON, `event`, `triggeredAt`. The pipeline reads the other fields.
pub type ValidatorActor = Supervised<Validator>;

/// The request of an authenticated sender.
#[derive(Debug)]
pub struct ValidateJob {
    /// The body, and where the answer goes.
    pub parcel: Parcel,
    /// The authenticated sender.
    pub admitted: Admitted,
}

/// The actor's state.
pub struct Validator {
    journal: Arc<dyn Journal>,
}

impl Validator {
    /// Creates the stage, which passes valid events to `journal`.
    #[must_use]
    pub fn new(journal: Arc<dyn Journal>) -> Self {
        Self { journal }
    }

    /// Returns the event if its envelope is valid.
    ///
    /// # Errors
    /// All faults that the sender can fix, at once.
    pub fn validate(&self, job: &ValidateJob) -> Result<ValidEvent, Refusal> {
        let body = job.parcel.body.as_ref().map_err(|fault| Refusal::Body(*fault))?;
        let envelope = Envelope::parse(body.expose(), Timestamp::now()).map_err(Refusal::Envelope)?;
        let integration = &job.admitted.integration;
        let (did, processor) = (&integration.controller.did, &integration.processor);
        let draft = || Draft::new(did, processor, integration.version, body.expose());
        Ok(ValidEvent {
            controller: integration.controller.id,
            integration: integration.id,
            event_type: envelope.event_type,
            triggered_at: envelope.triggered_at,
            body: body.clone(),
            receipt: job.parcel.signed.then(draft),
        })
    }
}

impl Stage for Validator {
    type Job = ValidateJob;
    type Output = ();
    const ACTOR: &'static str = "ValidatorActor";

    async fn handle(&mut self, job: ValidateJob) {
        crate::fail_point!("ValidatorActor");
        match self.validate(&job) {
            Ok(event) => {
                let Parcel { reply, on_durable, .. } = job.parcel;
                self.journal
                    .append(event, answer(reply, job.admitted.permit, on_durable));
            }
            Err(refusal) => job.parcel.refuse(refusal),
        }
    }
}

/// Turns the journal's answer into the sender's.
fn answer(
    reply: oneshot::Sender<Result<Receipt, Refusal>>,
    permit: Option<Permit>,
    on_durable: Option<OnDurable>,
) -> AppendReply {
    AppendReply::new(move |result| {
        // It is in the journal's count by now, or nowhere.
        drop(permit);
        if let (Some(OnDurable(tell)), Ok(durable)) = (on_durable, &result) {
            tell(durable.event);
        }
        let answer = result
            .map(|durable| Receipt {
                event: durable.event,
                attested: durable.attested,
            })
            .map_err(Refusal::Journal);
        // The sender may have hung up: the event is accepted all the same.
        let _ = reply.send(answer);
    })
}
