//! Admission, as the operator sees it: whether events are accepted at once, and who is over their share.

use conduit_actors::ids::{ControllerDid, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Error, Principal, Services};

/// Whether events are accepted at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AdmissionState")]
pub(crate) enum State {
    /// Every event is accepted at once.
    Open,
    /// As many events are accepted as are processed.
    Holding,
    /// Nothing can be processed: events are accepted up to the caps of the journal.
    Outage,
}

/// A controller with more than its share of the backlog.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ControllerOverShare")]
pub(crate) struct OverShare {
    /// Its DID.
    pub(crate) did: ControllerDid,
    /// Its events in flight.
    pub(crate) in_flight: u64,
    /// Since when it is over its share.
    pub(crate) since: Timestamp,
}

/// The admission of events at this node.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Admission {
    /// Whether events are accepted at once.
    pub(crate) state: State,
    /// Since when as many events are accepted as are processed; null while the state is another.
    pub(crate) holding_since: Option<Timestamp>,
    /// Seconds that the pipeline needs for the events in flight.
    pub(crate) backlog_seconds: u64,
    /// The target of these: `admission.backlog_seconds`.
    pub(crate) max_backlog_seconds: u64,
    /// Bytes of the events in flight that are the other target: `admission.backlog_bytes`.
    pub(crate) max_backlog_bytes: u64,
    /// Events that are processed in a second, as an average over some seconds.
    pub(crate) processed_per_second: u64,
    /// Events in flight of one controller that are accepted at once while the state is `holding`; null otherwise.
    pub(crate) share: Option<u64>,
    /// Senders that wait for their turn.
    pub(crate) waiting: usize,
    /// Events whose senders had to wait, since the start.
    pub(crate) delayed: u64,
    /// Events that were refused after their wait, since the start.
    pub(crate) refused: u64,
    /// The controllers over their share, those with most events in flight first; at most 20.
    pub(crate) over_share: Vec<OverShare>,
}

/// Returns the admission of events at this node.
///
/// # Errors
/// [`Error::Forbidden`] to all but the operator.
pub(crate) fn admission(principal: &Principal, services: &Services) -> Result<Admission, Error> {
    principal.operator()?;
    let report = services.shards.admission().report();
    let over_share = report.over_share.iter().filter_map(|over| {
        Some(OverShare {
            did: services.directory.did(over.controller)?,
            in_flight: over.in_flight,
            since: over.since,
        })
    });
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate of events"
    )]
    let processed_per_second = report.drained_per_second.round() as u64;
    Ok(Admission {
        state: match report.holding_since {
            Some(_) => State::Holding,
            None if report.is_outage => State::Outage,
            None => State::Open,
        },
        holding_since: report.holding_since,
        backlog_seconds: report.delay.as_secs().min(u64::from(u32::MAX)),
        max_backlog_seconds: report.options.max_delay.as_secs(),
        max_backlog_bytes: report.options.max_bytes,
        processed_per_second,
        share: report.holding_since.map(|_| report.share),
        waiting: report.waiting,
        delayed: report.delayed,
        refused: report.refused,
        over_share: over_share.collect(),
    })
}
