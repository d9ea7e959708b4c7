//! Deletes rows at the end of their retention, a little at a time, as long as the program runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conduit_actors::ids::Timestamp;
use conduit_actors::ports::StoreError;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::{LiveConfig, RetentionConfig};
use crate::dedup::LONGEST_WINDOW_MS;
use crate::journal::NodeJournal;
use crate::metrics::Meters;
use crate::store::{Expired, Expiring, Expiry, Store};

const DAY_MS: i64 = 86_400_000;

/// The rest after a step, as a multiple of its time: the database is the pipeline's for most of the time.
const REST: u32 = 4;

/// The deleted rows of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RetentionDeleted")]
pub struct Deleted {
    /// Rows, one by one.
    pub rows: u64,
    /// Partitions, with all that was in them.
    pub partitions: u64,
}

/// The deleted rows, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RetentionSums")]
pub struct Sums {
    /// Sealed payloads.
    pub payloads: Deleted,
    /// Events and all that became of them.
    pub events: Deleted,
    /// Replays that had ended.
    pub replays: Deleted,
    /// Processing activities.
    pub activities: Deleted,
}

impl Sums {
    fn add(&mut self, what: Expiring, expired: Expired) {
        let deleted = match what {
            Expiring::Payloads => &mut self.payloads,
            Expiring::Events => &mut self.events,
            Expiring::Replays => &mut self.replays,
            Expiring::Activities => &mut self.activities,
        };
        deleted.rows += expired.rows;
        deleted.partitions += expired.partitions;
    }
}

/// How it stands: this node's part, since it was started.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetentionReport {
    /// Whether it is at it.
    pub is_running: bool,
    /// When the last run began; none yet, or another node was at it each time.
    pub last_run_at: Option<Timestamp>,
    /// The deletions of the last run, so far if it goes on.
    pub last_run: Sums,
    /// The deletions of all runs.
    pub total: Sums,
    /// Why the last run ended early.
    pub failure: Option<String>,
}

/// Before when rows are old enough; none: they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    payloads: Option<Timestamp>,
    events: Option<Timestamp>,
    activities: Option<Timestamp>,
}

impl Bounds {
    /// Returns the limits. An event in flight may repeat one that came a window before it. Such an event is kept,
    /// however long the backlog waits.
    fn at(now: Timestamp, config: &RetentionConfig, oldest_in_flight: Option<Timestamp>) -> Self {
        let ago = |days: u32| (days > 0).then(|| Timestamp::from_millis(now.as_millis() - i64::from(days) * DAY_MS));
        let claims = oldest_in_flight.map(|oldest| Timestamp::from_millis(oldest.as_millis() - LONGEST_WINDOW_MS));
        let events = ago(config.event_days).map(|before| claims.map_or(before, |claims| claims.min(before)));
        Self {
            payloads: ago(config.rejected_payload_days).max(events),
            events,
            activities: ago(config.activity_days),
        }
    }

    /// Returns the limit of a kind. A replay is kept as long as the events whose history names it, which are older.
    const fn of(&self, what: Expiring) -> Option<Timestamp> {
        match what {
            Expiring::Payloads => self.payloads,
            Expiring::Events | Expiring::Replays => self.events,
            Expiring::Activities => self.activities,
        }
    }
}

/// See the module's docs.
pub struct RowRetention {
    store: Arc<dyn Store>,
    journal: Arc<dyn NodeJournal>,
    config: LiveConfig,
    meters: Meters,
    report: Mutex<RetentionReport>,
}

impl RowRetention {
    /// Creates the task, which follows the configuration. Nothing is deleted before [`Self::keep`].
    #[must_use]
    pub fn new(store: Arc<dyn Store>, journal: Arc<dyn NodeJournal>, config: LiveConfig, meters: Meters) -> Self {
        Self {
            store,
            journal,
            config,
            meters,
            report: Mutex::default(),
        }
    }

    /// Returns the report.
    #[must_use]
    pub fn report(&self) -> RetentionReport {
        self.report.lock().clone()
    }

