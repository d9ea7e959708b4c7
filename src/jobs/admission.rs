//! Keeps admission informed of the journal, and writes its changes to the log.

use std::sync::Arc;
use std::time::Duration;

use conduit_actors::admission::{Admission, Change};
use conduit_actors::shard::Shards;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::journal::NodeJournal;

/// Time between two samples. Senders that wait are called at a sample.
const SAMPLE: Duration = Duration::from_millis(20);
/// Samples between two divisions of the backlog into shares, which go through all controllers behind.
const SAMPLES_PER_SHARING: u32 = 50;

/// Takes samples, for as long as it is polled.
pub(crate) async fn keep(shards: Arc<Shards>, journal: Arc<dyn NodeJournal>) {
    let admission = Arc::clone(shards.admission());
    let mut ticks = interval(SAMPLE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shared = 0;
    loop {
        ticks.tick().await;
        let change = admission.observe(Instant::now(), journal.in_flight(), shards.is_away());
        if admission.is_holding() && (change.is_some() || shared >= SAMPLES_PER_SHARING) {
            admission.share_out(&journal.backlog());
            shared = 0;
        }
        shared += 1;
        if let Some(change) = change {
            log(change, &admission, &*journal);
        }
    }
}

fn log(change: Change, admission: &Admission, journal: &dyn NodeJournal) {
    let report = admission.report();
    let in_flight = journal.in_flight();
    match change {
        Change::Holds => {
            let fullest = report.over_share.first();
            tracing::warn!(
                target: "conduit::supervision",
                in_flight = in_flight.events, in_flight_bytes = in_flight.bytes,
                delay_seconds = report.delay.as_secs(), processed_per_second = report.drained_per_second.round(),
                over_share = report.over_share_count, fullest_controller = fullest.map(|over| over.controller.to_string()),
                "more events arrive than the pipeline processes: from now on, as many are accepted as are processed, and \
                 controllers over their share wait or get 500; if that lasts, add cores or nodes, or limit a controller"
            );
        }
        Change::Opens => tracing::info!(
            target: "conduit::supervision",
            in_flight = in_flight.events, delayed = report.delayed, refused = report.refused,
            "the backlog is short again: every event is accepted at once"
        ),
        Change::OpensForOutage => tracing::warn!(
            target: "conduit::supervision",
            in_flight = in_flight.events,
            "nothing can be processed: events are accepted up to the caps of the journal"
        ),
    }
}
