//! A request to the event endpoint, on its way from the edge to the journal and back.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::envelope::EnvelopeFault;
use crate::ids::{ControllerDid, EventId, ProcessorId};
use crate::limits::{Exceeded, Permit};
use crate::personal::{Personal, Secret};
use crate::ports::{Integration, JournalError};
use crate::receipt::Attested;

/// The head of a well-formed request: who asks to be let in. Its query and headers are in order.
#[derive(Debug)]
pub struct Head {
    /// The query's `did`.
    pub did: ControllerDid,
    /// The query's `dpid`.
    pub processor: ProcessorId,
    /// From `Authorization: Bearer …`.
    pub api_key: Secret,
    /// From `x-webhook-secret`.
    pub webhook_secret: Secret,
    /// Where it comes from: an address, or the network that counts as one.
    pub client: Personal<IpAddr>,
}

/// The data behind the head. The body is not parsed yet.
#[derive(Debug)]
pub struct Parcel {
    /// The body, or the reason why it is missing. Only authenticated senders learn that reason.
    pub body: Result<Personal<Bytes>, BodyFault>,
    /// Whether the answer is to carry a signed receipt.
    pub signed: bool,
    /// Whom to tell once the event is durable, before the pipeline can see it.
    pub on_durable: Option<OnDurable>,
    /// Where the answer goes. If it is dropped unanswered, the event is not known to be accepted.
    pub reply: oneshot::Sender<Result<Receipt, Refusal>>,
}

/// A request: its head, and the next step after authentication.
#[derive(Debug)]
pub struct Submission {
    /// The head of the request.
    pub head: Head,
    /// The next step for an authenticated sender.
    pub then: Then,
}

/// The next step for an authenticated sender.
#[derive(Debug)]
pub enum Then {
    /// The body is here: it goes on.
    Validate(Parcel),
    /// The body is not here yet: the sender hears that it may send it.
    Read(oneshot::Sender<Result<Admitted, Refusal>>),
}

/// A sender who has been let in, and whose event counts towards the controller's limits until this is dropped.
#[derive(Debug)]
pub struct Admitted {
    /// Whose credentials it has.
    pub integration: Arc<Integration>,
    /// Counts it as under way, for a controller whose backlog is limited.
    pub permit: Option<Permit>,
}

/// Called on the journal's thread: must be quick.
pub struct OnDurable(pub Box<dyn FnOnce(EventId) + Send>);

impl std::fmt::Debug for OnDurable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnDurable")
    }
}

impl Parcel {
    /// Answers with a refusal.
    pub fn refuse(self, refusal: Refusal) {
        // The sender may have hung up: then there is no reader.
        let _ = self.reply.send(Err(refusal));
    }
}

impl Then {
    /// Answers with a refusal.
    pub fn refuse(self, refusal: Refusal) {
        match self {
            Self::Validate(parcel) => parcel.refuse(refusal),
            // As above.
            Self::Read(reply) => drop(reply.send(Err(refusal))),
        }
    }
}

/// Why a body did not arrive as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// Longer than the limit.
    TooLarge,
    /// Not all there in time.
    TimedOut,
    /// The connection ended before the body did.
    Incomplete,
    /// It is not framed as it should be.
    Malformed,
    /// Compressed, or otherwise encoded.
    Encoded,
}

/// The event is on stable storage.
#[derive(Debug, Clone)]
#[must_use]
pub struct Receipt {
    /// Its id, which carries the receive time.
    pub event: EventId,
    /// The signed statement of it, if one was asked for.
    pub attested: Option<Attested>,
}

/// The event was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The credentials are not right; the cause is for the operator's log alone.
    Unauthorized(AuthFailure),
    /// Whether the credentials are right cannot be told: a revocation would not have been heard of.
    CredentialsUnconfirmed,
    /// The controller sends more than it may.
    Exceeded(Exceeded),
    /// The body did not arrive as it should.
    Body(BodyFault),
    /// The envelope is not right.
    Envelope(EnvelopeFault),
    /// More arrives than the pipeline processes, and this controller has its share of the backlog already.
    Overload {
        /// Seconds after which to send it again.
        retry_after: u64,
    },
    /// Too many requests wait for an actor already.
    Overloaded,
    /// An actor was torn down with the request: nothing was accepted, or it is not known.
    Interrupted,
    /// The journal did not take it.
    Journal(JournalError),
}

/// The fault of the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthFailure {
    /// No integration has this DID and processor.
    #[error("unknown did or dpid")]
    UnknownIntegration,
    /// The integration has another API key.
    #[error("wrong or expired API key")]
    WrongApiKey,
    /// The controller has another webhook secret.
    #[error("wrong or expired webhook secret")]
    WrongWebhookSecret,
}
