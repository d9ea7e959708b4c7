//! The dedup window: who was first.

use std::time::Duration;

use async_trait::async_trait;

use crate::event::DedupKey;
use crate::ids::{ControllerId, EventId};

/// An event's wish to be the first with its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The key that repeats share.
    pub key: DedupKey,
    /// The claiming event, whose id has the receive time.
    pub event: EventId,
    /// How long the claim holds, from its event's receive time. Never zero.
    pub window: Duration,
}

impl Claim {
    /// Returns whether an event falls into this claim's window: received close enough to the claiming event, before or
    /// after it.
    #[must_use]
    pub fn covers(&self, other: EventId) -> bool {
        let (own, other) = (self.event.received_at(), other.received_at());
        u128::from(own.as_millis().abs_diff(other.as_millis())) < self.window.as_millis()
    }
}

/// The answer to a [`Claim`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The claim holds, now or from an earlier run of the same event.
    First,
    /// Another event was first, within its window.
    DuplicateOf(EventId),
}

/// The window cannot answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the dedup window is unavailable: {0}")]
pub struct DedupError(pub String);

/// Dedup windows, measured between *receive* times.
///
/// Invariants: a claim by the event that holds it already is [`Verdict::First`], so that a batch that runs again
/// recognises its own claims. A window is fixed by its first event and not extended by repeats. A claim is kept as long
/// as an event received within its window may still be unprocessed.
#[async_trait]
pub trait DedupWindow: Send + Sync + 'static {
    /// Claims a batch of one controller, in order. One verdict per claim, in the same order.
    ///
    /// # Errors
    /// [`DedupError`]: nothing was decided; the batch may be tried again.
    async fn claim(&self, controller: ControllerId, claims: &[Claim]) -> Result<Vec<Verdict>, DedupError>;

    /// Notes that this controller's stream has processed all events received before `time`. Claims whose window ended
    /// before it may be removed.
    fn advance(&self, controller: ControllerId, time: crate::ids::Timestamp);

    /// Drops a deleted controller's claims.
    fn forget(&self, controller: ControllerId);
}