    /// Looks for old rows now, after each change of the retention, and again and again, for as long as it is polled. It
    /// may be dropped at any moment.
    pub async fn keep(&self) {
        loop {
            let before = self.config.get();
            if let Err(error) = self.run(Timestamp::now()).await {
                tracing::warn!(target: "conduit::supervision", %error, "old rows cannot be deleted at the moment: they will be at one of the next looks");
                self.report.lock().failure = Some(error.to_string());
            }
            self.report.lock().is_running = false;
            let check = Duration::from_secs(self.config.get().retention.check_seconds);
            let changed = self.config.wait_for(|now| now.retention != before.retention);
            // A change and the time mean the same: to look again.
            let _ = tokio::time::timeout(check, changed).await;
        }
    }

    async fn run(&self, now: Timestamp) -> Result<(), StoreError> {
        let bounds = Bounds::at(now, &self.config.get().retention, self.journal.oldest_in_flight());
        let Some(mut expiry) = self.store.begin_expiry().await? else {
            return Ok(());
        };
        self.begin(now);
        let expired = self.expire_all(&mut *expiry, &bounds).await;
        expiry.end().await;
        expired?;
        let sums = self.report.lock().last_run;
        if sums != Sums::default() {
            tracing::info!(
                payloads = sums.payloads.rows,
                events = sums.events.rows,
                replays = sums.replays.rows,
                activities = sums.activities.rows,
                partitions = sums.events.partitions + sums.activities.partitions,
                "old rows were deleted"
            );
        }
        Ok(())
    }

    async fn expire_all(&self, expiry: &mut dyn Expiry, bounds: &Bounds) -> Result<(), StoreError> {
        for what in Expiring::ALL {
            if let Some(before) = bounds.of(what) {
                self.expire(expiry, what, before).await?;
            }
        }
        Ok(())
    }

    fn begin(&self, now: Timestamp) {
        let mut report = self.report.lock();
        report.is_running = true;
        report.last_run_at = Some(now);
        report.last_run = Sums::default();
        report.failure = None;
    }

    async fn expire(&self, expiry: &mut dyn Expiry, what: Expiring, before: Timestamp) -> Result<(), StoreError> {
        loop {
            let began = Instant::now();
            let rows = self.config.get().retention.batch_rows;
            let expired = expiry.step(what, before, rows).await?;
            self.meters.expired(what, expired);
            {
                let mut report = self.report.lock();
                report.last_run.add(what, expired);
                report.total.add(what, expired);
            }
            if expired.is_done {
                return Ok(());
            }
            let pause = Duration::from_millis(self.config.get().retention.pause_ms);
            let rest = pause.max(began.elapsed() * REST);
            tokio::time::sleep(rest).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000 * DAY_MS;

    fn bounds(payload: u32, event: u32, activity: u32, oldest_in_flight: Option<i64>) -> [Option<i64>; 4] {
        let config = RetentionConfig::with_days(payload, event, activity);
        let oldest = oldest_in_flight.map(|days| Timestamp::from_millis(NOW - days * DAY_MS));
        let bounds = Bounds::at(Timestamp::from_millis(NOW), &config, oldest);
        // In days before now.
        Expiring::ALL.map(|what| bounds.of(what).map(|before| (NOW - before.as_millis()) / DAY_MS))
    }

    #[test]
    fn each_kind_has_its_own_age_and_0_is_for_ever() {
        assert_eq!(
            bounds(30, 400, 4_000, None),
            [Some(30), Some(400), Some(400), Some(4_000)]
        );
        assert_eq!(bounds(0, 0, 0, None), [None; 4]);
        assert_eq!(bounds(30, 0, 0, None), [Some(30), None, None, None]);
        // No payload outlives its event.
        assert_eq!(bounds(0, 400, 0, None), [Some(400), Some(400), Some(400), None]);
        assert_eq!(bounds(500, 400, 0, None), [Some(400), Some(400), Some(400), None]);
    }

    #[test]
    fn what_an_event_in_flight_may_repeat_is_kept() {
        assert_eq!(bounds(30, 2, 0, Some(0)), [Some(2), Some(2), Some(2), None]);
        assert_eq!(bounds(30, 2, 0, Some(7)), [Some(8), Some(8), Some(8), None]);
        assert_eq!(bounds(3, 2, 0, Some(7)), [Some(3), Some(8), Some(8), None]);
    }
}
