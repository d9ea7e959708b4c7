//! Counts of outcomes over time, updated by each commit, by the minute and by the hour of the receipt.
//!
//! The events of a batch were received within a minute or two. So a batch of any length adds as many rows for each of
//! its controllers. Minutes are kept for hours, hours for days: a chart reads a few thousand rows at most.

use std::collections::BTreeMap;

use async_trait::async_trait;
use conduit_actors::event::{OutcomeRecord, Status};
use conduit_actors::ids::{ControllerId, EventId, Timestamp};
use conduit_actors::per_outcome::PerOutcome;
use conduit_actors::ports::StoreError;

/// The unit of time of the counts.
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

    /// Returns its length in milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
        }
    }

    /// Returns for how many milliseconds its rows are kept.
    #[must_use]
    pub const fn kept_millis(self) -> i64 {
        match self {
            Self::Minute => 3 * 3_600_000,
            Self::Hour => 8 * 86_400_000,
        }
    }

    /// Returns the minute or hour that contains a moment.
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
    /// How many events ended in each outcome.
    pub counts: PerOutcome<u64>,
}

/// Reads the history, and keeps it short.
#[async_trait]
pub trait History: Send + Sync {
    /// Returns the counts from the unit that contains `from` on, oldest first, without empty units.
    async fn outcome_history(
        &self,
        controller: Option<ControllerId>,
        resolution: Resolution,
        from: Timestamp,
    ) -> Result<Vec<HistoryRow>, StoreError>;

    /// Removes rows at the end of their retention.
    async fn prune_history(&self, now: Timestamp) -> Result<(), StoreError>;
}

/// A row's key: a controller, a resolution, and where it begins.
pub(super) type Key = (ControllerId, Resolution, Timestamp);

/// Returns the counts that a batch adds for each outcome. They are in the order of their keys, so that no two batches
/// lock them crosswise.
pub(super) fn of_batch(outcomes: &[OutcomeRecord]) -> BTreeMap<Key, PerOutcome<i64>> {
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

/// Returns the counts that a batch of a replay changes. Its events had these statuses before. Deleted units are not
/// counted again.
pub(super) fn of_replay(
    outcomes: &[OutcomeRecord],
    before: &[(EventId, Status)],
    now: Timestamp,
) -> BTreeMap<Key, PerOutcome<i64>> {
    let mut changed = of_batch(outcomes);
    if let Some(first) = outcomes.first() {
        for (event, status) in before {
            count(&mut changed, first.event.controller, *event, *status, -1);
        }
    }
    changed.retain(|(_, resolution, start), _| start.as_millis() >= now.as_millis() - resolution.kept_millis());
    changed
}

fn count(
    counts: &mut BTreeMap<Key, PerOutcome<i64>>,
    controller: ControllerId,
    event: EventId,
    status: Status,
    by: i64,
) {
    for resolution in Resolution::ALL {
        let start = resolution.start_of(event.received_at());
        let counts = counts.entry((controller, resolution, start)).or_default();
        if let Some(count) = counts.get_mut(status) {
            *count += by;
        }
    }
}
