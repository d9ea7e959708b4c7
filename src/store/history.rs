//! How many events ended how, over time: counted with each commit, by the minute and by the hour of their receipt.
//!
//! A batch's events were received within a minute or two, so it adds as many rows for each of its controllers, whatever
//! its length. Minutes are kept for hours, hours for days: what a chart shows is read in a few thousand rows at the most.

use std::collections::BTreeMap;

use async_trait::async_trait;
use conduit_actors::event::{OutcomeRecord, Status};
use conduit_actors::ids::{ControllerId, EventId, Timestamp};
use conduit_actors::ports::StoreError;

use super::values;

/// What the history is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolution {
    /// Kept for three hours.
    Minute,
    /// Kept for eight days.
    Hour,
}

impl Resolution {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Minute, Self::Hour];

    /// Its length.
    #[must_use]
    pub const fn millis(self) -> i64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
        }
    }

    /// How long its rows are kept, in milliseconds.
    #[must_use]
    pub const fn kept_millis(self) -> i64 {
        match self {
            Self::Minute => 3 * 3_600_000,
            Self::Hour => 8 * 86_400_000,
        }
    }

    /// The minute or hour that a moment lies in.
    #[must_use]
    pub const fn start_of(self, time: Timestamp) -> Timestamp {
        Timestamp::from_millis(time.as_millis().div_euclid(self.millis()) * self.millis())
    }
}

/// The events received in one minute or hour, by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryRow {
    /// Its first moment.
    pub starts_at: Timestamp,
    /// Processed, duplicate, rejected, failed.
    pub counts: [u64; 4],
}

/// Reads the history, and keeps it short.
#[async_trait]
pub trait History: Send + Sync {
    /// What was received from the one that holds `from` on, oldest first; minutes or hours without events are left out.
    async fn outcome_history(
        &self,
        controller: Option<ControllerId>,
        resolution: Resolution,
        from: Timestamp,
    ) -> Result<Vec<HistoryRow>, StoreError>;

    /// Removes what is older than it is kept.
    async fn prune_history(&self, now: Timestamp) -> Result<(), StoreError>;
}

/// A row's key: a controller, a resolution, and where it begins.
pub(super) type Key = (ControllerId, Resolution, Timestamp);

/// What a batch adds: a count for each outcome. In the order of their keys, so that no two batches lock them crosswise.
pub(super) fn of_batch(outcomes: &[OutcomeRecord]) -> BTreeMap<Key, [i64; 4]> {
    let mut added = BTreeMap::new();
    for record in outcomes {
        count(
            &mut added,
            record.event.controller,
            record.event.id,
            record.outcome.status(),
            1,
        );
    }
    added
}

/// What a batch of a replay changes, whose events had these statuses before. What is not kept any more is not counted anew.
pub(super) fn of_replay(
    outcomes: &[OutcomeRecord],
    before: &[(EventId, Status)],
    now: Timestamp,
) -> BTreeMap<Key, [i64; 4]> {
    let mut changed = of_batch(outcomes);
    if let Some(first) = outcomes.first() {
        for (event, status) in before {
            count(&mut changed, first.event.controller, *event, *status, -1);
        }
    }
    changed.retain(|(_, resolution, start), _| start.as_millis() >= now.as_millis() - resolution.kept_millis());
    changed
}

fn count(counts: &mut BTreeMap<Key, [i64; 4]>, controller: ControllerId, event: EventId, status: Status, by: i64) {
    let Some(place) = values::counted_as(status) else {
        return;
    };
    for resolution in Resolution::ALL {
        let start = resolution.start_of(event.received_at());
        counts.entry((controller, resolution, start)).or_default()[place] += by;
    }
}
