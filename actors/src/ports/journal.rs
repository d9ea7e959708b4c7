//! The journal: where an event is made durable before its sender is answered.

use tokio::sync::oneshot;

use crate::event::{JournaledEvent, ValidEvent};
use crate::ids::{ControllerId, EventId, Sequence, Timestamp};
use crate::receipt::Attested;

/// The answer to an append: sent once the event is on stable storage, or was refused.
pub struct AppendReply(Box<dyn FnOnce(Result<Durable, JournalError>) + Send>);

impl AppendReply {
    /// Creates an answer that calls `answer` on the journal's thread. The function must be quick.
    pub fn new(answer: impl FnOnce(Result<Durable, JournalError>) + Send + 'static) -> Self {
        Self(Box::new(answer))
    }

    /// Sends the answer.
    pub fn send(self, result: Result<Durable, JournalError>) {
        (self.0)(result);
    }
}

impl From<oneshot::Sender<Result<Durable, JournalError>>> for AppendReply {
    fn from(sender: oneshot::Sender<Result<Durable, JournalError>>) -> Self {
        // The caller may have gone: then the answer has no reader.
        Self::new(move |result| drop(sender.send(result)))
    }
}

/// Proof that an event is on stable storage.
#[derive(Debug, Clone)]
#[must_use]
pub struct Durable {
    /// Its id, which carries the receive time. Ids grow with the sequence within a stream.
    pub event: EventId,
    /// Its place in the controller's stream.
    pub sequence: Sequence,
    /// When its commit batch was written.
    pub journaled_at: Timestamp,
    /// The signed statement of it, if the event was to have one.
    pub attested: Option<Attested>,
}

/// Why an event could not be made durable, or read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The size cap of the whole journal, or of this controller's stream, is reached: the pipeline is behind.
    #[error("the journal is full ({scope}): the pipeline is behind, or the cap too low")]
    Full {
        /// `"total"` or `"controller"`.
        scope: &'static str,
    },
    /// More events wait for the writer than the configuration allows.
    #[error("too many events wait for the journal's writer")]
    Busy,
    /// The disk refused: full, read-only, broken. Earlier records are untouched.
    #[error("the journal's disk refused the write: {0}")]
    Disk(String),
    /// A durable record does not read back unchanged.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
    /// The journal is closed or closing.
    #[error("the journal is closed")]
    Closed,
}

/// Where a controller's stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamPosition {
    /// Everything up to here is released: its effects are committed.
    pub released: Sequence,
    /// The last event that is durable. `last - released` events are in flight.
    pub last: Sequence,
}

/// Hears of new backlog. Called on the journal's thread once per controller and commit batch, after
/// the batch is durable: must be quick and must not call the journal.
pub trait BacklogListener: Send + Sync + 'static {
    /// Notes that a controller's stream now reaches `last`.
    fn appended(&self, controller: ControllerId, last: Sequence);
}

/// One durable log for all shards, with a stream and a checkpoint per controller.
///
/// Invariants: a stream's sequences count from 1 without gaps. `read` returns the appended events, in order. A crash at
/// any instruction loses no acknowledged event.
pub trait Journal: Send + Sync + 'static {
    /// Queues an event for the next commit batch; never blocks. `reply` hears when it is durable, or
    /// why not. A reply that is dropped unanswered means: not accepted, or not known to be.
    fn append(&self, event: ValidEvent, reply: AppendReply);

    /// Reads a controller's stream from behind `after`: at most `max_events`, and no more than about
    /// `max_bytes` of bodies, but at least one event if there is one.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] or [`JournalError::Disk`].
    fn read(
        &self,
        controller: ControllerId,
        after: Sequence,
        max_events: usize,
        max_bytes: usize,
    ) -> Result<Vec<JournaledEvent>, JournalError>;

    /// Finds one event that is still in flight. Ids grow with the sequence within a stream.
    ///
    /// # Errors
    /// As [`Journal::read`].
    fn find(&self, controller: ControllerId, event: EventId) -> Result<Option<JournaledEvent>, JournalError>;

    /// Returns the newest events in flight with an id below `before`, newest first.
    ///
    /// # Errors
    /// As [`Journal::read`].
    fn newest(
        &self,
        controller: ControllerId,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<JournaledEvent>, JournalError>;

    /// Releases a stream up to a checkpoint that is committed; space is reclaimed behind all streams' checkpoints.
    fn release(&self, controller: ControllerId, through: Sequence);

    /// Drops a deleted controller's stream.
    fn forget(&self, controller: ControllerId);

    /// Returns the position of a stream, or zero for a stream without events.
    fn position(&self, controller: ControllerId) -> StreamPosition;

    /// Returns the controllers with events in flight.
    fn backlog(&self) -> Vec<(ControllerId, StreamPosition)>;
}
