//! Metrics: declared here and in `metrics/reports.rs`, each with its help; shown at `/metrics`.
//!
//! Frequent events are counted as they happen ([`Meters`]). The state of the parts is read at each scrape
//! ([`Reports`]). Labels have few values, all known beforehand. No label names a controller, an integration or an
//! address. So a stranger cannot create series, and a scrape reveals nothing about a tenant. All counts are those of
//! this process since its start.

mod measured;
mod reports;

use conduit_actors::event::{OutcomeRecord, StageTimes, Status};
use conduit_actors::ids::Timestamp;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use measured::Measured;
pub use reports::{EdgeReport, Reports};

use crate::journal::JournalMeters;
use crate::store::{Expired, Expiring};

/// The media type of [`Metrics::text`]: the text format of Prometheus.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Seconds from one stage to the next: from a millisecond to the half hour of a large backlog.
const STAGE_SECONDS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0,
];

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// The metrics that are counted as they happen. Clones count together.
#[derive(Clone)]
pub struct Meters {
    refusals: Family<Labels<2>, Counter>,
    outcomes: Family<Labels<1>, Counter>,
    replayed: Family<Labels<1>, Counter>,
    stages: Family<Labels<1>, Histogram, fn() -> Histogram>,
    deleted_rows: Family<Labels<1>, Counter>,
    dropped_partitions: Family<Labels<1>, Counter>,
}

impl Default for Meters {
    fn default() -> Self {
        let meters = Self {
            refusals: Family::default(),
            outcomes: Family::default(),
            replayed: Family::default(),
            stages: Family::new_with_constructor(|| Histogram::new(STAGE_SECONDS)),
            deleted_rows: Family::default(),
            dropped_partitions: Family::default(),
        };
        // A series that is there from the start begins at zero, so that its first step is seen.
        for status in Status::OUTCOMES {
            meters.outcome(status);
            meters.replayed.get_or_create_owned(&[("outcome", status.as_str())]);
        }
        for what in Expiring::ALL {
            meters.expired(what, Expired::default());
        }
        meters
    }
}

impl Meters {
    /// Counts a refused request by its problem code.
    pub fn refused(&self, endpoint: &'static str, code: &'static str) {
        self.refusals
            .get_or_create(&[("endpoint", endpoint), ("code", code)])
            .inc();
    }

    /// Counts rows that were deleted because of their age.
    pub fn expired(&self, what: Expiring, expired: Expired) {
        let labels = [("kind", what.as_str())];
        self.deleted_rows.get_or_create(&labels).inc_by(expired.rows);
        // The others have no partitions.
        if matches!(what, Expiring::Events | Expiring::Activities) {
            self.dropped_partitions
                .get_or_create(&labels)
                .inc_by(expired.partitions);
        }
    }

    fn outcome(&self, status: Status) -> Counter {
        self.outcomes.get_or_create_owned(&[("outcome", status.as_str())])
    }

    /// Counts committed outcomes.
    fn committed(&self, outcomes: &[OutcomeRecord]) {
        let stage = |name| self.stages.get_or_create_owned(&[("stage", name)]);
        let [journaled, extracted, resolved, logged, total] =
            ["journaled", "extracted", "resolved", "logged", "total"].map(stage);
        for record in outcomes {
            let received_at = record.event.id.received_at();
            let StageTimes {
                journaled_at,
                extracted_at,
                resolved_at,
                logged_at,
            } = record.stages;
            journaled.observe(seconds(received_at, journaled_at));
            let mut before = journaled_at;
            for (histogram, at) in [
                (&extracted, extracted_at),
                (&resolved, resolved_at),
                (&logged, Some(logged_at)),
            ] {
                if let Some(at) = at {
                    histogram.observe(seconds(before, at));
                    before = at;
                }
            }
            total.observe(seconds(received_at, logged_at));
        }
        for status in Status::OUTCOMES {
            self.outcome(status).inc_by(count(outcomes, status));
        }
    }

    /// Counts committed outcomes of a replay. Their events are counted among the others by their first outcome.
    fn replayed(&self, outcomes: &[OutcomeRecord]) {
        for status in Status::OUTCOMES {
            let counter = self.replayed.get_or_create_owned(&[("outcome", status.as_str())]);
            counter.inc_by(count(outcomes, status));
        }
    }
}

fn count(outcomes: &[OutcomeRecord], status: Status) -> u64 {
    let same = |record: &&OutcomeRecord| record.outcome.status() == status;
    outcomes.iter().filter(same).count() as u64
}

/// Returns the seconds from one time to another, or 0 if the clock was set back meanwhile.
#[allow(clippy::cast_precision_loss)] // Exact up to 285,000 years.
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.as_millis().saturating_sub(from.as_millis()).max(0) as f64 / 1000.0
}

/// Everything that is shown at `/metrics`.
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// Puts them together.
    #[must_use]
    pub fn new(meters: &Meters, journal: &JournalMeters, reports: Reports) -> Self {
        let mut registry = Registry::with_prefix("conduit");
        registry.register(
            "refusals",
            "Requests refused, by endpoint (event, api, dashboard) and problem code",
            meters.refusals.clone(),
        );
        registry.register("outcomes", "Events committed, by outcome", meters.outcomes.clone());
        registry.register(
            "replayed_events",
            "Rejected and failed events that a replay gave a new outcome, by that outcome",
            meters.replayed.clone(),
        );
        registry.register(
            "stage_seconds",
            "Time from the stage before (journaled: from the receive time); total: from the receive time to the outcome",
            meters.stages.clone(),
        );
        registry.register(
            "journal_sync_seconds",
            "Time to write and sync one commit batch of the journal",
            journal.sync_seconds.clone(),
        );
        registry.register(
            "journal_batch_events",
            "Events in one commit batch of the journal",
            journal.batch_events.clone(),
        );
        registry.register(
            "journal_unreadable",
            "Times that a retained segment of the journal was found damaged",
            journal.unreadable.clone(),
        );
        registry.register(
            "retention_deleted_rows",
            "Rows deleted one by one because of their age, by kind",
            meters.deleted_rows.clone(),
        );
        registry.register(
            "retention_dropped_partitions",
            "Months of rows dropped as a whole because of their age, by kind (PostgreSQL)",
            meters.dropped_partitions.clone(),
        );
        registry.register_collector(Box::new(reports));
        Self { registry }
    }

    /// Returns all metrics as [`MEDIA_TYPE`].
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        match prometheus_text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing to a string does not fail, and every value can be written.
            Err(std::fmt::Error) => String::new(),
        }
    }
}
